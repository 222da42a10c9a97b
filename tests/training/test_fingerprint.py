"""What is read off the training cases."""

import nibabel
import numpy as np
import pytest

from medseg.case import Case
from medseg.labels import Labels
from medseg.reporting import Silent
from medseg.training.fingerprint import take_fingerprint


@pytest.mark.parametrize(("modality", "air"), [("CT", 1.0), ("MR", 0.0)])
def test_a_ct_from_nifti_is_known_by_the_config_to_have_air_around_it(modality, air, tmp_path):
    voxels = np.full((12, 14, 10), -1000, np.int16)
    voxels[3:9, 3:11, 2:8] = 40
    labels = np.zeros(voxels.shape, np.uint8)
    labels[5, 5, 5] = 1
    for name, array in (("image", voxels), ("label", labels)):
        nibabel.save(nibabel.Nifti1Image(array, np.diag([-1.0, 1.0, 2.5, 1.0])), tmp_path / f"{name}.nii")
    case = Case("a", "a", (tmp_path / "image.nii",), (tmp_path / "label.nii",))
    found = take_fingerprint([case], Labels.from_config({"lesion": 1}), Silent(), modality)
    assert found.zero_border == air
    assert found.modality == modality
    assert found.shapes.tolist() == [[12, 14, 10]]
    assert found.spacings_mm.tolist() == [[1.0, 1.0, 2.5]]
    assert found.intensities[0].tolist() == [40.0]
