"""Results as DICOM objects: SEG, SR, RTSTRUCT and colour pictures that refer to the images they were made from."""
