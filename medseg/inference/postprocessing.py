"""What a plan does to a mask after the network: threshold, largest component, smallest size."""

import numpy as np

from medseg.errors import ModelFolderError
from medseg.geometry import Geometry
from medseg.labels import Labels
from medseg.plan import Postprocessing
from medseg.regions.keeping import kept_components

__all__ = ["postprocess", "require_fitting"]


def require_fitting(rules: Postprocessing, labels: Labels) -> None:
    """Refuse rules that a model's labels cannot follow.

    Raises:
        ModelFolderError: They name another label, or a threshold where the label of the largest share is taken.
    """
    named = [*rules.threshold, *rules.largest, *rules.min_size]
    unknown = sorted(set(named) - set(labels.names))
    if unknown:
        mend = f"Name some of {', '.join(labels.names)}."
        raise ModelFolderError("postprocessing", f"names {', '.join(unknown)}, which the model does not find", mend)
    if rules.threshold and labels.exclusive and len(labels.names) > 1:
        mend = "Take the threshold away: each voxel gets the likeliest of several labels."
        raise ModelFolderError("postprocessing", "has a threshold for labels that exclude one another", mend)


def postprocess(
    mask: np.ndarray, probabilities: np.ndarray | None, labels: Labels, geometry: Geometry, rules: Postprocessing
) -> np.ndarray:
    """A mask on the native grid as the rules leave it; what is taken away becomes background.

    Args:
        mask: Class indices (uint8), shape (x, y[, z]); of labels that may overlap 0 and 1 for each, shape
            (labels, x, y[, z]). It is not changed.
        probabilities: Of the foreground labels, shape (labels, x, y[, z]); needed for a threshold.
        labels: What the indices mean.
        geometry: The grid.
        rules: What to do, for each label by its name.

    Returns:
        Of the mask's shape and type.

    Raises:
        ModelFolderError: As `require_fitting`.
    """
    require_fitting(rules, labels)
    result = mask.copy()
    for place, name in enumerate(labels.names):
        if name not in (*rules.threshold, *rules.largest, *rules.min_size):
            continue
        channel, value = (result, place + 1) if labels.exclusive else (result[place], 1)
        inside = channel == value
        wanted = inside
        if name in rules.threshold and probabilities is not None:
            wanted = probabilities[place] >= rules.threshold[name]
        kept = kept_components(wanted, geometry, largest=name in rules.largest, min_size=rules.min_size.get(name, 0.0))
        channel[inside & ~kept] = 0
        channel[kept & ~inside] = value
    return result
