"""A trained network as a model folder."""
