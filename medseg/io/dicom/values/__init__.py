"""What stored DICOM values stand for: rescaling, lookup tables, windows, padding, SUV, the radiograph's own rules."""
