"""What the training images are like: grids, labels and their sizes, and intensities under them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from medseg.atomic import write_json
from medseg.case import Case
from medseg.errors import DatasetError
from medseg.labels import Labels
from medseg.options import ReadOptions
from medseg.reporting import Reporter
from medseg.training.case_facts import CaseFacts, body_threshold, facts_of
from medseg.training.each_case import CaseWork, for_each_case

__all__ = ["Fingerprint", "take_fingerprint"]


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """Of the labelled training cases that could be read.

    Args:
        facts: Of each case.
        modality: DICOM's word, empty where neither the config nor the files say.
        left_out: Why other cases were left out, by their ids.
    """

    facts: tuple[CaseFacts, ...]
    modality: str
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def dims(self) -> int:
        """2 or 3."""
        return len(self.facts[0].shape)

    @property
    def channels(self) -> int:
        """Of every case."""
        return self.facts[0].channels

    @cached_property
    def shapes(self) -> np.ndarray:
        """Voxels along each canonical (RAS) axis, after the crop to the body where there is one: (cases, dims)."""
        return np.array([one.shape if self.crop_above is None else one.body for one in self.facts])

    @cached_property
    def spacings_mm(self) -> np.ndarray | None:
        """Canonical voxel sizes, shape (cases, dims), or None where any is unknown."""
        known = [one.spacing_mm for one in self.facts if one.spacing_mm is not None]
        return np.array(known) if len(known) == len(self.facts) else None

    @cached_property
    def intensities(self) -> tuple[np.ndarray, ...]:
        """Labelled voxels of each channel, up to 5000 a case, float32."""
        samples = zip(*(one.intensities for one in self.facts), strict=True)
        return tuple(np.concatenate([np.float32(sample) for sample in channel]) for channel in samples)

    @property
    def zero_border(self) -> float:
        """Share of cases whose border voxels are mostly 0 or air, so that cropping to the body pays."""
        return float(np.mean([one.dark_border for one in self.facts]))

    @property
    def crop_above(self) -> float | None:
        """Voxels above this are body, where most volumes show it with nothing around."""
        return None if self.dims == 2 or self.zero_border < 0.5 else body_threshold(self.modality)

    @property
    def anisotropy(self) -> float | None:
        """Largest of the median spacings over the smallest; None where any is unknown."""
        if self.spacings_mm is None:
            return None
        median = np.median(self.spacings_mm, axis=0)
        return float(median.max() / median.min())

    def components(self, label: str) -> np.ndarray:
        """Sizes of all connected components of a label, in ml, or in pixels in 2D or where spacing is unknown."""
        return np.array([size for one in self.facts for size in one.labels[label].components])

    def summary(self) -> dict[str, Any]:
        """The same in a few numbers that people read."""
        in_ml = self.dims == 3 and self.spacings_mm is not None
        return {
            "cases": len(self.facts),
            "left_out": dict(self.left_out),
            "dims": self.dims,
            "channels": self.channels,
            "modality": self.modality,
            "median_shape": np.median(self.shapes, axis=0),
            "median_spacing_mm": None if self.spacings_mm is None else np.median(self.spacings_mm, axis=0),
            "anisotropy": self.anisotropy,
            "dark_border": self.zero_border,
            "size_unit": "ml" if in_ml else "px",
            "labels": {name: self._label_summary(name) for name in self.facts[0].labels},
        }

    def _label_summary(self, name: str) -> dict[str, Any]:
        judged = [one.labels[name] for one in self.facts if one.labels[name].judged]
        held = [one for one in judged if one.components]
        sizes = self.components(name)
        return {
            "judged_cases": len(judged),
            "share_of_cases": len(held) / max(len(judged), 1),
            "median_size": np.median([one.size for one in held]) if held else None,
            "components": len(sizes),
            "median_components_per_case": np.median([len(one.components) for one in held]) if held else None,
            "component_size_percentiles_5_50_95": np.percentile(sizes, [5, 50, 95]) if len(sizes) else None,
        }


def take_fingerprint(
    cases: Sequence[Case],
    labels: Labels,
    reporter: Reporter,
    modality: str = "",
    seed: int = 0,
    reading: ReadOptions | None = None,
    preparation: Sequence[Mapping[str, Mapping[str, Any]]] = (),
    *,
    folder: Path | None = None,
    work: CaseWork | None = None,
) -> Fingerprint:
    """Look at every training case once, by several processes where that pays; what was seen before is kept.

    Args:
        cases: The training part, and nothing else.
        labels: What the masks can contain.
        reporter: Told of the progress.
        modality: DICOM's word, where the files do not say.
        seed: Of the choice of voxels.
        reading: How files become images.
        preparation: Steps before normalisation; facts are those after them.
        folder: Where the facts are kept, a JSON file a case and `summary.json`.
        work: Processes, and what an unreadable case does.

    Raises:
        DatasetError: There is no case, the cases differ in dimensions or channels, or none of them shows a label.
        MedsegError: A case cannot be read, and `work` does not leave it out.
    """
    if not cases:
        raise DatasetError("training part", "no labelled case", "Lower `test` and `validation`, or label more cases.")
    look = partial(
        facts_of,
        labels=labels,
        modality=modality,
        seed=seed,
        reading=reading,
        preparation=preparation,
        folder=folder,
    )
    done = for_each_case(look, cases, work or CaseWork("Looking at the training cases"), reporter)
    found = {facts.modality for facts in done.results}
    fingerprint = Fingerprint(tuple(done.results), modality or (found.pop() if len(found) == 1 else ""), done.left_out)
    _require_alike(fingerprint)
    _require_shown(fingerprint)
    if folder is not None:
        write_json(folder / "summary.json", fingerprint.summary())
    return fingerprint


def _require_alike(fingerprint: Fingerprint) -> None:
    for one in fingerprint.facts:
        if len(one.shape) != fingerprint.dims or one.channels != fingerprint.channels:
            raise DatasetError(
                one.id,
                f"is {len(one.shape)}D with {one.channels} channel(s)",
                "Train on one kind of image at a time.",
                f"{fingerprint.dims}D with {fingerprint.channels} as in the first case",
            )


def _require_shown(fingerprint: Fingerprint) -> None:
    """Refuse a label that no training case shows: there would be nothing to learn it from."""
    absent = [name for name in fingerprint.facts[0].labels if not len(fingerprint.components(name))]
    if absent:
        raise DatasetError(
            "labels",
            f"{', '.join(absent)} in none of the {len(fingerprint.facts)} training cases",
            "Take it out of `labels`, correct its file value, or draw the split with another `seed` or `stratify`.",
        )
