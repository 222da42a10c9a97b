"""Training patches, each a pure function of seed and step, so that a resumed run sees what it would have seen.

Only the patch itself is read from the memory map; MONAI's croppers take whole volumes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from monai.transforms import Compose
from monai.utils import convert_to_tensor

from medseg.training.batch import Batch
from medseg.training.cache import CachedCase

__all__ = ["PatchSource"]


@dataclass(frozen=True, eq=False)
class PatchSource:
    """Endless batches of augmented patches.

    Args:
        cases: Prepared training cases; each epoch of batches goes through them in a new order.
        patch_size: Of the network's input.
        batch_size: Patches in a batch.
        foreground: Share of patches centred on a voxel of a class that is drawn evenly from those in the case.
        augment: Random dictionary transform of "image" and "label".
        seed: Of everything drawn.
    """

    cases: Sequence[CachedCase]
    patch_size: tuple[int, ...]
    batch_size: int
    foreground: float
    augment: Compose
    seed: int

    def batch(self, step: int) -> Batch:
        """What one step learns from."""
        numbers = range(step * self.batch_size, (step + 1) * self.batch_size)
        samples = [self._sample(number) for number in numbers]
        return Batch(
            torch.stack([image for image, _ in samples]),
            torch.stack([targets for _, targets in samples]),
            torch.tensor([self._case(number).judged for number in numbers]),
        )

    def names(self, step: int) -> list[str]:
        """Ids of the cases in the batch of one step."""
        return [self._case(step * self.batch_size + i).id for i in range(self.batch_size)]

    def _case(self, number: int) -> CachedCase:
        round_, place = divmod(number, len(self.cases))
        order = np.random.default_rng([self.seed, round_, len(self.cases)]).permutation(len(self.cases))
        return self.cases[order[place]]

    def _sample(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        rng = np.random.default_rng([self.seed, number])
        case = self._case(number)
        image, label = self._cut(case, self._centre(case, rng))
        self.augment.set_random_state(int(rng.integers(2**31)))
        varied = self.augment({"image": torch.from_numpy(image), "label": torch.from_numpy(label[np.newaxis])})
        patch = convert_to_tensor(varied["image"], dtype=torch.float32, track_meta=False)
        return patch, convert_to_tensor(varied["label"], dtype=torch.uint8, track_meta=False)[0]

    def _centre(self, case: CachedCase, rng: np.random.Generator) -> np.ndarray:
        present = [places for places in case.places[1:] if places.size]
        if present and rng.random() < self.foreground:
            places = present[rng.integers(len(present))]
            return np.array(np.unravel_index(rng.choice(places), case.targets.shape))
        return np.array([rng.integers(n) for n in case.targets.shape])

    def _cut(self, case: CachedCase, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The patch round a centre, kept inside the volume; a volume smaller than the patch is padded evenly."""
        inside, padding = [], []
        for middle, size, n in zip(centre, self.patch_size, case.targets.shape, strict=True):
            start = int(np.clip(middle - size // 2, 0, max(n - size, 0)))
            inside.append(slice(start, min(start + size, n)))
            missing = max(size - n, 0)
            padding.append((missing // 2, missing - missing // 2))
        image = np.pad(case.voxels[(slice(None), *inside)], [(0, 0), *padding])
        return image, np.pad(case.targets[tuple(inside)], padding)
