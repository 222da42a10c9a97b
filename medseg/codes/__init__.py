"""Coded concepts: what labels mean in DICOM's words, and a table of common structures."""

from medseg.codes.coding import SIDES, Code, Coding
from medseg.codes.lookup import coding_of
from medseg.codes.table import STRUCTURES, Structure

__all__ = ["SIDES", "STRUCTURES", "Code", "Coding", "Structure", "coding_of"]
