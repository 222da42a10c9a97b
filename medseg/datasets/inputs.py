"""From what a user names (files, folders, studies, data sets) to the cases to segment."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from medseg.case import Case
from medseg.datasets.opening import open_dataset, recognised
from medseg.errors import InputError
from medseg.io import formats

__all__ = ["cases_from_inputs"]


def cases_from_inputs(inputs: Sequence[str | Path]) -> list[Case]:
    """One case for each image that the inputs hold.

    A data set gives its cases. In any other folder, at any depth, each image file is a case, and so is each folder
    that directly holds the slices of a DICOM series (each file of it, where they are radiographs).

    Returns:
        Cases with unique ids, safe as folder names: the path below the input, without ending. The patient is DICOM's
        PatientID where there is one, else the id.

    Raises:
        InputError: An input does not exist, cannot be opened or holds no image.
        DatasetError: A data set does not hold together.
    """
    found: dict[Path, Case] = {}
    for given in inputs:
        for case in _cases(Path(given)):
            found.setdefault(case.images[0].resolve(), case)
    cases = list(found.values())
    count = Counter(case.id.casefold() for case in cases)
    return [case if count[case.id.casefold()] == 1 else _distinct(case) for case in cases]


def _cases(root: Path) -> list[Case]:
    if not root.exists():
        raise InputError(root, "does not exist", "Check the path of the input.")
    try:
        if root.is_file() and root.suffix.lower() != ".csv":
            return [_case(root, root.name, _patient(root) if _dicom(root) else "")]
        if recognised(root):
            return [replace(case, id=_safe(case.id)) for case in open_dataset(root).cases]
        cases = list(_walk(root))
    except OSError as error:
        raise InputError(root, f"cannot be opened ({error})", "Check its permissions.") from error
    if not cases:
        raise InputError(root, "holds no image", "Pass files, folders of files, DICOM studies or a data set.")
    return cases


def _walk(root: Path) -> Iterator[Case]:
    for name, folders, files in os.walk(root, onerror=_refuse):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        folder = Path(name)
        slices = []
        for path in (folder / file for file in sorted(files)):
            if path.name.upper() == "DICOMDIR" or not formats.is_readable(path):
                continue
            if _dicom(path):
                slices.append(path)
            else:
                yield _case(path, path.relative_to(root).as_posix())
        if slices:
            yield from _dicom_cases(folder, slices, root)


def _dicom_cases(folder: Path, files: list[Path], root: Path) -> Iterator[Case]:
    """The series that a folder holds, or its radiographs; nothing where no file is an image (an RTSTRUCT, say)."""
    from medseg.io.dicom.series import first_image

    first = first_image(files)
    if first is None:
        return
    if first.radiograph:
        for path in files:
            image = first_image([path])
            if image is not None:
                yield _case(path, path.relative_to(root).as_posix(), image.patient)
        return
    below = folder.relative_to(root).as_posix()
    yield _case(folder, folder.resolve().name if below == "." else below, first.patient)


def _patient(path: Path) -> str:
    from medseg.io.dicom.series import first_image

    first = first_image([path])
    return first.patient if first else ""


def _dicom(path: Path) -> bool:
    return formats.ending(path) in formats.DICOM_ENDINGS or formats.ending(path) not in formats.ENDINGS


def _case(path: Path, name: str, patient: str = "") -> Case:
    known = formats.ending(path)
    if path.is_file() and known in formats.ENDINGS:
        name = name[: -len(known)]
    return Case(_safe(name), patient or _safe(name), (path,))


def _safe(name: str) -> str:
    """A name of letters, digits, '.', '_' and '-' that is no hidden file's."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "case"


def _distinct(case: Case) -> Case:
    mark = hashlib.sha256(os.fsencode(case.images[0])).hexdigest()[:8]
    return replace(case, id=f"{case.id}-{mark}")


def _refuse(error: OSError) -> None:
    raise error
