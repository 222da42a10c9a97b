import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from medseg.errors import GeometryError, InputError, MedsegError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.io import formats, read_geometry, read_image, write_image, write_mask
from medseg.io.volumes import nifti, stored
from medseg.labels import Labels
from medseg.options import ReadOptions

VOXELS = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
AFFINE = np.array([[-0.8, 0.09, 0, 10], [0.08, 0.9, 0, -20], [0, 0, 3.3, 30], [0, 0, 0, 1]])


def saved(path: Path, voxels: np.ndarray = VOXELS, affine: np.ndarray = AFFINE, **fields: object) -> Path:
    header = nibabel.Nifti1Image(voxels, affine).header
    header["vox_offset"] = 352
    for name, value in fields.items():
        header[name] = value
    content = header.binaryblock + bytes(4) + voxels.tobytes(order="F")
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
def test_values_type_and_affine_are_nibabels(tmp_path: Path, name: str, dtype: str) -> None:
    path = saved(tmp_path / name, VOXELS.astype(dtype))
    image = read_image(path)
    peer = nibabel.load(path)
    assert image.voxels.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(image.voxels[0], np.asarray(peer.dataobj))
    np.testing.assert_array_equal(image.geometry.affine, peer.affine)
    assert read_geometry(path).same_as(image.geometry, 0)


def test_big_endian_and_nifti_2_files_are_read(tmp_path: Path) -> None:
    big = nibabel.Nifti1Image(VOXELS, AFFINE, nibabel.Nifti1Header(endianness=">"))
    nibabel.save(big, tmp_path / "big.nii.gz")
    nibabel.save(nibabel.Nifti2Image(VOXELS, AFFINE), tmp_path / "two.nii")
    for name in ("big.nii.gz", "two.nii"):
        image = read_image(tmp_path / name)
        assert image.voxels.dtype.isnative
        np.testing.assert_array_equal(image.voxels[0], VOXELS)


def test_scaled_values_become_float32(tmp_path: Path) -> None:
    path = saved(tmp_path / "scaled.nii", scl_slope=0.5, scl_inter=-3)
    found = read_image(path)
    assert found.voxels.dtype == np.float32
    np.testing.assert_array_equal(found.voxels[0], VOXELS * 0.5 - 3)


def test_a_2d_file_is_a_volume_of_one_slice(tmp_path: Path) -> None:
    assert read_image(saved(tmp_path / "flat.nii", VOXELS[:, :, 0])).voxels.shape == (1, 4, 5, 1)


def test_a_trailing_axis_of_length_one_is_dropped_and_a_real_fourth_axis_refused(tmp_path: Path) -> None:
    assert read_image(saved(tmp_path / "one.nii", VOXELS[..., None])).geometry.shape == (4, 5, 6)
    with pytest.raises(GeometryError, match="holds 2 volumes"):
        read_image(saved(tmp_path / "two.nii", np.stack([VOXELS, VOXELS], axis=-1)))


def test_doubtful_orientations_are_noted(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOXELS, AFFINE)
    moved = np.diag([2.0, 2, 2, 1])
    image.set_qform(moved, code=1)
    image.set_sform(moved + np.eye(4, k=3) * 10, code=2)
    nibabel.save(image, tmp_path / "conflict.nii")
    assert "differ by up to 10 mm" in read_image(tmp_path / "conflict.nii").notes[0]
    none = read_image(saved(tmp_path / "none.nii", sform_code=0, qform_code=0))
    assert "neither sform nor qform" in none.notes[0]


def test_metres_become_millimetres_with_a_note(tmp_path: Path) -> None:
    image = read_image(saved(tmp_path / "metres.nii", affine=np.diag([0.001, 0.002, 0.003, 1.0]), xyzt_units=1))
    np.testing.assert_allclose(image.geometry.spacing_mm, [1, 2, 3], rtol=1e-6)
    assert "meters" in image.notes[0]


@pytest.mark.parametrize("spoilt", [np.nan, np.inf, 0.0])
def test_a_singular_or_non_finite_affine_is_refused_by_name(tmp_path: Path, spoilt: float) -> None:
    path = saved(tmp_path / "spoilt.nii", srow_z=[0, 0, spoilt, 0], sform_code=1)
    with pytest.raises(GeometryError, match=r"spoilt\.nii"):
        read_image(path)


def test_voxels_that_are_not_finite_are_counted_in_a_note(tmp_path: Path) -> None:
    voxels = VOXELS.astype(np.float32)
    voxels[0, 0, :3] = np.nan, np.inf, -np.inf
    assert read_image(saved(tmp_path / "holes.nii.gz", voxels)).notes == ("3 voxels are not finite",)


