"""DICOM: a tree is scanned, its files become series and volumes, and each is read or refused with a reason."""
