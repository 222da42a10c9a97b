"""Time points of every patient in folders that `predict` or `measure` wrote, matched by patient id."""

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from medseg.errors import DatasetError, InputError, MedsegError, UnreadableFileError
from medseg.evaluation.pairs import MASK_ENDINGS, holds_label_files, recorded_cases
from medseg.evaluation.source import noted_images
from medseg.followup import TimePoint, from_mask, from_table
from medseg.image import Image, Segmentation
from medseg.io import read_image, read_label_map
from medseg.io.label_files import read_label_files
from medseg.labels import Labels, labels_of
from medseg.options import ReadOptions
from medseg.workflow.time_points import day_of, read_table

__all__ = ["Folder", "Study", "open_folder", "require_days", "studies_by_patient"]


@dataclass(frozen=True, eq=False)
class Folder:
    """A folder of cases.

    Args:
        path: Where it lies.
        cases: What its `cases.csv` says of each.
        labels: What its masks contain, where it says so.
    """

    path: Path
    cases: Mapping[str, Mapping[str, str]]
    labels: Labels | None

    @cached_property
    def regions(self) -> pd.DataFrame | None:
        """Its region table, where there is one."""
        path = self.path / "regions.csv"
        return read_table(path) if path.is_file() else None


@dataclass(frozen=True, eq=False)
class Study:
    """One case of a folder, or that a patient has none there.

    Args:
        folder: Where it is.
        case: Its id; empty where the patient has none.
        day: Its date.
        name: What the time point is called.
    """

    folder: Folder
    case: str
    day: datetime.date | None
    name: str

    def read(self, labels: Labels | None, options: ReadOptions | None, min_voxels: int, *, images: bool) -> TimePoint:
        """The time point: of its mask, else of its rows of the region table; missing where it failed.

        Raises:
            MedsegError: A file cannot be read.
        """
        if not self.case:
            return TimePoint.missing(self.name, f"no study in {self.folder.path}", self.day)
        row = self.folder.cases[self.case]
        if row.get("status", "done") != "done":
            return TimePoint.missing(self.name, row.get("error", "it failed"), self.day)
        mask = _mask(self.folder.path, self.case)
        if mask is None:
            return self._of_table()
        segmentation = _segmentation(mask, labels or self.folder.labels, options)
        image, notes = _image(row.get("images", ""), segmentation, options) if images else (None, ())
        point = from_mask(self.name, segmentation, image=image, when=self.day, min_voxels=min_voxels, notes=notes)
        return self._with_organs(point)

    def _of_table(self) -> TimePoint:
        if self.folder.regions is None:
            mend = "Name a folder that predict or measure wrote."
            raise DatasetError(self.folder.path / self.case, "neither a mask nor a region table", mend)
        table = self.folder.regions
        return from_table(self.name, table[table["case"].astype(str) == self.case], when=self.day)

    def _with_organs(self, point: TimePoint) -> TimePoint:
        """The organs that the region table names, of which RECIST takes two lesions at most."""
        table = self.folder.regions
        if table is None or "organ" not in table:
            return point
        own = table[table["case"].astype(str) == self.case]
        organs = own.fillna({"organ": ""}).set_index(["label", "region"])["organ"].to_dict()
        pairs = zip(point.regions["label"], point.regions["region"], strict=True)
        named = [str(organs.get(pair, "")) for pair in pairs]
        return replace(point, regions=point.regions.assign(organ=named))


def open_folder(path: Path) -> Folder:
    """What a folder says of its cases.

    Raises:
        DatasetError: It lists none.
        UnreadableFileError: It cannot be read.
    """
    cases: dict[str, dict[str, str]] = recorded_cases(path)
    if not cases and (path / "regions.csv").is_file():
        table = read_table(path / "regions.csv")
        cases = {str(case): {} for case in table["case"].unique()} if "case" in table else {}
    if not cases:
        raise DatasetError(path, "lists no case", "Name a folder that predict or measure wrote.", "cases.csv")
    return Folder(path, cases, _recorded_labels(path))


