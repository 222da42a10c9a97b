"""What was found of one case."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from medseg.case import Case
from medseg.datasets.inspection.findings import Finding
from medseg.geometry import Geometry

__all__ = ["PERCENTILES", "CaseFacts", "Intensities"]

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)


@dataclass(frozen=True)
class Intensities:
    """Finite voxels of one channel in figures; all of them NaN where none is finite.

    Args:
        minimum: The smallest.
        maximum: The largest.
        mean: Their mean.
        sd: Their standard deviation.
        percentiles: Value of each of `PERCENTILES`, of a thinned copy.
        nonfinite: Number of voxels that are NaN or infinite.
        histogram: Counts in equal bins from the minimum to the maximum, of a thinned copy.
    """

    minimum: float
    maximum: float
    mean: float
    sd: float
    percentiles: Mapping[int, float]
    nonfinite: int
    histogram: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class CaseFacts:
    """What was found of one case; the grid is `None` where the image cannot be read.

    Args:
        case: Which.
        geometry: The image's grid.
        dtype: Its stored type.
        channels: Number of channels.
        modality: DICOM's word for it, empty where unknown.
        unit: What its values are in, empty where unknown.
        facts: What its header says: "manufacturer", "view", ... (`Image.facts`).
        notes: Warnings that arose while reading image and mask.
        label_voxels: Voxels of each label by name ("ignore" among them), and by value where nobody declared it.
        reader_voxels: The same for each reader's mask, by the reader's name; `label_voxels` are then those of the
            consensus where one is asked for, else empty.
        intensities: Figures of each channel.
        digest: A hash of shape and values, the same however they are stored; empty where the image is constant.
        descriptor: Small picture of the first channel by which images are compared, float32, shape (n,) * axes.
        thumbnail: Image with its mask, RGB, uint8, shape (rows, columns, 3); only where asked for.
        findings: What is wrong or odd with it.
    """

    case: Case
    geometry: Geometry | None = None
    dtype: str = ""
    channels: int = 0
    modality: str = ""
    unit: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    label_voxels: Mapping[str, int] = field(default_factory=dict)
    reader_voxels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    intensities: tuple[Intensities, ...] = ()
    digest: str = ""
    descriptor: np.ndarray | None = None
    thumbnail: np.ndarray | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """Texts of the findings that are problems."""
        return tuple(one.text for one in self.findings if one.severity == "problem")
