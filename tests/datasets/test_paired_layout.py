from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from broken_studies import write_good

from medseg.datasets import cases_from_inputs, open_dataset, survey_dataset
from medseg.errors import DatasetError

Writer = Callable[..., Path]


@pytest.mark.parametrize(("images", "masks"), [("Scans", "Segmentations"), ("IMG", "Mask"), ("imgs", "annotations")])
def test_folders_have_their_usual_names_in_any_case(tmp_path: Path, volume: Writer, images: str, masks: str) -> None:
    volume(tmp_path / images / "a.nii.gz")
    volume(tmp_path / masks / "a.nii.gz", 1)
    assert len(open_dataset(tmp_path).labelled) == 1


def test_two_folders_of_masks_are_named(paired: Path, volume: Writer) -> None:
    volume(paired / "Masks" / "a.nii.gz")
    with pytest.raises(DatasetError, match="several folders of masks \\(Masks/, labels/\\)"):
        open_dataset(paired)


def test_several_masks_of_an_image_go_to_the_longest_name(tmp_path: Path, volume: Writer) -> None:
    for name in ("a", "a_mask", "b"):
        volume(tmp_path / "images" / f"{name}.nii.gz")
    for name in ("a_mask_2", "a_seg", "a_mask_seg", "a_mask_10", "b-mask", "b_label", "ab_mask", "a_other"):
        volume(tmp_path / "masks" / f"{name}.nii.gz", 1)
    dataset = open_dataset(tmp_path)
    masks = {case.id: [path.name.split(".")[0] for path in case.masks] for case in dataset.cases}
    assert masks == {"a": ["a_seg", "a_mask_2", "a_mask_10"], "a_mask": ["a_mask_seg"], "b": ["b-mask", "b_label"]}
    assert "2 files in masks/ have no image and are left out (a_other, ab_mask)" in dataset.warnings


@pytest.mark.parametrize("place", ["{part}/images/{name}", "images/{part}/{name}"])
def test_parts_become_the_split_and_ids_stay_unique(tmp_path: Path, volume: Writer, place: str) -> None:
    for part, name in (("train", "a"), ("train", "b"), ("val", "a"), ("test", "c")):
        path = tmp_path / place.format(part=part, name=f"{name}.nii.gz")
        volume(path)
        volume(Path(str(path).replace("images", "labels")), 1)
    cases = open_dataset(tmp_path).cases
    assert [(case.id, case.split, bool(case.masks)) for case in cases] == [
        ("b", "train", True), ("c", "test", True), ("train_a", "train", True), ("validation_a", "validation", True),
    ]  # fmt: skip


@pytest.mark.parametrize("place", ["{case}/{structure}", "{structure}/{case}"])
def test_a_folder_a_case_or_a_structure_names_structures(tmp_path: Path, volume: Writer, place: str) -> None:
    for case in ("x", "y", "z"):
        volume(tmp_path / "images" / f"{case}.nii.gz")
    for case, structure in (("x", "liver"), ("x", "spleen"), ("y", "liver")):
        volume(tmp_path / "labels" / f"{place.format(case=case, structure=structure)}.nii.gz", 1)
    x, y, z = open_dataset(tmp_path).cases
    assert (x.structures, x.annotated, len(x.masks)) == (("liver", "spleen"), None, 2)
    assert (y.structures, y.annotated) == (("liver",), ("liver",))
    assert not z.labelled


def test_a_mask_beside_masks_of_structures_is_a_problem(tmp_path: Path, volume: Writer) -> None:
    for path in ("images/x", "labels/x", "labels/x/liver"):
        volume(tmp_path / f"{path}.nii.gz", 1)
    assert "beside masks of single structures" in str(survey_dataset(tmp_path).problems[0])


def test_loose_slices_of_a_series_are_refused_and_no_cases_of_their_own(tmp_path: Path, volume: Writer) -> None:
    for name in ("image", "mask"):
        write_good(tmp_path / "study" / name, np.random.default_rng(0), dicom=True)
    told = "12 files are slices of one DICOM series .*folder of their own, image/NAME/"
    with pytest.raises(DatasetError, match=told):
        open_dataset(tmp_path / "study")
    with pytest.raises(DatasetError, match="slices of one DICOM series"):
        cases_from_inputs([tmp_path / "study"])
    volume(tmp_path / "study" / "image" / "whole.nii.gz")
    survey = survey_dataset(tmp_path / "study")
    assert [case.id for case in survey.cases] == ["whole"]
    assert [problem.where for problem in survey.problems] == [str(tmp_path / "study" / "image")]


def test_a_folder_of_slices_is_a_case_and_so_is_each_radiograph(tmp_path: Path, volume: Writer) -> None:
    write_good(tmp_path / "images" / "a", np.random.default_rng(0), dicom=True)
    one = next(write_good(tmp_path / "other", np.random.default_rng(1), dicom=True).iterdir())
    for number in (1, 2):
        radiograph = pydicom.dcmread(one)
        radiograph.Modality, radiograph.SOPInstanceUID = "DX", f"1.2.{number}"
        radiograph.save_as(tmp_path / "images" / f"chest{number}.dcm")
    volume(tmp_path / "labels" / "a.nii.gz", 1)
    assert [case.id for case in open_dataset(tmp_path, layout="paired").cases] == ["a", "chest1", "chest2"]
