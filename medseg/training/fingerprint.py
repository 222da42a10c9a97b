"""What the training images are like: grids, and intensities under the labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from medseg.case import Case
from medseg.errors import DatasetError
from medseg.image import Image
from medseg.io import read_case_image
from medseg.labels import IGNORE_INDEX, Labels
from medseg.options import ReadOptions
from medseg.reporting import Reporter
from medseg.training.cases import read_indices
from medseg.transforms.prepare import apply_preparation

__all__ = ["Fingerprint", "take_fingerprint"]

_SAMPLES = 5000  # labelled voxels kept of each case and channel


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """Of the labelled training cases.

    Args:
        shapes: Canonical (RAS) voxels along each axis, shape (cases, dims).
        spacings_mm: Canonical voxel sizes, shape (cases, dims), or None where any is unknown.
        channels: Number of channels of every case.
        modality: DICOM's word, empty where the files do not say.
        intensities: Labelled voxels of each channel, up to 5000 a case.
        zero_border: Share of cases whose border voxels are mostly 0 or air, so that cropping to the body pays.
    """

    shapes: np.ndarray
    spacings_mm: np.ndarray | None
    channels: int
    modality: str
    intensities: tuple[np.ndarray, ...]
    zero_border: float

    @property
    def dims(self) -> int:
        """2 or 3."""
        return int(self.shapes.shape[1])


def take_fingerprint(
    cases: Sequence[Case],
    labels: Labels,
    reporter: Reporter,
    modality: str = "",
    seed: int = 0,
    reading: ReadOptions | None = None,
    preparation: Sequence[Mapping[str, Mapping[str, Any]]] = (),
) -> Fingerprint:
    """Read every training case once; shapes and intensities are those after the steps of preparation.

    Raises:
        MedsegError: A case cannot be read, or the cases differ in dimensions or channels.
    """
    rng = np.random.default_rng(seed)
    shapes: list[tuple[int, ...]] = []
    spacings: list[tuple[float, ...] | None] = []
    samples: list[list[np.ndarray]] = []
    found: list[str] = []
    borders = []
    first: Image | None = None
    for case in reporter.track(cases, "Looking at the training cases", len(cases)):
        image = read_case_image(case, reading)
        first = first or image
        _require_alike(case, image, first)
        indices = read_indices(case, labels, image, reading)
        if preparation:
            image, indices = _prepared(image, indices, preparation)
        canonical = image.geometry.reoriented(image.geometry.to_canonical)
        shapes.append(canonical.shape)
        spacings.append(canonical.spacing_mm if canonical.spacing_known else None)
        found.append(image.modality)
        borders.append(_dark_border(image.voxels[0], modality or image.modality))
        samples.append(_labelled_voxels(image, indices, rng))
    if first is None:
        raise DatasetError("training part", "no labelled case", "Lower `test` and `validation`, or label more cases.")
    known = [spacing for spacing in spacings if spacing is not None]
    return Fingerprint(
        np.array(shapes),
        np.array(known) if len(known) == len(spacings) else None,
        first.channels,
        modality or (found[0] if len(set(found)) == 1 else ""),
        tuple(np.concatenate(channel) for channel in zip(*samples, strict=True)),
        float(np.mean(borders)),
    )


def _prepared(
    image: Image, indices: np.ndarray, steps: Sequence[Mapping[str, Mapping[str, Any]]]
) -> tuple[Image, np.ndarray]:
    """What is left of an image and its class indices after the steps, on the grid that is left."""
    applied = apply_preparation(image, steps)
    turned = image.geometry.reoriented(applied.turn)
    kept = turned.cropped([side.start for side in applied.box], applied.voxels.shape[1:])
    return replace(image, voxels=applied.voxels.numpy(), geometry=kept), applied.turn.apply(indices)[applied.box]


def _labelled_voxels(image: Image, indices: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    (inside,) = np.nonzero(((indices > 0) & (indices != IGNORE_INDEX)).reshape(-1))
    chosen = rng.choice(inside, min(_SAMPLES, inside.size), replace=False) if inside.size else inside
    return [channel.reshape(-1)[chosen].astype(np.float32) for channel in image.voxels]


def _dark_border(voxels: np.ndarray, modality: str) -> bool:
    """Whether most voxels of the outermost faces are air (CT) or exactly 0."""
    faces = np.concatenate([voxels.take(i, axis).reshape(-1) for axis in range(voxels.ndim) for i in (0, -1)])
    return bool((faces < -500 if modality == "CT" else faces == 0).mean() > 0.5)


def _require_alike(case: Case, image: Image, first: Image) -> None:
    if image.geometry.ndim != first.geometry.ndim or image.channels != first.channels:
        raise DatasetError(
            case.id,
            f"is {image.geometry.ndim}D with {image.channels} channel(s)",
            "Train on one kind of image at a time.",
            f"{first.geometry.ndim}D with {first.channels} as in the first case",
        )
