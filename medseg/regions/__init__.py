"""Connected components of a mask and their measurements."""
