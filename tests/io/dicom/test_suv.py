from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from medseg.errors import InputError
from medseg.io.dicom.values.suv import pet_values

WHERE = Path("pet")
HALF_LIFE = 6586.2  # of 18F, in s


def header(injected: dict[str, Any] | None = None, **fields: Any) -> Dataset:
    """A PET slice of a 70 kg patient who was given 370 MBq of 18F one hour before the scan."""
    injection = Dataset()
    injection.update(
        {
            "RadionuclideTotalDose": 370e6,
            "RadionuclideHalfLife": HALF_LIFE,
            "RadiopharmaceuticalStartDateTime": "20240102120000.00",
            **(injected or {}),
        }
    )
    made = Dataset()
    values = {
        "Modality": "PT",
        "Units": "BQML",
        "DecayCorrection": "START",
        "CorrectedImage": ["DECY", "ATTN", "SCAT"],
        "PatientWeight": 70.0,
        "SeriesDate": "20240102",
        "SeriesTime": "130000",
        "AcquisitionDate": "20240102",
        "AcquisitionTime": "130000.5",
        "RadiopharmaceuticalInformationSequence": [injection],
        **fields,
    }
    for keyword, value in values.items():
        if value is not None:
            setattr(made, keyword, value)
    for keyword, value in (injected or {}).items():
        if value is None:
            delattr(injection, keyword)
    return made


def factor(delay_s: float) -> float:
    """By hand: grams over the becquerels that are left after the delay."""
    return 70_000 / (370e6 * 0.5 ** (delay_s / HALF_LIFE))


def test_activity_becomes_suv_by_weight_dose_and_decay() -> None:
    found = pet_values(WHERE, header())
    assert (found.unit, found.notes) == ("SUVbw", ())
    assert found.factor == pytest.approx(factor(3600), rel=1e-12)
    # 5000 Bq/ml one hour after 370 MBq in 70 kg.
    assert 5000 * found.factor == pytest.approx(1.3816, rel=1e-4)


def test_activity_corrected_to_the_injection_needs_no_times() -> None:
    found = pet_values(WHERE, header(DecayCorrection="ADMIN", SeriesTime=None, AcquisitionTime=None))
    assert found.factor == pytest.approx(70_000 / 370e6, rel=1e-12)


def test_the_stored_unit_is_named_and_nothing_is_needed() -> None:
    bare = Dataset()
    for units, name in (("BQML", "Bq/ml"), ("CNTS", "counts"), ("GML", "SUVbw"), ("UMOLML", "UMOLML"), ("", "")):
        bare.Units = units
        found = pet_values(WHERE, bare, "stored")
        assert (found.factor, found.unit) == (1.0, name)


@pytest.mark.parametrize(
    ("start", "series", "delay", "noted"),
    [
        ("120000", ("20240102", "130000"), 3600, False),
        ("233000", ("20240103", "001500"), 2700, True),
        ("1200", ("20240102", "130000"), 3600, False),
    ],
)
def test_an_injection_time_without_a_date_is_the_last_before_the_scan(
    start: str, series: tuple[str, str], delay: float, noted: bool
) -> None:
    made = header({"RadiopharmaceuticalStartDateTime": None, "RadiopharmaceuticalStartTime": start})
    made.SeriesDate, made.SeriesTime = made.AcquisitionDate, made.AcquisitionTime = series
    found = pet_values(WHERE, made)
    assert found.factor == pytest.approx(factor(delay), rel=1e-12)
    assert any("day before" in note for note in found.notes) == noted


