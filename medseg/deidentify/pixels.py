"""Pixels of an object: one frame to look at, regions blanked, and whether all that the header promises is there."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import UID, ExplicitVRLittleEndian

from medseg.deidentify.blank_rules import BlankRule
from medseg.deidentify.refusal import RefusedError
from medseg.errors import MedsegError
from medseg.io.dicom.decoding import DECODED, DESCRIBED_BY, decoded

__all__ = ["blank", "check_length", "clear_overlay_bits", "first_frame"]

_NATIVE = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL")
_OTHER_PIXELS = ("FloatPixelData", "DoubleFloatPixelData", "PixelDataProviderURL", "SpectroscopyData")
_ITEM = b"\xfe\xff\x00\xe0"


def check_length(dataset: Dataset) -> None:
    """See that no pixel is missing; what follows the last is dropped, as nobody can tell what it says.

    Raises:
        RefusedError: The file was cut off.
    """
    if "PixelData" not in dataset:
        described = "Image Storage" in UID(dataset.SOPClassUID).name or (
            "BitsAllocated" in dataset and "Rows" in dataset
        )
        if described and not any(keyword in dataset for keyword in _OTHER_PIXELS):
            raise RefusedError("its pixels are missing")
        return
    if _compressed(dataset):
        if not _whole_fragments(dataset.PixelData, _frames(dataset)):
            raise RefusedError("its pixels end before its header says")
        return
    rows, columns = dataset.get("Rows") or 0, dataset.get("Columns") or 0
    bits = (
        rows * columns * (dataset.get("SamplesPerPixel") or 1) * _frames(dataset) * (dataset.get("BitsAllocated") or 0)
    )
    shared = dataset.get("PhotometricInterpretation") in ("YBR_FULL_422", "YBR_PARTIAL_422")
    if shared and len(dataset.PixelData) < -(-bits // 8):  # some programs leave the word when they take pixels apart
        bits = bits * 2 // 3
    size = -(-bits // 8)
    if len(dataset.PixelData) < size:
        raise RefusedError("its pixels end before its header says")
    if len(dataset.PixelData) > size:
        dataset["PixelData"].value = dataset.PixelData[:size] + bytes(size % 2)


def _whole_fragments(data: bytes, frames: int) -> bool:
    """Whether every fragment of compressed pixels is as long as it says, and there are enough of them (PS3.5, A.4)."""
    at, count = 0, 0
    while at < len(data):
        if data[at : at + 4] != _ITEM or at + 8 > len(data):
            return False
        at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        count += 1
    return at == len(data) and count > frames  # the first tells where frames begin


def clear_overlay_bits(dataset: Dataset) -> bool:
    """Clear the bits beside the pixels in which old objects keep graphics and text (retired, PS3.3 C.9.2).

    Returns:
        Whether such bits may be left, as the pixels are compressed.
    """
    places = [dataset.get((group, 0x0102)) for group in range(0x6000, 0x6020, 2)]
    if not any(place is not None and place.value for place in places) or "PixelData" not in dataset:
        return False
    if _compressed(dataset) or dataset.get("BitsAllocated") not in (8, 16):
        return True
    frames, above = _native(dataset), int(dataset.BitsAllocated) - int(dataset.HighBit) - 1
    # Shifted up and down again: what lies above goes, and the sign of signed values is carried into its place.
    kind = "i" if dataset.get("PixelRepresentation") == 1 else "u"
    cells = frames.astype(frames.dtype.newbyteorder("=")).view(f"{kind}{dataset.BitsAllocated // 8}") << above
    below = int(dataset.HighBit) + 1 - int(dataset.BitsStored)
    dataset.PixelData = _bytes(dataset, (cells >> (above + below)) << below)
    return False


def first_frame(dataset: Dataset) -> np.ndarray | None:
    """The first frame's stored values, shape (rows, columns[, samples]); `None` where they cannot be had."""
    try:
        return next(_decoded_frames(dataset)) if _compressed(dataset) else _native(dataset)[0]
    except (RefusedError, MedsegError, StopIteration, ValueError, TypeError, KeyError, AttributeError):
        return None


