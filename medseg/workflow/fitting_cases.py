"""One labelled case of a fit: what its labels look like, and how candidates do on it."""

from collections.abc import Sequence

import numpy as np

from medseg.case import Case
from medseg.classical import Part
from medseg.classical.facts import CaseFacts, case_facts
from medseg.classical.segmenter import Classical, found_in
from medseg.evaluation import Overlap
from medseg.image import Image
from medseg.io import read_case_image
from medseg.labels import IGNORE_INDEX, Labels
from medseg.options import ReadOptions
from medseg.training.cases import read_indices

__all__ = ["case_dice", "facts_of_case", "model_dice"]

Judged = tuple[Image, dict[str, np.ndarray], np.ndarray]


def facts_of_case(case: Case, *, labels: Labels, reading: ReadOptions) -> CaseFacts:
    """Intensities and sizes of the labels in a case."""
    image, masks, judged = _read(case, labels, reading)
    return case_facts(image, {name: mask & judged for name, mask in masks.items()})


def case_dice(case: Case, *, parts: Sequence[Part], labels: Labels, reading: ReadOptions) -> list[float]:
    """Dice of each part's own mask with its label; NaN where both are empty or nobody looked for it."""
    image, masks, judged = _read(case, labels, reading)
    return [_dice(found_in(image, part).mask, masks.get(part.label), judged) for part in parts]


def model_dice(case: Case, *, model: Classical, labels: Labels) -> dict[str, float]:
    """Dice by label of a whole model, whose labels exclude one another where they do; NaN as `case_dice`."""
    image, masks, judged = _read(case, labels, model.reading)
    found = model.segment(image)
    return {name: _dice(found.of(name), masks.get(name), judged) for name in labels.names}


def _read(case: Case, labels: Labels, reading: ReadOptions) -> Judged:
    """The image, the masks of the labels that somebody looked for, and where somebody judged."""
    image = read_case_image(case, reading)
    indices = read_indices(case, labels, image, reading)
    if labels.exclusive:
        masks = {name: indices == place for place, name in enumerate(labels.names, start=1)}
        judged = indices != IGNORE_INDEX
    else:
        masks = {name: channel == 1 for name, channel in zip(labels.names, indices, strict=True)}
        judged = (indices != IGNORE_INDEX).all(axis=0)
    looked_for = labels.judged(case.annotated)
    return image, {name: mask for name, mask in masks.items() if name in looked_for}, judged


def _dice(found: np.ndarray, truth: np.ndarray | None, judged: np.ndarray) -> float:
    if truth is None:
        return float("nan")
    both, one, other = (int(np.count_nonzero(mask & judged)) for mask in (found & truth, found, truth))
    return Overlap("", both, one - both, other - both, 0).dice