def test_an_injection_date_carries_over_midnight_and_time_zones() -> None:
    made = header({"RadiopharmaceuticalStartDateTime": "20240101233000"})
    made.SeriesTime = made.AcquisitionTime = "003000"
    assert pet_values(WHERE, made).factor == pytest.approx(factor(3600), rel=1e-12)
    zoned = header({"RadiopharmaceuticalStartDateTime": "20240102120000+0100"}, TimezoneOffsetFromUTC="+0100")
    assert pet_values(WHERE, zoned).factor == pytest.approx(factor(3600), rel=1e-12)
    zoned.TimezoneOffsetFromUTC = "+0200"
    assert pet_values(WHERE, zoned).factor == pytest.approx(factor(0), rel=1e-12)
    del zoned.TimezoneOffsetFromUTC
    assert "time zone" in pet_values(WHERE, zoned).notes[0]


def test_a_series_made_after_the_scan_takes_another_time() -> None:
    late = header(SeriesTime="170000")
    first = pet_values(WHERE, late)
    assert first.factor == pytest.approx(factor(3600.5), rel=1e-12)
    assert "first AcquisitionTime" in first.notes[0]
    # The same from a later bed position: its mean count rate is at half its duration, or a little before.
    late.AcquisitionTime, late.ActualFrameDuration, late.FrameReferenceTime = "130400", "120000", "299873.7"
    computed = pet_values(WHERE, late)
    assert computed.factor == pytest.approx(factor(3600), rel=1e-5)
    assert "FrameReferenceTime" in computed.notes[0]
    late.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", "20240102130001.00")
    by_ge = pet_values(WHERE, late)
    assert by_ge.factor == pytest.approx(factor(3601), rel=1e-12)
    assert "(0009,100D)" in by_ge.notes[0]


def test_the_first_acquisition_of_all_slices_counts() -> None:
    last_bed, first_bed = header(AcquisitionTime="131000", SeriesTime="130500"), header(AcquisitionTime="130000")
    assert pet_values(WHERE, last_bed).notes == ()
    found = pet_values(WHERE, last_bed, others=[first_bed])
    assert found.factor == pytest.approx(factor(3600), rel=1e-12)
    assert "after the first acquisition" in found.notes[0]


def test_a_series_time_alone_is_taken_with_a_note() -> None:
    found = pet_values(WHERE, header(AcquisitionTime=None))
    assert found.factor == pytest.approx(factor(3600), rel=1e-12)
    assert "no AcquisitionTime" in found.notes[0]


def test_values_in_grams_a_millilitre_are_suv_already() -> None:
    plain = pet_values(WHERE, header(Units="GML", DecayCorrection=None, PatientWeight=None))
    assert (plain.factor, plain.unit) == (1.0, "SUVbw")
    assert "without SUVType" in plain.notes[0]
    assert pet_values(WHERE, header(Units="GML", SUVType="BW")).notes == ()
    lean = pet_values(WHERE, header(Units="GML", SUVType="LBM"))
    assert (lean.factor, lean.unit) == (1.0, "SUVlbm")
    assert "not SUV by body weight" in lean.notes[0]
    assert pet_values(WHERE, header(Units="CM2ML", SUVType="BSA")).unit == "SUVbsa"
    bare = pet_values(WHERE, header(Units="GML", SUVType="BW", CorrectedImage=["DECY"]))
    assert "not corrected for attenuation" in bare.notes[0]
    with pytest.raises(InputError, match=r"SUVType \(0054,1006\) is FAT"):
        pet_values(WHERE, header(Units="GML", SUVType="FAT"))


@pytest.mark.parametrize("as_bytes", [False, True])
def test_philips_counts_take_its_private_factors(as_bytes: bool) -> None:
    made = header(Units="CNTS")
    with pytest.raises(InputError, match=r"CNTS, expected with them Philips' factor \(7053,1000\)"):
        pet_values(WHERE, made)
    block = made.private_block(0x7053, "Philips PET Private Group", create=True)
    block.add_new(0x09, *(("UN", b"1.5 ") if as_bytes else ("DS", "1.5")))
    to_activity = pet_values(WHERE, made)
    assert to_activity.factor == pytest.approx(1.5 * factor(3600), rel=1e-12)
    block.add_new(0x00, *(("UN", b"0.000551\0") if as_bytes else ("DS", "0.000551")))
    assert pet_values(WHERE, made).factor == pytest.approx(0.000551, rel=1e-12)
    assert "(7053,1000)" in pet_values(WHERE, made).notes[0]


