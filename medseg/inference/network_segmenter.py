"""A trained network as a `Segmenter`."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from medseg.errors import ConfigError
from medseg.image import Image, Segmentation
from medseg.inference.backends.backend import Backend
from medseg.inference.backends.cost import gigaflops
from medseg.inference.backends.original import Original
from medseg.inference.backends.torch_eager import TorchEager
from medseg.inference.doubts import doubts, is_constant
from medseg.inference.engine import segment_planes
from medseg.inference.halving import Halving
from medseg.inference.memory import fitting_batch, footprint_of, require_room
from medseg.inference.postprocessing import postprocess
from medseg.inference.skipping import air_limits, windows_in_air
from medseg.inference.streaming import Network
from medseg.inference.together import answers, fits_one_window, window_of
from medseg.inference.views import MirroredViews
from medseg.inference.windows import Tiling, monai_tiling
from medseg.io import read_image
from medseg.labels import Labels
from medseg.options import ReadOptions
from medseg.plan import Plan, Postprocessing
from medseg.shares import kept_shares, opened_shares
from medseg.transforms.planes import Planes, WholePlanes, open_planes

__all__ = ["NetworkSegmenter"]

_FAST_OVERLAP = 0.25
_TOGETHER = {True: 8, False: 32}  # images at once on a CPU, and elsewhere
_LIGHT = 10_000  # operations a voxel of the window: below, resampling and measuring take longer than the network


@dataclass(frozen=True, eq=False)
class NetworkSegmenter:
    """A network with its plan: from an image to a mask on the image's own grid.

    Args:
        backend: What computes the network.
        plan: What preprocessing and restoring need.
        device: Where windows are cut.
        portable: Do exactly what plain MONAI does: no cropping, nothing left out, no cleaning of masks.
        speed: "fast": windows overlap by a quarter at most; "normal": as in the plan; "best": the mean of the views
            that training mirrored.
        hash: SHA-256 of the weights, for the record of a run.
        origin: What runs: the plan's network with its "weights", or the "exported program" of one whose code is not
            installed here.
        max_memory: Bytes that all of a prediction may hold: fewer windows are seen at once, and an image that fits
            in no way is refused; see `medseg.inference.memory`.

    Raises:
        ConfigError: The best speed is asked of a network that was trained without mirroring.
    """

    backend: Backend
    plan: Plan
    device: torch.device
    portable: bool = False
    speed: Literal["fast", "normal", "best"] = "normal"
    hash: str = ""
    origin: Literal["weights", "exported program"] = "weights"
    max_memory: int | None = None
    labels: Labels = field(init=False)
    _halving: Halving = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", self.plan.label_set)
        object.__setattr__(self, "_halving", Halving(self.backend))
        if self.speed == "best" and not self.plan.mirror_axes:
            found = "best averages mirrored views, but the plan names no axis that training mirrored"
            raise ConfigError("speed", found, "Use normal, which takes the overlap of the plan.", "fast or normal")

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels of its images, in order."""
        return self.plan.channels

    @property
    def reading(self) -> ReadOptions:
        """How files become the images that it was trained on."""
        return self.plan.reading

    @property
    def description(self) -> Mapping[str, Any]:
        """The plan."""
        return self.plan.model_dump(mode="json")

    @property
    def overlap(self) -> float:
        """Share of a window that the next one sees again."""
        return min(self.plan.overlap, _FAST_OVERLAP) if self.speed == "fast" else self.plan.overlap

    @property
    def settings(self) -> Mapping[str, Any]:
        """How it is run here."""
        return {
            "backend": self.backend.name,
            "precision": self.backend.precision,
            "device": str(self.device),
            "speed": self.speed,
            "overlap": self.overlap,
            "mirrored": list(self.plan.mirror_axes) if self.speed == "best" else [],
            "portable": self.portable,
            "max_memory": self.max_memory,
            "why": self.backend.why,
        }

    def segment(self, image: Image | str | Path, *, probabilities: bool | Path = False) -> Segmentation:
        """Segment an image, or the file or DICOM folder of one.

        Args:
            image: The image.
            probabilities: Also keep those of the foreground labels, float16, shape (labels, x, y[, z]): in memory, or
                in this .npy file, which is written slab by slab and mapped.

        Returns:
            The mask in file values on the image's own grid. That of a constant image is empty.

        Raises:
            InputError: The image cannot be read, its channels or dimensions are not the model's, or it needs more than
                `max_memory`.
            OutputError: The file of probabilities cannot be written.
        """
        read = image if isinstance(image, Image) else read_image(image, options=self.plan.reading)
        slabs = self.plan.dims == 3 and not self.plan.preparation
        require_room(read, footprint_of(self.plan), self.max_memory, slabs=slabs)
        planes = open_planes(read, self.plan, crop=not self.portable)
        return self._segmented(read, planes, self._network(), probabilities)

    @property
    def together(self) -> int:
        """How many images are worth segmenting at once: of small pictures, several share a call of the network."""
        plan = self.plan
        if plan.dims == 3 or (plan.longest_side is not None and min(plan.patch_size) < plan.longest_side):
            return 1
        return _TOGETHER[self.device.type == "cpu"]

    @property
    def is_light(self) -> bool:
        """Whether its network is so small that reading, resampling and measuring an image are most of the work."""
        if not isinstance(self.backend, TorchEager) or self.device.type != "cpu":
            return False  # which is chosen for others
        original = Original(self.backend.network, (len(self.channels), *self.plan.patch_size))
        return gigaflops(original) * 1e9 / math.prod(self.plan.patch_size) < _LIGHT

    def segment_several(self, images: Sequence[Image]) -> list[Segmentation | Exception]:
        """Segment images; those that fit into one window share a call of the network.

        Returns:
            For each its segmentation, as `segment` gives it, or the error that it ends with.
        """
        opened = [self._attempt(open_planes, image, self.plan, crop=not self.portable) for image in images]
        small = [n for n, planes in enumerate(opened) if not isinstance(planes, Exception) and self._is_small(planes)]
        windows = [window_of(opened[n], self._tiling(opened[n])) for n in small]
        networks = dict(zip(small, answers(self._network(), windows, self.device), strict=True))
        found: list[Segmentation | Exception] = []
        for n, (image, planes) in enumerate(zip(images, opened, strict=True)):
            network = networks.get(n, self._network())
            failed = isinstance(planes, Exception)
            found.append(planes if failed else self._attempt(self._segmented, image, planes, network, False))
        return found

    @staticmethod
    def _attempt(function: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """What a function gives, or the error that it ends with."""
        try:
            return function(*given, **named)
        except Exception as error:  # one image's, which is none of the others'
            return error

    def _is_small(self, planes: Planes) -> bool:
        return fits_one_window(self._tiling(planes))

    def _tiling(self, planes: Planes) -> Tiling:
        return monai_tiling(planes.shape, self.plan.patch_size, self.overlap, self.plan.batch_size)

    def _segmented(self, read: Image, planes: Planes, network: Network, probabilities: bool | Path) -> Segmentation:
        """The mask of an image whose planes are open."""
        shape = (len(self.labels.names), *read.geometry.shape)
        # The bundle in plain MONAI cannot clean masks, so that a portable one is not cleaned either.
        rules = Postprocessing() if self.portable else self.plan.postprocessing
        with opened_shares(shape, probabilities, needed=bool(rules.threshold)) as shares:
            indices = self._indices(read, planes, network, shares)
            if rules != Postprocessing():
                indices = postprocess(indices, shares, self.labels, read.geometry, rules)
        empty = () if indices.any() else ("nothing was found",)
        notes = (*read.notes, *planes.notes, *doubts(read, self.plan), *empty)
        mask = self.labels.from_indices(indices) if self.labels.exclusive else indices
        return Segmentation(mask, read.geometry, self.labels, kept_shares(shares, probabilities), read, notes)

    def _indices(self, image: Image, planes: Planes, network: Network, shares: np.ndarray | None) -> np.ndarray:
        """Class indices on the native grid; probabilities go to `shares`."""
        if is_constant(image) and not self.portable:
            if shares is not None:
                shares[...] = 0
            lead = () if self.labels.exclusive else (len(self.labels.names),)
            return np.zeros((*lead, *image.geometry.shape), np.uint8)
        plan = self.plan
        slabs = not isinstance(planes, WholePlanes)
        tiling = self._tiling(planes)
        batch = fitting_batch(image, footprint_of(plan), tiling, planes.shape, self.max_memory, slabs=slabs)
        tiling = replace(tiling, batch=batch)
        limits = air_limits(image, plan) if plan.air_is_background and not self.portable else None
        skip = windows_in_air(image.voxels, limits, planes.restoration, tiling) if limits is not None else None
        return segment_planes(
            network,
            planes,
            tiling,
            outputs=plan.outputs,
            exclusive=self.labels.exclusive,
            shares=shares,
            skip=skip,
            device=self.device,
        )

    def _network(self) -> Network:
        return MirroredViews(self._halving, self.plan.mirror_axes) if self.speed == "best" else self._halving

    def _repr_html_(self) -> str:
        plan = self.plan
        return (
            f"<b>{escape(plan.title)}</b>: {escape(', '.join(self.labels.names))}; patch {plan.patch_size}, "
            f"{self.origin} {self.hash[:12]}"
        )
