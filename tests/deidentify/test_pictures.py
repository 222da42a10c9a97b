"""Text in pictures: flagged by header and look, blanked by rule, in compressed pictures too."""

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset
from pydicom.uid import (
    ExplicitVRBigEndian,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)
from tagged_objects import plain_object

from medseg.deidentify import read_blank_rules
from medseg.deidentify.blank_rules import BlankRule
from medseg.deidentify.burnt_in import burnt_in, text_rows
from medseg.deidentify.pixels import blank, check_length, clear_overlay_bits
from medseg.deidentify.refusal import RefusedError
from medseg.errors import ConfigError


def picture(text: str, size: int, colour: int = 255, seed: int = 0) -> np.ndarray:
    """Noise with a bright round thing, and a line of text in one value."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:200, :300]
    grey = np.clip(rng.normal(60, 12, (200, 300)) + 120 * ((rows - 100) ** 2 + (columns - 150) ** 2 < 60**2), 1, 254)
    shown = Image.fromarray(grey.astype(np.uint8))
    if text:
        draw = ImageDraw.Draw(shown)
        draw.fontmode = "1"
        draw.text((10, 8), text, fill=colour, font=ImageFont.load_default(size))
    return np.asarray(shown)


@pytest.mark.parametrize("text", ["MUELLER ANNA 31.12.1964", "MRN 4711-0815", "General Hospital"])
@pytest.mark.parametrize("size", [12, 18, 30])
@pytest.mark.parametrize("colour", [255, 0], ids=["light", "dark"])
def test_a_line_of_text_is_seen(text, size, colour):
    assert text_rows(picture(text, size, colour)) > 0


@pytest.mark.parametrize("seed", range(5))
def test_a_picture_without_text_is_left_in_peace(seed):
    assert text_rows(picture("", 0, seed=seed)) == 0


def test_a_flat_picture_has_no_text():
    assert text_rows(np.zeros((20, 20), np.uint8)) == 0


@pytest.mark.parametrize("path", ["CT_small.dcm", "MR_small.dcm", "693_J2KI.dcm", "emri_small.dcm", "liver_1frame.dcm"])
def test_real_pictures_without_text_are_left_in_peace(test_data, path):
    ds = pydicom.dcmread(test_data / "dicom_pydicom" / path)
    pixels = ds.pixel_array
    assert text_rows(pixels if pixels.ndim == 2 else pixels[0]) == 0


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"BurnedInAnnotation": "YES"}, "declared"), ({"BurnedInAnnotation": "NO", "Modality": "US"}, "no"),
        ({"Modality": "US"}, "possible"), ({"SOPClassUID": SecondaryCaptureImageStorage}, "possible"),
        ({"Modality": "CT", "ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "possible"),
        ({"Modality": "CT"}, ""),
    ],
)  # fmt: skip
def test_what_the_header_says(values, said):
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    assert burnt_in(ds) == said


RULE = BlankRule(match={"Modality": "ct"}, boxes=((2, 3, 10, 5), (28, 20, 10, 10)))


def expected(before: np.ndarray) -> np.ndarray:
    after = before.copy()
    after[..., 3:8, 2:12] = after[..., 20:, 28:] = 0
    return after


def test_regions_are_blanked_and_all_else_stays():
    ds = plain_object()
    before = ds.pixel_array.copy()
    assert blank(ds, [RULE]) == 2
    assert np.array_equal(ds.pixel_array, expected(before))


def test_in_big_endian_and_several_frames():
    ds = plain_object()
    pixels = np.arange(2 * 24 * 32, dtype=np.uint16).reshape(2, 24, 32)
    ds.NumberOfFrames, ds.PixelData = 2, pixels.astype(">u2").tobytes()
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    blank(ds, [RULE])
    assert np.array_equal(np.frombuffer(ds.PixelData, ">u2").reshape(2, 24, 32), expected(pixels))


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless], ids=["RLE", "JPEG-LS"])
def test_compressed_pixels_are_stored_plainly_when_blanked(syntax):
    ds = plain_object()
    before = ds.pixel_array.copy()
    ds.compress(syntax)
    blank(ds, [RULE])
    assert not ds.file_meta.TransferSyntaxUID.is_compressed
    assert np.array_equal(ds.pixel_array, expected(before))


@pytest.mark.parametrize("planar", [0, 1])
def test_colours(planar):
    ds = plain_object()
    pixels = np.random.default_rng(0).integers(1, 255, (24, 32, 3), dtype=np.uint8)
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "RGB", planar
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    ds.PixelData = (pixels.transpose(2, 0, 1) if planar else pixels).tobytes()
    blank(ds, [RULE])
    assert np.array_equal(ds.pixel_array, np.moveaxis(expected(np.moveaxis(pixels, -1, 0)), 0, -1))


def test_all_but_a_region_is_blanked():
    ds = plain_object()
    before = ds.pixel_array.copy()
    blank(ds, [BlankRule(match={"Modality": "CT"}, keep=(4, 4, 20, 10))])
    after = ds.pixel_array
    assert np.array_equal(after[4:14, 4:24], before[4:14, 4:24])
    assert after.sum() == before[4:14, 4:24].sum()


def test_a_region_outside_the_picture_is_refused():
    with pytest.raises(RefusedError, match="outside"):
        blank(plain_object(), [BlankRule(match={"Modality": "CT"}, boxes=((40, 0, 5, 5),))])


def test_pixels_that_are_missing_are_refused():
    ds = plain_object()
    ds.PixelData = ds.PixelData[:-2]
    with pytest.raises(RefusedError, match="pixels end"):
        check_length(ds)


@pytest.mark.parametrize("cut", [1, 9, 300])
def test_compressed_pixels_that_are_cut_off_are_refused(cut):
    ds = plain_object()
    ds.compress(RLELossless)
    check_length(ds)
    ds.PixelData = ds.PixelData[:-cut]
    with pytest.raises(RefusedError, match="pixels end"):
        check_length(ds)


def test_frames_that_are_missing_are_refused():
    ds = plain_object()
    ds.compress(RLELossless)
    ds.NumberOfFrames = 2
    with pytest.raises(RefusedError, match="pixels end"):
        check_length(ds)


@pytest.mark.parametrize("signed", [0, 1])
def test_graphics_in_unused_bits_are_cleared_and_values_stay(signed):
    ds = plain_object()
    ds.PixelRepresentation = signed
    values = np.random.default_rng(1).integers(-2048 if signed else 0, 2048, (24, 32)).astype(np.int16)
    graphics = np.random.default_rng(2).integers(0, 2, (24, 32), dtype=np.uint16) << 12
    stored = (values.view(np.uint16) & 0x0FFF) | graphics
    ds.PixelData = stored.tobytes()
    ds.add_new(0x60000102, "US", 12)
    assert clear_overlay_bits(ds) is False
    assert np.array_equal(np.frombuffer(ds.PixelData, np.int16).reshape(24, 32), values)


def test_rules_of_a_file(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(
        "rules:\n- match: {Modality: US, ManufacturerModelName: /^LOGIQ/, Rows: 480}\n  boxes: [[0, 0, 640, 40]]\n"
    )
    (rule,) = read_blank_rules(path)
    assert rule.fits({"Modality": "us", "ManufacturerModelName": "LOGIQ E9", "Rows": 480})
    assert not rule.fits({"Modality": "US", "ManufacturerModelName": "Epiq", "Rows": 480})
    assert not rule.fits({"Modality": "US"})


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("rules: []", "rules"), ("rules: [{match: {Modality: US}}]", "needs boxes"),
        ("rules: [{match: {Modalty: US}, boxes: [[0, 0, 1, 1]]}]", "no DICOM keyword"),
        ("rules: [{match: {Modality: /(/}, boxes: [[0, 0, 1, 1]]}]", "regular expression"),
        ("rules: [{match: {Modality: US}, boxes: [[0, 0, 0, 1]]}]", "width"), ("regions: []", "'rules' is missing"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_refused(tmp_path, rules, said):
    path = tmp_path / "rules.yaml"
    path.write_text(rules)
    with pytest.raises(ConfigError, match=f"(?i){said}"):
        read_blank_rules(path)
