"""DICOM headers with values that no scanner writes: refused by name, or taken for what they are."""

import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from medseg.errors import GeometryError, UnreadableFileError
from medseg.io import read_geometry, read_image
from medseg.io.dicom.scan import scan_dicom

Series = Callable[..., Path]
VOLUME = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5)


def edited(path: Path, change: Callable[[pydicom.Dataset], object]) -> Path:
    """A file written again after a change, as broken as pydicom lets it be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = pydicom.dcmread(path)
        change(whole)
        whole.save_as(path)
    return path


@pytest.mark.parametrize("keyword", ["Rows", "Columns", "BitsStored", "PixelRepresentation"])
def test_two_numbers_where_pixels_need_one_are_refused(write_series: Series, keyword: str) -> None:
    folder = write_series(VOLUME)
    edited(folder / "001.dcm", lambda whole: setattr(whole, keyword, [4, 5]))
    with pytest.raises(UnreadableFileError, match=rf"001\.dcm: {keyword} is \(4, 5\), expected one whole number"):
        read_image(folder)
    with pytest.raises(UnreadableFileError, match=keyword):
        read_geometry(folder / "001.dcm")


def test_a_number_of_frames_that_is_none_is_refused(write_series: Series) -> None:
    folder = write_series(VOLUME)
    path = edited(folder / "001.dcm", lambda whole: setattr(whole, "NumberOfFrames", "10"))
    path.write_bytes(path.read_bytes().replace(b"IS\x02\x0010", b"IS\x02\x001A"))
    with pytest.raises(UnreadableFileError, match="NumberOfFrames is '1A'"):
        read_image(path)


def test_rows_without_columns_are_refused(write_series: Series) -> None:
    path = edited(write_series(VOLUME) / "001.dcm", lambda whole: delattr(whole, "Columns"))
    with pytest.raises(UnreadableFileError, match=r"001\.dcm: has Rows and no Columns"):
        read_image(path)


def test_a_spacing_next_to_nothing_is_refused_by_the_files_name(write_series: Series) -> None:
    folder = write_series(VOLUME, PixelSpacing=["1e-308", "1"])
    with pytest.raises(GeometryError, match=r"series: shape .* singular"):
        read_geometry(folder)


def test_a_description_with_a_backslash_stays_one_text(write_series: Series) -> None:
    folder = write_series(VOLUME)
    for path in folder.iterdir():
        edited(path, lambda whole: setattr(whole, "SeriesDescription", ["axial", "late"]))
    (series,) = scan_dicom(folder).series
    assert series.description == "axial\\late"


def test_a_slice_with_an_empty_spacing_takes_its_stack_with_it(write_series: Series) -> None:
    folder = write_series(VOLUME)
    path = folder / "001.dcm"
    path.write_bytes(path.read_bytes().replace(b"2.0\\0.5 ", b"2.0\\    "))
    with pytest.raises(GeometryError, match=r"1 of 3 slices is of another size: 5×4 pixels of 2×\? mm \(001.dcm\)"):
        read_image(folder)


def test_a_deflated_header_that_needs_pydicom_is_inflated_within_bounds(write_series: Series) -> None:
    path = write_series(VOLUME[:1]) / "001.dcm"

    def deflate(whole: pydicom.Dataset) -> None:
        whole.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        whole.add_new(0x00091001, "UN", [])
        whole.PatientComments = "Größe"
        whole.SpecificCharacterSet = "ISO_IR 192"

    edited(path, deflate)
    assert read_image(path).voxels[0, :, :, 0].T.tolist() == VOLUME[0].tolist()


@pytest.mark.parametrize("named", [b"ISO_IR 192", b"ISO_IR 999", b"\\ISO 2022 "])
def test_text_in_another_character_set_than_is_stated_is_no_reason_to_refuse_or_warn(
    write_series: Series, named: bytes
) -> None:
    path = write_series(VOLUME[:1], SpecificCharacterSet="ISO_IR 100", SeriesDescription="Gr\xf6\xdfe") / "001.dcm"
    path.write_bytes(path.read_bytes().replace(b"ISO_IR 100", named))
    assert read_image(path).voxels.size == VOLUME[0].size
    assert scan_dicom(path).series[0].description.startswith("Gr")


def test_a_header_of_absurdly_many_elements_is_refused_at_once(write_series: Series) -> None:
    path = write_series(VOLUME[:1]) / "001.dcm"
    content = path.read_bytes()
    at = content.index(b"\x18\x00\x50\x00DS")  # the first element of group 0018
    many = b"".join(struct.pack("<HH2sH", 0x0011, 0x1000 + i, b"LO", 0) for i in range(60_000))
    path.write_bytes(content[:at] + many + content[at:])
    with pytest.raises(UnreadableFileError, match=r"001\.dcm: has more elements than any header"):
        read_image(path)


def test_sequences_of_absurdly_many_items_are_refused_before_they_unfold(write_series: Series) -> None:
    path = write_series(VOLUME[:1], Modality="MG") / "001.dcm"
    content = path.read_bytes()
    item, end = struct.pack("<HHI", 0xFFFE, 0xE000, 0), struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    sequence = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + item * 1_000_001 + end
    at = content.index(b"\x08\x00\x60\x00CS") + 8 + len("MG")
    path.write_bytes(content[:at] + sequence + content[at:])
    with pytest.raises(UnreadableFileError, match=r"001\.dcm: has more than 1000000 items"):
        read_image(path)


def test_one_file_is_refused_by_its_own_name(write_series: Series) -> None:
    path = write_series(VOLUME[:1], PixelSpacing=["1e-308", "1"]) / "001.dcm"
    with pytest.raises(GeometryError, match=r"001\.dcm: shape"):
        read_geometry(path)
