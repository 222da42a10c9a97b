"""From what a user names (files, folders, studies, data sets) to the cases to segment."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from medseg import address
from medseg.case import Case
from medseg.datasets.naming import dicom_name, distinct, safe_name, without_ending
from medseg.datasets.opening import open_dataset, recognised
from medseg.errors import InputError
from medseg.io import formats
from medseg.reporting import Reporter, Silent

__all__ = ["cases_from_inputs"]

_CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>[0-9]{4})(?P<ending>\.[^0-9].*)")  # nnU-Net's CASE_CHANNEL.ENDING


def cases_from_inputs(
    inputs: Sequence[str | Path], reporter: Reporter | None = None, *, channels: int = 1
) -> list[Case]:
    """One case for each image that the inputs hold.

    A data set gives its cases. In any other folder, at any depth, each image file is a case, and so is each volume
    and each radiograph of its DICOM series; localizers and objects without an image are none. What a DICOM scan
    refuses becomes a case too, so that its reason becomes a row.

    Args:
        inputs: Files, folders or data sets.
        reporter: Told of the progress.
        channels: Of an image. Where there are several, files of one folder whose names differ in nnU-Net's number of
            the channel alone, `case_0000.nii.gz` and `case_0001.nii.gz`, are one case, whether all are there or not.

    Returns:
        Cases with unique ids, safe as folder names: the path below the input, without ending. The patient is DICOM's
        PatientID where there is one, else the id.

    Raises:
        InputError: An input does not exist, cannot be opened or holds no image.
        DatasetError: A data set does not hold together.
    """
    found: dict[Path, Case] = {}
    for given in inputs:
        for case in _cases(Path(given), reporter or Silent()):
            found.setdefault(case.images[0].resolve(), case)
    return distinct(_united(found.values(), channels) if channels > 1 else found.values())


def _united(cases: Iterable[Case], channels: int) -> list[Case]:
    """Cases whose files are channels of one image as one, in the order of their numbers, in the place of the first."""
    groups: dict[tuple[str, ...], list[Case]] = {}
    for case in cases:
        file, name = case.images[0], _CHANNEL.fullmatch(case.images[0].name)
        # A higher number is no channel: a year, say.
        channel = name is not None and int(name["channel"]) < channels
        alone = len(case.images) > 1 or case.labelled or not channel or not file.is_file()
        key = (str(file),) if alone or name is None else (str(file.parent), name["case"], name["ending"])
        groups.setdefault(key, []).append(case)
    return [_one(sorted(group, key=lambda case: case.images[0].name)) for group in groups.values()]


def _one(group: Sequence[Case]) -> Case:
    if len(group) == 1:
        return group[0]
    name = group[0].id.rpartition("_")[0]
    return Case(name, name, tuple(case.images[0] for case in group))


def _cases(root: Path, reporter: Reporter) -> list[Case]:
    path, inside = address.split(root)
    if not path.exists():
        raise InputError(root, "does not exist", "Check the path of the input.")
    try:
        if inside:
            return [_case(root, f"{without_ending(Path(path.name))}-{inside}")]
        if _named(path):
            return [replace(case, id=safe_name(case.id)) for case in open_dataset(path).cases]
        if path.is_file():
            return (
                list(_dicom_cases(path, path.parent, reporter))
                if _dicom(path)
                else [_case(path, without_ending(Path(path.name)))]
            )
        cases = sorted((*_files(path), *_dicom_cases(path, path, reporter)), key=lambda case: case.id)
    except OSError as error:
        raise InputError(path, f"cannot be opened ({error})", "Check its permissions.") from error
    if not cases:
        raise InputError(path, "holds no image", "Pass files, folders of files, DICOM studies or a data set.")
    return cases


def _named(path: Path) -> bool:
    """Whether a data set lies here that names its cases; a tree of DICOM is read so that no broken file stops it."""
    return recognised(path) not in ((), ("dicom",))


def _files(root: Path) -> Iterator[Case]:
    """A case for each image file that is no DICOM; the cases of each HDF5 file."""
    for name, folders, files in os.walk(root, onerror=_refuse):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        for path in (Path(name, file) for file in sorted(files)):
            below = without_ending(path.relative_to(root))
            if _dicom(path) or not formats.is_readable(path):
                continue
            if _named(path):
                yield from (replace(case, id=safe_name(f"{below}/{case.id}")) for case in open_dataset(path).cases)
            else:
                yield _case(path, below)


def _dicom_cases(source: Path, root: Path, reporter: Reporter) -> Iterator[Case]:
    """A case for each volume and radiograph, and for each broken file, which is a row of its own."""
    from medseg.io.dicom.scan import scan_dicom

    tree = scan_dicom(source, reporter=reporter)
    for series in tree.series:
        patient = str(series.header.get("PatientID") or "")
        for where, volume in zip(series.addresses, series.volumes, strict=True):
            if volume.kind != "localizer" or source.is_file():
                yield _case(where, dicom_name(where, root, series.header.get("SeriesNumber")), patient)
    for path, _error in tree.problems:
        yield _case(path, without_ending(path.relative_to(root)))


def _dicom(path: Path) -> bool:
    known = formats.ending(path)
    return known in formats.DICOM_ENDINGS or known not in formats.ENDINGS


def _case(where: Path, name: str, patient: str = "") -> Case:
    return Case(safe_name(name), patient or safe_name(name), (where,))


def _refuse(error: OSError) -> None:
    raise error
