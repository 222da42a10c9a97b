"""From an image to what the network sees, and back: preprocessing, patches, augmentation."""
