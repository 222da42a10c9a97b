"""Classical methods as a model: a method and its options for each label."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from medseg.atomic import json_text
from medseg.classical.methods import METHODS, checked_options
from medseg.classical.options import Options
from medseg.classical.prepared import Found, finished, prepare
from medseg.errors import ConfigError, LabelError
from medseg.image import Image, Segmentation
from medseg.labels import Labels
from medseg.options import ReadOptions
from medseg.shares import kept_shares, opened_shares

__all__ = ["Classical", "Part", "classical", "found_in"]

_FOUND = "classical_found"  # the column of what the methods took from an image


@dataclass(frozen=True)
class Part:
    """How one label is found.

    Args:
        label: Its name.
        method: A key of `METHODS`.
        options: What the method was told.
        dice: Mean Dice on the cases that it was fitted on, where it was; a voxel that several labels claim goes to
            the one with the greatest.
    """

    label: str
    method: str
    options: Options
    dice: float | None = None

    @property
    def told(self) -> dict[str, Any]:
        """The options that are not left at their defaults, as JSON can hold them."""
        return self.options.model_dump(mode="json", exclude_defaults=True)


@dataclass(frozen=True)
class Classical:
    """A `medseg.segmenter.Model` that learnt no weights.

    Args:
        parts: One for each label, in the order of the labels.
        labels: What the masks can contain.
        channels: Names of the channels of its images.
        reading: How files become images.
        fitted: On what its options were fitted and with which result, as JSON can hold it; empty where they were given.

    Raises:
        LabelError: There is not one part for each label.
    """

    parts: tuple[Part, ...]
    labels: Labels = field(default_factory=lambda: Labels.from_config({"foreground": 1}))
    channels: tuple[str, ...] = ("image",)
    reading: ReadOptions = field(default_factory=ReadOptions)
    fitted: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        named = tuple(part.label for part in self.parts)
        if named != self.labels.names:
            mend = "Give each label its method; one method without fitting finds one label."
            raise LabelError("labels", f"{', '.join(named) or 'nothing'} is found", mend, ", ".join(self.labels.names))

    @property
    def method(self) -> str:
        """Name of its method; of several the one and the other."""
        return ", ".join(dict.fromkeys(part.method for part in self.parts))

    @property
    def gives_probabilities(self) -> bool:
        """Whether every label's method has probabilities."""
        return all(METHODS[part.method].probabilities for part in self.parts)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of its methods, options, labels and reading, as JSON."""
        said = {key: value for key, value in self.description.items() if key != "fitted"}
        return hashlib.sha256(json_text(said).encode()).hexdigest()

    @property
    def description(self) -> Mapping[str, Any]:
        """Methods with all their options, labels, channels, reading, and what they were fitted on."""
        return {
            "kind": "classical",
            "version": 1,
            "parts": [
                {
                    "label": part.label,
                    "method": part.method,
                    "options": part.options.model_dump(mode="json"),
                    "dice": part.dice,
                }
                for part in self.parts
            ],
            "labels": self.labels.to_config(),
            "channels": list(self.channels),
            "reading": self.reading.model_dump(mode="json"),
            "fitted": dict(self.fitted),
        }

    @property
    def settings(self) -> Mapping[str, Any]:
        """The methods, the options that are not their defaults, and whether there are probabilities."""
        told = {"method": self.method, "probabilities": self.gives_probabilities}
        return told | {"parameters": {part.label: part.told for part in self.parts}}

    def segment(self, image: Image, *, probabilities: bool | Path = False) -> Segmentation:
        """Find each label; see `medseg.segmenter.Segmenter`.

        Raises:
            ConfigError: Probabilities are asked for and a method has none.
            InputError: The image lacks the channel that is looked at, or a seed lies outside.
        """
        if probabilities and not self.gives_probabilities:
            able = ", ".join(name for name, method in METHODS.items() if method.probabilities)
            raise ConfigError("probabilities", f"{self.method} has none", f"Leave them away, or use {able}.")
        found = [found_in(image, part) for part in self.parts]
        with opened_shares((len(found), *image.geometry.shape), probabilities) as shares:
            if shares is not None:
                _fill(shares, found, self.labels.exclusive)
        return Segmentation(
            mask=self._joined([one.mask for one in found]),
            geometry=image.geometry,
            labels=self.labels,
            probabilities=kept_shares(shares, probabilities),
            image=image,
            notes=self._said([one.notes for one in found]),
            facts={_FOUND: "; ".join(told)} if (told := self._said([one.told for one in found])) else {},
        )

    def _joined(self, masks: Sequence[np.ndarray]) -> np.ndarray:
        """File values; of labels that exclude one another, the one with the greater Dice lies over the other."""
        if not self.labels.exclusive:
            return np.stack(masks).astype(np.uint8)
        indices = np.zeros(masks[0].shape, np.uint8)
        rising = sorted(range(len(masks)), key=lambda place: (self.parts[place].dice or 0.0, -place))
        for place in rising:
            indices[masks[place]] = place + 1
        return self.labels.from_indices(indices)

    def _said(self, texts: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        several = len(self.parts) > 1
        return tuple(
            f"{part.label}: {text}" if several else text
            for part, own in zip(self.parts, texts, strict=True)
            for text in own
        )


def found_in(image: Image, part: Part) -> Found:
    """What one part finds in an image, on its native grid.

    Raises:
        InputError: The image lacks the channel that is looked at, or a seed lies outside.
    """
    seen = prepare(image, part.options)
    return finished(METHODS[part.method].find(seen, part.options), seen, part.options)


def classical(method: str, labels: Labels | None = None, **options: Any) -> Classical:
    """A method as a model of one label.

    Args:
        method: A key of `METHODS`.
        labels: One label; "foreground" with the value 1 unless given.
        options: What the method is told.

    Raises:
        ConfigError: There is no such method or option, or a value does not fit.
        LabelError: There is more than one label.
    """
    told = checked_options(method, options)
    names = Labels.from_config({"foreground": 1}) if labels is None else labels
    channels = ("image",) if told.channel == 0 else tuple(f"channel {n}" for n in range(told.channel + 1))
    return Classical((Part(names.names[0], method, told),), names, channels)


def _fill(shares: np.ndarray, found: Sequence[Found], exclusive: bool) -> None:
    """Probabilities of all labels; of those that exclude one another, none together above 1."""
    each = [np.asarray(one.probability, np.float32) for one in found]
    total = np.maximum(np.sum(each, axis=0), 1) if exclusive and len(each) > 1 else np.float32(1)
    for place, one in enumerate(each):
        shares[place] = one / total
