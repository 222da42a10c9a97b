"""Data sets as they lie on disk: one adapter a layout, splits by patient, a first inspection."""
