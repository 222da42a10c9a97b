import contextlib
import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import FileDataset
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from medseg.errors import MissingExtraError, UnreadableFileError
from medseg.io.dicom.codestream import Codestream, codestream
from medseg.io.dicom.decoding import DECODED, decoded
from medseg.io.dicom.headers import Slice, dataset, read_header
from medseg.io.dicom.pixels import stored_frames
from medseg.io.pictures.raster import luminance

Picture = Callable[..., Slice]
RNG = np.random.default_rng(0)
SIGNED = RNG.integers(-2048, 2048, (37, 43)).astype(np.int16)
UNSIGNED = RNG.integers(0, 4096, (37, 43)).astype(np.uint16)


def as_slice(path: Path) -> Slice:
    one = read_header(path)
    assert one is not None
    return one


def stored_slice(one: Slice) -> np.ndarray:
    return stored_frames(one, (0,))[0]


def again(one: Slice, change: Callable[[pydicom.Dataset], Any], **how: Any) -> Slice:
    """The same file with its data set changed, or written in another way."""
    whole = pydicom.dcmread(one.path)
    change(whole)
    path = one.path.with_name(f"{one.path.stem}_{len(list(one.path.parent.iterdir()))}.dcm")
    pydicom.dcmwrite(path, whole, enforce_file_format=True, **how)
    return as_slice(path)


def big_endian(one: Slice, true: np.ndarray) -> Slice:
    made = pydicom.dcmread(one.path, stop_before_pixels=True)
    whole = FileDataset("", made, preamble=bytes(128), file_meta=made.file_meta, is_little_endian=False)
    whole.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    whole.add_new(
        "PixelData", "OB" if true.dtype.itemsize == 1 else "OW", true.astype(true.dtype.newbyteorder(">")).tobytes()
    )
    path = one.path.with_name("big_endian.dcm")
    pydicom.dcmwrite(path, whole, implicit_vr=False, little_endian=False, enforce_file_format=True)
    return as_slice(path)


def packed(one: Slice, syntax: UID) -> Slice:
    return again(one, lambda whole: whole.compress(syntax, generate_instance_uid=False))


@pytest.mark.parametrize("true", [SIGNED, UNSIGNED], ids=["signed", "unsigned"])
@pytest.mark.parametrize("high", [11, 13, 15])
def test_garbage_above_and_below_the_stored_bits_is_cleared(picture: Picture, true: np.ndarray, high: int) -> None:
    shift = high - 11
    garbage = RNG.integers(0, 2**16, true.shape).astype(np.uint16)
    others = 0xFFFF ^ 0xFFF << shift
    cells = ((true.astype(np.int64) & 0xFFF) << shift | garbage & others).astype(np.uint16).view(true.dtype)
    for syntax in (ExplicitVRLittleEndian, RLELossless):
        one = picture(cells, BitsStored=12, HighBit=high)
        found = stored_slice(one if syntax == ExplicitVRLittleEndian else packed(one, syntax))
        assert found.dtype == true.dtype
        np.testing.assert_array_equal(found, true)


@pytest.mark.parametrize("true", [SIGNED, UNSIGNED], ids=["signed", "unsigned"])
@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, RLELossless])
def test_compressed_twelve_bits_keep_their_sign(picture: Picture, true: np.ndarray, syntax: UID) -> None:
    found = stored_slice(packed(picture(true, BitsStored=12), syntax))
    assert found.dtype == true.dtype
    np.testing.assert_array_equal(found, true)


@pytest.mark.parametrize("true", [SIGNED, UNSIGNED], ids=["signed", "unsigned"])
def test_jpeg_lossless_of_gdcm_keeps_twelve_bits_and_their_sign(picture: Picture, true: np.ndarray) -> None:
    packed_frame = jpeg_lossless(true.astype(np.int64) & 0xFFF, 12)
    # What rescales or inverts is no business of the stored values.
    fields = {"RescaleSlope": "0.3", "RescaleIntercept": "7", "PhotometricInterpretation": "MONOCHROME1"}
    one = picture(true, JPEGLosslessSV1, [packed_frame], BitsStored=12, **fields)
    found = stored_slice(one)
    assert found.dtype == true.dtype
    np.testing.assert_array_equal(found, true)


