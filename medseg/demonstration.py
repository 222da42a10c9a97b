"""The whole way on generated studies: generate, train, predict, evaluate, measure, beside Otsu."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from medseg.batch import Predictions, predict_cases
from medseg.classical.otsu import Otsu
from medseg.datasets import cases_from_inputs
from medseg.demo.dataset import generate
from medseg.evaluation import Evaluation
from medseg.labels import Labels
from medseg.reporting import Reporter, Silent
from medseg.workflow import evaluate, predict, train

__all__ = ["Demonstration", "demonstrate"]

LESION = Labels.from_config({"lesion": 1})


@dataclass(frozen=True, eq=False)
class Demonstration:
    """What the demo leaves in its folder.

    Args:
        folder: `data/` (generated), `run/` (training), `predictions/`, `otsu/`.
        predictions: Masks and regions of the held-back studies.
        scores: Dice of the network on them.
        otsu_scores: Dice of Otsu's threshold on them.
    """

    folder: Path
    predictions: Predictions
    scores: Evaluation
    otsu_scores: Evaluation


def demonstrate(
    kind: Literal["ct", "mammogram"] = "ct",
    out: str | Path = "medseg-demo",
    *,
    minutes: float = 2.0,
    reporter: Reporter | None = None,
) -> Demonstration:
    """Generate studies, train on the labelled ones, predict and score the held-back ones.

    Raises:
        MedsegError: `out` cannot be written, or already holds a finished demo of another budget.
    """
    return None
