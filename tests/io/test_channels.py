"""Channels on several grids: turned, resampled or refused; real CT, PET and MR of one patient."""

from dataclasses import replace
from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from medseg.errors import GeometryError, GridMismatchError, InputError, UnknownSpacingError
from medseg.geometry import Geometry, Reorientation
from medseg.image import Image
from medseg.io import read_image, read_mask
from medseg.io.channels import united
from medseg.options import ReadOptions

RESAMPLE = ReadOptions(resample_channels=True)
NAMES = ("CT", "PET", "MR_T1")


def box(shape=(8, 9, 10), spacing=(1.0, 1.0, 2.0), origin=(0.0, 0.0, 0.0), **said) -> Image:
    """Voxels that say where they are: x + 100 y + 10000 z in mm, lowest 0 for grids in the positive octant."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    geometry = Geometry(shape, affine)
    world = geometry.to_world(np.moveaxis(np.indices(shape), 0, -1))
    return Image((world @ [1.0, 100.0, 10000.0])[np.newaxis].astype(np.float32), geometry, **said)


def turned(image: Image, turn: Reorientation) -> Image:
    return replace(image, voxels=turn.apply(image.voxels), geometry=image.geometry.reoriented(turn))


@pytest.mark.parametrize("reference", [0, 1, 2])
def test_the_same_voxels_in_any_order_are_turned_exactly_onto_any_reference(reference):
    image = box()
    for axes, flips in product(permutations(range(3)), product((False, True), repeat=3)):
        turn = Reorientation(axes, flips)
        found = united([image, turned(image, turn), image], ReadOptions(reference=reference))
        wanted = turn.apply(image.voxels) if reference == 1 else image.voxels
        np.testing.assert_array_equal(found.voxels, np.concatenate([wanted] * 3))
        assert found.notes == ()


def test_a_channel_on_another_grid_is_resampled_onto_the_reference_and_noted():
    fine, coarse = (
        box(modality="CT", unit="HU", notes=("a",)),
        box((3, 3, 6), (4.0, 4.0, 4.0), (2.0, 2.0, 1.0), unit="SUVbw"),
    )
    found = united([coarse, fine], resampled_onto(reference=1))
    assert found.geometry.same_as(fine.geometry)
    assert (found.modality, found.unit) == ("CT", "HU")
    assert dict(found.facts) == {"modality_0": "", "unit_0": "SUVbw"}
    np.testing.assert_array_equal(found.voxels[1], fine.voxels[0])
    inner = (slice(2, 8), slice(2, 9), slice(1, 9))
    np.testing.assert_allclose(found.voxels[0][inner], fine.voxels[0][inner], rtol=1e-5)
    assert found.notes == (
        "a",
        "channel 0 (in memory) was resampled linearly onto the grid of channel 1 (in memory); it covers 100% of it",
    )


def resampled_onto(reference: int) -> ReadOptions:
    return ReadOptions(resample_channels=True, reference=reference)


def test_where_a_channel_does_not_reach_it_takes_its_lowest_finite_value():
    fine, half = box((8, 8, 8)), box((4, 8, 8), origin=(4.0, 0.0, 0.5))
    half.voxels[0, 3, 3, 3] = np.nan
    found = united([fine, half], RESAMPLE)
    assert found.notes[0].endswith("it covers 50.0% of it, and the rest is 5004")
    assert (found.voxels[1, :4] == 5004).all()
    assert (
        united([fine, replace(half, voxels=(half.voxels > 60000).astype(np.int16))], RESAMPLE).voxels[1, 0, 0, 0] == 0
    )
    with pytest.raises(InputError, match="holds no finite value"):
        united([fine, replace(half, voxels=np.full_like(half.voxels, np.inf))], RESAMPLE)


def test_a_sliver_of_cover_is_never_rounded_to_all_or_nothing():
    one, other = box((20, 20, 20), (1, 1, 1)), box((20, 20, 20), (1, 1, 1), (19.3, 18.2, 19.1))
    assert "covers 0.1% of it" in united([one, other], RESAMPLE).notes[0]


def test_channels_that_nowhere_meet_are_refused():
    with pytest.raises(GridMismatchError, match=r"no voxel of it lies in channel 1 \(far\.nii: 8×9×10.*one study"):
        united([box(), box(origin=(500.0, 0.0, 0.0), source=Path("far.nii"))], RESAMPLE)


def test_another_grid_is_refused_unless_resampling_was_asked_for():
    with pytest.raises(GridMismatchError, match=r"b\.nii.*Set reading\.resample_channels=true .*grid of channel 0"):
        united([box(), box((8, 9, 11), source=Path("b.nii"))], ReadOptions())


def test_without_spacing_or_patient_space_nothing_is_resampled():
    blind = Image(np.zeros((1, 4, 4, 4)), Geometry.from_spacing((4, 4, 4), None))
    with pytest.raises(UnknownSpacingError, match="Without its spacing"):
        united([box(), blind], RESAMPLE)
    flat = Image(np.zeros((1, 4, 4)), Geometry.from_spacing((4, 4), (1, 1)))
    wide = Image(np.zeros((1, 4, 5)), Geometry.from_spacing((4, 5), (1, 1)))
    assert united([flat, flat], RESAMPLE).channels == 2
    for other in (wide, box((4, 4, 1))):
        with pytest.raises(GridMismatchError, match="no common space"):
            united([flat, other], RESAMPLE)


def test_a_reference_that_is_no_channel_is_refused():
    for reference in (2, -1):
        with pytest.raises(InputError, match=r"reading\.reference: -?\d of 2 channel\(s\), expected 0 to 1"):
            united([box(), box()], ReadOptions(reference=reference))


def test_positions_of_two_frames_of_reference_are_compared_only_on_request():
    one, other = (box(facts={"frame_of_reference": uid}) for uid in ("1.2", "1.3"))
    with pytest.raises(GeometryError, match=r"frame of reference 1\.3, expected 1\.2.*reading\.across_frames=true"):
        united([one, other], RESAMPLE)
    found = united([one, other], ReadOptions(across_frames=True))
    assert found.notes == ("channel 1 (in memory) is of another DICOM frame of reference, taken as the same",)
    assert found.facts["frame_of_reference"] == "1.2"
    for unsaid in (box(), box(facts={"frame_of_reference": ""}), one):
        assert united([one, unsaid], ReadOptions()).notes == ()


def test_a_lone_channel_stays_as_it_was_read():
    image = box()
    assert united([image], ReadOptions()) is image


def theirs(path: Path, on: Path, outside: float) -> np.ndarray:
    """An image on another's grid by SimpleITK, which reads both files itself."""
    moving, fixed = SimpleITK.ReadImage(str(path), SimpleITK.sitkFloat32), SimpleITK.ReadImage(str(on))
    return SimpleITK.GetArrayFromImage(
        SimpleITK.Resample(moving, fixed, SimpleITK.Transform(), SimpleITK.sitkLinear, outside)
    ).T


