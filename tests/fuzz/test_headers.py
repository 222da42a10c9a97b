"""Headers with every odd value that we could think of: read or refused by name, whatever they say."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VR, tag_for_keyword
from seeds import seeds
from targets import run

TRIES = settings(max_examples=60, deadline=None, derandomize=True)
WHOLE = ("", "0", "-1", "1", "1A", "2.5", "65535", "1000000000", "2147483648", "9" * 30, "1\\2", "nan")
REAL = ("", "0", "-0", "-1", "1e-308", "1e308", "1e999", "nan", "inf", "-inf", "1,5", "text", "0x10", "1_000", "1\\2")
SHORTS = (0, 1, 2, 7, 8, 12, 16, 32, 64, 0x7FFF, 0x8000, 0xFFFF)
PIXEL_NUMBERS = (
    *("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel"),
    "PixelPaddingValue",
)


def with_value(content: bytes, keyword: str, value: bytes) -> bytes:
    """A DICOM file, explicit little-endian, with another value where the element stands first."""
    tag, kind = tag_for_keyword(keyword), dictionary_VR(keyword).split()[0].encode()
    assert tag is not None
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + kind
    at = content.index(head)
    length = int.from_bytes(content[at + 6 : at + 8], "little")
    value += (b" " if kind in (b"DS", b"IS", b"CS", b"UI") else b"\0") * (len(value) % 2)
    return content[: at + 6] + struct.pack("<H", len(value)) + value + content[at + 8 + length :]


@TRIES
@given(
    name=st.sampled_from(
        ["ct", "pet", "mammogram", "multiframe", "colour", "palette", "rle", "jpeg_2000", "jpeg", "bits"]
    ),
    changes=st.dictionaries(st.sampled_from(PIXEL_NUMBERS), st.sampled_from(SHORTS), min_size=1, max_size=3),
)
def test_dicom_pixels_described_oddly(name: str, changes: dict[str, int]) -> None:
    content = seeds("dicom")[name]
    for keyword, value in changes.items():
        content = with_value(content, keyword, struct.pack("<H", value))
    run("dicom", content)


@TRIES
@given(st.sampled_from(["multiframe", "sequence"]), st.sampled_from(WHOLE))
def test_dicom_numbers_of_frames(name: str, count: str) -> None:
    run("dicom", with_value(seeds("dicom")[name], "NumberOfFrames", count.encode()))


@TRIES
@given(st.sampled_from(["RescaleSlope", "RescaleIntercept", "SliceThickness"]), st.sampled_from(REAL))
def test_dicom_scales(keyword: str, value: str) -> None:
    for kind in ("dicom", "dicom_folder"):
        run(kind, with_value(seeds("dicom")["pet"], keyword, value.encode()))


@TRIES
@given(
    st.sampled_from(["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"]),
    st.lists(st.sampled_from(REAL), max_size=7),
)
def test_dicom_places(keyword: str, values: list[str]) -> None:
    content = with_value(seeds("dicom")["ct"], keyword, "\\".join(values).encode())
    for kind in ("dicom", "dicom_folder"):
        run(kind, content)


@TRIES
@given(
    st.sampled_from(
        ["PhotometricInterpretation", "Modality", "SpecificCharacterSet", "SOPClassUID", "TransferSyntaxUID"]
    ),
    st.sampled_from(
        ["", "RGB", "PALETTE COLOR", "YBR_FULL_422", "MG", "PT", "XX\\YY", "\\", "ISO_IR 999", "1.2", "9" * 64]
    ),
)
def test_dicom_words(keyword: str, value: str) -> None:
    for name in ("ct", "colour", "mammogram"):
        run("dicom", with_value(seeds("dicom")[name], keyword, value.encode()))


@TRIES
@given(
    st.sampled_from(["binary", "fractional", "label_map", "deflated_frames"]),
    st.dictionaries(st.sampled_from(PIXEL_NUMBERS[:4]), st.sampled_from(SHORTS), max_size=2),
    st.sampled_from(WHOLE),
)
def test_segments_described_oddly(name: str, changes: dict[str, int], count: str) -> None:
    content = with_value(seeds("structures")[name], "NumberOfFrames", count.encode())
    for keyword, value in changes.items():
        content = with_value(content, keyword, struct.pack("<H", value))
    run("structures", content)


@TRIES
@given(
    name=st.sampled_from(["number of points", "ContourData"]),
    value=st.sampled_from([*REAL, "0\\0\\0", "1\\2\\3\\4", "1e308\\0\\0\\-1e308\\0\\0\\0\\1e308\\0", "nan\\nan\\nan"]),
)
def test_contours_of_odd_points(name: str, value: str) -> None:
    keyword = "NumberOfContourPoints" if name != "ContourData" else name
    run("structures", with_value(seeds("structures")["contours"], keyword, value.encode()))


NIFTI_FIELDS = {
    **{f"dim[{i}]": (40 + 2 * i, "<h") for i in range(6)},
    "datatype": (70, "<h"), "bitpix": (72, "<h"), "xyzt_units": (123, "<b"),
    "qform_code": (252, "<h"), "sform_code": (254, "<h"),
}  # fmt: skip
NIFTI_REALS = {
    **{f"pixdim[{i}]": 76 + 4 * i for i in range(5)}, "vox_offset": 108, "scl_slope": 112, "scl_inter": 116,
    "quatern_b": 256, "qoffset_x": 268, "srow_x": 280, "srow_z[2]": 320,
}  # fmt: skip
REALS = (0.0, -1.0, 1.0, 351.5, 1e30, -1e30, 1e-40, float("nan"), float("inf"), float("-inf"))


@TRIES
@given(
    st.sampled_from(["one", "scaled", "float", "times"]),
    st.dictionaries(
        st.sampled_from(list(NIFTI_FIELDS)), st.sampled_from([0, 1, -1, 2, 5, 8, 16, 100, 127]), max_size=3
    ),
    st.dictionaries(st.sampled_from(list(NIFTI_REALS)), st.sampled_from(REALS), max_size=3),
    st.sampled_from([b"n+1\0", b"ni1\0", b"n+2\0", b"\0\0\0\0", b"n+1x"]),
)
def test_nifti_headers(name: str, wholes: dict[str, int], reals: dict[str, float], magic: bytes) -> None:
    content = bytearray(seeds("nifti")[name])
    for field, value in wholes.items():
        at, kind = NIFTI_FIELDS[field]
        struct.pack_into(kind, content, at, value)
    for field, real in reals.items():
        struct.pack_into("<f", content, NIFTI_REALS[field], real)
    content[344:348] = magic
    run("nifti", bytes(content))
    run("nifti_gz", bytes(content))


@TRIES
@given(st.lists(st.sampled_from([0, 1, -1, 2, 7, 32767, -32768]), min_size=8, max_size=8))
def test_nifti_sizes(dims: list[int]) -> None:
    content = bytearray(seeds("nifti")["one"])
    struct.pack_into("<8h", content, 40, *dims)
    run("nifti", bytes(content))


LINES = {
    "nrrd": ("type", "dimension", "space", "sizes", "space directions", "kinds", "endian", "encoding", "space origin"),
    "metaimage": ("ObjectType", "NDims", "BinaryData", "CompressedData", "TransformMatrix", "Offset", "ElementSpacing",
                  "DimSize", "ElementType", "ElementDataFile"),
}  # fmt: skip
LINE_VALUES = (
    *(
        "",
        "0",
        "-1",
        "3",
        "0 0 0",
        "-1 -1 -1",
        "99999 99999 99999",
        "9" * 40,
        "7 6",
        "7 6 5 2",
        "nan nan nan",
        "inf inf inf",
        "1e308 1 1",
    ),
    *("none", "(1,0,0) (0,1,0) (0,0,0)", "(nan,0,0) (0,1,0) (0,0,1)", "none none none", "1 0 0 0 1 0 0 0 0"),
    *(
        "uint8",
        "block",
        "MET_SHORT",
        "MET_NONE",
        "gzip",
        "bzip2",
        "ascii",
        "big",
        "True",
        "LOCAL",
        "LIST",
        "../case.nii",
    ),
    *("/etc/hostname", "case.mha", "\0", "%d.raw 1 3 1"),
)


@pytest.mark.parametrize("kind", LINES)
@TRIES
@given(data=st.data())
def test_text_headers(kind: str, data: st.DataObject) -> None:
    content = seeds(kind)[data.draw(st.sampled_from(["raw", "packed"]))]
    for name in data.draw(st.lists(st.sampled_from(LINES[kind]), min_size=1, max_size=3, unique=True)):
        head, mark, rest = content.partition(f"\n{name}".encode())
        separator = b": " if kind == "nrrd" else b" = "
        value = data.draw(st.sampled_from(LINE_VALUES)).encode("latin-1")
        _old, newline, after = rest.partition(b"\n")
        content = head + mark + separator + value + newline + after if mark else content
    run(kind, content)


def test_the_helper_changes_one_value() -> None:
    sound = seeds("dicom")["ct"]
    assert with_value(sound, "RescaleSlope", b"1.0") == sound
    assert len(with_value(sound, "RescaleSlope", b"100.25")) == len(sound) + 2
    assert run("dicom", with_value(sound, "RescaleSlope", b"0")).refused
