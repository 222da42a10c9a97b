import csv
import hashlib
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from PIL import Image
from skimage.filters import threshold_otsu

from medseg.datasets import cases_from_inputs, open_dataset
from medseg.demo.dataset import generate
from medseg.errors import InputError, OutputError


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _dice(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * np.count_nonzero(first & second) / (np.count_nonzero(first) + np.count_nonzero(second))


def _series(folder: Path) -> SimpleITK.Image:
    return SimpleITK.ReadImage(SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))


def _affine(image: SimpleITK.Image) -> np.ndarray:
    """Voxel index to RAS+ mm of an ITK image, whose world is LPS+."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def test_a_ct_label_lies_on_the_grid_that_itk_finds_in_its_series(ct_studies):
    for row in _rows(ct_studies / "manifest.csv"):
        image = _series(ct_studies / row["image"])
        label = nibabel.load(ct_studies / row["label"])
        assert label.shape == image.GetSize()
        corners = np.array([[*corner, 1] for corner in np.ndindex(2, 2, 2)]) * [*np.array(label.shape) - 1, 1]
        assert np.abs(corners @ (_affine(image) - label.affine).T).max() < 1e-4


def test_ct_voxels_are_hu_of_air_fat_and_bone(ct_studies):
    row = _rows(ct_studies / "manifest.csv")[0]
    voxels = SimpleITK.GetArrayFromImage(_series(ct_studies / row["image"]))
    assert np.median(voxels[:, :3, :3]) == pytest.approx(-1000, abs=10)
    assert voxels.min() >= -1024
    assert voxels.max() > 400


def test_file_names_do_not_tell_the_order_of_the_slices(ct_studies):
    folder = ct_studies / _rows(ct_studies / "manifest.csv")[0]["image"]
    heights = [pydicom.dcmread(path).ImagePositionPatient[2] for path in sorted(folder.iterdir())]
    assert sorted(heights) not in (heights, heights[::-1])


def test_the_series_is_oblique_and_its_identifiers_are_legal(ct_studies):
    folder = ct_studies / _rows(ct_studies / "manifest.csv")[0]["image"]
    slices = [pydicom.dcmread(path) for path in folder.iterdir()]
    assert len({one.SOPInstanceUID for one in slices}) == len(slices)
    assert len({one.SeriesInstanceUID for one in slices}) == 1
    assert all(one.SOPInstanceUID.is_valid and one.StudyInstanceUID.is_valid for one in slices)
    assert np.abs(np.array(slices[0].ImageOrientationPatient)).max() < 1


def test_known_volumes_agree_with_the_masks(ct_studies):
    truth = _rows(ct_studies / "truth.csv")
    assert truth
    for row in truth:
        assert float(row["mask_volume_ml"]) == pytest.approx(float(row["volume_ml"]), rel=0.15)
    for case in {row["case"] for row in truth}:
        label = nibabel.load(ct_studies / "labels" / f"{case}.nii.gz")
        masked_ml = np.count_nonzero(np.asanyarray(label.dataobj)) * abs(np.linalg.det(label.affine[:3, :3])) / 1000
        stated = sum(float(row["mask_volume_ml"]) for row in truth if row["case"] == case)
        assert masked_ml == pytest.approx(stated, abs=1e-3)


def test_known_centres_lie_in_the_masks(ct_studies):
    for row in _rows(ct_studies / "truth.csv"):
        label = nibabel.load(ct_studies / "labels" / f"{row['case']}.nii.gz")
        world = [float(row[f"{axis}_mm"]) for axis in "xyz"]
        index = np.rint(nibabel.affines.apply_affine(np.linalg.inv(label.affine), world)).astype(int)
        assert np.asanyarray(label.dataobj)[tuple(index)] == 1


def test_no_threshold_finds_the_lesions_in_ct(ct_studies):
    for row in _rows(ct_studies / "manifest.csv"):
        voxels = SimpleITK.GetArrayFromImage(_series(ct_studies / row["image"])).T
        lesion = np.asanyarray(nibabel.load(ct_studies / row["label"]).dataobj) > 0
        otsu = threshold_otsu(voxels)
        assert max(_dice(voxels > otsu, lesion), _dice(voxels <= otsu, lesion)) < 0.5
        bands = [(low, low + width) for low in range(0, 200, 20) for width in (20, 40, 60, 80)]
        assert max(_dice((voxels >= low) & (voxels < high), lesion) for low, high in bands) < 0.5


def test_otsu_does_not_find_the_masses_in_mammograms(mammograms):
    for row in _rows(mammograms / "manifest.csv"):
        pixels = np.array(Image.open(mammograms / row["image"]))
        mass = np.array(Image.open(mammograms / row["label"])) > 0
        assert pixels.dtype == np.uint16
        breast = pixels > threshold_otsu(pixels)
        dense = pixels > threshold_otsu(pixels[breast])
        assert max(_dice(breast, mass), _dice(~breast, mass), _dice(dense, mass)) < 0.5


def test_known_areas_agree_with_the_masks(mammograms):
    truth = _rows(mammograms / "truth.csv")
    assert truth
    for case in {row["case"] for row in truth}:
        mask = np.array(Image.open(mammograms / "labels" / f"{case}.png"))
        assert set(np.unique(mask)) == {0, 255}
        stated = sum(float(row["area_px"]) for row in truth if row["case"] == case)
        assert np.count_nonzero(mask) == pytest.approx(stated, rel=0.02)


def test_known_centres_of_masses_lie_in_the_masks_of_both_breasts(mammograms):
    truth = _rows(mammograms / "truth.csv")
    assert {row["case"][-1] for row in truth} == {"L", "R"}
    for row in truth:
        mask = np.array(Image.open(mammograms / "labels" / f"{row['case']}.png"))
        assert mask[round(float(row["y_px"])), round(float(row["x_px"]))] == 255


@pytest.mark.parametrize("kind", ["ct", "mammogram"])
def test_equal_seeds_give_equal_bytes_and_others_do_not(kind, tmp_path):
    first, again, other = (
        _digests(generate(kind, tmp_path / name, studies=1, held_back=0, seed=seed))
        for name, seed in (("first", 5), ("again", 5), ("other", 6))
    )
    assert first == again
    shared = {name for name, digest in first.items() if other.get(name) == digest}
    assert shared == {"manifest.csv"}


def test_patients_with_two_studies_stay_on_one_side_of_the_split(tmp_path):
    rows = _rows(generate("mammogram", tmp_path, studies=6, held_back=5) / "manifest.csv")
    assert [row["split"] for row in rows] == [""] * 6 + ["test"] * 5
    sides = {
        patient: {row["split"] for row in rows if row["patient"] == patient} for patient in (r["patient"] for r in rows)
    }
    assert len(sides) == 9
    assert all(len(side) == 1 for side in sides.values())


def test_an_unknown_kind_or_no_study_is_refused(tmp_path):
    with pytest.raises(InputError, match="ct or mammogram"):
        generate("pet", tmp_path, studies=1, held_back=0)
    with pytest.raises(InputError, match="at least one"):
        generate("ct", tmp_path, studies=0, held_back=0)


@pytest.mark.parametrize("kind", ["ct", "mammogram"])
def test_a_folder_that_cannot_be_written_is_named(kind, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file"):
        generate(kind, tmp_path / "file", studies=1, held_back=0)


def test_both_kinds_are_recognised_as_data_sets_with_a_manifest(ct_studies, mammograms):

    for folder in (ct_studies, mammograms):
        dataset = open_dataset(folder)
        assert [case.split for case in dataset.cases][-1] == "test"
        assert all(case.masks for case in dataset.cases)
        assert cases_from_inputs([folder / "studies" / "held_back"])[0].id == dataset.cases[-1].id
