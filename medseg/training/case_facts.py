"""What one training case is like: its grid, what of it is body, its labels, their sizes and intensities."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from pydantic import ValidationError

from medseg.atomic import write_text
from medseg.case import Case
from medseg.config import Settings
from medseg.io import read_case_image
from medseg.labels import Labels
from medseg.options import ReadOptions
from medseg.training.cases import read_targets
from medseg.training.content import case_content, short_key
from medseg.transforms.prepare import apply_preparation, body_box

__all__ = ["CaseFacts", "LabelFacts", "body_threshold", "facts_of"]

_SAMPLES = 5000  # labelled voxels kept of each channel
_DIGITS = 6  # of an intensity, significant


class LabelFacts(Settings):
    """One label in one case. Sizes are in ml, or in pixels where the image is 2D or its spacing unknown.

    `size` is of all of it; `components` of each connected component, the largest first.
    """

    judged: bool
    size: float
    components: tuple[float, ...]


class CaseFacts(Settings):
    """One case after its preparation, in RAS.

    `shape` is before and `body` after the crop to the body; `intensities` are labelled voxels of each channel, up to
    5000; `dark_border` says whether the outermost voxels are mostly 0 or air.
    """

    id: str
    channels: int
    modality: str
    shape: tuple[int, ...]
    body: tuple[int, ...]
    spacing_mm: tuple[float, ...] | None
    dark_border: bool
    intensities: tuple[tuple[float, ...], ...]
    labels: dict[str, LabelFacts]


def facts_of(
    case: Case,
    labels: Labels,
    modality: str = "",
    seed: int = 0,
    reading: ReadOptions | None = None,
    preparation: Sequence[Mapping[str, Mapping[str, Any]]] = (),
    folder: Path | None = None,
) -> CaseFacts:
    """Read a case and look at it, or take what was seen of the same files before.

    Args:
        case: A labelled case.
        labels: What its mask can contain.
        modality: DICOM's word, where the files do not say.
        seed: Of the choice of voxels.
        reading: How files become images.
        preparation: Steps before normalisation.
        folder: Where the facts are kept, a JSON file a case.

    Raises:
        MedsegError: The case cannot be read.
    """
    how = [repr(part) for part in (labels.to_config(), modality, seed, reading, preparation)]
    path = folder and folder / f"{case.id}-{short_key(case_content(case), *how)}.json"
    if path is not None and path.exists():
        try:
            return CaseFacts.model_validate_json(path.read_text(encoding="utf-8"))
        except ValidationError:
            pass  # of an earlier version: it is taken anew
    facts = _looked_at(case, labels, modality, seed, reading, preparation)
    if path is not None:
        write_text(path, facts.model_dump_json() + "\n")
    return facts


def body_threshold(modality: str) -> float:
    """Voxels above it are body: air ends at -500 HU, elsewhere at 0."""
    return -500.0 if modality == "CT" else 0.0


def _looked_at(
    case: Case,
    labels: Labels,
    modality: str,
    seed: int,
    reading: ReadOptions | None,
    preparation: Sequence[Mapping[str, Mapping[str, Any]]],
) -> CaseFacts:
    image = read_case_image(case, reading)
    targets = read_targets(case, labels, image, reading)
    applied = apply_preparation(image, preparation)
    leading = (slice(None),) * (targets.ndim - len(applied.box))  # of overlapping labels a channel each
    voxels, targets = applied.voxels.numpy(), applied.turn.apply(targets)[(*leading, *applied.box)]
    canonical = image.geometry.reoriented(applied.turn)
    known = modality or image.modality
    spacing = canonical.spacing_mm if canonical.spacing_known else None
    unit = 1.0 if spacing is None or len(spacing) == 2 else float(np.prod(spacing)) / 1000
    masks = [targets == i + 1 if labels.exclusive else targets[i] == 1 for i in range(len(labels.names))]
    judged = labels.judged(case.annotated)
    return CaseFacts(
        id=case.id,
        channels=image.channels,
        modality=image.modality,
        shape=voxels.shape[1:],
        body=tuple(side.stop - side.start for side in body_box(applied.voxels, body_threshold(known))),
        spacing_mm=spacing,
        dark_border=_dark_border(voxels[0], known),
        intensities=_labelled_voxels(voxels, np.logical_or.reduce(masks), np.random.default_rng(_seed(seed, case))),
        labels={
            name: LabelFacts(judged=name in judged, size=float(mask.sum()) * unit, components=_components(mask, unit))
            for name, mask in zip(labels.names, masks, strict=True)
        },
    )


def _seed(seed: int, case: Case) -> list[int]:
    return [seed, crc32(case.id.encode())]


def _components(mask: np.ndarray, unit: float) -> tuple[float, ...]:
    from medseg.regions import find_regions

    regions = find_regions(mask.astype(np.uint8), Labels.from_config({"label": 1}))
    return tuple(float(f"{region.voxels * unit:.{_DIGITS}g}") for region in regions)


def _labelled_voxels(voxels: np.ndarray, inside: np.ndarray, rng: np.random.Generator) -> tuple[tuple[float, ...], ...]:
    (places,) = np.nonzero(inside.reshape(-1))
    chosen = np.sort(rng.choice(places, _SAMPLES, replace=False)) if places.size > _SAMPLES else places
    return tuple(tuple(float(f"{v:.{_DIGITS}g}") for v in channel.reshape(-1)[chosen]) for channel in voxels)


def _dark_border(voxels: np.ndarray, modality: str) -> bool:
    """Whether most voxels of the outermost faces are air (CT) or exactly 0."""
    faces = np.concatenate([voxels.take(i, axis).reshape(-1) for axis in range(voxels.ndim) for i in (0, -1)])
    return bool((faces < -500 if modality == "CT" else faces == 0).mean() > 0.5)
