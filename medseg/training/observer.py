"""What a training shows while it runs, to whoever wants to write or draw it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from medseg.case import Case
from medseg.image import Image
from medseg.labels import Labels

__all__ = ["Judged", "Observer", "Row"]

Row = dict[str, float]


@dataclass(frozen=True, eq=False)
class Judged:
    """A validation case with what the network made of it.

    Args:
        case: The case.
        image: Its image.
        reference: Class indices, uint8, of the image's shape; of labels that may overlap 0 and 1 for each, with the
            labels as first axis.
        predicted: The same of the prediction.
        labels: Their names and colours.
        dice: Of each label; NaN where nobody looked for it, or where both masks are empty.
    """

    case: Case
    image: Image
    reference: np.ndarray
    predicted: np.ndarray
    labels: Labels
    dice: Sequence[float]


class Observer(Protocol):
    """Sees a training; never decides anything."""

    def case(self, epoch: int, judged: Judged) -> None:
        """A validation case was predicted; before `epoch` is called for the same epoch."""
        ...

    def epoch(self, history: Sequence[Row]) -> None:
        """An epoch has ended; the rows of all so far. A run that goes on starts with the rows of its checkpoint."""
        ...
