"""Open a data set, whatever its layout."""

from pathlib import Path
from typing import Protocol

from medseg.datasets import hdf5, manifest, msd, paired
from medseg.datasets.case_table import CaseTable
from medseg.datasets.dataset import Dataset
from medseg.errors import DatasetError
from medseg.labels import Labels

__all__ = ["LAYOUTS", "Layout", "open_dataset", "recognised"]


class Layout(Protocol):
    """How data sets of one kind lie on disk. A module with these two functions is one."""

    def recognises(self, root: Path) -> bool:
        """Whether `root` looks like this layout, by names alone; cheap, and never raises for other content."""
        ...

    def read(self, root: Path, labels: Labels | None, table: CaseTable | None) -> Dataset:
        """All cases, sorted by id, with paths that exist; no image is opened.

        `labels` takes precedence over what the layout knows; `table` names a CSV with patients and columns.
        Whatever does not hold together raises `DatasetError`; what is only odd goes into `Dataset.warnings`.
        """
        ...


LAYOUTS: dict[str, Layout] = {"msd": msd, "paired": paired, "manifest": manifest, "hdf5": hdf5}


def open_dataset(
    path: str | Path, *, layout: str | None = None, labels: Labels | None = None, table: CaseTable | None = None
) -> Dataset:
    """The cases of a data set; no image is read.

    Args:
        path: A folder, the CSV of a manifest, or an HDF5 file of many cases.
        layout: "msd", "paired", "manifest" or "hdf5"; recognised where it is not given.
        labels: What the masks contain; else what the data set itself declares.
        table: A CSV inside the data set that gives patients and other columns.

    Raises:
        DatasetError: The path is missing, no layout or more than one fits, or the data set does not hold together.
    """
    root = Path(path)
    if not root.exists():
        raise DatasetError(root, "does not exist", "Check the path of the data set.")
    return LAYOUTS[layout or _only(root)].read(root, labels, table) if layout in (None, *LAYOUTS) else _unknown(layout)


def recognised(root: Path) -> tuple[str, ...]:
    """Names of the layouts that a path looks like."""
    return tuple(name for name, layout in LAYOUTS.items() if layout.recognises(root))


def _only(root: Path) -> str:
    names = recognised(root)
    if len(names) == 1:
        return names[0]
    if names:
        raise DatasetError(root, f"looks like several layouts ({', '.join(names)})", f"Say which: layout={names[0]}.")
    raise DatasetError(
        root,
        "is not a data set that medseg knows",
        "Arrange it so, or write a manifest.csv with the columns id, patient, image, label.",
        "images/ with labels/ or masks/, a dataset.json, or a manifest.csv",
    )


def _unknown(layout: str | None) -> Dataset:
    raise DatasetError("layout", f"unknown layout {layout!r}", "Choose one of these.", ", ".join(LAYOUTS))
