"""SUV measures against IBSI's peak, a known sphere, and the same PET stored in SUV and in Bq/ml."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medseg import Geometry, Image, InputError, Labels, measure, read_image, read_mask
from medseg.regions import FAMILIES, labels_of, measure_regions
from medseg.regions.peak import PEAK_RADIUS_MM, sphere_peak
from medseg.regions.pet import pet_family

PET = [column.name for column in FAMILIES["pet"].columns(()) if column.dtype == "float64"]
LESION = Labels.from_config({"lesion": 1})


def pet(voxels: np.ndarray, spacing: float = 2.0, unit: str = "SUVbw") -> Image:
    grid = Geometry.from_spacing(voxels.shape, [spacing] * voxels.ndim)
    return Image(voxels[np.newaxis].astype(np.float32), grid, modality="PT", unit=unit)


def measured(image: Image, mask: np.ndarray, **given: object) -> dict:
    table = measure_regions(image, mask.astype(np.uint8), LESION, families=("pet",), **given)  # type: ignore[arg-type]
    return table.iloc[0].to_dict()


def test_the_peak_of_ibsis_digital_phantom(test_data):
    folder = test_data / "ibsi" / "ibsi_1_digital_phantom" / "nifti"
    image = read_image(folder / "image" / "phantom.nii.gz")
    mask, _ = read_mask(folder / "mask" / "mask.nii.gz", on=image)
    assert sphere_peak(image.voxels[0], mask > 0, (0, 0, 0), image.geometry) == pytest.approx(3.1, abs=0.05)


def test_the_peak_of_ibsis_ct_phantom_after_its_resegmentation(test_data):
    """Configuration A: 189 with a tolerance of 5; its region holds only voxels from -500 to 400 HU."""
    folder = test_data / "ibsi" / "ibsi_1_ct_radiomics_phantom" / "nifti"
    image = read_image(folder / "image" / "phantom.nii.gz")
    mask, _ = read_mask(folder / "mask" / "mask.nii.gz", on=image)
    voxels = image.voxels[0]
    kept = (mask > 0) & (voxels >= -500) & (voxels <= 400)
    assert sphere_peak(voxels, kept, (0, 0, 0), image.geometry) == pytest.approx(189, abs=5)


def test_the_peak_is_the_mean_of_the_voxels_within_6_2_mm():
    rng = np.random.default_rng(1)
    voxels = rng.uniform(0, 10, (14, 13, 12)).astype(np.float32)
    voxels[7, 6, 6] = np.nan
    mask = np.zeros(voxels.shape, bool)
    mask[0:3, 5:8, 4:9] = mask[6:9, 5:8, 5:8] = True
    places = np.argwhere(np.ones(voxels.shape, bool)) * 2.5
    means = []
    for centre in np.argwhere(mask) * 2.5:
        near = np.linalg.norm(places - centre, axis=1) <= PEAK_RADIUS_MM
        means.append(np.nanmean(voxels.ravel()[near].astype(float)))
    grid = Geometry.from_spacing(voxels.shape, [2.5] * 3)
    assert sphere_peak(voxels, mask, (0, 0, 0), grid) == pytest.approx(max(means), rel=1e-12)
    box = (slice(0, 9), slice(5, 8), slice(4, 9))
    assert sphere_peak(voxels, mask[box], (0, 5, 4), grid) == pytest.approx(max(means), rel=1e-12)


def test_volumes_and_glycolysis_of_known_uptake():
    voxels = np.full((20, 20, 20), 0.5)
    voxels[4:14, 4:14, 4:14] = 2.0
    voxels[6:10, 6:10, 6:10] = 3.0
    voxels[7:9, 7:9, 7:9] = 10.0
    row = measured(pet(voxels), voxels >= 2)
    ml = 0.008
    assert row["suv_max"] == 10
    assert row["mtv_suv2_5_ml"] == pytest.approx(64 * ml)
    assert row["mtv_suv4_ml"] == row["mtv_41pct_ml"] == pytest.approx(8 * ml)
    assert row["tlg_41pct"] == pytest.approx(80 * ml)
    assert row["tlg"] == pytest.approx(row["suv_mean"] * 1000 * ml)
    assert (row["suv_unit"], row["suv_note"]) == ("SUVbw", "")


def test_other_thresholds_come_beside_the_default_ones():
    voxels = np.full((8, 8, 8), 3.0)
    table = measure_regions(
        pet(voxels), (voxels > 0).astype(np.uint8), LESION, families=("default", pet_family([3, 3.5]))
    )
    assert {"mtv_suv2_5_ml", "mtv_suv3_ml", "mtv_suv3_5_ml"} <= set(table.columns)
    assert table["mtv_suv3_ml"][0] == pytest.approx(512 * 0.008)
    assert table["mtv_suv3_5_ml"][0] == 0
    assert table.columns.is_unique
    with pytest.raises(InputError, match="above 0"):
        pet_family([0])


def test_what_is_not_in_suv_stays_empty_and_says_why():
    row = measured(pet(np.full((6, 6, 6), 9000.0), unit="Bq/ml"), np.ones((6, 6, 6)))
    assert np.isnan([row[name] for name in PET]).all()
    assert row["suv_note"] == "the unit is Bq/ml and not SUV"
    flat = measured(pet(np.full((6, 6), 3.0)), np.ones((6, 6)))
    assert flat["suv_max"] == 3
    assert np.isnan(flat["mtv_suv4_ml"])
    assert "no volume" in flat["suv_note"]
    empty = measured(pet(np.full((6, 6, 6), np.nan)), np.ones((6, 6, 6)))
    assert empty["suv_note"] == "no finite voxel in the region"
    ct = replace(pet(np.ones((6, 6, 6))), modality="CT", unit="HU")
    assert "suv_max" not in measure_regions(ct, np.ones((6, 6, 6), np.uint8), LESION)


def test_the_sarcoma_in_suv_and_in_bq_per_ml_measures_the_same(test_data, tmp_path):
    """Units GML is SUV already; the copy holds Bq/ml, and the dose, weight and times that make them SUV again."""
    source = test_data / "dicom_series" / "sts_002" / "PET"
    factor = as_activity(source / "image", tmp_path / "image")
    tables = []
    for folder in (source / "image", tmp_path / "image"):
        image = read_image(folder)
        mask, _ = read_mask(test_data / "sarcoma_sts" / "STS_002" / "PET_mask.nii.gz", on=image)
        assert image.unit == "SUVbw"
        tables.append(measure_regions(image, mask, labels_of(mask)))
    assert factor > 100
    for name in PET:
        assert tables[1][name][0] == pytest.approx(tables[0][name][0], rel=1e-5), name
    assert tables[0]["suv_max"][0] == pytest.approx(21.676, abs=0.01)
    stored = measure(tmp_path / "image", test_data / "sarcoma_sts" / "STS_002" / "PET_mask.nii.gz", options=as_stored())
    assert "Bq/ml" in stored["suv_note"][0]


def as_stored() -> "object":
    from medseg import ReadOptions

    return ReadOptions(pet="stored")


def as_activity(source: Path, target: Path) -> float:
    """Rewrite a PET in SUV as one in Bq/ml; what one SUV is in Bq/ml."""
    import pydicom
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    shutil.copytree(source, target)
    dose, weight_kg, half_life, delay = 400e6, 72.0, 6586.2, 3600.0
    factor = dose * 2 ** (-delay / half_life) / (weight_kg * 1000)
    for path in target.glob("*.dcm"):
        path.chmod(0o644)
        header = pydicom.dcmread(path)
        header.Units, header.PatientWeight = "BQML", weight_kg
        if "SUVType" in header:
            del header.SUVType
        header.CorrectedImage, header.DecayCorrection = ["ATTN", "DECY"], "START"
        header.SeriesDate = header.AcquisitionDate = "20240101"
        header.SeriesTime = header.AcquisitionTime = "110000"
        injection = Dataset()
        injection.RadiopharmaceuticalStartDateTime = "20240101100000"
        injection.RadionuclideTotalDose, injection.RadionuclideHalfLife = dose, half_life
        header.RadiopharmaceuticalInformationSequence = Sequence([injection])
        header.RescaleSlope = f"{float(header.RescaleSlope) * factor:.10g}"[:16]
        header.RescaleIntercept = f"{float(header.get('RescaleIntercept', 0)) * factor:.10g}"[:16]
        header.save_as(path)
    return factor
