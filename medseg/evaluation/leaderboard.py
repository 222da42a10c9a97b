"""Compares models on the same cases: means with intervals by patient, ranks, and paired tests of every two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg.atomic import json_text, write_csv, write_json
from medseg.errors import ConfigError
from medseg.evaluation.columns import METRICS
from medseg.evaluation.comparable import CommonGround, common_ground
from medseg.evaluation.scored import Scored
from medseg.evaluation.statistics.holm import holm
from medseg.evaluation.statistics.intervals import FEWEST_PATIENTS, mean_intervals
from medseg.evaluation.statistics.paired import paired_test
from medseg.evaluation.summary import ALL_LABELS, means_of_labels

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COMPARISON_COLUMNS",
    "LEADERBOARD_COLUMNS",
    "Leaderboard",
    "compare_models",
    "lower_is_better",
    "require_metrics",
]

_TESTED = ("wilcoxon_p", "wilcoxon_p_holm", "permutation_p", "permutation_p_holm")
LEADERBOARD_COLUMNS = (
    "metric", "label", "rank", "model", "mean", "low", "high", "n", "patients", "missed", "false",
    "difference", "difference_low", "difference_high", *_TESTED, "note",
)  # fmt: skip
COMPARISON_COLUMNS = (
    "metric", "label", "model", "other", "difference", "low", "high", *_TESTED, "n", "patients", "note",
)  # fmt: skip
_VALUE_COLUMNS = ("metric", "label", "case", "patient", "model", "value")
_NO_DIRECTION = ("relative_volume_difference",)


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """How several models compare on the cases that all of them have.

    Args:
        table: A row a metric, label and model, the best first; columns as `LEADERBOARD_COLUMNS`. The difference is to
            the best model of the metric and label, whose own is empty.
        comparisons: A row a metric, label and pair of models, the better first; columns as `COMPARISON_COLUMNS`. The
            Holm-adjusted p are of all pairs of that metric and label.
        left_out: Cases that not every model has: a row a case and model that lacks it, with the reason.
        notes: What a reader has to know.
        values: The values compared: metric, label, case, patient, model, value.
        settings: Level, resamples and seed.
    """

    table: "pd.DataFrame"
    comparisons: "pd.DataFrame"
    left_out: "pd.DataFrame"
    notes: tuple[str, ...]
    values: "pd.DataFrame"
    settings: Mapping[str, Any]

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models in the order they were given."""
        return tuple(dict.fromkeys(self.values["model"]))

    def to_dict(self) -> dict[str, Any]:
        """Everything but the single values."""
        tables = {"leaderboard": self.table, "comparisons": self.comparisons, "left_out": self.left_out}
        rows = {name: table.to_dict("records") for name, table in tables.items()}
        return {"models": list(self.models), "settings": dict(self.settings), "notes": list(self.notes)} | rows

    def to_json(self) -> str:
        """`to_dict` as JSON text; what is undefined is null."""
        return json_text(self.to_dict())

    def save(self, folder: str | Path) -> None:
        """Write leaderboard.csv, comparisons.csv and leaderboard.json.

        Raises:
            OutputError: The folder cannot be written.
        """
        write_csv(Path(folder) / "leaderboard.csv", self.table)
        write_csv(Path(folder) / "comparisons.csv", self.comparisons)
        write_json(Path(folder) / "leaderboard.json", self.to_dict())

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False, float_format="{:.3f}".format, na_rep="")


def lower_is_better(metric: str) -> bool:
    """Of distances and of false lesions."""
    return metric.startswith(("hd", "assd", "masd")) or metric == "false_lesions"


