"""Predictions of labelled cases that a model has not seen, and what they have of the reference."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medseg.atomic import write_csv
from medseg.case import Case
from medseg.evaluation.components import COMPONENT_COLUMNS, component_rows, components_table
from medseg.evaluation.pairs import Pair, holds_label_files
from medseg.image import Segmentation
from medseg.io import read_case_label_map
from medseg.labels import Labels
from medseg.plan import read_plan
from medseg.reporting import Reporter
from medseg.trust import require_named
from medseg.workflow.loading import load_model
from medseg.workflow.predicting_cases import predict_with

__all__ = ["class_indices", "judged_pairs", "predict_held_out", "reference_of"]

_COMPONENTS = "components.csv"


def predict_held_out(
    run: Path, cases: Sequence[Case], out: Path, labels: Labels, reporter: Reporter, *, named: str | None = None
) -> pd.DataFrame:
    """Predict cases into a folder, unless all of them are there, and list the components of their masks.

    Args:
        run: The folder of the run, with its model.
        cases: Labelled cases.
        out: Gets a folder a case.
        labels: What the references contain.
        reporter: Told of the progress.
        named: The network in the user's config: where a run's is somebody's own code, it must be this one.

    Returns:
        `components_table` of the cases that could be predicted; kept as `components.csv`, which is written last.

    Raises:
        ConfigError: The network is code that the config does not name.
    """
    # A finished fold is a folder like any other: its network runs by the config's word, not by its own.
    made = run / "model" / "plan.json"
    require_named(made, read_plan(made).network.name, named)
    path = out / _COMPONENTS
    if path.exists():
        return pd.read_csv(path, dtype=COMPONENT_COLUMNS)
    rows: list[dict[str, Any]] = []
    model = load_model(run, trusted=True)

    def look(case: Case, segmentation: Segmentation) -> None:
        reference = reference_of(case, segmentation, labels, model.reading)
        rows.extend(component_rows(case.id, segmentation, reference, labels.judged(case.annotated)))

    done = predict_with(model, cases, out, reporter, look=look)
    table = components_table(rows)
    if done.failed.empty:
        write_csv(path, table)
    return table


def reference_of(case: Case, segmentation: Segmentation, labels: Labels, reading: Any) -> Segmentation:
    """The reference of a case on the grid of its prediction.

    Raises:
        MedsegError: It cannot be read.
    """
    on = segmentation.image or segmentation.geometry
    mask = read_case_label_map(case, on, labels, reading).mask
    return Segmentation(mask, segmentation.geometry, labels, image=segmentation.image)


def judged_pairs(cases: Sequence[Case], masks: Path) -> list[Pair]:
    """Each case with its predicted mask; where there is none, with the path that is missing, so that it fails by name.

    Args:
        cases: Labelled cases.
        masks: What `predict_held_out` wrote.
    """
    pairs: list[Pair] = []
    for case in cases:
        folder = masks / case.id
        whole = sorted(folder.glob("mask.*"))
        pairs.append((case.id, whole[0] if whole else folder if holds_label_files(folder) else folder / "mask", case))
    return pairs


def class_indices(segmentation: Segmentation) -> np.ndarray:
    """Class indices of a mask; of labels that may overlap, its channels as they are."""
    labels = segmentation.labels
    return labels.to_indices(segmentation.mask) if labels.exclusive else segmentation.mask
