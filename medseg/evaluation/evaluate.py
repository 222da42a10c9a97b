"""Scores predicted against reference masks on the native grid, case by case; a bad case never stops the rest."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.atomic import json_text, write_csv, write_json
from medseg.case import Case
from medseg.errors import ConfigError, DatasetError, GridMismatchError, LabelError, MedsegError
from medseg.evaluation.pairs import Pair, holds_label_files
from medseg.evaluation.summary import score_case, scores_table, summarise
from medseg.geometry import Geometry
from medseg.labels import Labels, labels_of
from medseg.options import ReadOptions
from medseg.reporting import Reporter, Silent

if TYPE_CHECKING:
    import pandas as pd

    from medseg.io import LabelMap

__all__ = ["Evaluation", "evaluate_pairs"]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate_pairs` found.

    Args:
        cases: One row a case and label; columns as `medseg.evaluation.SCORE_COLUMNS`.
        summary: One row a label and metric; columns as `medseg.evaluation.SUMMARY_COLUMNS`.
        failures: Cases that could not be scored, each with its reason.
        nsd_tolerance: Of the normalised surface Dice, in mm (`nsd`) and pixels (`nsd_px`).
    """

    cases: "pd.DataFrame"
    summary: "pd.DataFrame"
    failures: tuple[tuple[str, str], ...] = ()
    nsd_tolerance: float = 1.0

    def mean(self, label: str, metric: str = "dice") -> float:
        """One mean of the summary.

        Raises:
            KeyError: There is no such label or metric.
        """
        row = self.summary[(self.summary["label"] == label) & (self.summary["metric"] == metric)]
        if row.empty:
            raise KeyError(f"{label}, {metric}")
        return float(row["mean"].iloc[0])

    def to_dict(self) -> dict[str, Any]:
        """The summary and the failures as nested dictionaries: label, then metric, then figure."""
        labels: dict[str, dict[str, Any]] = {}
        for row in self.summary.to_dict("records"):
            label, metric = str(row.pop("label")), str(row.pop("metric"))
            labels.setdefault(label, {})[metric] = row
        failures = [{"case": case, "reason": reason} for case, reason in self.failures]
        found = {"cases_scored": self.cases["case"].nunique(), "nsd_tolerance": self.nsd_tolerance}
        return found | {"labels": labels, "failures": failures}

    def to_json(self) -> str:
        """`to_dict` as JSON text; an undefined figure is null."""
        return json_text(self.to_dict())

    def save(self, folder: str | Path) -> None:
        """Write `scores.csv`, `summary.csv`, `failures.csv` and `summary.json`.

        Raises:
            OutputError: The folder cannot be written.
        """
        import pandas as pd

        folder = Path(folder)
        write_csv(folder / "scores.csv", self.cases)
        write_csv(folder / "summary.csv", self.summary)
        write_csv(folder / "failures.csv", pd.DataFrame(list(self.failures), columns=["case", "reason"]))
        write_json(folder / "summary.json", self.to_dict())

    def _repr_html_(self) -> str:
        table = self.summary.to_html(index=False, float_format="{:.3f}".format, na_rep="")
        lines = "".join(f"<li><b>{html.escape(c)}</b>: {html.escape(why)}</li>" for c, why in self.failures)
        return table + (f"<p>Not scored:</p><ul>{lines}</ul>" if lines else "")