def test_frames_are_read_one_by_one_in_the_order_asked_for(picture: Picture) -> None:
    volume = np.stack([UNSIGNED, UNSIGNED[::-1], UNSIGNED // 2])
    plain = again(picture(UNSIGNED), lambda whole: whole.update({"NumberOfFrames": 3, "PixelData": volume.tobytes()}))
    for one in (plain, packed(plain, RLELossless), packed(plain, JPEGLSLossless)):
        np.testing.assert_array_equal(stored_frames(one, (2, 0)), volume[[2, 0]])
    several = picture(UNSIGNED, JPEGLosslessSV1, [jpeg_lossless(frame, 16) for frame in volume], NumberOfFrames=3)
    np.testing.assert_array_equal(stored_frames(several, range(3)), volume)
    with pytest.raises(UnreadableFileError, match="frame 5 of its pixels cannot be found"):
        stored_frames(several, (5,))
    with pytest.raises(UnreadableFileError, match=r"ends after 9546 of 12728 bytes"):
        stored_frames(plain, (3,))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.int32, np.uint32])
@pytest.mark.parametrize("way", ["explicit", "implicit", "big endian", "deflated"])
def test_every_size_and_byte_order_reads_alike(picture: Picture, dtype: Any, way: str) -> None:
    true = RNG.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, (5, 6), dtype, endpoint=True)
    one = picture(true)
    if way == "implicit":
        one = again(one, lambda whole: setattr(whole.file_meta, "TransferSyntaxUID", ImplicitVRLittleEndian))
    elif way == "deflated":
        one = again(one, lambda whole: setattr(whole.file_meta, "TransferSyntaxUID", DeflatedExplicitVRLittleEndian))
    elif way == "big endian":
        one = big_endian(one, true)
    found = stored_slice(one)
    assert found.dtype == true.dtype
    np.testing.assert_array_equal(found, true)


@pytest.mark.parametrize(("keyword", "dtype"), [("FloatPixelData", "<f4"), ("DoubleFloatPixelData", "<f8")])
def test_float_pixels_are_not_taken_for_integers(picture: Picture, keyword: str, dtype: str) -> None:
    true = RNG.normal(size=(5, 6)).astype(dtype)

    def change(whole: pydicom.Dataset) -> None:
        del whole.PixelData
        whole.BitsAllocated = 8 * true.dtype.itemsize
        setattr(whole, keyword, true.tobytes())

    found = stored_slice(again(picture(UNSIGNED[:5, :6]), change))
    assert found.dtype == true.dtype
    np.testing.assert_array_equal(found, true)


def test_single_bits_are_unpacked(picture: Picture) -> None:
    true = RNG.integers(0, 2, (5, 7)).astype(np.uint8)

    def pack(whole: pydicom.Dataset) -> None:
        whole.PixelData = np.packbits(true.ravel(), bitorder="little").tobytes() + b"\0"
        whole.BitsAllocated = whole.BitsStored = 1
        whole.HighBit = 0

    np.testing.assert_array_equal(stored_slice(again(picture(true), pack)), true)


COLOURS = RNG.integers(0, 256, (8, 12, 3)).astype(np.uint8)


def test_colours_become_luminance_however_they_are_written(picture: Picture) -> None:
    expected = luminance(COLOURS)
    plain = picture(COLOURS)
    np.testing.assert_array_equal(stored_slice(plain), expected)
    np.testing.assert_array_equal(stored_slice(packed(plain, RLELossless)), expected)
    planes = again(
        plain,
        lambda whole: whole.update({"PlanarConfiguration": 1, "PixelData": COLOURS.transpose(2, 0, 1).tobytes()}),
    )
    np.testing.assert_array_equal(stored_slice(planes), expected)


def test_the_luma_of_ybr_is_its_grey(picture: Picture) -> None:
    """Whatever the colours are, as far as they are colours of a screen at all."""
    ybr = np.full((8, 12, 3), 128, np.uint8)
    ybr[..., 0] = RNG.integers(60, 190, (8, 12))
    ybr[..., 1:] = RNG.integers(118, 138, (8, 12, 2))
    full = stored_slice(picture(ybr, PhotometricInterpretation="YBR_FULL"))
    assert np.abs(full.astype(int) - ybr[..., 0]).max() <= 1
    pairs = ybr.copy()
    pairs[:, 1::2, 1:] = pairs[:, ::2, 1:]
    one = picture(pairs, PhotometricInterpretation="YBR_FULL_422")
    half = np.concatenate([pairs[:, ::2, :1], pairs[:, 1::2, :1], pairs[:, ::2, 1:]], axis=-1)
    one = again(one, lambda whole: setattr(whole, "PixelData", half.tobytes()))
    assert np.abs(stored_slice(one).astype(int) - pairs[..., 0]).max() <= 1


