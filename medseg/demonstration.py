"""The whole way on generated studies: generate, train, predict, evaluate and measure, beside Otsu's threshold."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from medseg.atomic import write_text
from medseg.batch import Predictions, predict_cases
from medseg.classical import classical
from medseg.datasets import cases_from_inputs
from medseg.demo.dataset import Kind, generate
from medseg.errors import InputError
from medseg.evaluation import Evaluation
from medseg.labels import Labels
from medseg.reporting import Reporter, Silent
from medseg.workflow import TrainedModel, evaluate, predict, train

__all__ = ["Demonstration", "demonstrate"]

_STUDIES = {"ct": (16, 5), "mammogram": (96, 12)}  # to learn from, held back
_LESION = {"ct": 1, "mammogram": 255}
# Narrow networks, small patches and a high rate: minutes on two cores have to be enough.
_PLAN = {
    "ct": {"patch_size": [64, 64, 32], "network": {"features": [16, 32, 64, 128]}},
    "mammogram": {
        "longest_side": 208,
        "patch_size": [160, 208],
        "batch_size": 6,
        "network": {"features": [16, 32, 64, 128, 128]},
    },
}
_LEARNING = {"learning_rate": 3e-3, "foreground": 0.66, "steps_per_epoch": 25, "validations": 5}


@dataclass(frozen=True, eq=False)
class Demonstration:
    """What the demo leaves in its folder.

    Args:
        folder: `data/` (generated), `run/` (training, with `model/`), `predictions/`, `otsu/`.
        trained: The model.
        predictions: Masks and regions of the held-back studies.
        scores: The network's scores on them.
        otsu_scores: Scores of Otsu's threshold, bright or dark side, whichever is better.
    """

    folder: Path
    trained: TrainedModel
    predictions: Predictions
    scores: Evaluation
    otsu_scores: Evaluation

    @property
    def dice(self) -> float:
        """Mean Dice of the network on the held-back studies."""
        return _dice(self.scores)

    @property
    def otsu_dice(self) -> float:
        """Mean Dice of Otsu's threshold on them."""
        return _dice(self.otsu_scores)

    @property
    def places(self) -> dict[str, Path]:
        """Where everything lies."""
        return {
            "Generated studies": self.folder / "data",
            "Model folder": self.trained.folder,
            "Learning curves": self.trained.run / "progress.png",
            "Masks and previews": self.predictions.folder,
            "Region table": self.predictions.folder / "regions.csv",
            "Scores": self.predictions.folder / "evaluation" / "scores.csv",
        }


def demonstrate(
    kind: Kind = "ct",
    out: str | Path = "medseg-demo",
    *,
    minutes: float = 2.0,
    studies: tuple[int, int] | None = None,
    reporter: Reporter | None = None,
) -> Demonstration:
    """Generate studies, train on the labelled ones, predict and score the held-back ones.

    Args:
        kind: "ct" (DICOM series, 3D) or "mammogram" (16-bit PNG, 2D).
        out: Folder for everything; must not hold a finished demo.
        minutes: How long to train.
        studies: How many to learn from and how many to hold back; of each kind's own choice where left out.
        reporter: Told of the progress.

    Raises:
        MedsegError: The kind is unknown, or `out` cannot be written or already holds a finished demo.
    """
    if kind not in _STUDIES:
        raise InputError("kind", f"{kind!r}", "Choose one of them.", " or ".join(_STUDIES))
    reporter, folder = reporter or Silent(), Path(out)
    labelled, held_back = studies or _STUDIES[kind]
    data = generate(kind, folder / "data", studies=labelled, held_back=held_back, progress=reporter)
    trained = train(_config(kind, folder, minutes), reporter=reporter)
    unseen = data / "studies" / "held_back"
    predictions = predict(trained.folder, unseen, folder / "predictions", reporter=reporter)
    scores = evaluate(predictions.folder, data, reporter=reporter)
    scores.save(predictions.folder / "evaluation")
    labels = Labels.from_config({"lesion": _LESION[kind]})
    by_otsu = []
    for side in ("bright", "dark"):
        threshold = folder / "otsu" / side
        predict_cases(classical("otsu", labels, side=side), cases_from_inputs([unseen]), threshold, reporter)
        by_otsu.append(evaluate(threshold, data, labels, reporter=reporter))
    return Demonstration(folder, trained, predictions, scores, max(by_otsu, key=_dice))


def _config(kind: Kind, folder: Path, minutes: float) -> Path:
    """The config of the demo's training, written where a user can take it as a start."""
    settings = {
        "name": f"demo-{kind}",
        "dataset": str(folder / "data"),
        "labels": {"lesion": _LESION[kind]},
        "out": str(folder / "run"),
        "minutes": minutes,
        "plan": _PLAN[kind],
        "learning": _LEARNING,
    }
    path = folder / "config.yaml"
    write_text(path, yaml.safe_dump(settings, sort_keys=False))
    return path


def _dice(scores: Evaluation) -> float:
    return float(scores.cases["dice"].mean())
