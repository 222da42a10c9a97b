from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medseg.errors import GeometryError, InputError, MedsegError, UnreadableFileError
from medseg.io import read_geometry, read_image, read_mask
from medseg.options import ReadOptions

h5py = pytest.importorskip("h5py")

VOLUME = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
AFFINE = np.array([[-1, 0, 0, 12], [0, 0, 1.5, -20], [0, -2, 0, 30], [0, 0, 0, 1.0]])


def written(path: Path, array: np.ndarray = VOLUME, name: str = "image", **attributes: Any) -> Path:
    with h5py.File(path, "a") as file:
        file[name] = array
        file[name].attrs.update(attributes)
    return path


def test_a_dataset_with_an_affine_is_read_as_it_lies(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5", affine=AFFINE, name="case/image")
    for source in (path, f"{path}:/case/image"):
        image = read_image(source)
        np.testing.assert_array_equal(image.voxels[0], VOLUME)
        np.testing.assert_array_equal(image.geometry.affine, AFFINE)
        assert image.notes == ()
        assert read_geometry(source).same_as(image.geometry, 0)


def test_the_grid_may_be_stated_by_the_group(tmp_path: Path) -> None:
    path = written(tmp_path / "a.hdf5", name="case/image")
    with h5py.File(path, "a") as file:
        file["case"].attrs["spacing_mm"] = [1, 2, 3]
    assert read_geometry(path).spacing_mm == (1, 2, 3)


def test_three_axes_without_any_statement_are_a_volume_with_a_note(tmp_path: Path) -> None:
    image = read_image(written(tmp_path / "a.h5"))
    assert not image.geometry.spacing_known
    assert "taken as x, y, z" in image.notes[0]


@pytest.mark.parametrize("axes", ["zyx", "z, y, x", ["z", "y", "x"], b"ZYX", "zyx (RAS world)"])
def test_axes_name_the_stored_order(tmp_path: Path, axes: Any) -> None:
    image = read_image(written(tmp_path / "a.h5", VOLUME.T, axes=axes, affine=AFFINE))
    np.testing.assert_array_equal(image.voxels[0], VOLUME)
    np.testing.assert_array_equal(image.geometry.affine, AFFINE)


def test_rows_and_columns_become_x_and_y_unless_the_axes_say_otherwise(tmp_path: Path) -> None:
    assert read_geometry(written(tmp_path / "a.h5", VOLUME[0])).shape == (6, 5)
    assert read_geometry(written(tmp_path / "b.h5", VOLUME[0], axes="xy")).shape == (5, 6)


@pytest.mark.parametrize("axes", ["abc", "xy", "xxy", "rows, columns", "yzq"])
def test_axes_that_are_not_understood_are_refused(tmp_path: Path, axes: str) -> None:
    with pytest.raises(GeometryError, match=r"a\.h5:/image"):
        read_image(written(tmp_path / "a.h5", axes=axes, spacing=1.0))


def test_a_spacing_beside_turned_axes_must_not_depend_on_their_order(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match=r"another order than x, y, z\. Give an affine"):
        read_image(written(tmp_path / "a.h5", axes="zyx", spacing=[5.0, 1, 1]))
    assert read_geometry(written(tmp_path / "b.h5", axes="zyx", spacing=[1.0, 2, 1])).spacing_mm == (1, 2, 1)


def test_one_image_of_a_stack_is_named_by_its_index(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5", np.stack([VOLUME, VOLUME + 9]), "images")
    written(path, VOLUME, "slices", axes="nyx")
    np.testing.assert_array_equal(read_image(f"{path}:/images/1").voxels[0], VOLUME + 9)
    np.testing.assert_array_equal(read_image(f"{path}:/slices/3").voxels[0], VOLUME[3].T)
    np.testing.assert_array_equal(read_image(f"{path}:/slices", options=ReadOptions(frame=3)).voxels[0], VOLUME[3].T)
    with pytest.raises(GeometryError, match=r"holds 4 volumes.*a\.h5:/slices/0"):
        read_image(f"{path}:/slices")
    with pytest.raises(InputError, match=r"no volume 2.*from 0 to 1"):
        read_image(f"{path}:/images/2")
    for wrong in ("images/1/2", "images/one", "images/-1"):
        with pytest.raises(InputError, match="holds no names"):
            read_image(f"{path}:/{wrong}")


def test_what_could_be_meant_is_listed(tmp_path: Path) -> None:
    path = written(written(tmp_path / "a.h5", name="p1/image"), (VOLUME > 3).astype(np.uint8), "p1/label")
    with pytest.raises(InputError, match=r"\(p1/image 4×5×6 int16; p1/label 4×5×6 uint8\).*a\.h5:/p1/image"):
        read_image(path)
    with pytest.raises(InputError, match=r"is a group\. Name a dataset in it: image, label"):
        read_image(f"{path}:/p1")
    with pytest.raises(InputError, match=r"there is no 'p2' in /\. Take one of: p1"):
        read_image(f"{path}:/p2/image")


def test_a_mask_is_read_from_an_address_on_the_grid_of_its_image(tmp_path: Path) -> None:
    path = written(written(tmp_path / "a.h5", name="p1/image", affine=AFFINE), VOLUME > 3, "p1/label")
    image = read_image(f"{path}:/p1/image")
    mask, grid = read_mask(f"{path}:/p1/label", on=image.geometry)
    np.testing.assert_array_equal(mask, VOLUME > 3)
    assert mask.dtype == np.uint8
    assert grid is image.geometry


def test_links_inside_the_file_are_followed_and_all_others_refused(tmp_path: Path) -> None:
    other = written(tmp_path / "other.h5")
    path = written(tmp_path / "a.h5", name="p1/image", affine=AFFINE)
    (tmp_path / "raw.bin").write_bytes(bytes(1000))
    with h5py.File(path, "a") as file:
        file["soft"], file["up"] = h5py.SoftLink("/p1/image"), h5py.SoftLink("p1")
        file["round"], file["away"] = h5py.SoftLink("/round"), h5py.ExternalLink(other.name, "/image")
        file["behind"] = h5py.SoftLink("/away")
        file.create_dataset("raw", (5, 5), "i2", external=[(str(tmp_path / "raw.bin"), 0, 50)])
        layout = h5py.VirtualLayout((4, 5, 6), "i2")
        layout[:] = h5py.VirtualSource(str(other), "image", (4, 5, 6))
        file.create_virtual_dataset("virtual", layout)
    for name in ("soft", "up/image"):
        np.testing.assert_array_equal(read_image(f"{path}:/{name}").voxels[0], VOLUME)
    for name in ("round", "away", "behind", "raw", "virtual"):
        with pytest.raises(UnreadableFileError, match=r"a\.h5: .*another file"):
            read_image(f"{path}:/{name}")


def test_a_declared_size_that_the_file_cannot_hold_is_refused_unread(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("image", (100_000, 100_000, 1000), "f8", chunks=(10, 10, 10))
    with pytest.raises(UnreadableFileError, match=r"declares \(100000, 100000, 1000\) float64 in a file of"):
        read_image(tmp_path / "a.h5")
    with pytest.raises(UnreadableFileError, match="declares"):
        read_geometry(tmp_path / "a.h5")


@pytest.mark.parametrize("attributes", [{"spacing": "1 mm"}, {"affine": np.eye(3)}, {"spacing": np.ones(100)}])
def test_attributes_that_state_no_grid_are_refused(tmp_path: Path, attributes: dict[str, Any]) -> None:
    with pytest.raises(GeometryError, match=r"a\.h5:/image"):
        read_image(written(tmp_path / "a.h5", **attributes))


def test_what_holds_no_image_or_no_hdf5_is_refused_by_name(tmp_path: Path) -> None:
    with h5py.File(written(tmp_path / "a.h5", np.zeros((3, 3), "c8")), "a") as file:
        file["text"], file["kind"], file["nothing"] = ["a", "b"], np.dtype("i2"), h5py.Empty("f4")
    with pytest.raises(InputError, match=r"a\.h5: holds 0 datasets \(no image\)"):
        read_image(tmp_path / "a.h5")
    for name in ("image", "text", "kind", "nothing"):
        with pytest.raises(MedsegError, match=r"a\.h5"):
            read_image(f"{tmp_path / 'a.h5'}:/{name}")
    (tmp_path / "b.h5").write_bytes(b"words" * 100)
    written(tmp_path / "whole.h5")
    (tmp_path / "c.h5").write_bytes((tmp_path / "whole.h5").read_bytes()[:1500])
    for name in ("b.h5", "c.h5"):
        with pytest.raises(UnreadableFileError, match=name):
            read_image(tmp_path / name)


def test_real_files_equal_what_they_were_made_from(test_data: Path) -> None:
    path = test_data / "hdf5_derived" / "hippocampus_volumes.h5"
    with h5py.File(path) as file:
        for case in file:
            for name, folder in (("image", "images"), ("label", "labels")):
                truth = read_image(next((test_data / "hippocampus").glob(f"{folder}/{case}.nii.gz")))
                image = read_image(f"{path}:/{case}/{name}")
                np.testing.assert_array_equal(image.voxels, truth.voxels)
                if name == "image":
                    assert image.geometry.same_as(truth.geometry, 0)


def test_a_damaged_heap_of_texts_is_refused_and_not_walked_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("image", data=np.zeros((3, 4, 5))).attrs["axes"] = "xyz"
    content = path.read_bytes()
    size_of_the_text = content.index(b"GCOL") + 24
    assert content[size_of_the_text] == len("xyz")
    for size in (b"\xff" * 8, (-16 % 2**64).to_bytes(8, "little"), b"TSTRUCT\0", b"\0\0\0\0\1\0\0\0"):
        path.write_bytes(content[:size_of_the_text] + size + content[size_of_the_text + 8 :])
        with pytest.raises(UnreadableFileError, match=r"a\.h5: cannot be read \(the heap of its texts is damaged\)"):
            read_geometry(path)
