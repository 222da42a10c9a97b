import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from broken_studies import write_good

from medseg.datasets import cases_from_inputs
from medseg.errors import InputError
from medseg.ledger.fingerprints import Listing, fingerprint

Writer = Callable[..., Path]


def test_a_file_is_one_case(tmp_path: Path, volume: Writer) -> None:
    path = volume(tmp_path / "Patient 7.nii.gz")
    (case,) = cases_from_inputs([path])
    assert (case.id, case.images, case.masks) == ("Patient_7", (path,), ())


def test_nested_files_are_named_by_their_path_below_the_input(tmp_path: Path, volume: Writer) -> None:
    for name in ("x/one.nii.gz", "x/two.nii", "y/z/one.nii.gz", ".hidden/no.nii"):
        volume(tmp_path / name)
    (tmp_path / "x" / "report.pdf").write_text("words")
    assert [case.id for case in cases_from_inputs([tmp_path])] == ["x_one", "x_two", "y_z_one"]


def test_ids_that_agree_get_a_suffix_whatever_the_order(tmp_path: Path, volume: Writer) -> None:
    for name in ("a/b.nii", "a_b.nii", "A_B.nii", "other.nii"):
        volume(tmp_path / name)
    ids = [case.id for case in cases_from_inputs([tmp_path])]
    assert len({name.casefold() for name in ids}) == 4
    assert "other" in ids
    turned = [case.id for case in cases_from_inputs([tmp_path / "other.nii", tmp_path])]
    assert sorted(turned) == sorted(ids)


def test_the_same_file_named_twice_is_one_case(tmp_path: Path, volume: Writer) -> None:
    path = volume(tmp_path / "a.nii")
    assert len(cases_from_inputs([path, tmp_path, path])) == 1


def test_a_data_set_gives_its_own_cases(paired: Path) -> None:
    assert [case.id for case in cases_from_inputs([paired])] == ["a", "b", "c"]


