"""Splits from files: ours, folds, nnU-Net's `splits_final.json`, and tables with a column `split`."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medseg.atomic import write_text
from medseg.case import Case
from medseg.datasets.case_table import SPLITS, read_rows
from medseg.datasets.splits import Split, require_no_leak
from medseg.errors import DatasetError
from medseg.io.formats import stem

__all__ = ["read_folds", "read_split", "save_folds"]

_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "val", "valid"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_SHOWN = 10
_JSON = "{train, validation, test}, or a list of such for folds"


def save_folds(path: Path, folds: Sequence[Split]) -> None:
    """Write folds as a JSON list of splits.

    Raises:
        OutputError: The file cannot be written.
    """
    write_text(path, json.dumps([asdict(fold) for fold in folds], indent=1) + "\n")


def read_folds(path: Path, cases: Iterable[Case]) -> list[Split]:
    """Every fold of a file of folds, each as `read_split` reads it.

    Raises:
        DatasetError: The file holds no list of at least two folds, or as `read_split`.
    """
    try:
        count = len(folds) if isinstance(folds := json.loads(path.read_text(encoding="utf-8-sig")), list) else 1
    except (OSError, ValueError) as error:
        raise DatasetError(path, f"cannot be read ({error})", "Give a list of folds as JSON.", _JSON) from error
    if count < 2:
        raise DatasetError(path, "holds no list of folds", "`medseg split DATASET --folds 5 --out FILE` makes one.")
    listed = list(cases)
    return [read_split(path, listed, fold) for fold in range(count)]


def read_split(path: Path, cases: Iterable[Case], fold: int | None = None) -> Split:
    """The split that a file fixes for the cases of a data set.

    Args:
        path: JSON of one split or a list of folds, where "val" stands for "validation" as in nnU-Net's
            `splits_final.json`, or a CSV with the columns `id` (or `patient`) and `split`; a row whose split is empty
            leaves its cases out on purpose.
        cases: The data set's. Those that it fixes to the test part itself are in it where the file has no test part.
        fold: Which one of several, from 0.

    Raises:
        DatasetError: The file is no split, `fold` does not fit, it names cases that do not exist or twice, cases to
            learn from have no label, labelled cases are in no part, or a patient is in two.
    """
    listed = list(cases)
    if path.suffix.lower() == ".csv":
        named, left_out = _from_table(path, listed, fold)
    else:
        named, left_out = _from_json(path, fold), set[str]()
    by_id = {case.id: case for case in listed}
    parts = {part: [_known(name, by_id) for name in named.get(part, ())] for part in SPLITS}
    placed = [name for part in parts.values() for name in part]
    _refuse(path, "names {} that the data set does not have", set(placed) - set(by_id), "Take them out of the file.")
    twice = {name for name in placed if placed.count(name) > 1} if len(set(placed)) < len(placed) else set()
    _refuse(path, "names {} twice", twice, "Keep each case in one part.")
    bare = {name for name in (*parts["train"], *parts["validation"]) if not by_id[name].labelled}
    _refuse(path, "trains or validates on {} without a label", bare, "Label them, or move them to the test part.")
    if not parts["test"]:
        parts["test"] = [case.id for case in listed if case.split == "test" and case.id not in set(placed)]
        placed += parts["test"]
    rest = {case.id for case in listed if case.labelled} - set(placed) - left_out
    _refuse(path, "has {} in no part", rest, "Add them, in a CSV with an empty split to leave them out.")
    split = Split(*(tuple(sorted(parts[part])) for part in SPLITS))
    require_no_leak(split, listed, path)
    if not split.train:
        raise DatasetError(path, "has no case to train on", "Put some into the part `train`.")
    return split


def _from_json(path: Path, fold: int | None) -> dict[str, list[str]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DatasetError(path, f"cannot be read ({error})", "Give a split as JSON or CSV.", _JSON) from error
    if isinstance(content, list):
        content = content[_fold(path, fold, len(content))]
    elif fold is not None:
        raise DatasetError(path, f"holds one split, not fold {fold}", "Leave `fold` away, or give a file of folds.")
    if not isinstance(content, dict) or not content or not all(map(_is_part, content.items())):
        raise DatasetError(path, "is no split", "Give lists of case ids.", _JSON)
    named: dict[str, list[str]] = {}
    for word, names in content.items():
        named.setdefault(_WORDS[word], []).extend(names)
    return named


def _is_part(item: tuple[str, Any]) -> bool:
    word, names = item
    return word in _WORDS and isinstance(names, list) and all(isinstance(name, str) for name in names)


def _fold(path: Path, fold: int | None, count: int) -> int:
    if fold is None or not 0 <= fold < count:
        found = f"holds {count} folds" + ("" if fold is None else f" and no fold {fold}")
        raise DatasetError(path, found, "Say which: `fold`.", f"0 to {count - 1}")
    return fold


def _from_table(path: Path, cases: Sequence[Case], fold: int | None) -> tuple[dict[str, list[str]], set[str]]:
    """The cases of each part, and those left out on purpose."""
    if fold is not None:
        raise DatasetError(path, f"holds one split, not fold {fold}", "Leave `fold` away, or give a file of folds.")
    problems: list[DatasetError] = []
    rows = read_rows(path, ["split"], problems)
    if problems:
        raise problems[0]
    column = next((name for name in ("id", "patient") if rows and name in rows[0][1]), None)
    if column is None:
        raise DatasetError(path, "has no row with an id or a patient", "Add a column `id` or `patient`.")
    whose: dict[str, list[str]] = {}
    for case in cases:
        whose.setdefault(case.patient, []).append(case.id)
    named: dict[str, list[str]] = {}
    for line, row in rows:
        word = row["split"].lower()
        if word and word not in _WORDS:
            found = f"unknown split {row['split']!r}"
            raise DatasetError(f"{path}, line {line}", found, "Mend it, or leave it empty.", ", ".join(SPLITS))
        own = [row["id"]] if column == "id" else whose.get(row["patient"], [row["patient"]])
        named.setdefault(_WORDS.get(word, ""), []).extend(own)
    return named, set(named.pop("", ()))


def _known(name: str, by_id: Mapping[str, Case]) -> str:
    """A case's id; lists often give its file's name."""
    return stem(Path(name)) if name not in by_id and stem(Path(name)) in by_id else name


def _refuse(path: Path, found: str, names: set[str], mend: str) -> None:
    if names:
        some = sorted(names)
        listed = ", ".join(some[:_SHOWN]) + (f" and {len(some) - _SHOWN} more" if len(some) > _SHOWN else "")
        raise DatasetError(path, f"{found.format(f'{len(some)} cases')} ({listed})", mend)
