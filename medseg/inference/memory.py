"""What segmenting one image holds, estimated before it is begun, and made to fit a limit."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medseg import room
from medseg.errors import InputError
from medseg.image import Image
from medseg.inference.windows import Tiling, streaming_axis
from medseg.plan import Plan
from medseg.training.memory import memory_text

__all__ = ["Need", "fitting_batch", "need", "window_bytes"]

_FLOAT = 4  # bytes
_LIVE = (
    5  # maps as wide as the finest level that a forward pass holds there: joined (two), convolved, normed, its input
)
_RESTORED = 1 << 22  # native voxels restored at once, see `medseg.transforms.restoring`
_COPIES = 3  # of restored logits: between the axes, and as they are compared
_SLAB = 64  # native planes under way where the image is prepared plane by plane
_PROGRAMS = 700 << 20  # Python, torch and MONAI, where the system does not say
_CHILDREN = 200 << 20  # the processes that read and write, before they hold an image


@dataclass(frozen=True)
class Need:
    """Bytes by what they are for; what lies in a file counts nothing, since its pages leave memory when it is short."""

    parts: Mapping[str, float]

    @property
    def total(self) -> float:
        """All of them."""
        return sum(self.parts.values())

    def __str__(self) -> str:
        return ", ".join(f"{name} {memory_text(size)}" for name, size in self.parts.items() if size >= 1 << 20)


def need(image: Image, plan: Plan, tiling: Tiling, shape: Sequence[int], batch: int, *, slabs: bool) -> Need:
    """An estimate of all that is held while an image is segmented.

    Args:
        image: As it was read.
        plan: Of the model.
        tiling: The windows over it.
        shape: Of its working grid.
        batch: Windows at once.
        slabs: Whether it is prepared plane by plane, and not as a whole.
    """
    axis = streaming_axis(shape, tiling.patch)
    plane = math.prod(n for i, n in enumerate(tiling.padded) if i != axis)
    native = math.prod(image.geometry.shape)
    label_map = native * (1 if plan.label_set.exclusive else plan.outputs)
    thin = native // max(image.geometry.shape) * _SLAB
    prepared = _FLOAT * image.channels * (2 * thin if slabs else 3 * native + math.prod(shape))
    home = room.block_of(image.voxels)
    return Need(
        {
            "programs": _resident() + _CHILDREN,
            "image": 0 if home is not None and home.spilled else image.voxels.nbytes,
            "label map": 0 if room.spills(label_map) else label_map,
            "prepared planes": prepared,
            "bands": _FLOAT * plane * tiling.patch[axis] * (image.channels + 2 * plan.outputs),
            "windows": batch * window_bytes(plan),
            "restored logits": _FLOAT * _COPIES * plan.outputs * min(native, _RESTORED),
        }
    )


def fitting_batch(
    image: Image, plan: Plan, tiling: Tiling, shape: Sequence[int], limit: int | None, *, slabs: bool
) -> int:
    """Windows at once, as many as planned where the estimate fits the limit, else fewer.

    Raises:
        InputError: It does not fit with one window at once; the numbers are told.
    """
    if limit is None:
        return tiling.batch
    for batch in range(tiling.batch, 0, -1):
        wanted = need(image, plan, tiling, shape, batch, slabs=slabs)
        if wanted.total <= limit:
            return batch
    raise InputError(
        image.source or "image",
        f"needs about {memory_text(wanted.total)} with one window at once ({wanted})",
        "Give more (--max-memory), or use a model with a smaller patch or a coarser grid.",
        f"{memory_text(limit)} at most",
    )


def window_bytes(plan: Plan) -> float:
    """What the network holds for one window in float32: maps kept for the decoder, and those at work, the finest."""
    net, size, kept = plan.network, float(math.prod(plan.patch_size)), 0.0
    finest = size * net.features[0] / math.prod(net.strides[0])
    for width, stride in zip(net.features, net.strides, strict=True):
        size /= math.prod(stride)
        kept += size * width
    return _FLOAT * (kept + _LIVE * finest + math.prod(plan.patch_size) * (plan.outputs + len(plan.channels)))


def _resident() -> float:
    """Bytes of this process that are nobody else's."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        return 1024.0 * int(lines["RssAnon"].split()[0]) + (150 << 20)  # and the programs' own files
    except (OSError, KeyError, ValueError):
        return float(_PROGRAMS)
