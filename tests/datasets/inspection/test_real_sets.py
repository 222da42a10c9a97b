"""Real data sets: nothing is invented on the clean ones, and what their READMEs say is wrong is found."""

import shutil
from pathlib import Path

import pytest

from medseg.datasets import inspect_dataset
from medseg.datasets.inspection import Inspection
from medseg.datasets.opening import survey_dataset

CLEAN = ["hippocampus", "busi_ultrasound", "cxr_lungs", "cddcesm_mammo", "ms_lesions", "sarcoma_sts", "mini_mias"]


@pytest.mark.parametrize("name", CLEAN)
def test_nothing_is_invented_on_clean_sets(name: str, test_data: Path) -> None:
    inspection = inspect_dataset(survey_dataset(test_data / name))
    assert len(inspection.facts) > 1
    assert [(one.kind, one.cases, one.text) for one in inspection.problems] == []


def of_pairs(folder: Path, pairs: dict[str, tuple[str, str]], tmp_path: Path) -> Inspection:
    """A manifest over files of the data folder."""
    rows = [f"{name},{name},{folder / image},{folder / mask if mask else ''}" for name, (image, mask) in pairs.items()]
    (tmp_path / "manifest.csv").write_text("\n".join(["id,patient,image,label", *rows]) + "\n")
    return inspect_dataset(survey_dataset(tmp_path / "manifest.csv"))


def test_awkward_files_are_named_with_what_is_wrong(test_data: Path, tmp_path: Path) -> None:
    folder = test_data / "awkward" / "derived_nifti"
    pairs = {
        "shear": ("nonorthonormal_sform_image.nii.gz", "nonorthonormal_sform_label.nii.gz"),
        "nan": ("nan_inf_voxels_image.nii.gz", ""),
        "cut": ("truncated.nii.gz", ""),
        "singleton": ("singleton_4d_image.nii.gz", ""),
    }
    inspection = of_pairs(folder, pairs, tmp_path)
    found = {(one.kind, name) for one in inspection.problems for name in one.cases}
    assert ("nonfinite", "nan") in found
    assert ("unreadable", "cut") in found
    assert "4 voxels that are NaN or infinite" in " ".join(one.text for one in inspection.problems)


def test_masks_of_uninformative_phantoms_are_judged(test_data: Path, tmp_path: Path) -> None:
    folder = test_data / "awkward" / "mirp_misc_masks" / "uninformative"
    masks = ("full", "empty", "one_voxel", "disconnected")
    for name in masks:  # a manifest takes each image once
        shutil.copy(folder / "image" / "uninformative.nii.gz", tmp_path / f"{name}.nii.gz")
    pairs = {name: (str(tmp_path / f"{name}.nii.gz"), f"mask/{name}_mask.nii.gz") for name in masks}
    found = of_pairs(folder, pairs, tmp_path).findings
    kinds = {(one.kind, name) for one in found for name in one.cases}
    assert ("empty_mask", "empty") in kinds
    assert {name for kind, name in kinds if kind == "constant"} == set(masks)
    assert {kind for kind, _name in kinds} == {"empty_mask", "constant"}


def test_an_orphan_is_said_to_be_unlabelled(test_data: Path, tmp_path: Path) -> None:
    folder = test_data / "hippocampus"
    labelled = ("images/hippocampus_001.nii.gz", "labels/hippocampus_001.nii.gz")
    pairs = {"001": labelled, "118": ("orphans/images/hippocampus_118.nii.gz", "")}
    (found,) = of_pairs(folder, pairs, tmp_path).findings
    assert (found.kind, found.cases, found.severity) == ("unlabelled", ("118",), "note")


def test_normal_breasts_with_empty_masks_are_named_or_known_as_negative(test_data: Path) -> None:
    inspection = inspect_dataset(survey_dataset(test_data / "busi_ultrasound", layout="paired"))
    normal = {one.case.id for one in inspection.facts if one.case.id.startswith("normal")}
    assert len(normal) == 3
    assert {name for one in inspection.findings if one.kind == "empty_mask" for name in one.cases} == normal
