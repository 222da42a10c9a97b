from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
import pytest
import SimpleITK

from medseg.errors import OutputError
from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.io import read_geometry, read_image, read_mask, write_image, write_mask
from medseg.labels import Labels

LABELS = Labels.from_config({"a": 1, "b": 2})
MASK = (np.arange(4 * 5 * 6).reshape(4, 5, 6) % 3).astype(np.uint8)
AFFINE = np.array([[-0.81, 0.1, 0, 10.3], [0.08, 0.93, 0, -20.7], [0, 0, 3.3, 30.1], [0, 0, 0, 1]])


def source(path: Path, endianness: str = "<") -> Image:
    """An image whose sform and qform differ, with codes, units and a description of its own."""
    image = nibabel.Nifti1Image(MASK.astype(np.int16), AFFINE, nibabel.Nifti1Header(endianness=endianness))
    image.set_sform(AFFINE, code=4)
    image.set_qform(np.diag([0.8, 0.9, 3.3, 1]), code=2)
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = b"scanner 7"
    image.header["scl_slope"], image.header["scl_inter"] = 2, -1
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"patient name"))
    nibabel.save(image, path)
    return read_image(path)


def segmentation(image: Image | None = None, mask: np.ndarray = MASK) -> Segmentation:
    geometry = image.geometry if image else Geometry(mask.shape, np.eye(mask.ndim + 1))
    return Segmentation(mask, geometry, LABELS, image=image)


@pytest.mark.parametrize("name", ["mask.nii.gz", "mask.nii"])
@pytest.mark.parametrize("endianness", ["<", ">"])
def test_a_mask_carries_its_images_header(tmp_path: Path, name: str, endianness: str) -> None:
    image = source(tmp_path / "image.nii", endianness)
    write_mask(tmp_path / name, segmentation(image))
    before, after = nibabel.load(tmp_path / "image.nii"), nibabel.load(tmp_path / name)
    np.testing.assert_array_equal(after.affine, before.affine)
    for field in ("sform_code", "qform_code", "srow_x", "quatern_b", "qoffset_x", "pixdim", "xyzt_units", "descrip"):
        np.testing.assert_array_equal(after.header[field], before.header[field], err_msg=field)
    np.testing.assert_array_equal(np.asarray(after.dataobj), MASK)
    assert after.header.get_data_dtype() == np.uint8
    assert not after.header.extensions
    mask, geometry = read_mask(tmp_path / name)
    np.testing.assert_array_equal(mask, MASK)
    assert geometry.same_as(image.geometry, 0)


def test_a_mask_of_an_image_without_header_has_both_forms(tmp_path: Path) -> None:
    write_mask(tmp_path / "m.nii.gz", Segmentation(MASK, Geometry(MASK.shape, np.diag([1, 2, 3, 1])), LABELS))
    header = nibabel.load(tmp_path / "m.nii.gz").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (1, 1)
    np.testing.assert_allclose(header.get_qform(), np.diag([1, 2, 3, 1]))


def test_the_same_mask_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.nii.gz", "two.nii.gz"):
        write_mask(tmp_path / name, segmentation())
    assert (tmp_path / "one.nii.gz").read_bytes() == (tmp_path / "two.nii.gz").read_bytes()


def test_wide_integers_become_a_type_that_every_reader_knows(tmp_path: Path) -> None:
    write_mask(tmp_path / "m.nii", segmentation(mask=MASK.astype(np.int64)))
    assert read_mask(tmp_path / "m.nii")[0].dtype == np.uint8


@pytest.mark.parametrize(("value", "depth"), [(255, np.uint8), (256, np.uint16)])
def test_a_2d_mask_is_a_png_with_rows_and_columns_turned_back(tmp_path: Path, value: int, depth: type) -> None:
    flat = np.zeros((5, 3), np.uint16)
    flat[4, 0] = value
    write_mask(tmp_path / "m.png", segmentation(mask=flat))
    pixels = np.array(PIL.Image.open(tmp_path / "m.png"))
    assert pixels.dtype == depth
    np.testing.assert_array_equal(pixels, flat.T)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png")[0], flat)


def test_images_come_back(tmp_path: Path) -> None:
    volume = Image(MASK[np.newaxis].astype(np.float32) / 3, Geometry(MASK.shape, AFFINE))
    write_image(tmp_path / "v.nii.gz", volume)
    np.testing.assert_array_equal(read_image(tmp_path / "v.nii.gz").voxels, volume.voxels)
    dark = Image(MASK[:, :, 0][np.newaxis].astype(np.uint16), Geometry.from_spacing((4, 5), None))
    write_image(tmp_path / "d.png", dark)
    assert read_image(tmp_path / "d.png").voxels.dtype == np.uint16


@pytest.mark.parametrize(
    ("name", "mask"), [("m.png", MASK), ("m.nii.gz", MASK[0]), ("m.txt", MASK), ("m.png", MASK[0] * np.int32(70000))]
)
def test_what_does_not_fit_a_format_is_refused_and_nothing_written(tmp_path: Path, name: str, mask: np.ndarray) -> None:
    with pytest.raises(OutputError, match=name):
        write_mask(tmp_path / name, segmentation(mask=mask))
    assert not list(tmp_path.iterdir())


def test_a_failing_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.nii"
    write_mask(path, segmentation())
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        write_mask(path, segmentation(mask=MASK * 0))
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["m.nii"]


def test_a_file_in_the_place_of_the_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        write_mask(tmp_path / "out" / "m.nii", segmentation())


def test_a_sheared_grid_is_written_so_that_nobody_reads_another(tmp_path: Path) -> None:
    affine = np.diag([0.7, 0.7, 3.0, 1.0])
    affine[1, 2] = 1.2
    geometry = Geometry((6, 7, 5), affine)
    write_image(tmp_path / "a.nii.gz", Image(np.zeros((1, 6, 7, 5), np.float32), geometry))
    assert read_geometry(tmp_path / "a.nii.gz").same_as(geometry)
    np.testing.assert_allclose(nibabel.load(tmp_path / "a.nii.gz").affine, affine, atol=1e-6)
    with pytest.raises(RuntimeError, match="orthonormal"):
        SimpleITK.ReadImage(str(tmp_path / "a.nii.gz"))
