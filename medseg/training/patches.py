"""Training patches, each a pure function of seed and step, so that a resumed run sees what it would have seen.

Only what a patch needs is read from the memory map: the patch itself, or a larger part where it is turned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from medseg.training.batch import Batch
from medseg.training.cache import CachedCase
from medseg.training.sampling import CaseOrder, choose_centre
from medseg.transforms.augmentation.drawing import Augmentation
from medseg.transforms.augmentation.variation import Variation

__all__ = ["PatchSource", "fill_patch"]


@dataclass(frozen=True, eq=False)
class PatchSource:
    """Endless batches of augmented patches; several threads may ask for batches at once.

    Args:
        cases: Prepared training cases; each epoch of batches goes through them in a new order.
        patch_size: Of the network's input.
        batch_size: Patches in a batch.
        foreground: Share of patches centred on a voxel of a label that is drawn evenly from those in the case.
        augment: Draws what happens to each patch.
        seed: Of everything drawn.
        lesion_cases: Share of patches taken from cases that hold any label; as the cases come where None.
    """

    cases: Sequence[CachedCase]
    patch_size: tuple[int, ...]
    batch_size: int
    foreground: float
    augment: Augmentation
    seed: int
    lesion_cases: float | None = None

    def batch(self, step: int) -> Batch:
        """What one step learns from."""
        first = self.cases[0]
        leading = first.targets.shape[: first.targets.ndim - len(self.patch_size)]
        images = torch.empty(self.batch_size, len(first.voxels), *self.patch_size)
        targets = torch.empty(self.batch_size, *leading, *self.patch_size, dtype=torch.uint8)
        for number, (image, indices) in enumerate(zip(images, targets, strict=True), start=step * self.batch_size):
            self._fill(number, image, indices)
        return Batch(images, targets, torch.tensor([case.judged for case in self.cases_of(step)]))

    def names(self, step: int) -> list[str]:
        """Ids of the cases in the batch of one step."""
        return [case.id for case in self.cases_of(step)]

    def cases_of(self, step: int) -> list[CachedCase]:
        """The cases in the batch of one step."""
        return [self._order.case(step * self.batch_size + i) for i in range(self.batch_size)]

    @cached_property
    def _order(self) -> CaseOrder:
        return CaseOrder(self.cases, self.lesion_cases, self.seed)

    def _fill(self, number: int, image: torch.Tensor, targets: torch.Tensor) -> None:
        rng = np.random.default_rng([self.seed, number])
        case = self._order.case(number)
        centre = choose_centre(case, self.foreground, rng)
        fill_patch(case, centre, self.augment.draw(rng), image, targets)


def fill_patch(
    case: CachedCase, centre: Sequence[int], variation: Variation, image: torch.Tensor, targets: torch.Tensor
) -> None:
    """Cut a patch, let its variation happen, and write it where it shall lie, such as into a batch.

    Args:
        case: What it is cut from. A patch is kept inside the volume, and one larger than the volume has it in its
            middle; outside all is 0.
        centre: Voxel round which it lies.
        variation: What happens to it.
        image: float32, shape (C, *patch).
        targets: uint8, shape ([labels,] *patch).
    """
    patch, reach, start = image.shape[1:], variation.reach, []
    for middle, size, n, far in zip(centre, patch, case.voxels.shape[1:], reach, strict=True):
        inside = min(max(middle - size // 2, 0), n - size) if n > size else -((size - n) // 2)
        start.append(inside - (far - size) // 2)
    source, marks = image, targets
    if reach != tuple(patch):
        source = torch.empty(len(image), *reach)
        marks = torch.empty(*targets.shape[: targets.ndim - len(patch)], *reach, dtype=torch.uint8)
    _cut(case.voxels, start, source.numpy())
    _cut(case.targets, start, marks.numpy())
    seen, indices = variation.apply(source, marks)
    if seen is not image:
        image.copy_(seen)
        targets.copy_(indices)


def _cut(volume: np.ndarray, start: Sequence[int], into: np.ndarray) -> None:
    """Copy a box of a volume that begins at `start`, which may lie outside; what lies outside is 0.

    Args:
        volume: Shape (..., *spatial).
        start: Voxel of the box's first corner along each spatial axis.
        into: Shape (..., *box).
    """
    leading = [slice(None)] * (volume.ndim - len(start))
    kept, filled = leading.copy(), leading.copy()
    for first, n, size in zip(start, volume.shape[-len(start) :], into.shape[-len(start) :], strict=True):
        low, high = min(max(first, 0), n), min(max(first + size, 0), n)
        kept.append(slice(low, high))
        filled.append(slice(low - first, high - first))
    if into[tuple(filled)].shape != into.shape:
        into[...] = 0
    into[tuple(filled)] = volume[tuple(kept)]
