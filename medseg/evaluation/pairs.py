"""Finds which predicted mask belongs to which reference: by case id, which is the file's or its folder's name."""

import csv
from collections.abc import Iterable
from pathlib import Path

from medseg.case import Case
from medseg.errors import DatasetError, UnreadableFileError

__all__ = ["MASK_ENDINGS", "PLOTS", "Pair", "find_pairs", "holds_label_files", "paired_cases", "recorded_cases"]

MASK_ENDINGS = (".nii.gz", ".nii", ".png", ".tif", ".tiff", ".bmp", ".nrrd", ".mha", ".mhd")
# Case id, prediction (a mask, or a folder of one mask a label), reference: such, or a case of a data set.
Pair = tuple[str, Path, Path | Case]
_OWN_NAME = "mask"  # `medseg predict` writes <case>/mask.nii.gz or <case>/mask.png
_OF_LABELS = "mask_*.*"  # or of labels that overlap <case>/mask_LABEL.nii.gz
_RECORD = "cases.csv"
# What an evaluation draws beside its scores.csv is no mask, should somebody have written it among masks.
PLOTS = ("scores.png", "bland_altman.png", "froc.png", "reliability.png")


def find_pairs(predictions: str | Path, reference: str | Path) -> list[Pair]:
    """Pair predictions with references.

    A prediction without reference, or a case that `medseg predict` lists in its `cases.csv` but has no mask of, is
    paired with the path that is missing, so that its evaluation fails by name instead of being passed over.
    References of cases that were never predicted are left out: a label folder often holds more than the test part.

    Args:
        predictions: An output folder of `medseg predict`, a folder of masks named by case, or one mask. Of labels that
            overlap, a case's prediction is a folder named by it, which holds `mask_LABEL.*`.
        reference: A folder of masks named by case, one mask, or a data set, whose cases are the references.

    Returns:
        Case id, prediction and reference, in the order of the ids.

    Raises:
        UnreadableFileError: A path does not exist.
        DatasetError: A case has two masks, there is no mask, or no prediction has a reference.
    """
    return paired_cases(predictions, reference)[0]


def paired_cases(predictions: str | Path, reference: str | Path) -> tuple[list[Pair], list[str]]:
    """`find_pairs`, and the ids of references that were never predicted.

    Raises:
        UnreadableFileError: As `find_pairs`.
        DatasetError: The same.
    """
    predictions, reference = _existing(predictions), _existing(reference)
    if predictions.is_file() and reference.is_file():
        return [(_case_of(predictions), predictions, reference)], []
    predicted, true = _masks(predictions), _references(reference)
    if not predicted:
        raise DatasetError(predictions, "no masks here", "Pass a folder of masks.", ", ".join(MASK_ENDINGS))
    attempted = {case: predictions / case / "mask" for case in recorded_cases(predictions)} | predicted
    if not predicted.keys() & true.keys():
        raise DatasetError(
            predictions,
            f"none of its {len(predicted)} masks ({_some(predicted)}) has a reference in {reference} ({_some(true)})",
            "Name each reference after its case: CASE.nii.gz or CASE.png.",
        )
    folder = reference if reference.is_dir() else reference.parent
    pairs = [(case, path, true.get(case, folder / case)) for case, path in sorted(attempted.items())]
    return pairs, sorted(true.keys() - attempted.keys())


def _existing(path: str | Path) -> Path:
    if not Path(path).exists():
        raise UnreadableFileError(path, "no such file or folder", "Check the path.")
    return Path(path)


def _references(where: Path) -> dict[str, Path | Case]:
    """Masks as `_masks` finds them, or the cases of a data set where the folder has no mask of its own."""
    from medseg.datasets import open_dataset
    from medseg.datasets.layouts import manifest

    # The pictures beside a manifest are images as well as masks.
    own: dict[str, Path | Case] = {} if manifest.recognises(where) else {**_masks(where)}
    return own or {case.id: case for case in open_dataset(where).labelled}


def _masks(where: Path) -> dict[str, Path]:
    """Mask files by case id: those directly in a folder, and `mask.*` in the folders directly below.

    Of labels that overlap it is the folder below that holds `mask_LABEL.*`.
    """
    if where.is_file():
        return {_case_of(where): where} if _is_mask(where) else {}
    drawn = PLOTS if (where / "scores.csv").is_file() else ()
    files = [path for path in where.iterdir() if _is_mask(path) and path.name not in drawn]
    files += [path for path in where.glob(f"*/{_OWN_NAME}.*") if _is_mask(path)]
    files += [path for path in where.iterdir() if holds_label_files(path)]
    found: dict[str, Path] = {}
    for path in sorted(files):
        case = _case_of(path)
        if case in found:
            raise DatasetError(path, f"case {case} also has {found[case]}", "Keep one mask a case.")
        found[case] = path
    return found


def holds_label_files(folder: Path) -> bool:
    """Whether a folder holds a mask for each label of one case, `mask_LABEL.*`."""
    return folder.is_dir() and any(_is_mask(path) for path in folder.glob(_OF_LABELS))


def _is_mask(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and path.name.lower().endswith(MASK_ENDINGS)


def _case_of(path: Path) -> str:
    if path.is_dir():
        return path.name
    ending = next((ending for ending in MASK_ENDINGS if path.name.lower().endswith(ending)), path.suffix)
    stem = path.name[: len(path.name) - len(ending)]
    return path.absolute().parent.name if stem == _OWN_NAME else stem


def recorded_cases(predictions: str | Path) -> dict[str, dict[str, str]]:
    """What the `cases.csv` of a prediction run says of each case that it tried; nothing where there is none.

    Raises:
        UnreadableFileError: It is no text in UTF-8.
    """
    record = Path(predictions) / _RECORD
    if not record.is_file():
        return {}
    try:
        with record.open(newline="", encoding="utf-8-sig") as lines:
            rows = [row for row in csv.DictReader(lines) if row.get("case")]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFileError(record, f"cannot be read ({error})", "Save it as CSV in UTF-8.") from error
    # A row longer or shorter than the header has a None among its names or its values.
    return {row["case"]: {name: value for name, value in row.items() if name and value} for row in rows}


def _some(masks: Iterable[str]) -> str:
    names = sorted(masks)
    return ", ".join(names[:2]) + (" …" if len(names) > 2 else "")
