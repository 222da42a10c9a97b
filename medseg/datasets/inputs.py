"""From what a user names (files, folders, studies, data sets) to the cases to segment."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from medseg import address
from medseg.case import Case
from medseg.datasets.opening import open_dataset, recognised
from medseg.errors import InputError
from medseg.io import formats
from medseg.reporting import Reporter, Silent

__all__ = ["cases_from_inputs"]


def cases_from_inputs(inputs: Sequence[str | Path], reporter: Reporter | None = None) -> list[Case]:
    """One case for each image that the inputs hold.

    A data set gives its cases. In any other folder, at any depth, each image file is a case, and so is each volume
    and each radiograph of its DICOM series; localizers and objects without an image are none. What a DICOM scan
    refuses becomes a case too, so that its reason becomes a row.

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
    cases = list(found.values())
    count = Counter(case.id.casefold() for case in cases)
    return [case if count[case.id.casefold()] == 1 else _distinct(case) for case in cases]


def _cases(root: Path, reporter: Reporter) -> list[Case]:
    path, inside = address.split(root)
    if not path.exists():
        raise InputError(root, "does not exist", "Check the path of the input.")
    try:
        if inside:
            return [_case(root, f"{_without_ending(Path(path.name))}-{inside}")]
        if recognised(path):
            return [replace(case, id=_safe(case.id)) for case in open_dataset(path).cases]
        if path.is_file():
            return (
                list(_dicom_cases(path, path.parent, reporter))
                if _dicom(path)
                else [_case(path, _without_ending(Path(path.name)))]
            )
        cases = sorted((*_files(path), *_dicom_cases(path, path, reporter)), key=lambda case: case.id)
    except OSError as error:
        raise InputError(path, f"cannot be opened ({error})", "Check its permissions.") from error
    if not cases:
        raise InputError(path, "holds no image", "Pass files, folders of files, DICOM studies or a data set.")
    return cases


def _files(root: Path) -> Iterator[Case]:
    """A case for each image file that is no DICOM; the cases of each HDF5 file."""
    for name, folders, files in os.walk(root, onerror=_refuse):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        for path in (Path(name, file) for file in sorted(files)):
            below = _without_ending(path.relative_to(root))
            if _dicom(path) or not formats.is_readable(path):
                continue
            if recognised(path):
                yield from (replace(case, id=_safe(f"{below}/{case.id}")) for case in open_dataset(path).cases)
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
                yield _case(where, _name(where, root, series.header.get("SeriesNumber")), patient)
    for path, _error in tree.problems:
        yield _case(path, _without_ending(path.relative_to(root)))


def _name(where: Path, root: Path, number: object) -> str:
    """The path below the input; inside a folder of several series, with the series' number."""
    path, inside = address.split(where)
    below = path.relative_to(root).as_posix() if path != root else path.resolve().name
    name = _without_ending(Path(below)) if path.is_file() else below
    if not inside:
        return name
    own = inside.partition("/")
    return f"{name}-{inside}" if path.is_file() else f"{name}/series{number or own[0]}{'-' if own[2] else ''}{own[2]}"


def _dicom(path: Path) -> bool:
    known = formats.ending(path)
    return known in formats.DICOM_ENDINGS or known not in formats.ENDINGS


def _without_ending(path: Path) -> str:
    known = formats.ending(path)
    name = path.as_posix()
    return name[: -len(known)] if known in formats.ENDINGS else name


def _case(where: Path, name: str, patient: str = "") -> Case:
    return Case(_safe(name), patient or _safe(name), (where,))


def _safe(name: str) -> str:
    """A name of letters, digits, '.', '_' and '-' that is no hidden file's."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "case"


def _distinct(case: Case) -> Case:
    mark = hashlib.sha256(os.fsencode(case.images[0])).hexdigest()[:8]
    return replace(case, id=f"{case.id}-{mark}")


def _refuse(error: OSError) -> None:
    raise error
