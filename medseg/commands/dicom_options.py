"""Options about DICOM objects that results are written as."""

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["Codes", "SegKind", "SegSegments", "Write"]

Write = Annotated[
    str | None,
    typer.Option(
        "--write",
        metavar="OBJECTS",
        help="Also write DICOM objects over the images, such as seg,sr: seg (segmentation), sr (measurements), "
        "rtstruct (contours), capture (pictures in colour). They carry the patient's identity; see docs/dicom.md.",
    ),
]
Codes = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="YAML of what labels mean in DICOM's codes, by their names, where neither the model nor medseg's table "
        "says it: `lesion: liver tumor`, or category, type and region in full.",
    ),
]
SegKind = Annotated[
    Literal["BINARY", "FRACTIONAL", "LABELMAP"],
    typer.Option("--seg", help="Kind of DICOM SEG; FRACTIONAL needs --probabilities, few programs read LABELMAP."),
]
SegSegments = Annotated[
    Literal["label", "region"] | None,
    typer.Option(help="A segment for each label, or for each region of the table, as where an SR is written, too."),
]