@pytest.mark.parametrize("said", ["YBR_FULL_422", "YBR_FULL", "RGB"])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2"])
def test_a_baseline_jpeg_in_colour_has_the_grey_of_pillow(picture: Picture, subsampling: str, said: str) -> None:
    """Even where the header says RGB of what is a JFIF file, and so YBR."""
    smooth = np.stack(np.meshgrid(np.arange(0, 160, 5), np.arange(0, 160, 5)), -1).astype(np.uint8)
    smooth = np.concatenate([smooth, smooth[..., :1] // 2 + 60], axis=-1)
    file = io.BytesIO()
    PIL.Image.fromarray(smooth).save(file, "JPEG", quality=95, subsampling=subsampling)
    expected = luminance(np.asarray(PIL.Image.open(file)))
    one = picture(smooth, JPEGBaseline8Bit, [file.getvalue()], PhotometricInterpretation=said)
    assert np.abs(stored_slice(one).astype(int) - expected).max() <= 2


@pytest.mark.parametrize("scale", [1, 256, 257])
def test_a_palette_becomes_the_luminance_of_its_colours(picture: Picture, scale: int) -> None:
    palette = RNG.integers(0, 256, (3, 256)).astype(np.uint16)
    fields: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, entries in zip(("Red", "Green", "Blue"), palette * scale, strict=True):
        fields[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 8 if scale == 1 else 16]
        entries = entries.astype("u1" if scale == 1 else "<u2")
        fields[f"{name}PaletteColorLookupTableData"] = entries.tobytes()
    index = RNG.integers(0, 256, (8, 12)).astype(np.uint8)
    one = picture(index, **fields)
    expected = luminance(palette[:, index].transpose(1, 2, 0).astype(np.uint8))
    found = stored_slice(one)
    np.testing.assert_allclose(found / (257 if found.dtype == np.uint16 else 1), expected, atol=0.51)
    np.testing.assert_array_equal(stored_slice(packed(one, RLELossless)), found)
    with pytest.raises(UnreadableFileError, match="its palette cannot be used"):
        stored_slice(again(one, lambda whole: delattr(whole, "RedPaletteColorLookupTableDescriptor")))


def test_a_frame_larger_than_its_header_says_is_refused_before_it_is_unpacked(picture: Picture) -> None:
    whole = pydicom.dcmread(packed(picture(UNSIGNED), JPEG2000Lossless).path)
    frame = next(generate_frames(whole.PixelData, number_of_frames=1))
    at = frame.find(b"\xff\x4f\xff\x51") + 8
    huge = frame[:at] + struct.pack(">2I", 60_000, 60_000) + frame[at + 8 :]
    one = picture(UNSIGNED, JPEG2000Lossless, [huge])
    with pytest.raises(UnreadableFileError, match=r"are 60000×60000 of 1 .* header says 43×37"):
        stored_slice(one)
    one.header["Rows"] = one.header["Columns"] = 60_000
    with pytest.raises(UnreadableFileError, match="would unfold to 7200000000"):
        stored_slice(one)


def test_pixels_that_the_file_cannot_hold_are_refused_before_memory_is_taken(picture: Picture) -> None:
    one = picture(UNSIGNED)
    one.header["Rows"] = one.header["Columns"] = 60_000
    with pytest.raises(UnreadableFileError, match=r"ends after 3182 of 7200000000 bytes"):
        stored_slice(one)


def test_a_deflated_file_is_read_and_a_broken_one_refused(picture: Picture) -> None:
    one = picture(np.zeros((3000, 1000), np.uint8))
    one = again(one, lambda whole: setattr(whole.file_meta, "TransferSyntaxUID", DeflatedExplicitVRLittleEndian))
    assert one.path.stat().st_size < 10_000
    assert not stored_slice(one).any()
    content = one.path.read_bytes()
    one.path.write_bytes(content[:-100])
    with pytest.raises(UnreadableFileError, match=r"ends after \d+ of 3000000 bytes"):
        stored_slice(one)
    one.path.write_bytes(content[: one.deflated_at] + b"\x07" * 2000)
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        stored_slice(one)


def test_a_deflated_file_that_unfolds_to_far_more_than_it_declares_takes_no_memory(picture: Picture) -> None:
    one = picture(np.zeros((3000, 1000), np.uint8))
    one = again(one, lambda whole: setattr(whole.file_meta, "TransferSyntaxUID", DeflatedExplicitVRLittleEndian))
    inflated = zlib.decompress(one.path.read_bytes()[one.deflated_at :], -zlib.MAX_WBITS) + bytes(200_000_000)
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bomb = one.path.read_bytes()[: one.deflated_at] + deflate.compress(inflated) + deflate.flush()
    del inflated
    one.path.write_bytes(bomb)
    tracemalloc.start()
    assert not stored_slice(one).any()
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, RLELossless])
@pytest.mark.parametrize("frame", [b"\0\0", b"nonsense", b"\xff\xd8\xff\xc0\x00\x0b", b"\xff\xd8\xff\xff"])
def test_broken_frames_are_refused_by_name(picture: Picture, syntax: UID, frame: bytes) -> None:
    with pytest.raises(UnreadableFileError, match=r"\.dcm: "):
        stored_slice(picture(UNSIGNED, syntax, [frame]))


