from pathlib import Path

import pytest

from medseg.datasets import open_dataset
from medseg.datasets.layouts import beside
from medseg.errors import DatasetError


def laid_out(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"not opened")
    return root


def test_several_images_of_a_patient_are_cases_of_their_own(tmp_path: Path) -> None:
    names = [f"P{i}/{series}_{kind}.nii.gz" for i in (1, 2) for series in ("CT", "PET") for kind in ("image", "mask")]
    dataset = open_dataset(laid_out(tmp_path, *names))
    assert (dataset.layout, dataset.channels) == ("beside", ("image",))
    found = [(case.id, case.patient, dict(case.columns)) for case in dataset.cases]
    assert found[:3] == [
        ("P1_CT", "P1", {"series": "CT"}),
        ("P1_PET", "P1", {"series": "PET"}),
        ("P2_CT", "P2", {"series": "CT"}),
    ]
    assert dataset.cases[1].masks == (tmp_path / "P1" / "PET_mask.nii.gz",)
    assert "name the patients" in dataset.warnings[0]


def test_images_that_go_on_differently_are_channels(tmp_path: Path) -> None:
    names = [f"set/{n}/{n}-{end}.nii.gz" for n in ("G-007", "G-008") for end in ("t1n", "t2f", "seg")]
    dataset = open_dataset(laid_out(tmp_path, *names, "set/G-009/G-009-t1n.nii.gz", "set/G-009/G-009-seg.nii.gz"))
    assert dataset.channels == ("t1n", "t2f")
    assert [path.name for path in dataset.cases[0].images] == ["G-007-t1n.nii.gz", "G-007-t2f.nii.gz"]
    assert [case.patient for case in dataset.cases] == ["G-007", "G-008"]
    assert dataset.warnings[0] == "1 masks have no t1n, t2f beside them and are left out (G-009)"


def test_a_file_for_the_mask_alone_names_no_image(tmp_path: Path) -> None:
    dataset = open_dataset(laid_out(tmp_path, "a/FLAIR.nii.gz", "a/mask.nii.gz", "b/FLAIR.nii.gz", "b/mask.nii.gz"))
    assert [(case.id, case.patient) for case in dataset.cases] == [("a", "a"), ("b", "b")]
    assert dataset.channels == ("FLAIR",)


def test_one_image_may_have_several_masks_and_another_none(tmp_path: Path) -> None:
    names = ("x 1.png", "x 1_mask.png", "x 1_mask_1.png", "x 12.png", "x 12_mask.png", "x 2.png")
    dataset = open_dataset(laid_out(tmp_path, *names))
    found = {case.id: [path.name for path in case.masks] for case in dataset.cases}
    assert found == {"x_1": ["x 1_mask.png", "x 1_mask_1.png"], "x_12": ["x 12_mask.png"], "x_2": []}
    assert [case.patient for case in dataset.cases] == ["x_1", "x_12", "x_2"]


def test_unlabelled_images_have_the_channels_of_the_others(tmp_path: Path) -> None:
    names = ("p1_FLAIR.nii.gz", "p1_lesion_mask.nii.gz", "p2_FLAIR.nii.gz", "p2_T1.nii.gz")
    dataset = open_dataset(laid_out(tmp_path, *names))
    assert [(case.id, case.labelled) for case in dataset.cases] == [("p1", True), ("p2", False)]


@pytest.mark.parametrize(
    "names", [("a.png", "b.png"), ("a/mask.png", "a/preview.png"), ("mask.nii.gz",), ("a_seg_fast.nii", "a_seg.nii")]
)
def test_other_folders_are_not_taken_for_it(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert not beside.recognises(laid_out(tmp_path, *names))
    with pytest.raises(DatasetError, match="has no mask beside its image"):
        beside.read(tmp_path, None)


def test_names_that_become_one_are_refused(tmp_path: Path) -> None:
    root = laid_out(tmp_path, "a b.png", "a b_mask.png", "a_b.png", "a_b_mask.png")
    with pytest.raises(DatasetError, match=r"becomes the case 'a_b', as .*a b.png does"):
        open_dataset(root)
