"""What a training step takes of memory, and what there is."""

import math
import re
from collections.abc import Sequence

from medseg.errors import ConfigError

__all__ = ["bytes_of", "memory_text", "step_bytes"]

_UNITS = {
    "": 1,
    "k": 1000,
    "m": 1000**2,
    "g": 1000**3,
    "t": 1000**4,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}
_STATES = 5  # of each weight: itself, its gradient, two moments of Adam, its running mean
_DECODER = 7  # feature maps of a decoder's level: upsampled, joined (twice as wide), two convolutions, normed each
_PLAIN = 4  # of an encoder's: two convolutions, each normed
_RESIDUAL = 5  # of a residual block: two convolutions, each normed, and their sum
_WORKSPACE = 1.3  # copies that the backward pass makes on its way


def bytes_of(text: str) -> int:
    """Bytes of "8GiB", "500 MB" or "8g".

    Raises:
        ConfigError: It is no such number.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?\s*", str(text).lower())
    if found is None or found[2] not in _UNITS or float(found[1]) <= 0:
        raise ConfigError("memory", f"{text!r} is no amount of memory", "Write it as 8GiB or 800MiB.")
    return int(float(found[1]) * _UNITS[found[2]])


def memory_text(size: float) -> str:
    """Bytes as people read them."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def step_bytes(
    patch: Sequence[int],
    batch: int,
    features: Sequence[int],
    kernels: Sequence[Sequence[int]],
    strides: Sequence[Sequence[int]],
    blocks: Sequence[int] = (),
) -> float:
    """An estimate of what one training step of a U-Net holds in float32: maps kept for the way back, and weights.

    Args:
        patch: Voxels along each axis.
        batch: Patches.
        features: Of each level, the finest first; kernels and strides likewise.
        kernels: Sizes.
        strides: Of each level against the one before.
        blocks: Residual blocks of each level; none for a plain encoder.
    """
    size = float(math.prod(patch))
    maps, weights, before = 0.0, 0.0, 0
    for level, (width, kernel, stride) in enumerate(zip(features, kernels, strides, strict=True)):
        size = size / math.prod(stride)
        repeats = blocks[level] if level < len(blocks) else 1
        deepest = level == len(features) - 1
        encoder = _RESIDUAL * repeats if blocks else _PLAIN
        maps += size * width * (encoder + (0 if deepest else _DECODER))
        within = math.prod(kernel) * width * width
        weights += within * (2 * repeats + (0 if deepest else 3)) + math.prod(kernel) * before * width
        weights += math.prod(stride) * before * width
        before = width
    return 4 * (_WORKSPACE * batch * maps + _STATES * weights)
