"""Options that several commands share, what becomes of their words, and how results are shown."""

import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from medseg.datasets import CaseTable
    from medseg.labels import Labels
    from medseg.options import ReadOptions
    from medseg.outputs.progress import RichReporter

__all__ = [
    "SHOWN_REGIONS",
    "DatasetPath",
    "Frame",
    "Json",
    "Label",
    "Layout",
    "OutFolder",
    "Reading",
    "Table",
    "Trusted",
    "Untilt",
    "bars",
    "case_table_of_words",
    "labels_of_words",
    "reading_changes",
    "reading_options",
    "show",
    "show_failures",
]

Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output instead of tables.")]
Label = Annotated[
    list[str] | None,
    typer.Option("--label", help="What a value means, as name=value; repeat it. `ignore=127` leaves voxels out."),
]
Reading = Annotated[
    list[str] | None,
    typer.Option(
        "--reading",
        metavar="KEY=VALUE",
        help="How files become images: untilt, window, resample_channels, across_frames, nearest_label (true or "
        "false), pet (suv or stored), reference (channel), consensus (of several readers: majority, staple or a name). "
        "Repeat it.",
    ),
]
Frame = Annotated[int | None, typer.Option(min=0, help="Which volume of files with four axes, from 0.")]
Untilt = Annotated[bool, typer.Option("--untilt", help="Resample CT with gantry tilt onto an orthogonal grid.")]
Trusted = Annotated[
    bool,
    typer.Option(
        "--trusted",
        "--trust",
        help="You trust who made the model: code of theirs runs, which is its network (package.module:factory) or the "
        "config of a MONAI bundle.",
    ),
]
OutFolder = Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")]
DatasetPath = Annotated[Path, typer.Argument(help="Folder of a data set, its manifest, or an HDF5 file.")]
# Written out, because looking them up would load every reader before the help is shown.
Layout = Annotated[
    str | None,
    typer.Option(
        help="Layout of the data set: msd, nnunet, bids, paired, beside, manifest, hdf5, dicom, coco, mini_mias, "
        "inbreast, cdd_cesm, busi, cbis_ddsm, montgomery, shenzhen, jsrt or covid_cxr; recognised where left out."
    ),
]
Table = Annotated[
    list[str] | None,
    typer.Option(
        "--case-table",
        metavar="KEY=VALUE",
        help="The CSV that describes the cases: file=cases.csv, and the columns id, patient, split, spacing_mm. "
        "Repeat it.",
    ),
]

SHOWN_REGIONS = [
    "case", "label", "region", "voxels", "volume_ml", "area_mm2", "area_px",
    "longest_axial_mm", "perpendicular_mm", "longest_3d_mm", "longest_axial_px",
]  # fmt: skip


@contextmanager
def bars() -> "Iterator[RichReporter]":
    """A reporter that draws progress bars in the terminal; what SIGTERM ends has exit code 143."""
    from medseg.line.interrupts import Terminated
    from medseg.outputs.progress import RichReporter

    with RichReporter() as reporter:
        try:
            yield reporter
        except Terminated:
            raise typer.Exit(128 + signal.SIGTERM) from None


def reading_changes(words: list[str] | None, frame: int | None, untilt: bool) -> dict[str, Any]:
    """What `--reading`, `--frame` and `--untilt` change in `ReadOptions`."""
    from medseg.config import apply_overrides

    changes = apply_overrides({}, words or [])
    return changes | ({} if frame is None else {"frame": frame}) | ({"untilt": True} if untilt else {})


def reading_options(words: list[str] | None, frame: int | None, untilt: bool) -> "ReadOptions":
    """`ReadOptions` of those words."""
    from medseg.config import check
    from medseg.options import ReadOptions

    return check(ReadOptions, reading_changes(words, frame, untilt), "--reading")


def case_table_of_words(words: list[str] | None) -> "CaseTable | None":
    """The `CaseTable` of `--case-table`, where it was given."""
    if not words:
        return None
    from medseg.config import apply_overrides, check
    from medseg.datasets import CaseTable

    return check(CaseTable, apply_overrides({}, words), "--case-table")


def labels_of_words(words: list[str] | None) -> "Labels | None":
    """The `Labels` of `--label`, where any was given."""
    if not words:
        return None
    from medseg.config import apply_overrides
    from medseg.labels import Labels

    return Labels.from_config(apply_overrides({}, words))


def show(shown: Any) -> None:
    """Print a table or text of rich."""
    from rich.console import Console

    # Written to a file or a pipe there is no width to keep to.
    Console(width=None if sys.stdout.isatty() else 160).print(shown)


def show_failures(failures: Iterable[tuple[str, str]]) -> None:
    """Cases that failed, each with its reason, on standard error."""
    for case, reason in failures:
        typer.echo(f"failed: {case}: {reason}", err=True)