@pytest.mark.parametrize("patient", ["STS_002", "STS_024"])
@pytest.mark.parametrize("reference", [0, 1, 2])
def test_ct_pet_and_mr_of_a_patient_lie_on_the_grid_of_any_of_them(test_data, patient, reference):
    files = [test_data / "sarcoma_sts" / patient / f"{name}_image.nii.gz" for name in NAMES]
    found = read_image(files, options=resampled_onto(reference=reference))
    alone = [read_image(file) for file in files]
    assert found.geometry.same_as(alone[reference].geometry, 0)
    assert found.source == files[reference]
    assert found.header == alone[reference].header
    for number, (file, image) in enumerate(zip(files, alone, strict=True)):
        wanted = theirs(file, files[reference], float(image.voxels.min()))
        apart = np.abs(found.voxels[number] - wanted)
        assert apart.max() <= 1e-3 * float(np.ptp(image.voxels)), file.name
    assert len(found.notes) == 2


def test_the_same_channels_from_dicom_and_nifti_agree(test_data):
    dicom = [test_data / "dicom_series" / "sts_002" / name / "image" for name in NAMES]
    nifti = [test_data / "sarcoma_sts" / "STS_002" / f"{name}_image.nii.gz" for name in NAMES]
    one, other = (read_image(files, options=RESAMPLE) for files in (dicom, nifti))
    assert one.geometry.same_as(other.geometry, 1e-3)
    for number in range(3):
        apart = np.abs(one.voxels[number] - other.voxels[number])
        assert apart.max() <= 1e-3 * np.ptp(other.voxels[number])
    assert [one.facts[f"modality_{number}"] for number in (1, 2)] == ["PT", "MR"]
    assert one.modality == "CT"
    covers = [float(note.split("covers ")[1].split("%")[0]) for note in one.notes if "resampled" in note]
    assert len(covers) == 2
    assert covers[0] > 95
    assert 20 < covers[1] < 60
    mask, _ = read_mask(nifti[0].with_name("CT_mask.nii.gz"), on=one.geometry)
    assert mask.shape == one.geometry.shape


def test_files_on_other_grids_are_read_as_their_order_says(tmp_path):
    for name, image in (("a", box()), ("b", box((4, 4, 4), (2.0, 2.0, 5.0), (0.5, 0.5, 0.5)))):
        nibabel.save(nibabel.Nifti1Image(image.voxels[0], image.geometry.affine), tmp_path / f"{name}.nii.gz")
    files = [tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"]
    with pytest.raises(GridMismatchError, match="resample_channels=true"):
        read_image(files)
    found = read_image(files, options=resampled_onto(reference=1))
    assert (found.source, found.geometry.shape, found.channels) == (files[1], (4, 4, 4), 2)
    assert "channel 0 (a.nii.gz) was resampled linearly onto the grid of channel 1 (b.nii.gz)" in found.notes[0]
