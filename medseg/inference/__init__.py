"""From an image to a segmentation."""
