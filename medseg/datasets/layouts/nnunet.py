"""Layout "nnunet": raw data of nnU-Net v2, a file a channel (`NAME_0000.nii.gz`) beside one label map a case.

`dataset.json` says what the channels and labels are; a list of values means labels that overlap, nnU-Net's regions.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from medseg.case import Case
from medseg.datasets.dataset import Dataset, counted, noted
from medseg.datasets.layouts import manifest
from medseg.datasets.layouts.dataset_json import DESCRIPTION, dicom_modality, read_description
from medseg.errors import DatasetError, LabelError
from medseg.labels import Labels

__all__ = ["DESCRIPTION", "OWN_KEY", "TABLE", "original_labels", "read", "recognises"]

TABLE = "cases.csv"
OWN_KEY = "medseg"
_HEAD = 1 << 16  # characters: the words that tell stand before or after long lists of cases
_Channels = dict[str, dict[int, Path]]


def recognises(root: Path) -> bool:
    """Whether a folder has nnU-Net's `dataset.json` beside `imagesTr`, or with a list of the files in it."""
    try:
        with (root / DESCRIPTION).open("rb") as file:
            start = file.read(_HEAD)
            file.seek(max(0, file.seek(0, 2) - _HEAD))
            text = start + file.read()
    except OSError:
        return False
    listed = (root / "imagesTr").is_dir() or b'"dataset"' in text
    return listed and b'"file_ending"' in text and b'"channel_names"' in text


def read(root: Path, labels: Labels | None) -> Dataset:
    """The cases of `imagesTr`, and those of `imagesTs`, which have no label unless there is a `labelsTs`.

    A `cases.csv` as `medseg convert` writes it gives patients, splits and columns.

    Raises:
        DatasetError: `dataset.json` cannot be read or declares no channel, or there is no case. Missing channels, and
            images or labels without the other, are in `problems`.
    """
    described = _described(root)
    channels, ending = _channels(root, described), str(described["file_ending"])
    problems: list[DatasetError] = []
    if isinstance(described.get("dataset"), dict):
        cases = _listed(root, described["dataset"], len(channels), problems)
    else:
        cases = _of_folders(root, "Tr", ending, len(channels), problems)
    cases += _of_folders(root, "Ts", ending, len(channels), problems)
    if not cases and not problems:
        raise DatasetError(root, f"holds no image NAME_0000{ending}", "Check `file_ending` in dataset.json.")
    cases, warnings = _with_patients(root, cases)
    declared = labels or _labels(root / DESCRIPTION, described.get("labels"))
    modality = dicom_modality(channels)
    return Dataset(root, "nnunet", tuple(cases), declared, channels, modality, warnings, tuple(problems))


def original_labels(root: Path) -> Labels | None:
    """What the file values were before `medseg convert` numbered them for nnU-Net; `None` where it did not."""
    own = _described(root).get(OWN_KEY)
    config = own.get("labels") if isinstance(own, dict) else None
    try:
        return Labels.from_config(config) if isinstance(config, dict) else None
    except LabelError as error:
        raise DatasetError(
            root / DESCRIPTION, f"{OWN_KEY}.labels: {error}", "Take it out, or convert again."
        ) from error


def _described(root: Path) -> dict[str, Any]:
    described = read_description(root)
    if not isinstance(described.get("file_ending"), str):
        raise DatasetError(root / DESCRIPTION, "has no file_ending", "Add it.", '"file_ending": ".nii.gz"')
    return described


def _channels(root: Path, described: Mapping[str, Any]) -> tuple[str, ...]:
    names = described.get("channel_names")
    if not isinstance(names, dict) or sorted(names) != sorted(str(number) for number in range(len(names) or 1)):
        mend = 'Number the channels from 0: {"0": "CT"}.'
        raise DatasetError(root / DESCRIPTION, f"channel_names are {names!r}", mend)
    return tuple(str(names[str(number)]) for number in range(len(names)))


