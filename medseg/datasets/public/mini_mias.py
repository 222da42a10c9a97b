"""Layout "mini_mias": the mini-MIAS mammograms with the circles of their `Info.txt`.

Films `mdb001.pgm` ... (or PNG) in the folder or in `images/`, beside `Info.txt` or the same table as
`annotations.csv`. Pixels are 0.2 mm. The films come in pairs, odd numbers right and even left, of one woman each.

Suckling et al. 1994, The Mammographic Image Analysis Society Digital Mammogram Database.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from medseg import address
from medseg.case import Case
from medseg.datasets.dataset import Dataset, counted, noted
from medseg.errors import DatasetError, InputError
from medseg.io import formats
from medseg.io.annotations.mini_mias import SEVERITIES, Finding, findings
from medseg.labels import Labels

__all__ = ["read", "recognises"]

_TABLES = ("Info.txt", "info.txt", "annotations.csv")
_FILM = re.compile(r"mdb(\d{3})", re.IGNORECASE)
_SPACING_MM = 0.2


def recognises(root: Path) -> bool:
    """Whether a folder has a table of that name beside films `mdbNNN` (of which one is looked for)."""
    if _table(root) is None:
        return False
    return any(next(folder.glob("mdb[0-9][0-9][0-9].*"), None) is not None for folder in _folders(root))


def read(root: Path, labels: Labels | None) -> Dataset:
    """The films; normal ones have nothing to find, and those with a lesion that has no place are not labelled.

    Raises:
        DatasetError: There is no film, or the table is broken.
    """
    listed = _table(root)
    if listed is None:
        raise DatasetError(root, "has no Info.txt", "Put it beside the films.")
    try:
        found = findings(listed)
    except InputError as error:
        raise DatasetError(listed, f"cannot be read ({error})", "Fetch it again.") from error
    problems: list[DatasetError] = []
    cases: list[Case] = []
    for path in _films(root):
        with noted(problems):
            cases.append(_case(path, listed, found))
    if not cases and not problems:
        raise DatasetError(root, "holds no film", "Put mdb001.pgm … into it, or into images/.")
    nowhere = [case.id for case in cases if not case.labelled]
    warnings = counted(nowhere, "films have a lesion without a place and count as unlabelled")
    warnings += counted(set(found) - {case.id for case in cases}, f"films of {listed.name} are not here")
    declared = labels or Labels.of_structures(SEVERITIES.values())
    return Dataset(root, "mini_mias", tuple(cases), declared, ("image",), "MG", warnings, tuple(problems))


def _table(root: Path) -> Path | None:
    return next((root / name for name in _TABLES if (root / name).is_file()), None)


def _folders(root: Path) -> tuple[Path, ...]:
    return tuple(folder for folder in (root, root / "images") if folder.is_dir())


def _films(root: Path) -> list[Path]:
    found = [path for folder in _folders(root) for path in formats.readable_in(folder)]
    return [path for path in found if _FILM.fullmatch(formats.stem(path))]


def _case(path: Path, listed: Path, found: Mapping[str, tuple[Finding, ...]]) -> Case:
    film = formats.stem(path).lower()
    if film not in found:
        raise DatasetError(path, f"is not in {listed.name}", "Add its line, or take the film out.")
    number = int(film[3:])
    own = found[film]
    normal = all(finding.abnormality == "NORM" for finding in own)
    placed = all(finding.circle is not None for finding in own if finding.abnormality != "NORM")
    columns = {
        "laterality": "R" if number % 2 else "L",
        "tissue": own[0].tissue,
        "abnormality": "+".join(dict.fromkeys(finding.abnormality for finding in own)),
        "severity": "+".join(dict.fromkeys(finding.severity for finding in own if finding.severity)),
    }
    right = number - (number % 2 == 0)
    return Case(
        film,
        f"mdb{right:03d}-{right + 1:03d}",
        (path,),
        (address.join(listed, film),) if placed and not normal else (),
        columns=columns,
        spacing_mm=(_SPACING_MM,),
        negative=normal,
    )
