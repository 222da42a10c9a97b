"""Windows of air are told by native voxels, and leaving them out changes no mask."""

from dataclasses import replace

import numpy as np
import pytest
from plans import plan_2d, plan_3d, untrained_model

import medseg
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.inference.skipping import air_limits, windows_in_air
from medseg.inference.windows import monai_tiling
from medseg.plan import Normalisation
from medseg.transforms.prepare import prepare

CT = {"crop_above": -500.0, "normalisation": (Normalisation(method="ct", lower=-100, upper=300, mean=40, sd=60),)}


class Counting:
    """A backend that counts the windows that it sees."""

    name, precision, why = "torch", "fp32", "counts"

    def __init__(self, backend):
        self.backend, self.seen = backend, 0

    def __call__(self, windows):
        self.seen += len(windows)
        return self.backend(windows)


def scan(shape=(50, 40, 60), spacing=(1, 1, 1)):
    """Noisy air round a small body at one end and a smaller one at the other, so that cropping leaves air."""
    rng = np.random.default_rng(4)
    voxels = rng.normal(-990, 15, (1, *shape)).astype(np.int16)
    voxels[0, 4:14, 4:14, 4:14] = rng.normal(60, 30, (10, 10, 10))
    voxels[0, -9:-5, -9:-5, -9:-5] = 80
    affine = np.diag([-spacing[0], spacing[1], -spacing[2], 1.0])
    return Image(voxels, Geometry(shape, affine), "CT")


@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.8, 1.1, 2.0)])
def test_a_window_of_air_has_no_body_in_what_the_network_sees(spacing):
    image, plan = scan(spacing=spacing), plan_3d(**CT)
    prepared = prepare(image, plan)
    tiling = monai_tiling(prepared.restoration.working_shape, (16, 16, 16), 0.5, 1)
    in_air = windows_in_air(image.voxels, (-500.0,), prepared.restoration, tiling)
    floor = float(prepared.voxels.min())
    found = [place for place in tiling.places(0) if in_air(place)]
    assert len(found) > 5
    for place in found:
        window = prepared.voxels[(0, *(slice(n, n + 16) for n in place))]
        assert float(window.max()) - floor < 0.01


def test_voxels_that_are_not_numbers_are_not_air():
    image, plan = scan(), plan_3d(**CT)
    restoration = prepare(image, plan, crop=False).restoration
    tiling = monai_tiling(restoration.working_shape, (16, 16, 16), 0.5, 1)
    nowhere = windows_in_air(np.full(image.voxels.shape, np.nan, np.float32), (-500.0,), restoration, tiling)
    assert not any(nowhere(place) for place in tiling.places(0))


def test_leaving_air_out_changes_no_mask_and_runs_far_fewer_windows(tmp_path):
    folder = untrained_model(tmp_path, plan_3d(**CT, air_is_background=True))
    model = medseg.load_model(folder, device="cpu", precision="fp32", backend="torch")
    counting = Counting(model.backend)
    skipping = replace(model, backend=counting)
    whole = replace(skipping, plan=model.plan.model_copy(update={"air_is_background": None}))
    image = scan()
    left_out, few = skipping.segment(image).mask, counting.seen
    counting.seen = 0
    assert np.array_equal(left_out, whole.segment(image).mask)
    assert few < 0.5 * counting.seen
    counting.seen = 0
    replace(skipping, portable=True).segment(image)
    assert few < 0.5 * counting.seen  # plain MONAI leaves nothing out


def test_the_black_border_of_a_radiograph_is_air():
    voxels = np.zeros((1, 120, 90), np.uint8)
    voxels[0, :30, :30] = 100
    image = Image(voxels, Geometry.from_spacing((120, 90), None))
    plan = plan_2d(longest_side=120)
    assert air_limits(image, plan) == (0.0,)
    restoration = prepare(image, plan).restoration
    tiling = monai_tiling(restoration.working_shape, plan.patch_size, 0.5, 1)
    in_air = windows_in_air(image.voxels, (0.0,), restoration, tiling)
    assert in_air((64, 48))
    assert not in_air((0, 0))
    assert not in_air((16, 16))


def test_no_level_of_air_is_known_after_preparation_or_where_nothing_is_cropped():
    image = scan()
    assert air_limits(image, plan_3d(**CT)) == (-500.0,)
    assert air_limits(image, plan_3d()) is None
    assert air_limits(image, plan_3d(**CT, preparation=({"median": {}},))) is None
