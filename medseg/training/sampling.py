"""Which case a patch is cut from and round which voxel: pure functions of seed and number, so that runs resume."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medseg.training.cache import CachedCase

__all__ = ["CaseOrder", "choose_centre"]


@dataclass(frozen=True)
class CaseOrder:
    """An endless order of cases: round after round through all of them, each round shuffled anew.

    Args:
        cases: Of the training part.
        lesion_cases: Share of patches from cases that hold any label, evenly spread; each of the two kinds then has
            rounds of its own. As the cases come where None, or where all cases are of one kind.
        seed: Of the shuffling.
    """

    cases: Sequence[CachedCase]
    lesion_cases: float | None
    seed: int

    def case(self, number: int) -> CachedCase:
        """The case of the patch with that number."""
        holding, empty = self._kinds
        if self.lesion_cases is None or not holding or not empty:
            return self.cases[self._in_rounds(range(len(self.cases)), number)]
        # The n-th patch is from a case with labels wherever the share of n passes a whole number: no count is kept.
        before, after = (math.floor(n * self.lesion_cases + 1e-9) for n in (number, number + 1))
        if after > before:
            return self.cases[self._in_rounds(holding, before)]
        return self.cases[self._in_rounds(empty, number - before)]

    @cached_property
    def _kinds(self) -> tuple[list[int], list[int]]:
        """Positions of the cases with and without labels."""
        holds = [any(places.size for places in case.places[1:]) for case in self.cases]
        return [i for i, held in enumerate(holds) if held], [i for i, held in enumerate(holds) if not held]

    def _in_rounds(self, positions: Sequence[int], number: int) -> int:
        round_, place = divmod(number, len(positions))
        order = np.random.default_rng([self.seed, round_, len(positions)]).permutation(len(positions))
        return positions[order[place]]


def choose_centre(case: CachedCase, foreground: float, rng: np.random.Generator) -> tuple[int, ...]:
    """The voxel round which a patch is cut.

    With probability `foreground` one of a label that is drawn evenly from those in the case, so that rare labels are
    seen as often as others; else any voxel.
    """
    shape = case.voxels.shape[1:]
    present = [places for places in case.places[1:] if places.size]
    if present and rng.random() < foreground:
        places = present[rng.integers(len(present))]
        return tuple(int(i) for i in np.unravel_index(places[rng.integers(places.size)], shape))
    return tuple(int(rng.integers(n)) for n in shape)
