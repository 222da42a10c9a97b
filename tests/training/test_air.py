"""After training it is seen whether the network finds nothing in air."""

import nibabel
import numpy as np
import pytest
import torch
from plans import plan_3d

from medseg.case import Case
from medseg.plan import Normalisation
from medseg.training.air import finds_nothing_in_air
from medseg.training.fabric import open_fabric

PLAN = plan_3d(
    crop_above=-500.0, normalisation=(Normalisation(method="ct", lower=-100, upper=300, mean=40, sd=60),), modality="CT"
)
AIR = (-100 - 40) / 60


class Threshold(torch.nn.Module):
    """Finds the first label where a voxel is above a level."""

    def __init__(self, level):
        super().__init__()
        self.level = level

    def forward(self, images):
        over = images - self.level
        return torch.cat([torch.zeros_like(over), over, over - 1], 1)


@pytest.fixture
def case(tmp_path):
    voxels = np.full((40, 40, 40), -1000, np.int16)
    voxels[30:, 30:, 30:] = 50
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), tmp_path / "scan.nii.gz")
    return Case("scan", "scan", (tmp_path / "scan.nii.gz",))


@pytest.mark.parametrize(("level", "wanted", "word"), [(AIR + 0.1, True, "background"), (AIR - 0.1, False, "finds")])
def test_a_network_is_asked_of_air(case, level, wanted, word):
    found, why = finds_nothing_in_air(Threshold(level), PLAN, [case], open_fabric("cpu", "fp32"))
    assert found is wanted
    assert word in why


def test_where_there_is_no_air_nothing_is_known(case):
    nothing_cropped = PLAN.model_copy(update={"crop_above": None})
    found, why = finds_nothing_in_air(Threshold(0), nothing_cropped, [case], open_fabric("cpu", "fp32"))
    assert found is None
    assert "no window" in why


def test_a_case_that_cannot_be_read_is_passed_over(case, tmp_path):
    lost = Case("lost", "lost", (tmp_path / "lost.nii.gz",))
    assert finds_nothing_in_air(Threshold(0), PLAN, [lost, case], open_fabric("cpu", "fp32"))[0] is True
    assert finds_nothing_in_air(Threshold(0), PLAN, [lost], open_fabric("cpu", "fp32"))[0] is None