@pytest.mark.parametrize("kept", [0.3, 0.9])
@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless, RLELossless])
def test_a_frame_that_is_cut_off_is_refused(picture: Picture, syntax: UID, kept: float) -> None:
    one = packed(picture(UNSIGNED), syntax)
    content = one.path.read_bytes()
    one.path.write_bytes(content[: one.pixels_at + int((len(content) - one.pixels_at) * kept)])
    with pytest.raises(UnreadableFileError, match=r"ends \d+ bytes before its compressed pixels do"):
        stored_slice(one)


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLSLossless])
def test_a_picture_that_ends_within_its_frame_is_refused(picture: Picture, syntax: UID) -> None:
    """GDCM would make up the rest, and CharLS search for it for seconds."""
    frame = jpeg_lossless(UNSIGNED.astype(np.int64), 12)
    if syntax == JPEGLSLossless:
        whole = pydicom.dcmread(packed(picture(UNSIGNED), syntax).path)
        frame = next(generate_frames(whole.PixelData, number_of_frames=1))
    for kept in (700, 766):
        with pytest.raises(UnreadableFileError, match="end before their picture does"):
            stored_slice(picture(UNSIGNED, syntax, [frame[:kept]]))


@pytest.mark.parametrize(
    "syntax", ["1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.112", "1.2.840.113619.5.2", "1.2.840.10008.1.2.4.94"]
)
def test_a_syntax_that_nobody_decodes_is_refused_by_name(picture: Picture, syntax: str) -> None:
    one = picture(UNSIGNED, UID("1.2.840.10008.1.2.5"), [b"\0\0"])
    one.header["TransferSyntaxUID"] = syntax
    with pytest.raises(UnreadableFileError, match=r"cannot be decoded"):
        stored_slice(one)