@pytest.mark.parametrize("kept", [0, 5, 40, 300, 380, -4, -1])
def test_a_truncated_gzip_is_refused_by_name(tmp_path: Path, kept: int) -> None:
    rng = np.random.default_rng(0)
    path = saved(tmp_path / "cut.nii.gz", rng.integers(0, 4000, (9, 9, 9)).astype(np.int16))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UnreadableFileError, match=r"cut\.nii\.gz"):
        read_image(path)


def test_a_flipped_byte_inside_a_gzip_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "rotten.nii.gz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=r"rotten\.nii\.gz"):
        read_image(path)


def test_files_that_are_not_what_they_are_named_are_refused(tmp_path: Path) -> None:
    (tmp_path / "plain.nii.gz").write_bytes(b"not gzip at all" * 100)
    (tmp_path / "text.nii").write_bytes(b"just words " * 100)
    (tmp_path / "text.nii.gz").write_bytes(gzip.compress(b"just words " * 100))
    saved(tmp_path / "whole.nii")
    (tmp_path / "short.nii").write_bytes((tmp_path / "whole.nii").read_bytes()[:-1])
    for name in ("plain.nii.gz", "text.nii", "text.nii.gz", "short.nii", "absent.nii"):
        with pytest.raises(UnreadableFileError, match=name):
            read_image(tmp_path / name)


def test_a_header_that_claims_more_than_the_file_can_hold_allocates_nothing(tmp_path: Path) -> None:
    path = saved(tmp_path / "huge.nii")
    content = bytearray(path.read_bytes())
    content[42:48] = np.array([32000, 32000, 32000], "<i2").tobytes()
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match="too short"):
        read_image(path)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Pair, nibabel.Nifti2Pair])
@pytest.mark.parametrize("asked", [".hdr", ".img"])
def test_a_pair_is_read_by_either_name_as_nibabel_reads_it(tmp_path: Path, kind: type, asked: str) -> None:
    nibabel.save(kind(VOXELS, AFFINE), tmp_path / "pair.img")
    image = read_image(tmp_path / f"pair{asked}")
    np.testing.assert_array_equal(image.voxels[0], VOXELS)
    np.testing.assert_array_equal(image.geometry.affine, nibabel.load(tmp_path / "pair.img").affine)
    assert read_geometry(tmp_path / f"pair{asked}").same_as(image.geometry, 0)
    mask = Segmentation((VOXELS > 50).astype(np.uint8), image.geometry, Labels.from_config({"body": 1}), image=image)
    write_mask(tmp_path / "mask.nii.gz", mask)
    np.testing.assert_array_equal(np.asarray(nibabel.load(tmp_path / "mask.nii.gz").dataobj), VOXELS > 50)
    np.testing.assert_array_equal(nibabel.load(tmp_path / "mask.nii.gz").affine, image.geometry.affine)


def test_a_packed_pair_is_read_and_listed_once(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Pair(VOXELS, AFFINE), tmp_path / "pair.img.gz")
    np.testing.assert_array_equal(read_image(tmp_path / "pair.img.gz").voxels[0], VOXELS)
    assert [path.name for path in sorted(tmp_path.iterdir()) if formats.is_readable(path)] == ["pair.img.gz"]


def test_half_a_pair_is_refused_with_the_name_of_the_other_half(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Pair(VOXELS, AFFINE), tmp_path / "a.img")
    (tmp_path / "a.img").rename(tmp_path / "b.img")
    with pytest.raises(UnreadableFileError, match=r"a\.hdr: is a header without its voxels, expected a\.img"):
        read_image(tmp_path / "a.hdr")
    with pytest.raises(UnreadableFileError, match=r"b\.img: is voxels without their header, expected b\.hdr"):
        read_image(tmp_path / "b.img")
    (tmp_path / "a.hdr").rename(tmp_path / "c.nii")
    with pytest.raises(UnreadableFileError, match="wrong ending for its header"):
        read_image(tmp_path / "c.nii")


@pytest.mark.parametrize("endian", ["<", ">"])
def test_analyze_gives_its_spacing_and_says_that_sides_are_not_known(tmp_path: Path, endian: str) -> None:
    header = nibabel.Spm2AnalyzeHeader(endianness=endian)
    nibabel.save(nibabel.Spm2AnalyzeImage(VOXELS, np.diag([-1.5, 2, 3, 1]), header), tmp_path / "old.img")
    (tmp_path / "old.mat").unlink()
    image, peer = read_image(tmp_path / "old.hdr"), nibabel.load(tmp_path / "old.img")
    np.testing.assert_array_equal(image.voxels[0], np.asarray(peer.dataobj))
    np.testing.assert_array_equal(image.geometry.affine, peer.affine)
    assert image.geometry.spacing_mm == (1.5, 2.0, 3.0)
    assert "sides may be swapped" in image.notes[0]
    assert image.header is None  # a mask must not carry over a header without orientation


