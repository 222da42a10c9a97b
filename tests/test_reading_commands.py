"""`medseg scan` and `convert`, and the reading options of the other commands."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import medseg
from medseg.cli import app


@pytest.fixture
def study(ct_studies: Path, tmp_path: Path) -> Path:
    """The generated studies with one slice of one series taken away."""
    root = tmp_path / "studies"
    for path in ct_studies.rglob("*"):
        if path.is_file() and path.name != "manifest.csv" and not path.name.endswith(".nii.gz"):
            target = root / path.relative_to(ct_studies)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path)
    series = medseg.scan_dicom(root).series[0]
    series.volumes[0].slices[3].path.unlink()
    return root


def run(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(word) for word in words])
    return done.exit_code, done.stdout, done.stderr


def test_scan_lists_every_volume_and_says_what_is_refused(study: Path, tmp_path: Path) -> None:
    code, shown, said = run("scan", study, "--out", tmp_path / "scan.csv", "--page", tmp_path / "scan.html")
    assert code == 1
    assert "1 slice is missing" in said
    assert "readable" in shown
    table = pd.read_csv(tmp_path / "scan.csv")
    assert table["status"].value_counts().to_dict() == {"readable": len(table) - 1, "refused": 1}
    page = (tmp_path / "scan.html").read_text()
    assert page.count("<img") == len(table) - 1
    assert "1 slice is missing" in page


def test_scan_speaks_json(study: Path) -> None:
    code, shown, _said = run("scan", study, "--json")
    rows = json.loads(shown)
    assert code == 1
    assert {row["status"] for row in rows} == {"readable", "refused"}
    readable = next(row for row in rows if row["status"] == "readable")
    assert medseg.read_image(readable["address"]).geometry.describe().startswith(readable["size"])


def test_a_scan_without_refusals_ends_well(ct_studies: Path) -> None:
    assert run("scan", ct_studies)[0] == 0


def test_convert_writes_a_series_on_its_own_grid(ct_studies: Path, tmp_path: Path) -> None:
    where = medseg.scan_dicom(ct_studies).volumes[0][0]
    code, shown, _said = run("convert", where, tmp_path / "ct.nii.gz")
    assert code == 0
    assert "ct.nii.gz" in shown
    image, back = medseg.read_image(where), medseg.read_image(tmp_path / "ct.nii.gz")
    assert back.geometry.same_as(image.geometry)
    np.testing.assert_array_equal(back.voxels, image.voxels)


def test_a_frame_is_chosen_on_the_command_line(tmp_path: Path) -> None:
    voxels = np.arange(3 * 4 * 5 * 2, dtype=np.int16).reshape(3, 4, 5, 2)
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), tmp_path / "bold.nii.gz")
    assert run("convert", tmp_path / "bold.nii.gz", tmp_path / "one.nii.gz", "--frame", 1)[0] == 0
    np.testing.assert_array_equal(medseg.read_image(tmp_path / "one.nii.gz").voxels[0], voxels[..., 1])


def test_a_misspelt_reading_option_is_suggested(tmp_path: Path) -> None:
    with pytest.raises(medseg.ConfigError, match="untilt"):
        CliRunner().invoke(app, ["convert", "a.nii", "b.nii", "--reading", "untillt=true"], catch_exceptions=False)


def test_structures_that_overlap_are_measured_by_name_and_written_one_by_one(test_data: Path, tmp_path: Path) -> None:
    seg = test_data / "dicom_seg" / "highdicom" / "seg_image_ct_binary_overlap.dcm"
    with pytest.raises(medseg.OutputError, match=r"overlap \(first segment, second segment\)"):
        medseg.convert(seg, tmp_path / "both.nii.gz")
    assert not (tmp_path / "both.nii.gz").exists()
    medseg.convert(f"{seg}:/first segment", tmp_path / "first.nii.gz")
    whole = medseg.read_segmentation(seg)
    mask, geometry = medseg.read_mask(tmp_path / "first.nii.gz")
    np.testing.assert_array_equal(mask != 0, whole.of("first segment"))
    image = medseg.Image(np.zeros((1, *geometry.shape), np.int16), geometry, "CT")
    table = medseg.measure(image, seg)
    assert set(table["label"]) == {"first segment", "second segment"}
    assert table["voxels"].sum() == whole.mask.sum()


def test_contours_are_measured_by_name(test_data: Path) -> None:
    folder = test_data / "dicom_series" / "sts_002" / "CT"
    table = medseg.measure(folder / "image", folder / "mask" / "RS.dcm")
    assert table["label"].tolist() == ["GTV_Mass_CT"]
    assert table["voxels"].tolist() == [17090]


def test_a_mask_of_another_grid_is_refused_with_the_command_that_resamples_it(tmp_path: Path) -> None:
    ball = (np.indices((20, 20, 20)) - 9.5) ** 2
    mask = (ball.sum(0) < 36).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(mask, np.diag([2.0, 2, 2, 1])), tmp_path / "mask.nii.gz")
    grid = np.diag([1.0, 1, 4, 1])
    grid[:3, 3] = [-0.5, -0.5, 1]
    nibabel.save(nibabel.Nifti1Image(np.zeros((40, 40, 10), np.int16), grid), tmp_path / "image.nii.gz")
    with pytest.raises(medseg.GridMismatchError, match="medseg convert MASK OUT --on IMAGE --resample"):
        medseg.measure(tmp_path / "image.nii.gz", tmp_path / "mask.nii.gz")
    words = ("convert", tmp_path / "mask.nii.gz", tmp_path / "moved.nii.gz", "--on", tmp_path / "image.nii.gz")
    code, _shown, said = run(*words, "--resample")
    assert code == 0
    assert "resampled from 20×20×20" in said
    table = medseg.measure(tmp_path / "image.nii.gz", tmp_path / "moved.nii.gz")
    assert table["volume_mm3"].sum() == pytest.approx(mask.sum() * 8, rel=0.1)


def test_an_image_is_resampled_to_a_spacing_over_the_same_extent(tmp_path: Path) -> None:
    voxels = np.broadcast_to(np.arange(12, dtype=np.int16) * 10, (6, 8, 12)).copy()
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([1.0, 1, 2, 1])), tmp_path / "a.nii.gz")
    assert run("convert", tmp_path / "a.nii.gz", tmp_path / "b.nii.gz", "--spacing", "1,2,1")[0] == 0
    image = medseg.read_image(tmp_path / "b.nii.gz")
    assert (image.geometry.shape, image.geometry.spacing_mm) == ((6, 4, 24), (1, 2, 1))
    assert image.voxels.dtype == np.int16
    np.testing.assert_allclose(image.geometry.to_world([0, 0, 0]), [0, 0.5, -0.5])
    np.testing.assert_allclose(image.voxels[0, 2, 2, 1:-1], np.rint(np.arange(22) * 5 + 2.5), atol=0.5)
    assert run("convert", tmp_path / "a.nii.gz", tmp_path / "b.nii.gz", "--spacing", "wide")[0] == 2
