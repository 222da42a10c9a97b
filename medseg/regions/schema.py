"""What a column of the region table is, and the sources that define its columns: `families` has all of them.

The columns are the same for 2D and 3D, so that tables can be put together; a column that does not apply is empty.
Where the spacing is unknown the columns in mm are empty and those in px are filled; where it is known, the reverse.
"""

from dataclasses import dataclass

__all__ = ["IBSI", "PLANE", "RECIST", "WHAT", "WHO", "Column"]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Args:
        name: As in the header; the unit is part of it.
        unit: Of its values, empty for counts, names and yes/no.
        dtype: pandas' name of its type; nullable where the column can be empty.
        meaning: One sentence.
        source: The standard or paper that defines it, where there is one.
    """

    name: str
    unit: str
    dtype: str
    meaning: str
    source: str = ""


IBSI = "IBSI reference manual (Zwanenburg 2016, arXiv:1612.07003)"
RECIST = "RECIST 1.1 (Eisenhauer 2009, doi:10.1016/j.ejca.2008.10.026)"
WHO = "WHO criteria (Miller 1981, doi:10.1002/1097-0142(19810101)47:1<207::AID-CNCR2820470134>3.0.CO;2-6)"
PLANE = (
    "in the acquisition plane (across the axis whose spacing is unlike that of the others, axial where all are alike; "
    "the picture itself in 2D)"
)

WHAT = (
    Column("case", "", "str", "Id of the case."),
    Column("label", "", "str", "Name of the label."),
    Column("region", "", "int64", "Number of the region within its case and label: 1 is the largest."),
    Column("voxels", "", "int64", "Voxels (pixels in 2D) of the region."),
)