def test_analyze_scaled_by_spm_or_cut_otherwise_than_across_is_noted_or_refused(tmp_path: Path) -> None:
    nibabel.save(nibabel.Spm2AnalyzeImage(VOXELS, np.eye(4)), tmp_path / "old.img")
    content = bytearray((tmp_path / "old.hdr").read_bytes())
    content[112:116] = np.float32(0.5).tobytes()
    (tmp_path / "old.hdr").write_bytes(content)
    image = read_image(tmp_path / "old.img")
    np.testing.assert_array_equal(image.voxels[0], VOXELS * np.float32(0.5))
    assert any("SPM's factor 0.5" in note for note in image.notes)
    assert any(".mat" in note for note in image.notes)
    content[252] = 1
    (tmp_path / "old.hdr").write_bytes(content)
    with pytest.raises(GeometryError, match="slice orientation 1"):
        read_image(tmp_path / "old.img")


@pytest.mark.parametrize("name", ["series.nii", "series.nii.gz"])
def test_one_volume_of_several_is_picked_by_address_or_option(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path / name, np.stack([VOXELS, VOXELS + 1, VOXELS + 2], axis=-1))
    for volume in range(3):
        by_option = read_image(path, options=ReadOptions(frame=volume))
        np.testing.assert_array_equal(by_option.voxels[0], VOXELS + volume)
        np.testing.assert_array_equal(read_image(f"{path}:/{volume}").voxels, by_option.voxels)
    assert read_geometry(f"{path}:/1").shape == VOXELS.shape
    with pytest.raises(GeometryError, match=rf"holds 3 volumes.*from 0 to 2: --frame 0, or the address {name}:/0"):
        read_geometry(path)
    for wrong in ("3", "-1", "first", "9999999999"):
        with pytest.raises(InputError, match=name):
            read_image(f"{path}:/{wrong}")
    with pytest.raises(InputError, match="no volume 3"):
        read_image(path, options=ReadOptions(frame=3))


def test_a_volume_of_an_unpacked_series_is_read_without_the_others(tmp_path: Path) -> None:
    path = saved(tmp_path / "series.nii", np.stack([VOXELS] * 4, axis=-1))
    content = bytearray(path.read_bytes())
    content[-VOXELS.nbytes :] = (VOXELS + 7).tobytes(order="F")
    path.write_bytes(content)
    taken: list[int] = []
    real = stored.opened

    class Counted:
        def __init__(self, file: Any) -> None:
            self.file, self.seek = file, file.seek

        def readinto(self, buffer: Any) -> int:
            taken.append(self.file.readinto(buffer))
            return taken[-1]

    @contextmanager
    def counted(file: Path, *, as_it_is: bool) -> Iterator[Counted]:
        with real(file, as_it_is=as_it_is) as opened:
            yield Counted(opened)

    described = nifti._described(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "opened", counted)
        np.testing.assert_array_equal(described.voxels.read(3), VOXELS + 7)
    assert sum(taken) == VOXELS.nbytes


def test_a_frame_of_a_single_volume_is_0_or_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "single.nii")
    assert read_image(path, options=ReadOptions(frame=0)).voxels.shape == (1, 4, 5, 6)
    with pytest.raises(InputError, match=r"single\.nii: holds 1 volume\(s\) and no volume 1"):
        read_image(path, options=ReadOptions(frame=1))


def test_colours_vectors_and_complex_numbers_are_refused_by_name(tmp_path: Path) -> None:
    colour = np.zeros((4, 5, 6), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colour, np.eye(4)), tmp_path / "rgb.nii")
    with pytest.raises(UnreadableFileError, match=r"rgb\.nii: holds colours \(RGB\)"):
        read_image(tmp_path / "rgb.nii")
    with pytest.raises(UnreadableFileError, match=r"warp\.nii: has 5 axes \(4, 5, 6, 1, 3\)"):
        read_image(saved(tmp_path / "warp.nii", np.zeros((4, 5, 6, 1, 3), np.int16)))
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6), np.complex64), np.eye(4)), tmp_path / "complex.nii")
    with pytest.raises(UnreadableFileError, match="complex numbers"):
        read_image(tmp_path / "complex.nii")


def test_a_sheared_sform_is_kept_exactly_and_noted(tmp_path: Path) -> None:
    sheared = np.array([[1, 0.25, 0, 3], [0, 1, 0, 4], [0, 0, 2, 5], [0, 0, 0, 1.0]])
    nibabel.save(nibabel.Nifti1Image(VOXELS, sheared), tmp_path / "sheared.nii")
    image = read_image(tmp_path / "sheared.nii")
    np.testing.assert_array_equal(image.geometry.affine, sheared)
    assert not image.geometry.orthogonal
    assert image.notes == ("the axes do not stand at right angles: kept as stored",)


