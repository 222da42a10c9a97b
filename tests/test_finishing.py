"""What a batch measures beside a mask: probabilities that were written, and channels on grids of their own."""

import nibabel
import numpy as np
import pytest

from medseg import Labels, ReadOptions, Segmentation
from medseg.case import Case
from medseg.io import read_case_image
from medseg.line.packing import unpacked
from medseg.line.tasks import Finishing, finish


def table_of(how, case, image, found):
    """The regions that finishing found; its outputs are those on the disk."""
    done = finish(how, (case, image, found))
    written = {path.relative_to(how.out).as_posix(): path.stat().st_size for path in (how.out / case.id).iterdir()}
    assert {name: size for name, (size, _sha) in done.outputs.items()} == written
    table = unpacked(done.regions)
    assert len(table) == done.count
    return table


@pytest.fixture
def case(tmp_path):
    """A CT of 16³ at 1 mm and a PET of 8³ at 2 mm over the same space."""
    rng = np.random.default_rng(3)
    coarse = np.diag([2.0, 2, 2, 1])
    coarse[:3, 3] = 0.5
    for name, size, affine in (("ct", 16, np.eye(4)), ("pet", 8, coarse)):
        voxels = rng.uniform(1, 9, (size,) * 3).astype(np.float32)
        nibabel.save(nibabel.Nifti1Image(voxels, affine), tmp_path / f"{name}.nii.gz")
    return Case("one", "one", (tmp_path / "ct.nii.gz", tmp_path / "pet.nii.gz"))


def test_a_resampled_channel_is_measured_on_its_own_grid(case, tmp_path):
    options = ReadOptions(resample_channels=True)
    image = read_case_image(case, options)
    mask = np.zeros(image.geometry.shape, np.uint8)
    mask[4:10, 4:10, 4:10] = 1
    found = Segmentation(mask, image.geometry, Labels.from_config({"lesion": 1}), image=image)
    table = table_of(Finishing(tmp_path, channel_names=("ct", "pet"), reading=options), case, image, found)
    pet = nibabel.load(case.images[1]).get_fdata()[2:5, 2:5, 2:5]
    assert table["max_pet"][0] == pytest.approx(pet.max(), rel=1e-6)
    assert table["mean_pet"][0] == pytest.approx(pet.mean(), rel=1e-6)
    assert image.voxels[1][mask > 0].max() < pet.max()  # resampling had blunted it


def test_probabilities_that_were_written_tell_the_confidence(case, tmp_path):
    image = read_case_image(Case("one", "one", case.images[:1]))
    chance = np.full((1, *image.geometry.shape), 0.1, np.float16)
    chance[0, 4:10, 4:10, 4:10] = 0.875
    (tmp_path / "one").mkdir()
    np.save(tmp_path / "one" / "probabilities.npy", chance)
    mask = (chance[0] > 0.5).astype(np.uint8)
    found = Segmentation(mask, image.geometry, Labels.from_config({"lesion": 1}), image=image)
    table = table_of(Finishing(tmp_path, probabilities=True), case, image, found)
    assert table["mean_confidence"][0] == pytest.approx(0.875)
    assert list(table[["voxels_low", "voxels_high"]].iloc[0]) == [216, 216]
    assert "mean_confidence" not in table_of(Finishing(tmp_path), case, image, found)