def test_what_does_not_exist_or_holds_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent: does not exist"):
        cases_from_inputs([tmp_path / "absent"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no image"):
        cases_from_inputs([tmp_path / "empty"])


def test_generated_study_folders_are_one_case_a_series(ct_studies: Path) -> None:
    folders = sorted({path.parent for path in ct_studies.rglob("*.dcm")})
    parent = folders[0].parent
    inside = [folder for folder in folders if folder.is_relative_to(parent)]
    cases = [case for case in cases_from_inputs([parent]) if case.images[0].is_dir()]
    assert [case.images[0] for case in cases] == inside


def test_real_studies_at_any_depth_without_their_contours(test_data: Path) -> None:
    cases = cases_from_inputs([test_data / "dicom_series" / "sts_002"])
    assert [case.id for case in cases] == ["CT_image", "MR_T1_image", "PET_image"]
    assert len({case.patient for case in cases}) == 1
    assert cases[0].patient != cases[0].id


def test_a_study_folder_that_is_the_series_itself_is_named_by_its_folder(test_data: Path) -> None:
    (case,) = cases_from_inputs([test_data / "dicom_series" / "totalseg_ct_no_extension"])
    assert case.id == "totalseg_ct_no_extension"


def test_each_real_radiograph_of_a_folder_is_a_case(test_data: Path) -> None:
    cases = cases_from_inputs([test_data / "dicom_cxr"])
    assert [case.id for case in cases][1] == "Fake_MONOHR1"
    assert len(cases) == 2


def test_a_folder_with_a_table_of_another_kind_is_walked(tmp_path):
    (tmp_path / "manifest.csv").write_text("file,description\na.png,a picture\n")
    PIL.Image.new("L", (4, 4)).save(tmp_path / "a.png")
    assert [case.id for case in cases_from_inputs([tmp_path])] == ["a"]


def test_an_hdf5_file_in_a_folder_gives_its_cases(tmp_path: Path, volume: Writer) -> None:
    import h5py
    import numpy as np

    volume(tmp_path / "a.nii.gz")
    with h5py.File(tmp_path / "more.h5", "w") as file:
        for name in ("x", "y"):
            file[f"{name}/image"] = np.zeros((3, 4, 5))
    cases = cases_from_inputs([tmp_path])
    assert [case.id for case in cases] == ["a", "more_x", "more_y"]
    assert [str(case.images[0].name) for case in cases[1:]] == ["image", "image"]


def test_a_pair_of_header_and_voxels_is_one_case(tmp_path: Path) -> None:
    import nibabel
    import numpy as np

    nibabel.Nifti1Pair(np.zeros((3, 4, 5), np.uint8), np.eye(4)).to_filename(tmp_path / "a.img")
    assert [case.images[0].name for case in cases_from_inputs([tmp_path])] == ["a.img"]


def test_an_address_is_one_case(tmp_path: Path, volume: Writer) -> None:
    path = volume(tmp_path / "a.nii.gz")
    (case,) = cases_from_inputs([f"{path}:/2"])
    assert (case.id, case.images) == ("a-2", (Path(f"{path}:/2"),))


def test_what_a_scan_refuses_is_a_case_and_localizers_are_none(test_data: Path) -> None:
    root = test_data / "awkward"
    cases = cases_from_inputs([root / "dicomdir_tree" / "77654033", root / "dicom2nifti_failing" / "sliceorientation"])
    assert [case.id for case in cases] == [
        "CR1_6154",
        "CR2_6247",
        "CR3_6278",
        "CT2",
        "001_series202-0",
        "001_series202-1",
    ]
    assert cases_from_inputs([root / "dicomdir_tree" / "98892001"])[0].id == "CT5N"


def test_numbered_files_are_channels_where_a_model_has_several(tmp_path: Path, volume: Writer) -> None:
    names = ("a_0001", "a_0000", "b_0000", "of_2023", "of_2024", "plain", "sub/a_0000", "sub/a_0001")
    for name in names:
        volume(tmp_path / f"{name}.nii.gz")
    alone = cases_from_inputs([tmp_path])
    assert len(alone) == len(names)
    cases = {case.id: [path.name for path in case.images] for case in cases_from_inputs([tmp_path], channels=2)}
    pair = ["a_0000.nii.gz", "a_0001.nii.gz"]
    single = {name: [f"{name}.nii.gz"] for name in ("b_0000", "of_2023", "of_2024", "plain")}
    assert cases == {"a": pair, "sub_a": pair} | single
    given = cases_from_inputs([tmp_path / pair[1], tmp_path / pair[0]], channels=2)
    assert [[path.name for path in case.images] for case in given] == [pair]


def test_a_pair_of_image_and_mask_hides_no_other_study(tmp_path: Path, volume: Writer) -> None:
    for name in ("a/one.nii.gz", "a/one_mask.nii.gz", "b/two.nii.gz", "c/orphan_mask.nii.gz", "d/preview.nii.gz"):
        volume(tmp_path / name)
    write_good(tmp_path / "e", np.random.default_rng(0), dicom=True)
    found = {case.id: len(case.masks) for case in cases_from_inputs([tmp_path])}
    assert found == {"a_one": 1, "b_two": 0, "e": 0}


def test_a_link_whose_file_is_gone_is_a_case(tmp_path: Path, volume: Writer) -> None:
    volume(tmp_path / "a.nii")
    (tmp_path / "b.nii.gz").symlink_to(tmp_path / "gone.nii.gz")
    (tmp_path / "c").symlink_to(tmp_path / "gone")
    (tmp_path / ".d.nii.gz").symlink_to(tmp_path / "gone")
    assert [case.id for case in cases_from_inputs([tmp_path])] == ["a", "b", "c"]


def test_linked_studies_are_cases_and_a_change_in_one_is_seen(tmp_path: Path, volume: Writer) -> None:
    volume(tmp_path / "store/p1/ct.nii.gz")
    series = write_good(tmp_path / "store/p2", np.random.default_rng(0), dicom=True)
    (tmp_path / "in").mkdir()
    for name in ("p1", "p2"):
        (tmp_path / "in" / name).symlink_to(tmp_path / "store" / name)
    (tmp_path / "in" / "round").symlink_to(tmp_path / "in")
    found = cases_from_inputs([tmp_path / "in"])
    assert [case.id for case in found] == ["p1_ct", "p2"]
    assert [case.id for case in cases_from_inputs([tmp_path / "in", tmp_path / "store"])] == ["p1_ct", "p2"]
    before = fingerprint(found[1], Listing())
    os.utime(sorted(series.iterdir())[3], (1, 1))
    assert fingerprint(found[1], Listing()) != before