def test_a_decoder_that_is_not_installed_is_named(picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    one = packed(picture(UNSIGNED), JPEGLSLossless)
    decoder = get_decoder(JPEGLSLossless)
    for plugin in list(decoder._available):
        monkeypatch.delitem(decoder._available, plugin)
    with pytest.raises(MissingExtraError, match=r"no decoder of JPEG-LS Lossless .*medseg\[dicom\]"):
        stored_slice(one)


BY_OTHER_PROGRAMS = [
    *(f"SC_rgb_dcmtk_+eb+{how}.dcm" for how in ("cr", "cy+n1", "cy+n2", "cy+np", "cy+s2", "cy+s4")),
    *("SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_jpeg_gdcm.dcm", "SC_rgb_jpeg_lossy_gdcm.dcm", "SC_rgb_small_odd_jpeg.dcm"),
    *("SC_rgb_gdcm_KY.dcm", "SC_rgb_jls_lossy_line.dcm", "SC_rgb_jls_lossy_sample.dcm", "GDCMJ2K_TextGBR.dcm"),
    *("J2K_pixelrep_mismatch.dcm", "JPEGLSNearLossless_08.dcm", "JPEGLSNearLossless_16.dcm", "JPGExtended.dcm"),
    *("SC_rgb_small_odd_big_endian.dcm", "examples_overlay.dcm", "rtdose_rle.dcm", "MR_small_expb.dcm"),
]


@pytest.mark.parametrize("name", BY_OTHER_PROGRAMS)
def test_what_other_programs_compressed_equals_itk(name: str) -> None:
    """Files that come with pydicom, written by DCMTK, GDCM and others."""
    import SimpleITK

    path = get_testdata_file(name, download=False)
    assert path is not None, f"pydicom no longer brings {name}: take it off the list"
    one = as_slice(Path(str(path)))
    ours = stored_frames(one, range(one.frames))
    theirs = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
    if theirs.ndim == 4:
        theirs = np.stack([luminance(frame) for frame in theirs])
    np.testing.assert_allclose(_as_itk(ours, dataset(one.path)), theirs)


def test_more_bits_than_are_allocated_are_refused(picture: Picture) -> None:
    """GDCM would end the process."""
    frame = bytearray(jpeg_lossless(UNSIGNED.astype(np.int64), 12))
    frame[6] = 44
    with pytest.raises(UnreadableFileError, match="have 44 bits and its header allocates 16"):
        stored_slice(picture(UNSIGNED, JPEGLosslessSV1, [bytes(frame)]))


def test_damage_within_a_frame_is_refused_or_survived(picture: Picture) -> None:
    """With what broke decoders before: an RLE plugin panics with what is no Exception."""
    rng = np.random.default_rng(3)
    for syntax in (RLELossless, JPEGLSLossless, JPEG2000Lossless):
        whole = pydicom.dcmread(packed(picture(UNSIGNED), syntax).path)
        frame = next(generate_frames(whole.PixelData, number_of_frames=1))
        header = {e.keyword: e.value for e in whole if e.keyword != "PixelData"}
        for _ in range(100):
            damaged = bytearray(frame)
            for at in rng.integers(0, len(frame), 3):
                damaged[at] = rng.integers(256)
            with contextlib.suppress(UnreadableFileError):
                decoded(Path("x.dcm"), header, bytes(damaged), syntax)


def test_every_size_in_a_codestream_is_found() -> None:
    file = io.BytesIO()
    PIL.Image.fromarray(COLOURS).save(file, "JPEG")
    assert codestream(file.getvalue()) == Codestream(8, 12, 3, 8)
    assert codestream(jpeg_lossless(UNSIGNED.astype(np.int64), 12)) == Codestream(37, 43, 1, 12)
    assert codestream(b"GIF89a") is None


LOSSLESS = ["CT1_J2KR", "CT1_JLSL", "CT1_JPLL", "CT1_RLE"]


@pytest.mark.parametrize("name", LOSSLESS)
def test_real_lossless_twins_are_equal(test_data: Path, name: str) -> None:
    folder = test_data / "dicom_transfer_syntaxes"
    plain, twin = (stored_slice(as_slice(folder / f"{each}.dcm")) for each in ("CT1_UNC", name))
    assert twin.dtype == plain.dtype
    np.testing.assert_array_equal(twin, plain)


UNREADABLE = ("MR_truncated.dcm",)
SLOW_BY_ITK = ("SC_rgb_jpeg.dcm",)  # 9 seconds; see the test below
WITHOUT_PIXELS = ("meta_missing_tsyntax.dcm", "no_meta.dcm", "reportsi.dcm", "rtstruct.dcm")


@pytest.mark.parametrize("folder", ["dicom_transfer_syntaxes", "dicom_pydicom", "dicom_cxr"])
def test_every_real_file_decodes_as_itk_or_is_refused(test_data: Path, folder: str) -> None:
    """ITK reads through GDCM; what it does not read (float pixels, doses) is compared with pydicom."""
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    compared = 0
    for path in sorted((test_data / folder).glob("*.dcm")):
        if path.name in (*WITHOUT_PIXELS, *UNREADABLE, *SLOW_BY_ITK):
            continue
        one = quiet_slice(path)
        count = int(one.header.get("NumberOfFrames") or 1)
        ours = stored_frames(one, range(count))
        try:
            theirs = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
        except RuntimeError:
            theirs = np.reshape(pydicom.dcmread(path).pixel_array, ours.shape)
        if theirs.ndim == 4:
            theirs = np.stack([luminance(frame) for frame in theirs])
        np.testing.assert_allclose(_as_itk(ours, dataset(path)), theirs, err_msg=path.name)
        compared += 1
    assert compared == {"dicom_transfer_syntaxes": 13, "dicom_pydicom": 33, "dicom_cxr": 2}[folder]


def test_a_real_colour_jpeg_in_a_mislabelled_file_has_a_light_ground(test_data: Path) -> None:
    """Its pixels lack the value representation that its syntax asks for, and their marker makes Pillow see magenta."""
    found = stored_slice(quiet_slice(test_data / "dicom_pydicom" / "SC_rgb_jpeg.dcm"))
    assert (found.min(), int(np.median(found)), found.max()) == (139, 244, 251)


def quiet_slice(path: Path) -> Slice:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_args, **_kwargs: None)
        return as_slice(path)


