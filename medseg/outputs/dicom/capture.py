"""Secondary captures: the image with the mask drawn into it in colours, for viewers that show neither SEG nor RTSTRUCT.

One picture for each slice on which something is drawn, in the pixels and at the place of the slice. Of an empty mask
it is the middle slice, so that a reader sees that the image was looked at.
"""

import copy
import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.io.dicom.headers import BROKEN
from medseg.labels import IGNORE_INDEX
from medseg.outputs.dicom.frame_groups import decimal
from medseg.outputs.dicom.header import begun, content_of, dated, reference, short_text, write
from medseg.outputs.dicom.identity import Author, uid_of
from medseg.outputs.dicom.source import LPS, Source
from medseg.picture import display_range, overlaid

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["captures", "write_capture"]

_STORAGE = "1.2.840.10008.5.1.4.1.1.7"
# What is true of the picture as it is of its source
_KEPT = (
    "BodyPartExamined", "Laterality", "ImageLaterality", "BurnedInAnnotation", "LossyImageCompression",
    "LossyImageCompressionRatio", "LossyImageCompressionMethod",
)  # fmt: skip
_ASLANT = 0.01  # of a direction: less along an axis is not worth a letter
_SPACINGS = ("PixelSpacing", "PixelSpacingCalibrationType", "PixelSpacingCalibrationDescription")


def write_capture(
    folder: Path, source: Source, image: Image, segmentation: Segmentation, author: Author
) -> tuple[Path, ...]:
    """Write the pictures of a case.

    Args:
        folder: Where to: 0001.dcm, 0002.dcm ...; those of an earlier mask are replaced or go.
        source: The instances under the image.
        image: Its first channel is shown.
        segmentation: The mask.
        author: What made it.

    Raises:
        OutputError: A file cannot be written.
    """
    made = captures(source, image, segmentation, author)
    written = tuple(write(one, folder / f"{int(one.InstanceNumber):04d}.dcm") for one in made)
    for path in set(folder.glob("[0-9][0-9][0-9][0-9].dcm")) - set(written):
        path.unlink(missing_ok=True)
    return written


def captures(source: Source, image: Image, segmentation: Segmentation, author: Author) -> "Iterator[Dataset]":
    """The objects that `write_capture` writes, one after another."""
    from pydicom.uid import UID

    shown = np.atleast_3d(segmentation.drawable(str(source.where)))
    grey = image.voxels[0].reshape(shown.shape)
    low, high = _window(source, image)
    head = _head(source, segmentation, author, (low, high))
    for number, k in enumerate(_drawn_slices(shown), start=1):
        scaled = np.nan_to_num((grey[:, :, k].T.astype(np.float32) - low) / (high - low)).clip(0, 1)
        indices = shown[:, :, k].T
        rgb = overlaid(scaled, np.where(indices == IGNORE_INDEX, 0, indices), segmentation.labels)
        ds = copy.deepcopy(head)
        ds.InstanceNumber = number
        ds.SOPInstanceUID = UID(uid_of("instance", head.SeriesInstanceUID, number))
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        _place(ds, source, segmentation.geometry, k)
        ds.Rows, ds.Columns = rgb.shape[:2]
        ds.PixelData = rgb.tobytes() + bytes(rgb.size % 2)
        ds["PixelData"].VR = "OB"
        yield ds


def _head(source: Source, segmentation: Segmentation, author: Author, window: tuple[float, float]) -> "Dataset":
    """What all pictures have in common."""
    low, high = window
    ds = begun(source, author, _STORAGE, "OT", "Overlay", content_of(segmentation), repr(window))
    ds.SeriesNumber, ds.ConversionType = 9004, "WSD"
    ds.ContentDate, ds.ContentTime = dated(source)
    ds.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    found = [label.name for label in segmentation.labels.labels if segmentation.of(label.name).any()]
    said = f"Drawn over it: {', '.join(found)}" if found else "Nothing was found"
    ds.DerivationDescription = short_text(f"{said}; shown from {low:g} to {high:g}", 1024)
    ds.ImageComments = short_text(said, 1024)
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "RGB", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    return ds


def _drawn_slices(shown: np.ndarray) -> list[int]:
    found = np.flatnonzero(((shown > 0) & (shown != IGNORE_INDEX)).any(axis=(0, 1))).tolist()
    return found or [shown.shape[2] // 2]


def _window(source: Source, image: Image) -> tuple[float, float]:
    """What is shown black and white: of CT and MR the window of the first image's header, else most of the values."""
    if image.modality in ("CT", "MR") and image.geometry.ndim == 3:
        with suppress(*BROKEN):
            centre, width = (_first_number(source.first.get(name)) for name in ("WindowCenter", "WindowWidth"))
            if np.isfinite([centre, width]).all() and width > 1:
                return centre - width / 2, centre + width / 2
    return display_range(image.voxels[0])


def _first_number(said: Any) -> float:
    """Of an element that has one value or several; NaN where it has none."""
    if said is None or said == "":
        return math.nan
    return float(said if isinstance(said, (str, int, float)) else said[0])


def _place(ds: "Dataset", source: Source, geometry: Geometry, k: int) -> None:
    """Where the picture lies, from which instance it was made, and what is true of it as of that."""
    at, frame = source.frames[k] if source.frames else (0, 1)
    one = source.datasets[at]
    if source.frames:
        ds.SourceImageSequence = [reference(one, frame)]
    for name in (*_KEPT, *(_SPACINGS if geometry.ndim == 2 else ())):
        if name in one:
            ds[name] = copy.deepcopy(one[name])
    if not {"Laterality", "ImageLaterality", "BodyPartExamined"} & set(ds.dir()):
        ds.Laterality = ""  # of a part of the body that is not said, the side is not known either
    if geometry.ndim == 2:
        ds.PatientOrientation = one.get("PatientOrientation") or ""
        return
    directions = (geometry.affine[:3, :2] / np.array(geometry.step[:2])).T * LPS  # DICOM's frame is LPS+
    stated = source.position(k)
    position = geometry.to_world((0, 0, k)) * LPS if stated is None else stated
    ds.PixelSpacing = [decimal(geometry.step[1]), decimal(geometry.step[0])]  # between rows, then columns
    ds.ImageOrientationPatient = [decimal(value) for value in directions.ravel()]
    ds.ImagePositionPatient = [decimal(value) for value in position]
    ds.PatientOrientation = [_letters(direction) for direction in directions]
    if source.first.get("FrameOfReferenceUID"):
        ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = source.first.FrameOfReferenceUID, ""


def _letters(direction: np.ndarray) -> str:
    """Where a direction in LPS+ points, in DICOM's letters, the most important first (PS3.3 C.7.6.1.1.1)."""
    axes = sorted(range(3), key=lambda axis: -abs(direction[axis]))
    return "".join(
        ("RL", "AP", "FH")[axis][int(direction[axis] > 0)] for axis in axes if abs(direction[axis]) > _ASLANT
    )
