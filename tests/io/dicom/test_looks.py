from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_rescale, apply_voi_lut
from pydicom.uid import ExplicitVRLittleEndian

from medseg.errors import UnreadableFileError
from medseg.io.dicom.headers import Slice, dataset, read_header
from medseg.io.dicom.pixels import stored_frames
from medseg.io.dicom.values.looks import picture_values
from medseg.io.dicom.values.padding import darken_padding
from medseg.io.dicom.values.real_world import real_world_value
from medseg.io.dicom.values.rescaling import rescaled
from medseg.io.dicom.values.voi import windowed

WHERE = Path("x.dcm")
RAMP = np.arange(0, 4096, 16, dtype=np.uint16).reshape(8, 32)


def header(**fields: Any) -> Dataset:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword, value in {"BitsStored": 12, "PixelRepresentation": 0, "PhotometricInterpretation": "MONOCHROME2",
                           "SamplesPerPixel": 1, **fields}.items():  # fmt: skip
        setattr(made, keyword, value)
    return made


def table(first: int, entries: list[int] | np.ndarray, bits: int) -> list[Dataset]:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries), first, bits])
    item.add_new("LUTData", "OW", np.asarray(entries, "<u2").tobytes())
    return [item]


def looks(stored: np.ndarray, window: bool = False, **fields: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    return picture_values(Slice(WHERE, header(**fields), 0), stored, window)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("centre", "width"), [(2048.0, 4096.0), (1000.0, 333.0), (40.5, 1.0), (-20.0, 50.0)])
def test_a_window_equals_pydicoms_over_its_range(function: str, centre: float, width: float) -> None:
    made = header(WindowCenter=centre, WindowWidth=width, VOILUTFunction=function)
    ours, notes = windowed(WHERE, RAMP, made, (0, 4095))
    theirs = apply_voi_lut(RAMP, header(WindowCenter=centre, WindowWidth=width, VOILUTFunction=function))
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, np.asarray(theirs) / 4095, atol=2e-5)
    assert notes == ()


def test_a_window_acts_on_rescaled_values() -> None:
    ours, _notes = looks(
        RAMP, True, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=[100, 5], WindowWidth=[501, 9]
    )
    np.testing.assert_allclose(ours, np.clip((RAMP * 2.0 - 1000 - 99.5) / 500 + 0.5, 0, 1), atol=1e-6)
    assert "first of 2 windows" in _notes[0]


def test_a_voi_lut_goes_before_a_window_and_equals_pydicoms() -> None:
    entries = (np.sqrt(np.arange(1000)) * 30).astype(int)
    fields = {"VOILUTSequence": table(500, entries, 16), "WindowCenter": 7, "WindowWidth": 3}
    ours, _notes = looks(RAMP, True, **fields)
    np.testing.assert_allclose(ours, apply_voi_lut(RAMP, header(**fields)) / 65535, atol=1e-6)


@pytest.mark.parametrize("fields", [{}, {"WindowCenter": 5, "WindowWidth": 0}, {"WindowCenter": 5}])
def test_without_a_usable_window_the_whole_range_is_shown(fields: dict[str, Any]) -> None:
    ours, notes = looks(RAMP, True, RescaleSlope=3, RescaleIntercept=1, **fields)
    np.testing.assert_allclose(ours, RAMP / 4095, atol=1e-6)
    assert "no usable window" in notes[0]


def test_a_window_of_an_unknown_function_is_linear_and_said_so() -> None:
    _ours, notes = looks(RAMP, True, WindowCenter=9, WindowWidth=9, VOILUTFunction="CUBIC")
    assert "CUBIC is unknown" in notes[0]


