"""One DICOM volume, or one 2D image, as an `Image`."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from medseg.errors import GeometryError, InputError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io.archive import is_archive
from medseg.io.dicom.acquisition import acquisition
from medseg.io.dicom.files import files_of
from medseg.io.dicom.headers import dataset, guarded, heard, whole_header
from medseg.io.dicom.instances import Instances
from medseg.io.dicom.pixels import stored_volume
from medseg.io.dicom.scan import scan_dicom
from medseg.io.dicom.tilt import untilted, upright
from medseg.io.dicom.tree import DicomTree
from medseg.io.dicom.values.looks import picture_values
from medseg.io.dicom.values.radiograph import facts, radiograph_grid
from medseg.io.dicom.values.volume_values import volume_values
from medseg.io.dicom.volumes import Volume, is_sequence
from medseg.options import ReadOptions

__all__ = ["read", "read_geometry", "read_volume"]

_DIGITS = 10  # of the number of a volume, at most so many
T = TypeVar("T")


def read(path: Path, inside: str, options: ReadOptions) -> Image:
    """The one volume or 2D image of a folder (with all below it) or of a file.

    Args:
        path: The folder or file.
        inside: Which of several: a SeriesInstanceUID or SeriesNumber, perhaps `/k` for volume k of it; in a file, k.
        options: How to read, where there is a choice.

    Returns:
        One channel, shape (1, x, y[, z]): x is the column, y the row, z the slice.

    Raises:
        UnreadableFileError: There is no image, or one that is broken.
        InputError: There are several; they are listed with their addresses.
        GeometryError: The slices do not make a regular grid.
        MissingExtraError: A decoder is not installed.
    """
    volume, left_out = _picked(path, inside, options)
    image = read_volume(volume, options)
    return replace(image, source=path, notes=(*image.notes, *left_out))


def read_geometry(path: Path, inside: str, options: ReadOptions) -> Geometry:
    """The grid from headers; no pixel is decoded. Raises what `read` raises."""
    volume, _left_out = _picked(path, inside, options)
    return heard(lambda: guarded(volume.first.path, lambda: _grid(volume, options)))[0]


def read_volume(volume: Volume, options: ReadOptions) -> Image:
    """A volume that a scan found.

    Raises:
        MedsegError: It is refused, or its pixels cannot be decoded.
    """
    image, warned = heard(lambda: guarded(volume.first.path, lambda: _read(volume, options)))
    return replace(image, notes=(*image.notes, *warned))


def _read(volume: Volume, options: ReadOptions) -> Image:
    _refuse(volume, options)
    return _projection(volume, options) if volume.flat else _stack(volume, options)


def _stack(volume: Volume, options: ReadOptions) -> Image:
    first, geometry = volume.first, volume.geometry
    assert geometry is not None, "a volume without refusal has a grid"
    values, unit, notes = volume_values(volume, options.pet)
    if first.header.get("PhotometricInterpretation") == "MONOCHROME1":
        notes += ("MONOCHROME1: values are kept as stored",)
    # Decoded arrays run (slice, row, column); ours run (column, row, slice).
    voxels = values.T[np.newaxis]
    if volume.tilt:
        voxels, geometry = untilted(voxels, geometry)
        notes += (f"gantry tilt ({volume.tilt}): resampled onto an orthogonal grid",)
    notes = (*volume.notes, *notes)
    known = acquisition(whole_header(first)) | _facts(volume)
    return Image(voxels, geometry, first.modality, volume.home, Instances.of(volume), notes, unit, known)


def _projection(volume: Volume, options: ReadOptions) -> Image:
    """A radiograph or another picture: (column, row), more is brighter."""
    one = volume.first
    whole = dataset(one.path)
    geometry, notes = radiograph_grid(whole)
    said, doubts = facts(whole)
    values, remarks = picture_values(replace(one, header=whole), stored_volume([one])[0], options.window)
    notes = (*volume.notes, *notes, *doubts, *remarks)
    said = acquisition(whole) | _facts(volume) | said
    return Image(values.T[np.newaxis], geometry, one.modality, one.path, Instances.of(volume), notes, "", said)


def _facts(volume: Volume) -> dict[str, str]:
    """What labels that were drawn on it refer to."""
    header = volume.first.header
    named = {"series": "SeriesInstanceUID", "frame_of_reference": "FrameOfReferenceUID"}
    return {name: str(header[keyword]) for name, keyword in named.items() if header.get(keyword)}


def _grid(volume: Volume, options: ReadOptions) -> Geometry:
    """Its grid without its pixels."""
    _refuse(volume, options)
    if volume.geometry is None:
        return radiograph_grid(dataset(volume.first.path))[0]
    return upright(volume.geometry) if volume.tilt else volume.geometry


def _refuse(volume: Volume, options: ReadOptions) -> None:
    """Raise why a volume cannot be read, where that is so."""
    if volume.refusal is not None:
        raise volume.refusal
    if volume.tilt and not options.untilt:
        raise GeometryError(
            volume.home,
            f"the slices are sheared (gantry tilt): {volume.tilt}",
            "Resample it onto an orthogonal grid: --untilt, or reading.untilt=true.",
        )
    if volume.tilt and volume.geometry is not None:
        try:
            upright(volume.geometry)
        except GeometryError as error:
            raise GeometryError(volume.home, f"cannot be stood upright ({error})", "Pass another series.") from error


def _picked(path: Path, inside: str, options: ReadOptions) -> tuple[Volume, tuple[str, ...]]:
    """The volume that is meant, and a note on what else there is."""
    tree = _scanned(path) if inside else scan_dicom(path)
    found = tree.volumes
    if not found:
        raise _nothing(tree)
    if inside or options.frame is not None:
        return _asked(tree, inside or f"/{options.frame}"), ()
    main = [pair for pair in found if pair[1].kind != "localizer"] or found
    if len(main) > 1:
        listed = "; ".join(f"{volume.described()}: {where}" for where, volume in main[:8])
        more = f"; and {len(main) - 8} more" if len(main) > 8 else ""
        raise InputError(path, f"holds {len(main)} images ({listed}{more})", "Pass the address of one.", "one")
    notes = (f"left out beside it: {len(found) - 1} localizer(s)",) if len(found) > 1 else ()
    return main[0][1], notes + tuple(f"{where.name} beside it cannot be read" for where, _error in tree.problems)


def _asked(tree: DicomTree, inside: str) -> Volume:
    """What an address asks for."""
    name, _, number = inside.partition("/")
    if tree.root.is_file() and not number and not is_archive(tree.root):
        name, number = "", name
    named = [
        one for one in tree.series if one.volumes and name in ("", one.uid, str(one.header.get("SeriesNumber", "")))
    ]
    if len(named) == 1:
        volumes = named[0].volumes
        index = int(number) if number.isascii() and number.isdecimal() and len(number) < _DIGITS else None
        if index is not None and len(volumes) == 1 and is_sequence(volumes[0].first):
            return volumes[0].at_frame(index)
        if not number and len(volumes) == 1:
            return volumes[0]
        if index is not None and index < len(volumes):
            return volumes[index]
        raise InputError(
            tree.root, f"has {len(volumes)} volumes of that series, and {inside!r} is none of them",
            f"Write ':/{name}/k' with k from 0 to {len(volumes) - 1}.",
        )  # fmt: skip
    known = ", ".join(f"{one.uid} ({one.modality} {one.description!r})" for one in tree.series if one.volumes)
    found = f"{len(named)} series answer to {name!r}" if named else f"has no series {name!r}"
    raise InputError(tree.root, found, "Name one by its SeriesInstanceUID.", known)


def _nothing(tree: DicomTree) -> Exception:
    if len(tree.problems) == 1:
        return tree.problems[0][1]
    broken = f" ({len(tree.problems)} broken files, first: {tree.problems[0][1]})" if tree.problems else ""
    objects = sorted({one.modality for one in tree.series if one.others and one.modality})
    instead = f" but {', '.join(objects)}" if objects else ""
    mend = "Pass the folder in which the slices of one series lie."
    if {"SEG", "RTSTRUCT"} & set(objects):
        mend = (
            "Read it as the mask of an image (read_mask, read_segmentation), or pass the folder of the image's slices."
        )
    return UnreadableFileError(tree.root, f"holds no DICOM image{instead}{broken}", mend)


def _scanned(path: Path) -> DicomTree:
    """The scan of a folder, remembered while nothing in it changes: its volumes are mostly read one after another."""
    files = [path] if is_archive(path) else files_of(path)
    return _remembered(path, tuple(_stamp(file) for file in files))


def _stamp(file: Path) -> tuple[str, int, int]:
    """What changes with a file."""
    try:
        found = file.stat()
    except OSError:  # listed and missing, which the scan tells
        return str(file), 0, 0
    return str(file), found.st_size, found.st_mtime_ns


@lru_cache(maxsize=1)
def _remembered(path: Path, stamp: tuple[tuple[str, int, int], ...]) -> DicomTree:
    return scan_dicom(path)
