"""Scores of a mask against a reference, on the native grid."""