def _as_itk(stored: np.ndarray, header: Any) -> np.ndarray:
    """What ITK makes of stored values: bits as 0 and 255, rescaled, MONOCHROME1 turned round."""
    if header.BitsAllocated == 1:
        return stored * 255
    if header.get("PhotometricInterpretation") == "MONOCHROME1":
        return (1 << header.BitsStored) - 1 - stored
    shared = header.get("SharedFunctionalGroupsSequence")
    place = header
    if shared and "PixelValueTransformationSequence" in shared[0]:
        place = shared[0].PixelValueTransformationSequence[0]
    values: np.ndarray = stored * float(place.get("RescaleSlope", 1)) + float(place.get("RescaleIntercept", 0))
    return values


def test_a_real_truncated_file_is_refused_with_its_sizes(test_data: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"MR_truncated.dcm: ends after 8130 of 8192 bytes of pixels"):
        stored_slice(as_slice(test_data / "dicom_pydicom" / "MR_truncated.dcm"))


@pytest.mark.parametrize(("name", "truth"), [("12bitUnsigned.dcm", "2.nii"), ("12bitSigned_0x0F0F.dcm", "4.nii")])
def test_real_twelve_bits_equal_their_truth_in_every_tile(test_data: Path, name: str, truth: str) -> None:
    """A Siemens mosaic: 36 slices of 64 × 64 in tiles; its truth is a volume."""
    import nibabel

    folder = test_data / "awkward" / "dcm_qa_12bit"
    mosaic = stored_slice(as_slice(folder / "In" / name))
    volume = np.asanyarray(nibabel.load(folder / "Ref" / truth).dataobj)
    across = mosaic.shape[1] // volume.shape[0]
    for index in range(volume.shape[2]):
        row, column = divmod(index, across)
        tile = mosaic[row * 64 : row * 64 + 64, column * 64 : column * 64 + 64]
        np.testing.assert_array_equal(tile[::-1].T, volume[:, :, index])


def test_decoders_are_named_for_every_compression_of_the_standard_that_has_a_free_one() -> None:
    assert {HTJ2KLossless, JPEG2000Lossless, JPEGLSLossless, RLELossless, JPEGBaseline8Bit} <= set(DECODED)


def jpeg_lossless(values: np.ndarray, bits: int) -> bytes:
    """The least JPEG lossless encoder (process 14, selection value 1): differences in one flat Huffman code."""
    rows, columns = values.shape
    difference = values.astype(np.int64).copy()
    difference[0, 0] -= 1 << (bits - 1)
    difference[0, 1:] -= values[0, :-1]
    difference[1:, 0] -= values[:-1, 0]
    difference[1:, 1:] -= values[1:, :-1]
    text = []
    for number in ((difference.ravel() + 2**15) % 2**16 - 2**15).tolist():
        size = abs(number).bit_length()
        # Every category from 0 to 15 has the code of its own number in 5 bits (16 codes of 5, never all ones).
        text.append(f"{size:05b}")
        if size:
            text.append(format(number if number > 0 else number + (1 << size) - 1, f"0{size}b"))
    bitstring = "".join(text)
    bitstring += "1" * (-len(bitstring) % 8)
    scan = int(bitstring, 2).to_bytes(len(bitstring) // 8, "big").replace(b"\xff", b"\xff\x00")
    counts = bytes([0, 0, 0, 0, 16, *[0] * 11])
    return b"".join(
        (
            b"\xff\xd8",
            b"\xff\xc3" + struct.pack(">HBHHB3B", 11, bits, rows, columns, 1, 1, 0x11, 0),
            b"\xff\xc4" + struct.pack(">HB", 2 + 1 + 16 + 16, 0) + counts + bytes(range(16)),
            b"\xff\xda" + struct.pack(">HB2B3B", 8, 1, 1, 0, 1, 0, 0),
            scan,
            b"\xff\xd9",
        )
    )
