"""What a fit of classical methods writes of itself, and what of an earlier run it must agree with."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from medseg.classical import Part
from medseg.classical.fit_settings import FitSettings
from medseg.classical.methods import checked_options
from medseg.datasets import Split
from medseg.errors import ConfigError

__all__ = [
    "candidate_row",
    "candidate_table",
    "number_of",
    "part_of_record",
    "part_record",
    "require_same",
    "require_same_split",
]

_FREE = {"jobs", "unreadable"}  # what has no say in what is found


def require_same(settings: FitSettings) -> None:
    """Refuse to go on with a run by other settings than it began with.

    Raises:
        ConfigError: The keys that differ are named.
    """
    path = settings.folder / "settings.json"
    if not path.exists():
        return
    before, now = json.loads(path.read_text(encoding="utf-8")), json.loads(settings.model_dump_json())
    keys = (before.keys() | now.keys()) - _FREE
    changed = sorted(key for key in keys if before.get(key) != now.get(key))
    if changed:
        found = f"holds a run with other settings ({', '.join(changed)})"
        raise ConfigError(settings.folder, found, "Choose another out=..., or delete that folder.")


def require_same_split(split: Split, folder: Path) -> None:
    """Refuse to go on with a run whose parts would be other ones now.

    Raises:
        ConfigError: They would.
    """
    path = folder / "split.json"
    if path.exists() and (folder / "settings.json").exists() and Split.load(path) != split:
        raise ConfigError(path, "the data set has other cases than when this run began", "Choose another out=...")


def candidate_row(part: Part, stage: str, score: float, n: int) -> dict[str, Any]:
    """A row of `fit.csv`: what was tried at which stage, its mean Dice and of how many cases."""
    told = part.options.model_dump(mode="json")
    return {"method": part.method, "label": part.label, "stage": stage, "dice": score, "n": n, **told}


def candidate_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of several methods, whose options differ, as a table; lists become text."""
    return pd.DataFrame([{key: str(one) if isinstance(one, list) else one for key, one in row.items()} for row in rows])


def part_record(part: Part) -> dict[str, Any]:
    """A part as JSON can hold it."""
    options = part.options.model_dump(mode="json")
    return {"label": part.label, "method": part.method, "options": options, "dice": part.dice}


def part_of_record(said: Mapping[str, Any]) -> Part:
    """The part that `part_record` told."""
    return Part(
        said["label"], said["method"], checked_options(said["method"], said["options"]), number_of(said["dice"])
    )


def number_of(value: float | None) -> float:
    """A number of JSON, which has no NaN."""
    return math.nan if value is None else float(value)
