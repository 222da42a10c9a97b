"""What the plots of an evaluation show, in words, for those who do not see them."""

from collections.abc import Callable

from medseg.evaluation.evaluation import Evaluation
from medseg.evaluation.summary import ALL_LABELS
from medseg.outputs.evaluation_plots import SHOWN, UNITS, size_text

__all__ = ["in_words"]


def in_words(name: str, evaluation: Evaluation) -> str:
    """The figures of a plot.

    Args:
        name: Of the file that `write_plots` writes.
        evaluation: What is drawn.
    """
    return "; ".join(_WORDS[name](evaluation))


def _scores(evaluation: Evaluation) -> list[str]:
    summary = evaluation.summary[(evaluation.summary["n"] > 0) & (evaluation.summary["label"] != ALL_LABELS)]
    return [
        f"{row['label']}, {title} of {row['n']} cases: median {row['median']:.3g}, {row['min']:.3g} to {row['max']:.3g}"
        for metric, title in SHOWN
        for row in summary[summary["metric"] == metric].to_dict("records")
    ]


def _agreement(evaluation: Evaluation) -> list[str]:
    return [
        f"{row['label']}: bias {size_text(row['bias']['value'])} {UNITS[row['unit']]}, limits of agreement"
        f" {size_text(row['lower']['value'])} to {size_text(row['upper']['value'])}, {row['n']} cases"
        for row in evaluation.agreement
        if row["n"] > 1
    ]


def _froc(evaluation: Evaluation) -> list[str]:
    found = [one for one in evaluation.detection if len(one.thresholds) and one.lesions]
    return [f"{one.label}: FROC {one.froc_score:.3f}, AP {one.average_precision:.3f}" for one in found]


def _reliability(evaluation: Evaluation) -> list[str]:
    curves = {label: one for (label, scope), one in evaluation.reliability.items() if scope == "possible" and one.n}
    return [f"{label}: ECE {one.ece:.3f}, Brier {one.brier:.3f}" for label, one in curves.items()]


_WORDS: dict[str, Callable[[Evaluation], list[str]]] = {
    "scores.png": _scores,
    "bland_altman.png": _agreement,
    "froc.png": _froc,
    "reliability.png": _reliability,
}
