"""Open a data set, whatever its layout."""

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from medseg.datasets.case_table import CaseTable
from medseg.datasets.completing import completed
from medseg.datasets.dataset import Dataset
from medseg.datasets.layouts import beside, bids, coco, dicom, hdf5, manifest, msd, nnunet, paired
from medseg.datasets.public import (
    busi,
    cbis_ddsm,
    cdd_cesm,
    covid_cxr,
    inbreast,
    jsrt,
    mini_mias,
    montgomery,
    shenzhen,
)
from medseg.errors import DatasetError
from medseg.labels import Labels

__all__ = ["LAYOUTS", "Layout", "known_layouts", "open_dataset", "recognised", "survey_dataset"]


class Layout(Protocol):
    """How data sets of one kind lie on disk. A module with these two functions is one."""

    def recognises(self, root: Path) -> bool:
        """Whether `root` looks like this layout, by names alone; cheap, and never raises for other content."""
        ...

    def read(self, root: Path, labels: Labels | None) -> Dataset:
        """All cases, in any order, with paths that exist; no image is opened.

        `labels` takes precedence over what the layout knows. `Case.patient` is empty where nothing says whose it is.
        What is wrong with one case goes into `Dataset.problems` (see `noted`) and leaves that case out; what is only
        odd goes into `Dataset.warnings`; `DatasetError` is raised where nothing can be read at all.
        """
        ...


LAYOUTS: dict[str, Layout] = {
    "msd": msd,
    "nnunet": nnunet,
    "bids": bids,
    "paired": paired,
    "beside": beside,
    "manifest": manifest,
    "hdf5": hdf5,
    "dicom": dicom,
    "coco": coco,
    "mini_mias": mini_mias,
    "inbreast": inbreast,
    "cdd_cesm": cdd_cesm,
    "busi": busi,
    "cbis_ddsm": cbis_ddsm,
    "montgomery": montgomery,
    "shenzhen": shenzhen,
    "jsrt": jsrt,
    "covid_cxr": covid_cxr,
}

# Many folders look like these; any other layout that fits as well says more, and of these the first.
_GENERAL = ("paired", "beside", "dicom")
_ENTRY_POINTS = "medseg.layouts"


def open_dataset(
    path: str | Path, *, layout: str | None = None, labels: Labels | None = None, table: CaseTable | None = None
) -> Dataset:
    """The cases of a data set that holds together; no image is read.

    Args:
        path: A folder, the CSV of a manifest, or an HDF5 file of many cases.
        layout: A name in `LAYOUTS`; recognised where it is not given.
        labels: What the masks contain; else what the data set itself declares.
        table: A CSV inside the data set that gives patients and other columns.

    Raises:
        DatasetError: The path is missing, no layout or more than one fits, or the data set does not hold together.
    """
    dataset = survey_dataset(path, layout=layout, labels=labels, table=table)
    if not dataset.problems:
        return dataset
    first, *others = dataset.problems
    if not others:
        raise first
    more = f"(and {len(others)} more problems: `medseg inspect` lists all)"
    raise DatasetError(dataset.root, f"does not hold together: {first} {more}", "Mend them, or take the cases out.")


def survey_dataset(
    path: str | Path, *, layout: str | None = None, labels: Labels | None = None, table: CaseTable | None = None
) -> Dataset:
    """As `open_dataset`, but what is wrong with single cases is listed in `Dataset.problems` and leaves them out."""
    root = Path(path)
    if not root.exists():
        raise DatasetError(root, "does not exist", "Check the path of the data set.")
    known = known_layouts()
    if layout is not None and layout not in known:
        raise DatasetError("layout", f"unknown layout {layout!r}", "Choose one of these.", ", ".join(known))
    chosen = known[layout or _only(root)]
    if table is not None and chosen is manifest:
        raise DatasetError(root, "a case table was named too", "Leave it away: a manifest has those columns itself.")
    dataset = completed(chosen.read(root, labels), table)
    structures = sorted({name for case in dataset.cases for name in case.structures})
    if labels is None or not structures or any(labels.value_of(name) is not None for name in structures):
        return dataset
    found = f"name none of the structures of the data set ({', '.join(structures[:8])})"
    unnamed = DatasetError("labels", found, "Say which you want, as `labels: {NAME: [STRUCTURE, ...]}`.")
    return replace(dataset, problems=(*dataset.problems, unnamed))


def recognised(root: Path, layouts: Mapping[str, Layout] | None = None) -> tuple[str, ...]:
    """Names of the layouts that a path looks like.

    Args:
        root: The path.
        layouts: What `known_layouts` gave, for who asks of many paths.
    """
    known = known_layouts() if layouts is None else layouts
    names = tuple(name for name, layout in known.items() if layout.recognises(root))
    particular = tuple(name for name in names if name not in _GENERAL)
    return particular or tuple(name for name in _GENERAL if name in names)[:1]


def known_layouts() -> dict[str, Layout]:
    """Ours, those that a program put into `LAYOUTS`, and those that installed packages declare as entry points."""
    known = dict(LAYOUTS)
    for point in entry_points(group=_ENTRY_POINTS):
        if point.name not in known:
            known[point.name] = point.load()
    return known


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