@pytest.mark.parametrize(
    ("fields", "injected", "found"),
    [
        ({"Units": "PROPCPS"}, {}, r"Units \(0054,1001\) is PROPCPS"),
        ({"Units": None}, {}, r"Units \(0054,1001\) is missing"),
        ({"DecayCorrection": "NONE"}, {}, r"DecayCorrection \(0054,1102\) is NONE, expected START or ADMIN"),
        ({"CorrectedImage": "DECY"}, {}, r"CorrectedImage \(0028,0051\) is DECY, expected ATTN and DECY"),
        ({"CorrectedImage": None}, {}, r"CorrectedImage \(0028,0051\) is missing"),
        ({"PatientWeight": None}, {}, r"PatientWeight \(0010,1030\) is missing, expected a number in kg"),
        ({"PatientWeight": 0}, {}, r"PatientWeight \(0010,1030\) is 0, expected"),
        ({"PatientWeight": 70_000}, {}, r"PatientWeight \(0010,1030\) is 70000.*1 to 500 kg"),
        ({}, {"RadionuclideTotalDose": 370.0}, r"RadionuclideTotalDose \(0018,1074\) is 370.*1e\+06 to 1e\+11 Bq"),
        ({}, {"RadionuclideTotalDose": None}, r"RadionuclideTotalDose \(0018,1074\) is missing"),
        ({}, {"RadionuclideHalfLife": -3}, r"RadionuclideHalfLife \(0018,1075\) is -3"),
        ({}, {"RadionuclideHalfLife": 109.8}, r"60 minutes later, expected 0 to 10 half-lives of 1.83 minutes"),
        ({}, {"RadiopharmaceuticalStartDateTime": "20240103120000"}, r"-1380 minutes later"),
        ({}, {"RadiopharmaceuticalStartDateTime": "2024"}, r"StartDateTime \(0018,1078\) is missing"),
        ({"SeriesTime": None, "AcquisitionTime": None}, {}, r"SeriesTime \(0008,0031\) is missing"),
        ({"RadiopharmaceuticalInformationSequence": None}, {}, r"\(0054,0016\) is 0 items, expected one injection"),
    ],
)  # fmt: skip
def test_what_suv_needs_is_refused_by_its_tag(fields: dict[str, Any], injected: dict[str, Any], found: str) -> None:
    with pytest.raises(InputError, match=f"pet: SUV cannot be computed.*{found}.*reading.pet=stored"):
        pet_values(WHERE, header(injected, **fields))


def test_a_real_pet_in_grams_a_millilitre_is_read_as_its_truth_in_suv(test_data: Path) -> None:
    files = sorted((test_data / "dicom_series" / "sts_002" / "PET" / "image").iterdir())
    found = pet_values(files[0], pydicom.dcmread(files[0], stop_before_pixels=True))
    assert (found.factor, found.unit, found.notes) == (1.0, "SUVbw", ())


def test_the_dose_of_a_real_pet_gives_its_suv_again(test_data: Path) -> None:
    """As if it were in Bq/ml: this file's injection is dated a day after its scan, which is refused."""
    file = sorted((test_data / "dicom_series" / "sts_002" / "PET" / "image").iterdir())[0]
    made = pydicom.dcmread(file, stop_before_pixels=True)
    made.Units, made.DecayCorrection = "BQML", "START"
    with pytest.raises(InputError, match=r"2006-01-29 13:51:00 .* 2006-01-28 14:57:59"):
        pet_values(file, made)
    del made.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartDateTime
    left = 0.5 ** ((66 * 60 + 59) / 6588)
    np.testing.assert_allclose(pet_values(file, made).factor, 99_000 / (433344096 * left), rtol=1e-12)
