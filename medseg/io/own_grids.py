"""Channels of one study that lie on grids of their own, read apart so that their own voxels can be measured."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from medseg.errors import InputError
from medseg.image import Image
from medseg.io.channels import beside, united
from medseg.io.grids import exact_turn
from medseg.io.reading import read_geometry, read_image
from medseg.options import ReadOptions

__all__ = ["in_units", "read_apart", "read_elsewhere"]


def read_apart(
    paths: Sequence[str | Path], options: ReadOptions | None = None
) -> tuple[Image, tuple[int, ...], dict[int, Image]]:
    """The channels on the reference channel's voxels as one image, and the others as they are.

    Args:
        paths: A file or DICOM folder for each channel.
        options: `reference` says on whose grid the mask lies.

    Returns:
        The image; the numbers of its channels among the paths; by number the channels on other grids, whose notes are
        added to the image's.

    Raises:
        MedsegError: As `read_image`, of whose reasons one is left: that a channel is on another grid.
    """
    options = options or ReadOptions()
    if not 0 <= options.reference < len(paths):
        wanted = f"0 to {len(paths) - 1}"
        raise InputError(
            "reading.reference", f"{options.reference} of {len(paths)} channel(s)", "Channels count from 0.", wanted
        )
    images = {options.reference: read_image(paths[options.reference], options=_with(options, reference=0))}
    first = images[options.reference]
    elsewhere = read_elsewhere(paths, first, options)
    for number, path in enumerate(paths):
        if number not in images and number not in elsewhere:
            images[number] = read_image(path, options=_with(options, reference=0))
    numbers = tuple(sorted(images))
    image = united([images[number] for number in numbers], _with(options, reference=numbers.index(options.reference)))
    notes = [note for other in elsewhere.values() for note in other.notes]
    return replace(image, notes=(*image.notes, *notes)), numbers, elsewhere


def read_elsewhere(paths: Sequence[str | Path], on: Image, options: ReadOptions | None = None) -> dict[int, Image]:
    """Of the channels of an image, by number, those that are not stored on its voxels, each on its own grid.

    Raises:
        MedsegError: As `read_image`; of grids alone, where a channel has no place beside the image.
    """
    options = options or ReadOptions()
    found = {}
    for number, path in enumerate(paths):
        if number == options.reference or exact_turn(read_geometry(path, options=options), on.geometry) is not None:
            continue
        image = read_image(path, options=_with(options, reference=0))
        notes = beside(on, image, number, _with(options, resample_channels=True))
        found[number] = replace(image, notes=(*image.notes, *notes))
    return found


def in_units(image: Image, units: Mapping[int, str]) -> Image:
    """An image whose channels, by number, are in these units where the files do not say in which they are."""
    said = {number: image.facts.get(f"unit_{number}", image.unit) for number in range(image.channels)}
    told = {number: unit or units.get(number, "") for number, unit in said.items()}
    facts = {f"unit_{number}": unit for number, unit in told.items() if unit != said[number]}
    return replace(image, facts={**image.facts, **facts}) if facts else image


def _with(options: ReadOptions, **changes: object) -> ReadOptions:
    return options.model_copy(update=changes)
