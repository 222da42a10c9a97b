"""Reads what `compare` is given: masks, region tables, and folders that `predict` or `measure` wrote."""

import datetime
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from medseg.datasets.naming import without_ending
from medseg.errors import InputError, UnreadableFileError
from medseg.followup import TimePoint, from_mask, from_table
from medseg.image import Image, Segmentation
from medseg.io import read_image, read_label_map, read_segmentation
from medseg.io.label_map import LabelMap
from medseg.io.structures import holds_structures
from medseg.labels import Labels
from medseg.options import ReadOptions
from medseg.workflow.measuring_cases import undeclared

__all__ = ["Day", "Source", "day_of", "is_folder", "points_of", "read_table"]

Source = str | Path | Segmentation | pd.DataFrame
Day = str | datetime.date | None
_TABLES = (".csv", ".parquet")


def is_folder(source: Source) -> bool:
    """Whether it is a folder that predict or measure wrote."""
    if not isinstance(source, (str, Path)) or not Path(source).is_dir():
        return False
    return any((Path(source) / name).is_file() for name in ("cases.csv", "regions.csv"))


def day_of(day: Day) -> datetime.date | None:
    """A date of a word such as 2024-01-31; nothing of an empty one.

    Raises:
        InputError: It is no date.
    """
    if day is None or isinstance(day, datetime.date):
        return day
    try:
        return datetime.date.fromisoformat(day.strip()) if day.strip() else None
    except ValueError:
        raise InputError("dates", f"{day!r}", "Write dates as 2024-01-31.") from None


def points_of(
    sources: Sequence[Source],
    images: Sequence[str | Path | Image | None] | None,
    dates: Sequence[Day] | None,
    labels: Labels | None,
    options: ReadOptions | None,
    min_voxels: int,
) -> list[TimePoint]:
    """Time points of masks and region tables, in the order given.

    Raises:
        InputError: Not one image or date for each, or a file that is neither a mask nor a table.
        MedsegError: One cannot be read.
    """
    for what, given in (("images", images), ("dates", dates)):
        if given and len(given) != len(sources):
            mend = "Give one for each time point, in order; an empty one stands for none."
            raise InputError(what, f"{len(given)} for {len(sources)} time points", mend)
    days = [day_of(day) for day in dates or [None] * len(sources)]
    names = _names(sources)
    read = [None if not one else one if isinstance(one, Image) else read_image(one, options=options)
            for one in images or [None] * len(sources)]  # fmt: skip
    masks = _masks(sources, read, names, labels, options)
    return [
        from_table(name, _table(source), when=day)
        if mask is None
        else from_mask(name, mask, image=image, when=day, min_voxels=min_voxels, notes=image.notes if image else ())
        for source, image, day, name, mask in zip(sources, read, days, names, masks, strict=True)
    ]


def _masks(
    sources: Sequence[Source],
    images: Sequence[Image | None],
    names: Sequence[str],
    labels: Labels | None,
    options: ReadOptions | None,
) -> list[Segmentation | None]:
    """The masks among them; values that nobody declared mean the same in all."""
    found: list[Segmentation | LabelMap | None] = []
    for source, image in zip(sources, images, strict=True):
        if isinstance(source, Segmentation):
            found.append(source)
        elif _is_table(source):
            found.append(None)
        elif holds_structures(str(source)):
            found.append(read_segmentation(str(source), on=image, labels=labels, options=options))
        else:
            found.append(read_label_map(str(source), on=image, labels=labels, options=options))
    maps = [one for one in found if isinstance(one, LabelMap)]
    values = np.unique(np.concatenate([np.unique(one.mask) for one in maps] or [np.zeros(1, int)]))
    named = labels or undeclared(values, "the masks")
    for one, name in zip(found, names, strict=True):
        if isinstance(one, LabelMap):
            named.to_indices(np.unique(one.mask), name)  # refuses what nobody declared
    return [
        Segmentation(one.mask, one.geometry, named, notes=one.notes) if isinstance(one, LabelMap) else one
        for one in found
    ]


def _names(sources: Sequence[Source]) -> list[str]:
    """What each is called: its file's name, with its folder's where two are alike, else its number."""
    paths = [Path(source) if isinstance(source, (str, Path)) else None for source in sources]
    short = ["" if path is None else without_ending(Path(path.name)) for path in paths]
    long = [
        "" if path is None else f"{path.absolute().parent.name}/{name}" for path, name in zip(paths, short, strict=True)
    ]
    for names in (short, long):
        if all(names) and len(set(names)) == len(names):
            return names
    return [f"{number}: {name}" if name else f"time point {number}" for number, name in enumerate(short)]


def _is_table(source: Source) -> bool:
    if isinstance(source, pd.DataFrame):
        return True
    return isinstance(source, (str, Path)) and Path(source).suffix.lower() in _TABLES


def _table(source: Source) -> pd.DataFrame:
    table = source if isinstance(source, pd.DataFrame) else read_table(Path(str(source)))
    if "case" in table and table["case"].nunique() > 1:
        cases = ", ".join(sorted(map(str, table["case"].unique()))[:3])
        mend = "Give the folder that has it, in which patients are told apart, or the table of one case."
        raise InputError(
            "table" if isinstance(source, pd.DataFrame) else str(source), f"regions of several cases ({cases} …)", mend
        )
    return table


def read_table(path: Path) -> pd.DataFrame:
    """A region table, CSV or Parquet; names stay text.

    Raises:
        UnreadableFileError: It cannot be read.
    """
    names = {"case": str, "label": str, "organ": str, "patient": str}
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, dtype=names, keep_default_na=False, na_values=[""])
    except (OSError, ValueError, ImportError) as error:  # pandas' own parser errors are ValueErrors
        mend = "Give a region table as `medseg measure --out` writes it."
        raise UnreadableFileError(path, f"cannot be read as a table ({error})", mend) from error
