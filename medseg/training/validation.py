"""Dice of the running mean of the weights on the validation cases, each on its native grid."""

import copy
from collections.abc import Callable, Sequence

import numpy as np
from lightning_fabric import Fabric
from torch import nn

from medseg.case import Case
from medseg.errors import InputError, UnreadableFileError
from medseg.evaluation.scores import overlaps
from medseg.image import Image
from medseg.inference.backends.torch_eager import TorchEager
from medseg.inference.engine import segment_planes
from medseg.inference.windows import monai_tiling
from medseg.io import read_case_image
from medseg.plan import Plan
from medseg.training.cases import read_indices
from medseg.training.checkpoint import RunningMean
from medseg.training.fabric import compute_of
from medseg.training.observer import Judged
from medseg.transforms.planes import WholePlanes
from medseg.transforms.prepare import Prepared, prepare

__all__ = ["require_readable", "validate"]


def validate(
    network: nn.Module,
    mean: RunningMean,
    cases: Sequence[Case],
    plan: Plan,
    fabric: Fabric,
    shown: Callable[[Judged], None] | None = None,
) -> dict[str, float]:
    """Mean Dice over cases of each label (`val_dice_LABEL`) and their mean (`val_dice`, 0 where undefined).

    A label that nobody looked for in a case (`Case.annotated`) has no score there.
    Cases are read afresh each time, so that memory does not grow with their number; `shown` sees each as it is judged.

    Raises:
        UnreadableFileError: A case cannot be read any more; `where` is its id.
    """
    judged = copy.deepcopy(network).eval()
    mean.copy_into(judged)
    backend = TorchEager(judged, compute_of(fabric), "validation")
    labels = plan.label_set
    scores = []
    for case in cases:
        image, reference, prepared = _read(case, plan)
        predicted = segment_planes(
            backend,
            WholePlanes(prepared),
            monai_tiling(prepared.voxels.shape[1:], plan.patch_size, plan.overlap, plan.batch_size),
            outputs=plan.outputs,
            exclusive=labels.exclusive,
            device=fabric.device,
        )
        agreement = overlaps(predicted, reference, labels, case.id)
        judged_labels = labels.judged(case.annotated)
        scores.append([label.dice if label.label in judged_labels else np.nan for label in agreement])
        if shown is not None:
            shown(Judged(case, image, reference, predicted, labels, scores[-1]))
    by_label = np.array(scores)
    known = ~np.isnan(by_label)
    means = np.where(known, by_label, 0).sum(0) / np.maximum(known.sum(0), 1)
    rows = {f"val_dice_{name}": float(value) for name, value in zip(labels.names, means, strict=True)}
    return {"val_dice": float(means[known.any(0)].mean()) if known.any() else 0.0, **rows}


def require_readable(case: Case, plan: Plan) -> None:
    """Read a validation case once before training: one that is damaged is told before time is wasted.

    Raises:
        UnreadableFileError: It cannot be read, or does not fit the plan; `where` is its id.
    """
    _read(case, plan)


def _read(case: Case, plan: Plan) -> tuple[Image, np.ndarray, Prepared]:
    """Image, reference (`read_indices`) and what the network sees."""
    try:
        image = read_case_image(case, plan.reading)
        return image, read_indices(case, plan.label_set, image, plan.reading), prepare(image, plan)
    except InputError as error:
        mend = "Mend or remove it; unreadable=leave_out goes on without it."
        raise UnreadableFileError(case.id, f"cannot be validated on ({error})", mend) from error
