"""What segmenting one image holds, estimated before it is begun, and made to fit a limit."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medseg import room
from medseg.errors import InputError
from medseg.image import Image
from medseg.inference.windows import Tiling, streaming_axis
from medseg.plan import Plan
from medseg.training.memory import memory_text

if TYPE_CHECKING:
    import psutil

__all__ = ["Footprint", "Need", "fitting_batch", "footprint_of", "need", "require_room", "window_bytes"]

_FLOAT = 4  # bytes
_LIVE = (
    5  # maps as wide as the finest level that a forward pass holds there: joined (two), convolved, normed, its input
)
_RESTORED = 1 << 22  # native voxels restored at once, see `medseg.transforms.restoring`
_COPIES = 3  # of restored logits: between the axes, and as they are compared
_SLAB = 64  # native planes under way where the image is prepared plane by plane
_PROGRAMS = 700 << 20  # Python, torch and MONAI, where the system does not say
_CHILDREN = 200 << 20  # the processes that read and write, before they hold an image, at least
_MEASURING = 300 << 20  # what is held of a mask when its regions are found, some slices at a time


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


@dataclass(frozen=True)
class Footprint:
    """What an estimate needs to know of a model.

    Args:
        outputs: Channels of its logits.
        exclusive: Whether its labels exclude one another.
        window: Bytes that the network holds for one window.
        body: Bytes for each native voxel that preparing holds beside the planes under way.
    """

    outputs: int
    exclusive: bool
    window: float
    body: float = 0.0


def footprint_of(plan: Plan) -> Footprint:
    """Of a model with a plan of ours."""
    net = plan.network
    window = window_bytes(plan.patch_size, len(plan.channels), plan.outputs, net.features, net.strides)
    return Footprint(plan.outputs, plan.label_set.exclusive, window)


def need(image: Image, model: Footprint, tiling: Tiling, shape: Sequence[int], batch: int, *, slabs: bool) -> Need:
    """An estimate of all that is held while an image is segmented, measured and written.

    Args:
        image: As it was read.
        model: What it is segmented by.
        tiling: The windows over it.
        shape: Of its working grid.
        batch: Windows at once.
        slabs: Whether it is prepared plane by plane, and not as a whole.
    """
    axis = streaming_axis(shape, tiling.patch)
    plane = math.prod(n for i, n in enumerate(tiling.padded) if i != axis)
    native = math.prod(image.geometry.shape)
    thin = native // max(image.geometry.shape) * _SLAB
    prepared = _FLOAT * image.channels * (2 * thin if slabs else 3 * native + math.prod(shape))
    return Need(
        {
            **_stored(image, model),
            "prepared planes": prepared,
            "bands": _FLOAT * plane * tiling.patch[axis] * (image.channels + 2 * model.outputs),
            "windows": batch * model.window,
            "restored logits": _FLOAT * _COPIES * model.outputs * min(native, _RESTORED),
        }
    )


def _stored(image: Image, model: Footprint) -> dict[str, float]:
    """What is held from when an image was read to when its mask is written; of regions the largest there can be."""
    home = room.block_of(image.voxels)
    native = math.prod(image.geometry.shape)
    region = (native, native * image.voxels.itemsize)  # its mask and its values
    return {
        "programs": _resident() + max(_CHILDREN, _others()),
        "image": 0 if home is not None and home.spilled else image.voxels.nbytes,
        "preparing": native * model.body,
        "label map": _in_memory(native * (1 if model.exclusive else model.outputs)),
        "measuring": min(_MEASURING, 20 * native) + sum(map(_in_memory, region)),
    }


def _in_memory(size: int) -> int:
    """Bytes of an array that count: none where it would lie in a file."""
    return 0 if room.spills(size) else size


def require_room(image: Image, model: Footprint, limit: int | None, *, slabs: bool) -> None:
    """Refuse an image before anything is done to it, where what it takes in any case does not fit.

    Raises:
        InputError: It does not fit; the numbers are told.
    """
    if limit is None:
        return
    prepared = 0 if slabs else _FLOAT * image.channels * 3 * math.prod(image.geometry.shape)
    least = Need({**_stored(image, model), "prepared planes": prepared, "windows": model.window})
    if least.total > limit:
        raise _refusal(image, least, limit)


def fitting_batch(
    image: Image, model: Footprint, tiling: Tiling, shape: Sequence[int], limit: int | None, *, slabs: bool
) -> int:
    """Windows at once, as many as planned where the estimate fits the limit, else fewer.

    Raises:
        InputError: It does not fit with one window at once; the numbers are told.
    """
    if limit is None:
        return tiling.batch
    for batch in range(tiling.batch, 0, -1):
        wanted = need(image, model, tiling, shape, batch, slabs=slabs)
        if wanted.total <= limit:
            return batch
    raise _refusal(image, wanted, limit)


def _refusal(image: Image, wanted: Need, limit: int) -> InputError:
    return InputError(
        image.source or "image",
        f"needs about {memory_text(wanted.total)} with one window at once ({wanted})",
        "Give more (--max-memory), or use a model with a smaller patch or a coarser grid.",
        f"{memory_text(limit)} at most",
    )


def window_bytes(
    patch: Sequence[int],
    channels: int,
    outputs: int,
    features: Sequence[int],
    strides: Sequence[Sequence[int]],
) -> float:
    """What a U-Net holds for one window in float32: maps kept for the decoder, and those at work, the finest.

    Args:
        patch: Of the window.
        channels: Of the image.
        outputs: Of the logits.
        features: Of each level, the finest first.
        strides: Of each level against the one before.
    """
    size, kept = float(math.prod(patch)), 0.0
    finest = size * features[0] / math.prod(strides[0])
    for width, stride in zip(features, strides, strict=True):
        size /= math.prod(stride)
        kept += size * width
    return _FLOAT * (kept + _LIVE * finest + math.prod(patch) * (outputs + channels))


def _others() -> float:
    """Bytes of the process that leads this one, and of the others that it leads, that are nobody else's."""
    leader = room.leader()
    if leader is None:
        return 0.0
    import psutil

    try:
        family = [psutil.Process(leader), *psutil.Process(leader).children()]
    except psutil.Error:
        return 0.0
    return sum(_private(one) for one in family if one.pid != os.getpid())


def _private(process: "psutil.Process") -> float:
    import psutil

    try:
        held = process.memory_info()
    except psutil.Error:  # it has ended meanwhile
        return 0.0
    return float(held.rss - getattr(held, "shared", 0))


def _resident() -> float:
    """Bytes of this process that are nobody else's."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        return 1024.0 * int(lines["RssAnon"].split()[0]) + (150 << 20)  # and the programs' own files
    except (OSError, KeyError, ValueError):
        return float(_PROGRAMS)
