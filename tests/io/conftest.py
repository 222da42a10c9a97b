"""Small DICOM series made on the spot."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SeriesWriter = Callable[..., Path]


@pytest.fixture
def write_series(tmp_path: Path) -> SeriesWriter:
    """Writes stored values (slices, rows, columns) as files named against their order; fields go into each header."""

    def write(volume: np.ndarray, name: str = "series", positions: list[Any] | None = None, **fields: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        series = generate_uid()
        for i, pixels in enumerate(volume):
            meta = FileMetaDataset()
            meta.MediaStorageSOPClassUID = CTImageStorage
            meta.MediaStorageSOPInstanceUID = generate_uid()
            meta.TransferSyntaxUID = ExplicitVRLittleEndian
            slice_ = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
            slice_.SOPClassUID, slice_.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
            slice_.SeriesInstanceUID, slice_.Modality, slice_.PatientID = series, "CT", "p1"
            slice_.SeriesDescription = name
            slice_.Rows, slice_.Columns = pixels.shape
            slice_.SamplesPerPixel, slice_.PhotometricInterpretation = 1, "MONOCHROME2"
            slice_.BitsAllocated = 8 * pixels.dtype.itemsize
            slice_.BitsStored = slice_.BitsAllocated
            slice_.HighBit = slice_.BitsStored - 1
            slice_.PixelRepresentation = int(pixels.dtype.kind == "i")
            slice_.PixelSpacing = [2.0, 0.5]
            slice_.SliceThickness = 7.0
            slice_.InstanceNumber = len(volume) - i
            slice_.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
            slice_.ImagePositionPatient = [10.0, 20.0, 30.0 + 3 * i] if positions is None else positions[i]
            for field, value in fields.items():
                given = value[i] if isinstance(value, list) and field.startswith("Rescale") else value
                if given is None:
                    delattr(slice_, field)
                else:
                    setattr(slice_, field, given)
            slice_.PixelData = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
            pydicom.dcmwrite(folder / f"{len(volume) - i:03d}.dcm", slice_, enforce_file_format=True)
        return folder

    return write