def _labels(path: Path, declared: Any) -> Labels | None:
    """Labels by `name: value`; a list of values is a region, and regions may overlap."""
    if not isinstance(declared, dict) or not declared:
        return None
    regions = any(isinstance(value, list) for name, value in declared.items() if name != "background")
    try:
        return Labels.from_config({"background": 0, **declared} | ({"overlapping": True} if regions else {}))
    except LabelError as error:
        raise DatasetError(path, str(error), "Mend `labels`, or declare yours.", "`name: value`") from error


def _of_folders(root: Path, part: str, ending: str, channels: int, problems: list[DatasetError]) -> list[Case]:
    """The cases of `imagesTr` or `imagesTs`."""
    found: _Channels = {}
    folder, label_folder = root / f"images{part}", root / f"labels{part}"
    pattern = re.compile(rf"(.+)_(\d{{4}}){re.escape(ending)}")
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.startswith("."):
            continue
        if known := pattern.fullmatch(path.name):
            found.setdefault(known[1], {})[int(known[2])] = path
        elif path.name.endswith(ending):
            problems.append(DatasetError(path, "names no channel", "Rename it.", f"NAME_0000{ending}"))
    paths = sorted(label_folder.iterdir()) if label_folder.is_dir() else []
    masks = {p.name.removesuffix(ending): p for p in paths if p.name.endswith(ending) and not p.name.startswith(".")}
    cases = []
    for name, images in found.items():
        with noted(problems):
            cases.append(_case(folder, name, images, masks.get(name), channels, labelled=part == "Tr"))
    for name in sorted(set(masks) - set(found)):
        problems.append(DatasetError(masks[name], f"has no image in {folder.name}", "Add it, or remove the label."))
    return cases


def _case(folder: Path, name: str, images: dict[int, Path], mask: Path | None, channels: int, labelled: bool) -> Case:
    absent = sorted(set(range(channels)) - set(images))
    if absent:
        files = ", ".join(f"{name}_{number:04d}" for number in absent)
        raise DatasetError(folder / name, f"lacks {files}", "Add the channel, or take the case out.")
    spare = sorted(set(images) - set(range(channels)))
    if spare:
        raise DatasetError(images[spare[0]], f"is beyond the {channels} of channel_names", "Declare it, or remove it.")
    if mask is None and labelled:
        raise DatasetError(folder / name, "has no label in labelsTr", "Add it, or move the images to imagesTs.")
    split = "test" if mask is not None and not labelled else ""
    return Case(name, "", tuple(images[i] for i in range(channels)), () if mask is None else (mask,), split)


def _listed(root: Path, listed: Mapping[str, Any], channels: int, problems: list[DatasetError]) -> list[Case]:
    """The cases that `dataset.json` itself lists, whose files may be anywhere."""
    cases = []
    for name, entry in listed.items():
        with noted(problems):
            images, mask = (entry.get("images"), entry.get("label")) if isinstance(entry, dict) else (None, None)
            if not isinstance(images, list) or not all(isinstance(path, str) for path in (*images, mask)):
                mend = 'Mend it: {"images": [...], "label": ...}.'
                raise DatasetError(root / DESCRIPTION, f"the entry of {name!r} is {str(entry)[:80]}", mend)
            paths = [root / path for path in (*images, mask)]  # one that is absolute stays so
            missing = next((path for path in paths if not path.is_file()), None)
            if missing is not None:
                raise DatasetError(root / DESCRIPTION, f"lists {missing}, which is missing", "Fetch it.")
            numbered = dict(enumerate(paths[:-1]))
            cases.append(_case(root, name, numbered, paths[-1], channels, labelled=True))
    return cases


def _with_patients(root: Path, cases: list[Case]) -> tuple[list[Case], tuple[str, ...]]:
    """The cases with what the `cases.csv` of `medseg convert` says of them."""
    try:
        rows = {case.id: case for case in manifest.read(root / TABLE, None).cases}
    except DatasetError:  # there is none, or it is another table of that name
        return cases, ()
    silent = [case.id for case in cases if case.id not in rows]
    return [_told(case, rows.get(case.id)) for case in cases], counted(silent, f"cases have no row in {TABLE}")


def _told(case: Case, row: Case | None) -> Case:
    if row is None:
        return case
    return replace(
        case,
        patient=row.patient,
        split=row.split,
        columns=row.columns,
        spacing_mm=row.spacing_mm,
        negative=row.negative,
    )
