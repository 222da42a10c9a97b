"""Public data sets by the layout in which they are published, one module each: `recognises` and `read`."""
