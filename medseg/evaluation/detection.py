"""Lesions over all cases: pooled sensitivity, precision and false positives, and with confidences FROC and AP.

Only the confidence of a predicted lesion is varied; the lesions themselves stay those of the mask, as picai_eval does
(Saha 2024). A threshold keeps the predicted lesions of at least that confidence.
"""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CURVE_COLUMNS", "FROC_RATES", "Detection", "detections"]

CURVE_COLUMNS = ("label", "threshold", "fp_per_case", "sensitivity", "precision")
FROC_RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # of LUNA16 (Setio 2017)
_Floats = npt.NDArray[np.float64]


def _none() -> _Floats:
    return np.zeros(0)


@dataclass(frozen=True, eq=False)
class Detection:
    """How well the lesions of one label were found, over all cases together.

    Args:
        label: Its name.
        cases: Cases in which somebody looked for it.
        lesions: Reference lesions in all.
        found: Reference lesions that were found.
        right: Predicted lesions that are one of the reference.
        wrong: Predicted lesions that are none, duplicates left out.
        thresholds: Confidences of predicted lesions, falling; empty unless every one has a confidence.
        hits: Reference lesions found at each threshold.
        truths: Predicted lesions that are right at each.
        false: Predicted lesions that are wrong at each.
        auroc: How well a case's greatest confidence tells cases with a lesion from those without (area under the
            ROC curve, ties count a half); NaN where there are not both.
    """

    label: str
    cases: int
    lesions: int
    found: int
    right: int
    wrong: int
    thresholds: _Floats = field(default_factory=_none)
    hits: _Floats = field(default_factory=_none)
    truths: _Floats = field(default_factory=_none)
    false: _Floats = field(default_factory=_none)
    auroc: float = math.nan

    @property
    def sensitivity(self) -> float:
        """Found of all reference lesions; by the rule of `LesionMatch` where there are none."""
        return self._share(self.found, self.lesions)

    @property
    def precision(self) -> float:
        """Right of all predicted lesions that are right or wrong."""
        return self._share(self.right, self.right + self.wrong)

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        both = self.sensitivity + self.precision
        return 2 * self.sensitivity * self.precision / both if both else both

    @property
    def fp_per_case(self) -> float:
        """Wrong lesions a case."""
        return self.wrong / self.cases if self.cases else math.nan

    @property
    def average_precision(self) -> float:
        """Σ (Rₙ - Rₙ₋₁) Pₙ over falling thresholds, without interpolation; a lesion never found adds nothing."""
        if not len(self.thresholds) or not self.lesions:
            return math.nan
        recall = np.concatenate([[0], self.hits / self.lesions])
        return float(np.diff(recall) @ self._precisions)

    def sensitivity_at(self, rate: float) -> float:
        """The greatest sensitivity with at most so many false positives a case; 0 where every threshold has more."""
        if not len(self.thresholds) or not self.lesions:
            return math.nan
        allowed = self.hits[self.false <= rate * self.cases]
        return float(allowed.max(initial=0)) / self.lesions

    @property
    def froc_score(self) -> float:
        """Mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false positives a case."""
        return float(np.mean([self.sensitivity_at(rate) for rate in FROC_RATES]))

    @property
    def curve(self) -> "pd.DataFrame":
        """A row a threshold, falling; columns as `CURVE_COLUMNS`."""
        import pandas as pd

        columns = {
            "threshold": self.thresholds,
            "fp_per_case": self.false / max(1, self.cases),
            "sensitivity": self.hits / max(1, self.lesions),
            "precision": self._precisions,
        }
        return pd.DataFrame({"label": [self.label] * len(self.thresholds)} | columns, columns=list(CURVE_COLUMNS))

    def to_dict(self) -> dict[str, float]:
        """Every figure by name."""
        counts = {name: getattr(self, name) for name in ("cases", "lesions", "found", "right", "wrong")}
        shares = ("sensitivity", "precision", "f1", "fp_per_case", "average_precision", "froc_score", "auroc")
        return counts | {name: getattr(self, name) for name in shares}

    @property
    def _precisions(self) -> _Floats:
        found: _Floats = self.truths / np.maximum(1, self.truths + self.false)
        return found

    def _share(self, part: int, whole: int) -> float:
        if not self.lesions + self.right + self.wrong:
            return math.nan
        return part / whole if whole else 0.0


def detections(lesions: "pd.DataFrame", scores: "pd.DataFrame") -> tuple[Detection, ...]:
    """Detection of each label.

    Args:
        lesions: One row a lesion, as `Evaluation.lesions` has them.
        scores: One row a case and label, as `Evaluation.cases`: tells how many cases there are.
    """
    judged = scores[scores["judged"]]
    return tuple(
        _detection(str(label), lesions[lesions["label"] == label], list(own["case"]))
        for label, own in judged.groupby("label", sort=False)
    )


def _detection(label: str, lesions: "pd.DataFrame", cases: list[str]) -> Detection:
    true, said = (lesions[lesions["side"] == side] for side in ("reference", "predicted"))
    right, wrong = said[said["matched"]], said[~said["matched"] & ~said["duplicate"]]
    counts = (len(cases), len(true), int(true["matched"].sum()), len(right), len(wrong))
    if said.empty or said["confidence"].isna().any():  # a lesion without one would never be found
        return Detection(label, *counts)
    thresholds = np.unique(said["confidence"])[::-1]
    hits, truths, false = (_reaching(rows["confidence"].to_numpy(), thresholds) for rows in (true, right, wrong))
    sick = set(true["case"])
    most = said.groupby("case")["confidence"].max()
    marks = [(float(most.get(case, 0.0)), case in sick) for case in cases]
    auroc = _auroc([mark for mark, ill in marks if ill], [mark for mark, ill in marks if not ill])
    return Detection(label, *counts, thresholds, hits, truths, false, auroc)


def _reaching(confidences: _Floats, thresholds: _Floats) -> _Floats:
    """How many confidences are at least each threshold; NaN (never found) is none."""
    known = np.sort(confidences[~np.isnan(confidences)])
    found: _Floats = (len(known) - np.searchsorted(known, thresholds, "left")).astype(np.float64)
    return found


def _auroc(positives: list[float], negatives: list[float]) -> float:
    """Share of pairs in which the positive is higher, ties a half (Mann and Whitney 1947)."""
    if not positives or not negatives:
        return math.nan
    below = np.sort(negatives)
    wins = np.searchsorted(below, positives, "left") + np.searchsorted(below, positives, "right")
    return float(wins.sum() / (2 * len(positives) * len(negatives)))
