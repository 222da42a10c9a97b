"""Results folders of nnU-Net v2 as models: its networks, weights, preprocessing and windows, without nnU-Net."""
