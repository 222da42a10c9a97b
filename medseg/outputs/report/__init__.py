"""The report of a folder of predictions: pages that open from disk, and that ask for nothing over the network."""
