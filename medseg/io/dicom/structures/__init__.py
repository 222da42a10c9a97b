"""DICOM SEG and RTSTRUCT as named labels, placed by geometry."""
