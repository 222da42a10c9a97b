"""The fast header parser agrees with pydicom wherever it does not leave the work to it."""

import contextlib
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medseg.io.dicom.elements import WANTED, ShortError, UnusualError, parse
from medseg.io.dicom.headers import _plain, read_header

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: float(f"{value:.6g}"))
FIELDS = {
    "SeriesInstanceUID": st.sampled_from(["1.2.3", "1.2.840.10008.1"]),
    "ImagePositionPatient": st.lists(NUMBERS, min_size=3, max_size=3),
    "PixelSpacing": st.lists(NUMBERS, min_size=2, max_size=2),
    "Rows": st.integers(0, 65535),
    "InstanceNumber": st.integers(-5, 10**6),
    "ImageType": st.lists(st.sampled_from(["ORIGINAL", "PRIMARY", "AXIAL"]), min_size=1, max_size=4),
    "SeriesDescription": st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=12),
    "DiffusionBValue": NUMBERS,
    "PatientID": st.text(st.characters(codec="latin-1", categories=["L"]), min_size=1, max_size=8),
}


def inner(depth: int) -> Dataset:
    """Nested sequences, as private and functional-group elements have them."""
    item = Dataset()
    item.PatientID = "inner"
    item.Rows = 7
    if depth:
        item.ReferencedSeriesSequence = [inner(depth - 1), inner(0)]
    return item


@settings(max_examples=60, deadline=None)
@given(
    values=st.fixed_dictionaries({}, optional=FIELDS),
    syntax=st.sampled_from([ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian]),
    undefined=st.booleans(),
    depth=st.integers(0, 3),
)
def test_any_header_gives_what_pydicom_gives(
    values: dict, syntax: str, undefined: bool, depth: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 100"
    for name, value in values.items():
        setattr(header, name, value)
    header.ReferencedStudySequence = [inner(depth)]
    header["ReferencedStudySequence"].is_undefined_length = undefined
    header.BitsAllocated, header.Columns = 16, 2
    header.PixelData = bytes(8)
    header["PixelData"].VR = "OW"
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = syntax
    header.file_meta.MediaStorageSOPClassUID, header.file_meta.MediaStorageSOPInstanceUID = "1.2", "1.3"
    path = tmp_path_factory.mktemp("any") / "a.dcm"
    pydicom.dcmwrite(path, header, enforce_file_format=True)
    ours = read_header(path)
    theirs = _plain(pydicom.dcmread(path))
    assert ours is not None
    found = {key: value for key, value in ours.header.items() if key != "MediaStorageSOPClassUID"}
    assert found == theirs


def test_every_wanted_element_is_what_the_dictionary_says() -> None:
    for tag, (keyword, kind) in WANTED.items():
        if keyword not in ("PixelPaddingValue", "PixelPaddingRangeLimit"):  # US or SS: told by PixelRepresentation
            assert (pydicom.datadict.keyword_for_tag(tag), pydicom.datadict.dictionary_VR(tag)) == (keyword, kind)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.booleans())
def test_no_bytes_make_the_parser_raise_anything_else(content: bytes, preamble: bool) -> None:
    with contextlib.suppress(ShortError, UnusualError):
        parse(bytes(128) + b"DICM" + content if preamble else content)


def test_real_headers_agree_with_pydicom(test_data: Path) -> None:
    compared = 0
    for path in sorted((test_data / "dicom_series").rglob("*.dcm")) + sorted((test_data / "dicom_pydicom").glob("*")):
        content = path.read_bytes()
        try:
            ours, at = parse(content)
        except (ShortError, UnusualError):
            continue
        whole = pydicom.dcmread(BytesIO(content), force=True)
        if ours["TransferSyntaxUID"] == DeflatedExplicitVRLittleEndian:
            continue
        theirs = _plain(whole)
        assert {key: value for key, value in ours.items() if key != "MediaStorageSOPClassUID"} == theirs, path
        assert content[at : at + 2] == b"\xe0\x7f" or at == len(content)
        compared += 1
    assert compared > 150