def compare_models(
    models: Sequence[Scored],
    metrics: Sequence[str] = ("dice",),
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Leaderboard:
    """Compare models on the cases and labels that all of them have.

    Where one model has no value in a case (HD95 of a label that it missed, or any overlap of a label that neither it
    nor the reference has), the case is left out for all of them, and counted in the note; `missed` and `false` say how
    often each model found nothing where there is something, and something where there is nothing.

    Args:
        models: Their scores.
        metrics: Names of `medseg.evaluation.METRICS`.
        level: Confidence of the intervals.
        resamples: Of the bootstrap and of the permutation test.
        seed: Of both.

    Raises:
        ConfigError: A metric is unknown, has no better direction, or no case has a value of it.
        DatasetError: The models cannot be compared; see `common_ground`.
    """
    import pandas as pd

    require_metrics(metrics)
    ground = common_ground(models)
    how = {"level": level, "resamples": resamples, "seed": seed}
    rows: list[dict[str, Any]] = []
    pairs: list[dict[str, Any]] = []
    values: list[pd.DataFrame] = []
    for metric in dict.fromkeys(metrics):
        before = len(rows)
        for label, tables in _by_label(ground):
            compared = _compared(ground, metric, label, tables, how)
            if compared is not None:
                rows += compared[0]
                pairs += compared[1]
                values.append(compared[2])
        if len(rows) == before:
            raise ConfigError("metric", f"no case has a value of {metric} in every model", "Choose another metric.")
    board = pd.DataFrame(rows, columns=list(LEADERBOARD_COLUMNS))
    board = board.astype({"rank": "Int64", **dict.fromkeys(("n", "patients", "missed", "false"), "int64")})
    comparisons = pd.DataFrame(pairs, columns=list(COMPARISON_COLUMNS))
    patients = {patient for one in values for patient in one["patient"]}
    notes = list(ground.notes)
    if len(patients) < FEWEST_PATIENTS:
        notes.append(f"Fewer than {FEWEST_PATIENTS} patients: no intervals and no tests.")
    return Leaderboard(board, comparisons, ground.left_out, tuple(notes), pd.concat(values, ignore_index=True), how)


def require_metrics(metrics: Sequence[str]) -> None:
    """Refuse what is no score, or one of which neither less nor more is better.

    Raises:
        ConfigError: One is.
    """
    for metric in metrics:
        if metric not in METRICS or metric in _NO_DIRECTION:
            found = "has no better direction" if metric in METRICS else "is no score"
            known = ", ".join(name for name in METRICS if name not in _NO_DIRECTION)
            raise ConfigError("metric", f"{metric!r} {found}", "Name a score.", known)
    if not metrics:
        raise ConfigError("metric", "none", "Name at least one, such as dice.")


def _by_label(ground: CommonGround) -> "list[tuple[str, dict[str, pd.DataFrame]]]":
    """The scores of each model indexed by case: of the mean of labels first, as it says most, then of each label."""
    found = []
    if len(ground.labels) > 1:
        found.append((ALL_LABELS, {name: means_of_labels(table) for name, table in ground.scores.items()}))
    for label in ground.labels:
        own = {name: table[table["label"] == label].set_index("case") for name, table in ground.scores.items()}
        found.append((label, own))
    return found


def _compared(
    ground: CommonGround, metric: str, label: str, tables: "Mapping[str, pd.DataFrame]", how: Mapping[str, Any]
) -> "tuple[list[dict[str, Any]], list[dict[str, Any]], pd.DataFrame] | None":
    """Rows of one metric and label, rows of its pairs, and the values; nothing where no case has them all."""
    import pandas as pd

    every = pd.DataFrame({name: table[metric] for name, table in tables.items()})
    values = every.dropna()
    if values.empty:
        return None
    patients = [ground.patients[case] for case in values.index]
    names = list(values.columns)
    found = dict(zip(names, mean_intervals(values.to_numpy(float), patients, **how), strict=True))
    means = pd.Series({name: one.mean for name, one in found.items()}).round(10)
    ranks = means.rank(method="min", ascending=lower_is_better(metric)).astype(int)
    ordered = sorted(names, key=lambda name: ranks[name])
    pairs = _pairs(values, patients, ordered, how)
    partly = int((every.notna().any(axis=1) & every.isna().any(axis=1)).sum())
    dropped = f"left out: {partly} case{'s' * (partly != 1)} without a value in some model" if partly else ""
    errors = {name: _errors(ground.scores[name], label) for name in names}
    rows = []
    for name in ordered:
        own = found[name]
        row = {"metric": metric, "label": label, "rank": ranks[name], "model": name, **errors[name]}
        row |= {"mean": own.mean, "low": own.low, "high": own.high, "n": own.n, "patients": own.patients}
        to_best = _to_best(pairs[ordered[0], name]) if name != ordered[0] else {}
        notes = (own.note, str(to_best.pop("note", "")), dropped)
        rows.append(row | to_best | {"note": "; ".join(dict.fromkeys(note for note in notes if note))})
    about = {"metric": metric, "label": label}
    long = values.assign(case=values.index, patient=patients).melt(["case", "patient"], var_name="model")
    listed = [about | {"model": one, "other": other} | pair for (one, other), pair in pairs.items()]
    return rows, listed, long.assign(**about)[list(_VALUE_COLUMNS)]


def _pairs(
    values: "pd.DataFrame", patients: Sequence[str], ordered: Sequence[str], how: Mapping[str, Any]
) -> dict[tuple[str, str], dict[str, Any]]:
    """Every two models, the better first. Which are compared is chosen by no one, so that Holm's family is all."""
    pairs = list(combinations(ordered, 2))
    tests = [paired_test(values[one].to_numpy(), values[other].to_numpy(), patients, **how) for one, other in pairs]
    rows: list[dict[str, Any]] = [dict(vars(test)) for test in tests]
    for name in ("wilcoxon_p", "permutation_p"):
        for row, adjusted in zip(rows, holm([row[name] for row in rows]), strict=True):
            row[f"{name}_holm"] = float(adjusted)
    return dict(zip(pairs, rows, strict=True))


def _to_best(pair: Mapping[str, Any]) -> dict[str, Any]:
    """The pair of the best and a model as the model sees it: its difference is worse, whatever the direction."""
    ends = {"difference": "difference", "difference_low": "high", "difference_high": "low"}
    turned = {name: 0.0 - pair[end] for name, end in ends.items()}  # -0.0 would be printed as such
    return turned | {name: pair[name] for name in _TESTED} | {"note": pair["note"]}


def _errors(scores: "pd.DataFrame", label: str) -> dict[str, int]:
    """How often a label, or any, was missed whole, and found where there is none."""
    own = scores[scores["judged"] & ((scores["label"] == label) | (label == ALL_LABELS))]
    there, found = own["reference_voxels"] > 0, own["predicted_voxels"] > 0
    return {"missed": int((there & ~found).sum()), "false": int((~there & found).sum())}