def evaluate_pairs(
    pairs: Iterable[Pair],
    labels: Labels | None = None,
    reporter: Reporter | None = None,
    options: ReadOptions | None = None,
    *,
    nsd_tolerance: float = 1.0,
) -> Evaluation:
    """Score every pair of masks.

    A label that nobody looked for in a case of a data set (`Case.annotated`) has no score there, and is counted.

    Args:
        pairs: Case id, predicted mask, and the reference's file or case, as `find_pairs` gives.
        labels: What the values mean. Without it every structure that the references name is a label, or else every
            value but 0 that occurs, and nothing is ignored.
        reporter: Shows the progress.
        options: How references are read; of several readers' masks, what becomes of them.
        nsd_tolerance: How far apart borders may be for the normalised surface Dice, in mm; in pixels where the
            spacing of a case is unknown.

    Returns:
        Scores, summary, and the cases that could not be scored (unreadable, another grid, undeclared values).

    Raises:
        DatasetError: There is no pair, or no pair at all could be read while the labels were unknown.
        ConfigError: The tolerance is negative or no number.
    """
    if not nsd_tolerance >= 0:
        raise ConfigError("nsd_tolerance", repr(nsd_tolerance), "Give a distance, such as 1.0.", "0 or more")
    pairs, reporter = list(pairs), reporter or Silent()
    if not pairs:
        raise DatasetError("pairs", "nothing to evaluate", "Give at least one predicted mask and its reference.")
    labels = labels or _structures_in(pairs)
    known = labels or _labels_in(pairs, reporter, options)
    rows: list[dict[str, Any]] = []
    failures: list[tuple[str, str]] = []
    for case, prediction, reference in reporter.track(pairs, "scoring", len(pairs)):
        try:
            judged = known.judged(reference.annotated) if isinstance(reference, Case) else None
            predicted, true, grid = _on_one_grid(prediction, reference, labels, options)
            rows += score_case(predicted, true, known, case, judged, grid, nsd_tolerance)
        except MedsegError as error:
            failures.append((case, str(error)))
    cases = scores_table(rows)
    return Evaluation(cases, summarise(cases), tuple(failures), nsd_tolerance)


def _on_one_grid(
    prediction: Path, reference: Path | Case, labels: Labels | None, options: ReadOptions | None
) -> tuple[np.ndarray, np.ndarray, Geometry]:
    """Both masks on the prediction's grid, and this grid.

    The reference may be stored in another axis order, but is never resampled.
    """
    from medseg.io import read_case_label_map

    predicted = _read(prediction, None, labels, None)
    grid = predicted.geometry
    try:
        if isinstance(reference, Case):
            true = read_case_label_map(reference, grid, labels, options)
        else:
            true = _read(reference, grid, labels, options)
    except GridMismatchError as error:
        raise GridMismatchError(f"{prediction} and its reference", str(error), "Score masks of one image.") from error
    return predicted.mask, true.mask, grid


def _read(path: Path, on: Geometry | None, labels: Labels | None, options: ReadOptions | None) -> "LabelMap":
    """A mask in file values; of labels that overlap the channels, of a label map or of a folder of one mask a label."""
    from medseg.io import read_label_map
    from medseg.io.label_files import read_label_files

    overlapping = labels is not None and not labels.exclusive
    if holds_label_files(path):
        if labels is None or not overlapping:
            mend = "Say what they are, as `overlapping: true` under labels, or pass the folder `medseg predict` wrote."
            raise LabelError(path, "holds a mask for each label", mend)
        return read_label_files(path, labels, on)
    found = read_label_map(path, on=on, labels=labels, options=options)
    if labels is None or not overlapping or found.mask.ndim > found.geometry.ndim:
        return found
    return replace(found, mask=labels.to_channels(found.mask, str(path)))


def _structures_in(pairs: Sequence[Pair]) -> Labels | None:
    """A label for each structure that a reference names; none where references hold values."""
    references = [reference for _, _, reference in pairs if isinstance(reference, Case)]
    names = sorted({name for reference in references for name in reference.structures})
    return Labels.of_structures(names) if names else None


def _labels_in(pairs: Sequence[Pair], reporter: Reporter, options: ReadOptions | None) -> Labels:
    """Labels for all values in all masks that can be read; those that cannot become failures later."""
    found: set[int] = set()
    for _case, prediction, reference in reporter.track(pairs, "looking for labels", len(pairs)):
        try:
            *masks, _grid = _on_one_grid(prediction, reference, None, options)
        except MedsegError:
            continue
        found |= {int(value) for mask in masks for value in np.unique(mask)}
    return labels_of(np.array(sorted(found), dtype=np.int64), where="masks")
