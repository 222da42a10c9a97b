"""The networks, and their weights as bytes."""
