"""The networks, in a dict of functions."""