def test_monochrome1_is_turned_over_the_stored_bits_and_once_only() -> None:
    turned, notes = looks(RAMP, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(turned, 4095 - RAMP)
    assert (turned.dtype, notes) == (np.uint16, ())
    both, _notes = looks(RAMP, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    np.testing.assert_array_equal(both, turned)
    odd, notes = looks(RAMP, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="IDENTITY")
    np.testing.assert_array_equal(odd, turned)
    assert "IDENTITY" in notes[0]
    inverse, notes = looks(RAMP, PresentationLUTShape="INVERSE")
    np.testing.assert_array_equal(inverse, turned)
    assert "INVERSE" in notes[0]


def test_signed_monochrome1_is_turned_about_its_middle() -> None:
    signed = RAMP.astype(np.int16) - 2048
    turned, _notes = looks(signed, PhotometricInterpretation="MONOCHROME1", PixelRepresentation=1)
    np.testing.assert_array_equal(turned, -1 - signed)
    assert (turned.min(), turned.max()) == (-2033, 2047)


def test_monochrome1_is_turned_after_its_window() -> None:
    window = {"WindowCenter": 1000, "WindowWidth": 501}
    plain, _notes = looks(RAMP, True, **window)
    turned, _notes = looks(RAMP, True, **window, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_allclose(turned, 1 - plain, atol=1e-7)


@pytest.mark.parametrize("first", [0, 300, -40])
def test_a_modality_lut_equals_pydicoms(first: int) -> None:
    signed = int(first < 0)
    stored = RAMP.astype(np.int16) - 2048 if signed else RAMP
    fields = {
        "ModalityLUTSequence": table(first, np.arange(3000)[::-1], 16),
        "PixelRepresentation": signed,
        "RescaleSlope": 5,
    }
    ours, _notes = looks(stored, **fields)
    np.testing.assert_array_equal(ours, apply_modality_lut(stored, header(**fields)))
    turned, _notes = looks(stored, **fields, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(turned, 65535 - ours)


@pytest.mark.parametrize(
    ("entries", "descriptor", "found"),
    [([1, 2, 3], [4, 0, 12], "do not hold 4 entries"), ([1, 2, 3], [3, 0, 40], "3 entries of 40 bits")],
)
def test_a_table_that_does_not_fit_its_descriptor_is_refused(
    entries: list[int], descriptor: list[int], found: str
) -> None:
    broken = table(0, entries, 12)
    broken[0].LUTDescriptor = descriptor
    with pytest.raises(UnreadableFileError, match=rf"x.dcm: ModalityLUTSequence.*{found}"):
        looks(RAMP, ModalityLUTSequence=broken)
    del broken[0].LUTDescriptor
    with pytest.raises(UnreadableFileError, match="LUTDescriptor is None"):
        looks(RAMP, ModalityLUTSequence=broken)


@pytest.mark.parametrize("slope", [0, float("inf")])
def test_a_slope_that_loses_the_values_is_refused(slope: float) -> None:
    made = header()
    made.add_new("RescaleSlope", "FD", slope)
    with pytest.raises(UnreadableFileError, match="a slope other than 0"):
        rescaled(RAMP[np.newaxis], [Slice(WHERE, made, 0)])


def test_padding_that_turning_made_bright_becomes_the_darkest_real_value() -> None:
    """A MONOCHROME1 mammogram: padding is stored as 0 and would be white."""
    stored = RAMP.copy()
    stored[:2] = 0
    stored[2:] = np.clip(stored[2:], 500, 4000)
    turned, notes = looks(stored, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0)
    assert (turned[:2] == 95).all()
    np.testing.assert_array_equal(turned[2:], 4095 - stored[2:])
    assert notes == ("64 voxels are padding (PixelPaddingValue 0): lowered to the darkest real value, 95",)
    in_window, _notes = looks(
        stored, True, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0, WindowCenter=2000, WindowWidth=8000
    )
    assert in_window[:2].max() == in_window[2:].min()


def test_dark_padding_is_left_exactly() -> None:
    stored = RAMP.astype(np.int16)
    stored[0] = -2000
    fields = {"PixelPaddingValue": -2000, "PixelRepresentation": 1, "BitsStored": 16, "RescaleIntercept": -1024}
    values, notes = looks(stored, **fields)
    np.testing.assert_array_equal(values, stored - 1024)
    assert "32 voxels are padding (PixelPaddingValue -2000): left as they are" in notes[0]
    fields["PixelPaddingValue"] = 63536  # the same, written as unsigned
    np.testing.assert_array_equal(looks(stored, **fields)[0], values)


@pytest.mark.parametrize(("value", "limit"), [(3000, 4095), (4095, 3000)])
def test_a_range_of_padding_counts_both_ways(value: int, limit: int) -> None:
    values, notes = darken_padding(RAMP, RAMP, header(PixelPaddingValue=value, PixelPaddingRangeLimit=limit))
    assert values.max() < 3000
    assert (values[RAMP >= 3000] == 0).all()
    assert f"{(RAMP >= 3000).sum()} voxels" in notes[0]
    assert RAMP.max() == 4080


def test_padding_that_is_everywhere_or_nowhere_changes_nothing() -> None:
    assert darken_padding(RAMP, RAMP, header(PixelPaddingValue=7)) == (RAMP, ())
    flat = np.zeros_like(RAMP)
    assert darken_padding(flat, flat, header(PixelPaddingValue=0)) == (flat, ())
    floats = RAMP.astype(np.float32)
    floats[0], floats[1] = 1e9, np.nan
    values, _notes = darken_padding(floats, floats, header(FloatPixelPaddingValue=1e9))
    assert (values[0] == 1024).all()


def mapping(unit: str, slope: float = 0.5, **fields: Any) -> Dataset:
    code, item = Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = unit, "UCUM", unit
    item.MeasurementUnitsCodeSequence = [code]
    item.RealWorldValueSlope, item.RealWorldValueIntercept = slope, 1.0
    item.LUTExplanation = "what"
    for keyword, value in fields.items():
        setattr(item, keyword, value)
    return item


def test_one_linear_mapping_without_rescale_gives_values_and_unit() -> None:
    found, notes = real_world_value(header(Modality="MR", RealWorldValueMappingSequence=[mapping("mm2/s")]))
    assert found is not None
    assert found.unit == "mm2/s"
    np.testing.assert_allclose(found.of(RAMP), RAMP * 0.5 + 1)
    assert "what in mm2/s" in notes[0]
    same = header(Modality="MR", RealWorldValueMappingSequence=[mapping("s")], RescaleSlope=0.5, RescaleIntercept=1)
    assert real_world_value(same)[0] is not None


@pytest.mark.parametrize(
    "fields",
    [
        {"RealWorldValueMappingSequence": [mapping("mm2/s")], "RescaleSlope": 2},
        {"RealWorldValueMappingSequence": [mapping("mm2/s"), mapping("s")]},
        {"RealWorldValueMappingSequence": [mapping("s", RealWorldValueFirstValueMapped=0,
                                                   RealWorldValueLUTData=[1.0, 2.0])]},
    ],
)  # fmt: skip
def test_a_mapping_beside_a_rescale_or_another_is_only_noted(fields: dict[str, Any]) -> None:
    found, notes = real_world_value(header(Modality="MR", **fields))
    assert found is None
    assert "is not used" in notes[0]


def test_a_mapping_of_some_values_only_is_not_used() -> None:
    part = mapping("ml", RealWorldValueFirstValueMapped=0, RealWorldValueLastValueMapped=4079)
    made = header(Modality="MR", RealWorldValueMappingSequence=[part])
    found, notes = real_world_value(made, stored=RAMP)
    assert found is None
    assert "does not reach all values" in notes[0]
    assert real_world_value(made, stored=RAMP[:-1])[0] is not None


def test_a_pet_with_a_mapping_to_suv_takes_it() -> None:
    both = [mapping("Bq/ml"), mapping("g/ml{SUVlbm}"), mapping("g/ml{SUVbw}", 0.01)]
    pet = header(Modality="PT", RealWorldValueMappingSequence=both, RescaleSlope=3)
    found, notes = real_world_value(pet)
    assert found is not None
    assert (found.unit, found.slope) == ("SUVbw", 0.01)
    assert "SUVbw by the real-world value mapping" in notes[0]
    assert real_world_value(pet, "stored")[0] is None
    groups = Dataset()
    groups.RealWorldValueMappingSequence = [mapping("{SUVbw}g/ml", 0.02)]
    found, _notes = real_world_value(header(Modality="PT", SharedFunctionalGroupsSequence=[groups]))
    assert found is not None
    assert found.slope == 0.02


def as_slice(path: Path) -> Slice:
    one = read_header(path)
    assert one is not None
    return replace(one, header=dataset(path))


def stored_slice(one: Slice) -> np.ndarray:
    plain = read_header(one.path)
    assert plain is not None
    return stored_frames(plain, (0,))[0]


def test_a_real_modality_lut_equals_pydicoms(test_data: Path) -> None:
    one = as_slice(test_data / "dicom_pydicom" / "mlut_18.dcm")
    whole = pydicom.dcmread(one.path)
    ours, _notes = picture_values(one, stored_slice(one), False)
    np.testing.assert_array_equal(ours, apply_modality_lut(whole.pixel_array, whole))


@pytest.mark.parametrize(("name", "shown"), [("CT1_UNC.dcm", (-33792, 31743)), ("RG3_J2KR.dcm", (0, 1023))])
def test_real_windows_and_padding_equal_pydicoms(test_data: Path, name: str, shown: tuple[int, int]) -> None:
    one = as_slice(test_data / "dicom_transfer_syntaxes" / name)
    whole = pydicom.dcmread(one.path)
    if "WindowCenter" not in whole:
        whole.WindowCenter, whole.WindowWidth = 40, 400
        one.header.WindowCenter, one.header.WindowWidth = 40, 400
    ours, _notes = picture_values(one, stored_slice(one), True)
    theirs = (apply_voi_lut(apply_rescale(whole.pixel_array, whole), whole) - shown[0]) / (shown[1] - shown[0])
    turned = whole.PhotometricInterpretation == "MONOCHROME1"
    np.testing.assert_allclose(ours, 1 - theirs if turned else theirs, atol=1e-5)


def test_a_real_radiograph_and_its_monochrome1_twin_look_inverted(test_data: Path) -> None:
    one, other = (as_slice(path) for path in sorted((test_data / "dicom_cxr").glob("*.dcm")))
    ours, turned = (picture_values(each, stored_slice(each), False)[0] for each in (one, other))
    np.testing.assert_array_equal(ours, 255 - turned)


def test_a_real_parametric_map_names_its_mapping(test_data: Path) -> None:
    one = as_slice(test_data / "dicom_pydicom" / "parametric_map_float.dcm")
    found, notes = real_world_value(one.header, frame=one.header.PerFrameFunctionalGroupsSequence[0])
    assert found is not None
    assert (found.slope, found.intercept, found.unit, found.meaning) == (1, 0, "", "feature_001")
    assert notes == ("values are feature_001 in no unit by the real-world value mapping of the file",)
    assert stored_slice(one).dtype == np.float32


def test_padding_that_lossy_compression_blurred_is_lowered_only_where_it_is_bright() -> None:
    ringing = np.full((8, 32), -1000, np.int16)
    ringing[:2], ringing[2:4] = -2000, -2400
    values, notes = darken_padding(ringing, ringing, header(PixelPaddingValue=-2000, LossyImageCompression="01"))
    np.testing.assert_array_equal(values, ringing)
    assert "left as they are" in notes[0]
    values, _notes = darken_padding(-ringing, ringing, header(PixelPaddingValue=-2000, LossyImageCompression="01"))
    assert values[:2].max() == 1000
