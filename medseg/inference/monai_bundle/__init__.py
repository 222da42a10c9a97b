"""A MONAI bundle of others as a `Segmenter`: its own preparation, windows and postprocessing, our outputs."""
