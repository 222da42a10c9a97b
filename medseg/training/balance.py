"""How much of each class prepared cases hold, for class weights that let each count alike."""

from collections.abc import Sequence

import numpy as np

from medseg.plan import Plan
from medseg.training.cache import CachedCase
from medseg.training.settings import TrainSettings

__all__ = ["class_voxels", "weighed"]


def weighed(settings: TrainSettings, cases: Sequence[CachedCase], plan: Plan) -> TrainSettings:
    """The settings with numbers for "balanced" class weights, from the prepared training cases."""
    if settings.loss.class_weights != "balanced":
        return settings
    return settings.model_copy(update={"loss": settings.loss.balanced(class_voxels(cases, plan))})


def class_voxels(cases: Sequence[CachedCase], plan: Plan) -> tuple[int, ...]:
    """Judged voxels of each class in all cases: background first, or of labels that overlap each label."""
    total = np.zeros(plan.outputs, np.int64)
    for case in cases:
        if plan.label_set.exclusive:
            total += np.bincount(case.targets.reshape(-1), minlength=256)[: plan.outputs]
        else:
            total += np.array([np.count_nonzero(channel == 1) for channel in case.targets])
    return tuple(int(count) for count in total)
