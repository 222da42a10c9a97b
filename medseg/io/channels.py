"""Channels read from several files as one image on the grid of the reference channel."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from medseg import room
from medseg.errors import GeometryError, GridMismatchError, InputError, UnknownSpacingError
from medseg.image import Image
from medseg.io.dicom.instances import Instances
from medseg.io.grids import exact_turn, mismatch
from medseg.options import ReadOptions
from medseg.resample import covered, resample

__all__ = ["beside", "united"]

_FRAME = "frame_of_reference"


def united(images: Sequence[Image], options: ReadOptions) -> Image:
    """One image of all channels, in the order given.

    A channel that lies on the reference channel's voxels, stored in whatever order, is turned exactly. One on another
    grid is refused or, where `options.resample_channels` says so, resampled linearly; where it does not reach, it
    takes its lowest finite value. Each resampled channel leaves a note.

    Args:
        images: One for each channel (or more channels, all kept).
        options: `reference`, `resample_channels` and `across_frames` are looked at.

    Returns:
        Grid, header, modality, unit, source and facts of the reference; facts `modality_K` and `unit_K` say so where
        image K, from 0, is of another modality or unit. The notes of all.

    Raises:
        InputError: There is no image with the number `options.reference`, or a channel has no finite value.
        GridMismatchError: A channel lies on another grid, or nowhere on the reference's.
        UnknownSpacingError: A channel would have to be resampled without its spacing being known.
        GeometryError: Positions of two DICOM frames of reference cannot be compared.
    """
    if not 0 <= options.reference < len(images):
        raise InputError(
            "reading.reference",
            f"{options.reference} of {len(images)} channel(s)",
            "Channels count from 0.",
            f"0 to {len(images) - 1}",
        )
    reference = images[options.reference]
    if len(images) == 1:
        return reference  # perhaps memory-mapped: a copy would read all of it
    placed = [
        (image.voxels, ()) if image is reference else _on_grid_of(reference, image, number, options)
        for number, image in enumerate(images)
    ]
    notes = [note for image in images for note in image.notes]
    header = reference.header
    return replace(
        reference,
        voxels=_stacked([voxels for voxels, _ in placed]),
        header=header.with_channels(one.header for one in images) if isinstance(header, Instances) else header,
        notes=(*notes, *(note for _, said in placed for note in said)),
        facts={**reference.facts, **_other_units(reference, images)},
    )


def _stacked(channels: Sequence[np.ndarray]) -> np.ndarray:
    """All channels in their common type, in the room that readers fill."""
    shape = (sum(map(len, channels)), *channels[0].shape[1:])
    return np.concatenate(channels, out=room.empty(shape, np.result_type(*channels)))


def _on_grid_of(
    reference: Image, image: Image, number: int, options: ReadOptions
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Voxels on the reference's grid, and what to note of how they came there."""
    notes = _across_frames(reference, image, number, options)
    turn = exact_turn(image.geometry, reference.geometry)
    if turn is not None:
        return turn(image.voxels), notes
    inside = _covered(reference, image, number, options)
    outside = _lowest(image)
    voxels = resample(image.voxels, image.geometry, reference.geometry, order="linear", outside=outside)
    note = (
        f"channel {number} ({_name(image)}) was resampled linearly onto the grid of channel {options.reference} "
        f"({_name(reference)}); it covers {_percent(inside)} of it"
    )
    return voxels, (*notes, note if inside.all() else f"{note}, and the rest is {outside:g}")


def beside(reference: Image, image: Image, number: int, options: ReadOptions) -> tuple[str, ...]:
    """What there is to note of a channel on another grid that stays there; the arguments are those of `united`.

    Raises:
        MedsegError: As `united` where the channel has no place beside the reference.
    """
    notes = _across_frames(reference, image, number, options)
    _covered(reference, image, number, options)
    return notes


def _covered(reference: Image, image: Image, number: int, options: ReadOptions) -> np.ndarray:
    """Which of the reference's voxels lie in an image on another grid; some must."""
    _require_space(reference, image, options)
    inside = covered(image.geometry, reference.geometry)
    if not inside.any():
        raise GridMismatchError(
            _where(reference),
            f"no voxel of it lies in channel {number} ({_where(image)}: {image.geometry.describe()})",
            "Pass channels of one study, or register them first.",
        )
    return inside


def _across_frames(reference: Image, image: Image, number: int, options: ReadOptions) -> tuple[str, ...]:
    ours, theirs = reference.facts.get(_FRAME), image.facts.get(_FRAME)
    if not ours or not theirs or ours == theirs:
        return ()
    if not options.across_frames:
        raise GeometryError(
            _where(image),
            f"its positions are of the DICOM frame of reference {theirs}",
            "Register the series first; if that has been done, set reading.across_frames=true.",
            f"{ours}, the one of {_where(reference)}",
        )
    return (f"channel {number} ({_name(image)}) is of another DICOM frame of reference, taken as the same",)


def _require_space(reference: Image, image: Image, options: ReadOptions) -> None:
    """Refuse to resample what nobody asked to be, or what has no place in a common space."""
    found = f"{mismatch(image.geometry, reference.geometry)} (channel {image.source})"
    if image.geometry.ndim == 2 or reference.geometry.ndim == 2:
        raise GridMismatchError(
            _where(reference), found, "2D images have no common space: pass channels of one size, pixel on pixel."
        )
    if not (image.geometry.spacing_known and reference.geometry.spacing_known):
        raise UnknownSpacingError(
            _where(reference), found, "Without its spacing a channel has no place: resample the channels first."
        )
    if not options.resample_channels:
        raise GridMismatchError(
            _where(reference),
            found,
            "Set reading.resample_channels=true to have them resampled onto the grid of channel "
            f"{options.reference} (reading.reference), or resample them before.",
        )


def _lowest(image: Image) -> float:
    if image.voxels.dtype.kind != "f":
        return float(image.voxels.min())
    lowest = float(np.min(image.voxels, initial=np.inf, where=np.isfinite(image.voxels)))
    if not np.isfinite(lowest):
        raise InputError(_where(image), "holds no finite value", "Export it again, or leave the channel out.")
    return lowest


def _percent(inside: np.ndarray) -> str:
    """The share of a mask that is set, never rounded to the whole of it or to nothing."""
    share = 100 * float(inside.mean())
    return "100%" if share == 100 else f"{min(max(share, 0.1), 99.9):.1f}%"


def _other_units(reference: Image, images: Sequence[Image]) -> dict[str, str]:
    facts = {}
    for number, image in enumerate(images):
        if image.modality != reference.modality:
            facts[f"modality_{number}"] = image.modality
        if image.unit != reference.unit:
            facts[f"unit_{number}"] = image.unit
    return facts


def _where(image: Image) -> Path | str:
    return image.source or "image"


def _name(image: Image) -> str:
    return image.source.name if image.source else "in memory"
