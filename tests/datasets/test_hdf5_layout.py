from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medseg.datasets import CaseTable, open_dataset
from medseg.errors import DatasetError, UnreadableFileError
from medseg.io import read_case_image, read_case_mask

h5py = pytest.importorskip("h5py")

VOLUME = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
MASK = (VOLUME > 60).astype(np.uint8)
STACK = np.arange(3 * 8 * 9, dtype=np.uint8).reshape(3, 8, 9)


def written(path: Path, **datasets: Any) -> Path:
    """An HDF5 file; double underscores in the names are slashes."""
    with h5py.File(path, "w") as file:
        for name, array in datasets.items():
            file[name.replace("__", "/")] = array
    return path


def test_a_group_a_case_gives_addresses_that_are_read(tmp_path: Path) -> None:
    path = written(tmp_path / "d.h5", b__image=VOLUME, b__label=MASK, a__image=VOLUME + 1)
    with h5py.File(path, "a") as file:
        file["b"].attrs["affine"] = np.diag([1, 2, 3, 1.0])
        file["b"].attrs["patient"] = "anna"
    dataset = open_dataset(path)
    assert (dataset.layout, [case.id for case in dataset.cases]) == ("hdf5", ["a", "b"])
    assert [case.patient for case in dataset.cases] == ["a", "anna"]
    unlabelled, labelled = dataset.cases
    assert unlabelled.masks == ()
    assert labelled.images == (Path(f"{path}:/b/image"),)
    image = read_case_image(labelled)
    assert image.geometry.spacing_mm == (1, 2, 3)
    np.testing.assert_array_equal(image.voxels[0], VOLUME)
    np.testing.assert_array_equal(read_case_mask(labelled, image), MASK)


def test_channels_are_numbered_images_in_their_order(tmp_path: Path) -> None:
    channels = {f"a__image_{number}": VOLUME + number for number in (10, 2, 1)}
    dataset = open_dataset(written(tmp_path / "d.h5", **channels))
    assert dataset.channels == ("image_1", "image_2", "image_10")
    np.testing.assert_array_equal(read_case_image(dataset.cases[0]).voxels[2], VOLUME + 10)


def test_stacks_give_a_case_an_index_with_their_names_and_patients(tmp_path: Path) -> None:
    names, patients = [b"c.png", b"a.png", b"b.png"], [b"p", b"q", b"p"]
    dataset = open_dataset(written(tmp_path / "d.h5", images=STACK, masks=STACK > 50, names=names, patients=patients))
    assert [(case.id, case.patient) for case in dataset.cases] == [("a", "q"), ("b", "p"), ("c", "p")]
    assert dataset.warnings == ()
    case = dataset.cases[0]
    image = read_case_image(case)
    np.testing.assert_array_equal(image.voxels[0], STACK[1].T)
    np.testing.assert_array_equal(read_case_mask(case, image), (STACK[1] > 50).T)


def test_groups_of_stacks_may_fix_the_split(tmp_path: Path) -> None:
    volumes = np.stack([VOLUME, VOLUME])
    dataset = open_dataset(
        written(tmp_path / "d.h5", train__images=volumes, train__labels=volumes, test__images=volumes)
    )
    assert [(case.id, case.split, len(case.masks)) for case in dataset.cases] == [
        ("test_d_0", "test", 0),
        ("test_d_1", "test", 0),
        ("train_d_0", "train", 1),
        ("train_d_1", "train", 1),
    ]
    assert "each case counts as a patient" in dataset.warnings[0]


def test_a_file_of_one_image_is_one_case(tmp_path: Path) -> None:
    dataset = open_dataset(written(tmp_path / "scan.h5", volume=VOLUME))
    assert [case.id for case in dataset.cases] == ["scan"]
    np.testing.assert_array_equal(read_case_image(dataset.cases[0]).voxels[0], VOLUME)
    (tmp_path / "d").mkdir()
    root = open_dataset(written(tmp_path / "d" / "one.h5", image=VOLUME, label=MASK))
    assert [(case.id, len(case.masks)) for case in root.cases] == [("one", 1)]


def test_a_case_table_beside_the_file_gives_patients(tmp_path: Path) -> None:
    path = written(tmp_path / "d.h5", a__image=VOLUME, b__image=VOLUME)
    (tmp_path / "cases.csv").write_text("id,who\na,p\nb,p\n")
    assert open_dataset(path, table=CaseTable(patient="who")).patients == ("p",)


@pytest.mark.parametrize(
    ("datasets", "found"),
    [
        ({"a__volume": VOLUME, "b__volume": VOLUME}, "holds no case"),
        ({"a__image": VOLUME, "a__label": MASK, "a__mask": MASK}, "both a label and a mask"),
        ({"images": STACK, "masks": STACK[:2]}, "Keep one mask for each image"),
        ({"images": STACK, "masks": STACK, "labels": STACK}, "Keep one mask for each image"),
        ({"images": STACK[0]}, "Stack images"),
        ({"images": STACK, "names": [b"a", b"b"]}, "expected 3 short texts"),
        ({"images": STACK, "names": np.arange(3)}, "expected 3 short texts"),
        ({"images": STACK, "names": [b"a", b"b", b"a"]}, "becomes the case 'a'"),
        ({"a__image_1": VOLUME, "a__image_2": VOLUME, "b__image": VOLUME}, "b has 1 channels, a 2"),
    ],
)
def test_files_that_do_not_hold_together_are_refused(tmp_path: Path, datasets: dict[str, Any], found: str) -> None:
    with pytest.raises(DatasetError, match=rf"d\.h5.*{found}"):
        open_dataset(written(tmp_path / "d.h5", **datasets))


def test_names_in_another_file_are_not_read(tmp_path: Path) -> None:
    other = written(tmp_path / "other.h5", names=[b"x", b"y", b"z"])
    path = written(tmp_path / "d.h5", images=STACK)
    with h5py.File(path, "a") as file:
        file["names"] = h5py.ExternalLink(other.name, "/names")
    with pytest.raises(UnreadableFileError, match=r"d\.h5: 'names' leads to another file"):
        open_dataset(path)


def test_a_damaged_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "d.h5").write_bytes(b"words" * 100)
    with pytest.raises(UnreadableFileError, match=r"d\.h5"):
        open_dataset(tmp_path / "d.h5")


def test_real_groups_and_stacks_equal_what_h5py_reads(test_data: Path) -> None:
    folder = test_data / "hdf5_derived"
    volumes, stacks = open_dataset(folder / "hippocampus_volumes.h5"), open_dataset(folder / "cxr_stack.h5")
    assert (len(volumes.labelled), len(stacks.labelled)) == (4, 6)
    with h5py.File(folder / "hippocampus_volumes.h5") as file:
        for case in volumes.cases:
            image = read_case_image(case)
            np.testing.assert_array_equal(image.voxels[0], file[case.id]["image"])
            np.testing.assert_array_equal(image.geometry.affine, file[case.id]["image"].attrs["affine"])
            np.testing.assert_array_equal(read_case_mask(case, image), file[case.id]["label"])
    with h5py.File(folder / "cxr_stack.h5") as file:
        names = [Path(name).stem for name in file["names"].asstr()]
        for case in stacks.cases:
            image, index = read_case_image(case), names.index(case.id)
            np.testing.assert_array_equal(image.voxels[0], file["images"][index].T)
            np.testing.assert_array_equal(read_case_mask(case, image), file["masks"][index].T)
            assert not image.geometry.spacing_known