def test_all_48_axis_orders_come_back_exactly_as_they_were_written(tmp_path: Path) -> None:
    for order in permutations(range(3)):
        for signs in product((-1, 1), repeat=3):
            affine = np.eye(4)
            affine[:3, :3] = np.eye(3)[:, order] * signs * (0.5, 1.25, 3)
            affine[:3, 3] = (-10, 20, 5.5)
            image = Image(VOXELS[np.newaxis], Geometry(VOXELS.shape, affine))
            write_image(tmp_path / "turned.nii.gz", image)
            back = read_image(tmp_path / "turned.nii.gz")
            np.testing.assert_array_equal(back.geometry.affine, affine)
            np.testing.assert_array_equal(back.voxels, image.voxels)


def test_nothing_is_printed_of_odd_headers(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    image = read_image(saved(tmp_path / "odd.nii", pixdim=[1, -2, 1, 1, 0, 0, 0, 0], qform_code=77, intent_code=-5))
    assert any(note.startswith("header: ") for note in image.notes)
    assert capfd.readouterr() == ("", "")


REFUSED = {
    "nibabel/analyze.hdr": "is a header without its voxels, expected analyze.img beside it",
    "nibabel/nifti1.hdr": "is a header without its voxels, expected nifti1.img beside it",
    "nibabel/example4d.nii.gz": "holds 2 volumes",
    "nibabel/example_nifti2.nii.gz": "holds 2 volumes",
    "nibabel/functional.nii": "holds 20 volumes",
    "derived_nifti/truncated.nii.gz": "cannot be read .Compressed file ended before the end-of-stream marker",
}
NOTED = {
    "dcm_qa_12bit/Ref/2.nii": "sform and qform differ by up to 0.003366 mm",
    "dcm_qa_12bit/Ref/4.nii": "sform and qform differ by up to 0.003366 mm",
    "derived_nifti/nan_inf_voxels_image.nii.gz": "4 voxels are not finite",
    "derived_nifti/nonorthonormal_sform_image.nii.gz": "the axes do not stand at right angles",
    "derived_nifti/nonorthonormal_sform_label.nii.gz": "sform and qform differ by up to 1.654 mm",
    "derived_nifti/qform_sform_conflict_image.nii.gz": "sform and qform differ by up to 12.85 mm",
    "derived_nifti/sform_code0_qform_code0.nii.gz": "neither sform nor qform is set",
}


def assert_equals_nibabel(path: Path, source: str | Path, volume: int = 0) -> Image:
    image, peer = read_image(source), nibabel.load(path)
    values = np.asanyarray(peer.dataobj)
    values = values[..., volume] if values.ndim == 4 else values
    if image.voxels.dtype == values.dtype:
        np.testing.assert_array_equal(image.voxels[0], values)
    else:  # scaled: float32 here, float64 there
        np.testing.assert_allclose(image.voxels[0], values, rtol=1e-6)
    np.testing.assert_array_equal(image.geometry.affine, peer.affine)
    return image


def test_every_awkward_real_file_equals_nibabel_or_is_refused_by_name(test_data: Path) -> None:
    folder = test_data / "awkward"
    files = [path for path in folder.rglob("*") if formats.ending(path) in (*formats.NIFTI, *formats.PAIRS)]
    assert len(files) == 29
    for path in files:
        name = path.relative_to(folder).as_posix()
        if name in REFUSED:
            with pytest.raises(MedsegError, match=f"{path.name}: {REFUSED[name]}"):
                read_image(path)
        else:
            image = assert_equals_nibabel(path, path)
            assert NOTED.get(name, "") in "".join(image.notes), name
            assert bool(image.notes) == (name in NOTED), name


def test_every_volume_of_the_real_series_equals_nibabel(test_data: Path) -> None:
    for name, volumes in (("example4d.nii.gz", 2), ("example_nifti2.nii.gz", 2), ("functional.nii", 20)):
        path = test_data / "awkward" / "nibabel" / name
        for volume in range(volumes):
            assert_equals_nibabel(path, f"{path}:/{volume}", volume)


@pytest.mark.parametrize(("folder", "files"), [("hippocampus", 40), ("sarcoma_sts", 12), ("ms_lesions", 4)])
def test_real_data_sets_equal_nibabel(test_data: Path, folder: str, files: int) -> None:
    found = sorted((test_data / folder).rglob("*.nii.gz"))
    for path in found[:: len(found) // files]:
        assert assert_equals_nibabel(path, path).notes == ()
