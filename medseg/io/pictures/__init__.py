"""Rasters: PNG, JPEG, TIFF, BMP, PGM as images and as label maps."""
