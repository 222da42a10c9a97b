"""One model's scores as a leaderboard takes them: of an evaluation in memory, or of a folder that one was saved in."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg.errors import UnreadableFileError
from medseg.evaluation.columns import SCORE_COLUMNS
from medseg.evaluation.evaluation import Evaluation

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SCORES", "Scored", "read_scored", "scored_of"]

SCORES = "scores.csv"
_NEEDED = ("case", "label", "predicted_voxels", "reference_voxels")
_MEND = "Evaluate it again with `medseg evaluate`."


@dataclass(frozen=True, eq=False)
class Scored:
    """What one model reached.

    Args:
        name: What the leaderboard calls it.
        scores: A row a case and label, as `Evaluation.cases`.
        patients: Whose each case is, where that is known.
        scoring: Fields of `Scoring`, and `match_threshold` as it was; empty where nobody wrote them down.
        failures: Cases that could not be scored, each with its reason.
    """

    name: str
    scores: "pd.DataFrame"
    patients: Mapping[str, str] = field(default_factory=dict)
    scoring: Mapping[str, Any] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)


def scored_of(name: str, evaluation: Evaluation) -> Scored:
    """The scores of an evaluation."""
    whose = evaluation.facts[["case", "patient"]].itertuples(index=False, name=None)
    how = evaluation.scoring.model_dump(mode="json") | {"match_threshold": evaluation.scoring.threshold}
    return Scored(name, evaluation.cases, dict(whose), how, dict(evaluation.failures))


def read_scored(name: str, folder: Path) -> Scored:
    """The scores that `Evaluation.save` wrote.

    Args:
        name: What the leaderboard calls the model.
        folder: With scores.csv; and cases.csv, summary.json and failures.csv, which may be missing.

    Raises:
        UnreadableFileError: A file is not what `medseg evaluate` writes.
    """
    patients = {row["case"]: row["patient"] for row in _rows(folder / "cases.csv", ("case", "patient"), optional=True)}
    failures = {row["case"]: row["reason"] for row in _rows(folder / "failures.csv", ("case", "reason"), optional=True)}
    return Scored(name, _scores(folder / SCORES), patients, _scoring(folder / "summary.json"), failures)


def _scores(path: Path) -> "pd.DataFrame":
    import pandas as pd

    rows = _rows(path, _NEEDED)
    table = pd.DataFrame(rows, columns=list(rows[0]) if rows else list(SCORE_COLUMNS))
    try:
        columns = {name: _column(table, name, kind) for name, kind in SCORE_COLUMNS.items()}
    except (ValueError, TypeError) as error:
        raise UnreadableFileError(path, f"holds something else than scores ({error})", _MEND) from error
    return pd.DataFrame(columns).astype(SCORE_COLUMNS)


def _column(table: "pd.DataFrame", name: str, kind: str) -> "pd.Series":
    """One column in its type; a missing one, which an older version did not write, is empty."""
    import pandas as pd

    if kind == "str":
        return table[name] if name in table else pd.Series("", index=table.index)
    if kind == "bool":
        return table[name] != "False" if name in table else pd.Series(True, index=table.index)
    if name not in table:
        return pd.Series(0 if kind == "int64" else float("nan"), index=table.index)
    return pd.to_numeric(table[name].replace("", None if kind == "float64" else "0"))


def _rows(path: Path, needed: tuple[str, ...], *, optional: bool = False) -> list[dict[str, str]]:
    """Rows of a CSV as text, since a case may be called 007 or NA."""
    if optional and not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            reader = csv.DictReader(lines, strict=True)
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFileError(path, f"cannot be read ({error})", _MEND) from error
    missing = [name for name in needed if name not in (reader.fieldnames or ())]
    if missing:
        raise UnreadableFileError(path, f"no column {missing[0]!r}", _MEND, ", ".join(needed))
    if any(None in row or None in row.values() for row in rows):
        raise UnreadableFileError(path, "a row has more or fewer fields than the first line", _MEND)
    return rows


def _scoring(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableFileError(path, f"is no JSON ({error})", _MEND) from error
    found = content.get("scoring", {}) if isinstance(content, dict) else {}
    return found if isinstance(found, dict) else {}