def studies_by_patient(folders: Sequence[Folder], dates: Sequence[str | None] | None) -> dict[str, list[Study]]:
    """The studies of each patient, in the order of time.

    Where no patient has two studies in a folder, each folder is a time point. Otherwise the studies of a patient in
    all folders are put in the order of their dates; a patient with a study without a date has `day` None there.

    Raises:
        InputError: There are other than one date for each folder, or one folder in which no patient has two studies.
    """
    patients: dict[str, list[list[Study]]] = {}
    for number, folder in enumerate(folders):
        for case, row in folder.cases.items():
            slots = patients.setdefault(row.get("patient") or case, [[] for _ in folders])
            slots[number].append(Study(folder, case, _said(row.get("study_date", "")), case))
    if all(len(studies) < 2 for slots in patients.values() for studies in slots):
        if len(folders) < 2:
            mend = "Give a folder for each time point, or one whose cases.csv has two studies of a patient."
            raise InputError(folders[0].path, "one study a patient: there is nothing to compare", mend)
        return {patient: _a_folder_each(slots, folders, dates) for patient, slots in sorted(patients.items())}
    if dates:
        found = "--dates, though patients have several studies in a folder"
        raise InputError("dates", found, "Write them as study_date in cases.csv.")
    return {
        patient: sorted((one for studies in slots for one in studies), key=lambda one: str(one.day or ""))
        for patient, slots in sorted(patients.items())
    }


def require_days(patient: str, studies: Sequence[Study]) -> None:
    """Refuse studies of one folder whose dates do not make them time points.

    Raises:
        InputError: One has no date, or two of a folder have the same: views or phases of one examination.
    """
    if len({one.folder.path for one in studies}) == len(studies):
        return
    if any(one.day is None for one in studies):
        mend = "Write their dates as study_date in cases.csv, or give a folder for each time point."
        raise InputError(patient, "several studies in a folder, not all with a date", mend)
    seen: dict[tuple[Path, datetime.date | None], str] = {}
    for one in studies:
        before = seen.setdefault((one.folder.path, one.day), one.case)
        if before != one.case:
            mend = "Views and phases of one examination are no time points: keep one of them in cases.csv."
            raise InputError(patient, f"two studies of {one.day} ({before}, {one.case})", mend)


def _a_folder_each(
    slots: Sequence[Sequence[Study]], folders: Sequence[Folder], dates: Sequence[str | None] | None
) -> list[Study]:
    if dates and len(dates) != len(folders):
        raise InputError("dates", f"{len(dates)} for {len(folders)} folders", "Give one for each, in order.")
    names = [folder.path.name for folder in folders]
    if len(set(names)) < len(names):
        names = [str(folder.path) for folder in folders]
    given = [day_of(day) for day in dates or [None] * len(folders)]
    return [
        Study(folder, studies[0].case if studies else "", day or (studies[0].day if studies else None), name)
        for studies, folder, day, name in zip(slots, folders, given, names, strict=True)
    ]


def _recorded_labels(path: Path) -> Labels | None:
    """The labels that `predict` recorded of its model."""
    record = path / "run.json"
    if not record.is_file():
        return None
    try:
        declared = json.loads(record.read_text(encoding="utf-8")).get("plan", {}).get("labels")
    except (OSError, ValueError) as error:
        raise UnreadableFileError(
            record, f"cannot be read ({error})", "Take it away; labels are then numbers."
        ) from error
    return Labels.from_config(declared) if declared else None


def _mask(folder: Path, case: str) -> Path | None:
    """`CASE/mask.*`, or the folder of `CASE/mask_LABEL.*`."""
    own = folder / case
    found = next((own / f"mask{ending}" for ending in MASK_ENDINGS if (own / f"mask{ending}").is_file()), None)
    return found or (own if holds_label_files(own) else None)


def _segmentation(mask: Path, labels: Labels | None, options: ReadOptions | None) -> Segmentation:
    if mask.is_dir():
        if labels is None:
            raise DatasetError(mask, "a mask for each label, and nothing says which there are", "Give --label.")
        found = read_label_files(mask, labels)
        return Segmentation(found.mask, found.geometry, labels, notes=found.notes)
    found = read_label_map(mask, labels=labels, options=options)
    return Segmentation(found.mask, found.geometry, labels or labels_of(found.mask, where=str(mask)), notes=found.notes)


def _image(words: str, segmentation: Segmentation, options: ReadOptions | None) -> tuple[Image | None, tuple[str, ...]]:
    """The first image of a case, where it is still there; else why not."""
    noted = noted_images(words)
    if not noted:
        return None, ("without its image: cases.csv does not say where it is",)
    try:
        image = read_image(noted[0], options=options)
    except MedsegError as error:
        return None, (f"without its image: {error}",)
    if not image.geometry.same_as(segmentation.geometry, 0.01 * min(image.geometry.step)):
        return None, ("without its image, which lies on another grid than the mask",)
    return image, image.notes


def _said(text: str) -> datetime.date | None:
    try:
        return day_of(text)
    except InputError:  # another way of writing it says nothing we could trust
        return None
