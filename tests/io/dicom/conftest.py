"""DICOM files of one picture, made on the spot."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from medseg.io.dicom.headers import Slice, read_header

Picture = Callable[..., Slice]


def as_slice(path: Path) -> Slice:
    """A file's header, and where its pixels begin."""
    one = read_header(path)
    assert one is not None
    return one


@pytest.fixture
def picture(tmp_path: Path) -> Picture:
    """Writes stored cells (rows, columns[, samples]), or packed frames, as one file; fields go into its header."""

    def write(
        pixels: np.ndarray, syntax: UID = ExplicitVRLittleEndian, frames: list[bytes] | None = None, **fields: Any
    ) -> Slice:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = syntax
        made = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
        made.SOPClassUID, made.SOPInstanceUID = SecondaryCaptureImageStorage, meta.MediaStorageSOPInstanceUID
        made.Rows, made.Columns = pixels.shape[:2]
        made.Modality = "DX"
        made.SamplesPerPixel = pixels.shape[2] if pixels.ndim == 3 else 1
        made.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
        if pixels.ndim == 3:
            made.PlanarConfiguration = 0
        made.BitsAllocated = made.BitsStored = 8 * pixels.dtype.itemsize
        made.PixelRepresentation = int(pixels.dtype.kind == "i")
        for field, value in fields.items():
            setattr(made, field, value)
        if "HighBit" not in fields:
            made.HighBit = made.BitsStored - 1
        if frames is None:
            made.PixelData = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes()
        else:
            made.PixelData = encapsulate(frames)
        made["PixelData"].VR = "OB" if frames is not None or pixels.dtype.itemsize == 1 else "OW"
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.dcm"
        pydicom.dcmwrite(path, made, enforce_file_format=True)
        return as_slice(path)

    return write