def blank(dataset: Dataset, rules: Iterable[BlankRule]) -> int:
    """Blank the regions of all rules in all frames; compressed pixels are then stored without compression.

    Args:
        dataset: Changed in place.
        rules: Those that fit.

    Returns:
        How many regions were blanked.

    Raises:
        RefusedError: A region lies outside the picture, or the pixels are of a kind that cannot be changed.
    """
    chosen = list(rules)
    if "PixelData" not in dataset:
        raise RefusedError("regions were to be blanked and it has no pixels of whole numbers")
    _whole_bytes(dataset)
    if _compressed(dataset):
        try:
            frames = np.stack(list(_decoded_frames(dataset)))
        except MedsegError as error:
            raise RefusedError("regions were to be blanked and its pixels cannot be decoded") from error
        _store_native(dataset, frames)
    else:
        frames = _native(dataset).copy()
    count = sum(_apply(frames, rule) for rule in chosen)
    dataset.PixelData = _bytes(dataset, frames)
    return count


def _apply(frames: np.ndarray, rule: BlankRule) -> int:
    """Zero the regions of a rule; frames have the shape (frames, rows, columns[, samples])."""
    for left, top, width, height in rule.boxes:
        if left >= frames.shape[2] or top >= frames.shape[1]:
            raise RefusedError("a region to be blanked lies outside its picture")
        frames[:, top : top + height, left : left + width] = 0
    if rule.keep is None:
        return len(rule.boxes)
    left, top, width, height = rule.keep
    outside = np.ones(frames.shape[1:3], bool)
    outside[top : top + height, left : left + width] = False
    frames[:, outside] = 0
    return len(rule.boxes) + 1


def _compressed(dataset: Dataset) -> bool:
    return bool(dataset.file_meta.TransferSyntaxUID.is_compressed)


def _frames(dataset: Dataset) -> int:
    return int(dataset.get("NumberOfFrames") or 1)


def _whole_bytes(dataset: Dataset) -> None:
    if dataset.get("BitsAllocated") not in (8, 16, 32):
        raise RefusedError("regions were to be blanked and its pixels are not whole bytes")


def _decoded_frames(dataset: Dataset) -> Iterator[np.ndarray]:
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax not in DECODED:
        raise RefusedError("regions were to be blanked and its pixels are compressed as cannot be read")
    header = {keyword: dataset.get(keyword) for keyword in DESCRIBED_BY}
    for frame in generate_frames(dataset.PixelData, number_of_frames=_frames(dataset)):
        yield decoded(Path("the file"), header, frame, syntax)[0]


def _native(dataset: Dataset) -> np.ndarray:
    """Stored values, shape (frames, rows, columns[, samples]), a view where the order of bytes allows."""
    _whole_bytes(dataset)
    if dataset.get("PhotometricInterpretation") not in _NATIVE:
        raise RefusedError("regions were to be blanked and its colours share pixels (4:2:2)")
    order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
    samples = int(dataset.get("SamplesPerPixel") or 1)
    shape = (_frames(dataset), int(dataset.Rows), int(dataset.Columns), samples)
    cells = np.frombuffer(dataset.PixelData, f"{order}u{dataset.BitsAllocated // 8}", count=int(np.prod(shape)))
    if samples > 1 and dataset.get("PlanarConfiguration") == 1:
        cells = cells.reshape(shape[0], samples, *shape[1:3]).transpose(0, 2, 3, 1)
    return cells.reshape(shape) if samples > 1 else cells.reshape(shape[:3])


def _store_native(dataset: Dataset, frames: np.ndarray) -> None:
    """Say in the header that pixels are no longer compressed."""
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset["PixelData"].is_undefined_length = False
    if frames.ndim == 4:
        dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", 0
    dataset.HighBit = int(dataset.get("BitsStored") or dataset.BitsAllocated) - 1
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if keyword in dataset:
            delattr(dataset, keyword)


def _bytes(dataset: Dataset, frames: np.ndarray) -> bytes:
    order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
    kind: Any = "i" if frames.dtype.kind == "i" else "u"
    if frames.ndim == 4 and dataset.get("PlanarConfiguration") == 1:
        frames = frames.transpose(0, 3, 1, 2)
    data = frames.astype(f"{order}{kind}{dataset.BitsAllocated // 8}").tobytes()
    dataset["PixelData"].VR = "OW" if dataset.BitsAllocated > 8 else "OB"
    return data + bytes(len(data) % 2)
