"""One compressed DICOM frame to stored values, with the decoder that its transfer syntax needs."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from medseg.errors import MissingExtraError, UnreadableFileError
from medseg.io.dicom.codestream import codestream
from medseg.io.dicom.content import EXPORT_AGAIN

__all__ = ["DECODED", "DESCRIBED_BY", "decoded"]

# pydicom has no permissively licensed decoder of these; SimpleITK's GDCM has one.
_BY_GDCM = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1)
_JPEG_2000 = (JPEG2000Lossless, JPEG2000, HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K)
_BY_PYDICOM = (RLELossless, JPEGLSLossless, JPEGLSNearLossless, *_JPEG_2000)
DECODED = (*_BY_GDCM, *_BY_PYDICOM)
DESCRIBED_BY = (
    "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation",
)  # fmt: skip
_END_OF_IMAGE = b"\xff\xd9"
_SMALL = 2**26  # bytes that a frame may unfold to in any case ...
_RATIO = 1000  # ... and how many times its own size beyond


def decoded(where: Path, header: Mapping[str, Any], frame: bytes, syntax: UID) -> tuple[np.ndarray, bool]:
    """Stored values of one frame, shape (rows, columns[, samples]), colours as RGB.

    Args:
        where: The file, for messages.
        header: The values that describe the pixels, by DICOM keyword.
        frame: The compressed bytes.
        syntax: One of `DECODED`.

    Returns:
        The values, and whether they are whole cells of BitsAllocated, with what HighBit and BitsStored leave unused;
        otherwise they begin at the lowest bit.

    Raises:
        UnreadableFileError: The frame is broken or of another size than its header says.
        MissingExtraError: No decoder is installed.
    """
    if syntax in _BY_PYDICOM and not get_decoder(syntax).is_available:
        raise MissingExtraError(
            where, f"no decoder of {syntax.name} is installed", "Install it with `pip install 'medseg[dicom]'`."
        )
    whole_cells = _check_size(where, header, frame, syntax)
    picture = Dataset()
    picture.file_meta = FileMetaDataset()
    picture.file_meta.TransferSyntaxUID = syntax
    picture.SOPClassUID, picture.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    for keyword in DESCRIBED_BY:
        if header.get(keyword) is not None:
            setattr(picture, keyword, header.get(keyword))
    picture.PixelData = encapsulate([frame])
    picture["PixelData"].VR = "OB"
    picture["PixelData"].is_undefined_length = True
    if picture.get("PhotometricInterpretation") == "RGB" and b"JFIF\0" in frame[:32]:
        picture.PhotometricInterpretation = "YBR_FULL_422"  # as every JFIF picture, whatever the header says
    pixels = _by_gdcm(where, picture) if syntax in _BY_GDCM else _by_pydicom(where, picture)
    wanted = (int(header["Rows"]), int(header["Columns"]))
    if pixels.shape[:2] != wanted:
        found = f"its pixels are {pixels.shape[1]}×{pixels.shape[0]} and its header says {wanted[1]}×{wanted[0]}"
        raise UnreadableFileError(where, found, EXPORT_AGAIN)
    return pixels, whole_cells


def _check_size(where: Path, header: Mapping[str, Any], frame: bytes, syntax: UID) -> bool:
    """Refuse what would unfold to more than the header says, or to more than its bytes can hold."""
    rows, columns, samples = int(header["Rows"]), int(header["Columns"]), int(header.get("SamplesPerPixel") or 1)
    size = rows * columns * samples * int(header["BitsAllocated"]) // 8
    if size > max(_SMALL, _RATIO * len(frame)):
        found = f"{len(frame)} bytes would unfold to {size}"
        raise UnreadableFileError(where, found, "It is damaged, or made to fill the memory.", f"at most {_RATIO} times")
    if syntax == RLELossless and frame:
        return True
    head = codestream(frame)
    if head is None:
        raise UnreadableFileError(where, f"its pixels are not {syntax.name}", EXPORT_AGAIN)
    if (head.rows, head.columns, head.samples) != (rows, columns, samples):
        found = (
            f"its pixels are {head.columns}×{head.rows} of {head.samples} sample(s) and its header says "
            f"{columns}×{rows} of {samples}"
        )
        raise UnreadableFileError(where, found, EXPORT_AGAIN)
    if not 1 <= head.bits <= int(header["BitsAllocated"]):
        found = f"its pixels have {head.bits} bits and its header allocates {header['BitsAllocated']}"
        raise UnreadableFileError(where, found, EXPORT_AGAIN)
    if syntax not in _JPEG_2000 and _END_OF_IMAGE not in frame[-16:]:
        # GDCM would fill up what is missing, and CharLS would look for it in 2³¹ bits of nothing.
        raise UnreadableFileError(where, "its pixels end before their picture does", EXPORT_AGAIN)
    return head.bits > int(header.get("BitsStored") or head.bits)


def _by_pydicom(where: Path, picture: Dataset) -> np.ndarray:
    # The faster plugin for RLE (pylibjpeg-rle) panics on broken data with what is no Exception.
    plugin = "pydicom" if picture.file_meta.TransferSyntaxUID == RLELossless else ""
    try:
        # pydicom would clear unused bits as if HighBit were always BitsStored - 1.
        return np.asarray(pydicom.pixels.pixel_array(picture, decoding_plugin=plugin, correct_unused_bits=False))
    except (RuntimeError, NotImplementedError, ValueError, AttributeError, EOFError, OSError, LookupError) as error:
        raise UnreadableFileError(where, f"its pixels cannot be decoded ({error})", EXPORT_AGAIN) from error


def _by_gdcm(where: Path, picture: Dataset) -> np.ndarray:
    """Through a file that says nothing of rescaling or inversion, so that ITK gives the stored values."""
    import SimpleITK

    if int(picture.get("SamplesPerPixel") or 1) == 1:
        picture.PhotometricInterpretation = "MONOCHROME2"
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.dcm"
        pydicom.dcmwrite(path, picture, implicit_vr=False, little_endian=True, enforce_file_format=True)
        reader.SetFileName(str(path))
        try:
            return np.asarray(SimpleITK.GetArrayFromImage(reader.Execute())[0])
        except RuntimeError as error:
            raise UnreadableFileError(where, "its pixels cannot be decoded", EXPORT_AGAIN) from error
