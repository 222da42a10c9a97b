"""Generated studies with lesions of known volume."""
