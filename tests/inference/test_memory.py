"""The memory contract: an estimate before a case is begun, fewer windows at once, and refusals with their numbers."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from plans import plan_3d, untrained_model

import medseg
from medseg import room
from medseg.errors import InputError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.inference.halving import Halving
from medseg.inference.memory import fitting_batch, footprint_of, need, require_room
from medseg.inference.windows import monai_tiling


def image_of(*shape: int) -> Image:
    voxels = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    return Image(voxels, Geometry.from_spacing(shape, (1.0, 1.0, 1.0)))


class Device:
    """A network on a device that holds `fits` windows."""

    def __init__(self, fits: int) -> None:
        self.fits, self.asked = fits, []

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        self.asked.append(len(windows))
        if len(windows) > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return windows * 2


def test_batches_halve_until_they_fit_and_stay_so():
    device = Device(fits=3)
    halving = Halving(device)
    windows = torch.rand(8, 1, 4, 4)
    assert torch.equal(halving(windows), windows * 2)
    assert device.asked == [8, 4, 2, 2, 2, 2]
    device.asked.clear()
    halving(windows[:5])
    assert device.asked == [2, 2, 1]
    with pytest.raises(torch.OutOfMemoryError):
        Halving(Device(fits=0))(windows)


def test_a_smaller_limit_means_fewer_windows_and_then_a_refusal():
    plan, image = plan_3d(batch_size=8, patch_size=(64, 64, 64)), image_of(80, 70, 90)
    tiling = monai_tiling(image.geometry.shape, plan.patch_size, 0.5, plan.batch_size)
    full = need(image, footprint_of(plan), tiling, image.geometry.shape, 8, slabs=True).total

    def batch(limit):
        return fitting_batch(image, footprint_of(plan), tiling, image.geometry.shape, limit, slabs=True)

    assert batch(None) == batch(int(full * 1.1)) == 8
    assert 1 <= batch(int(full - 2.5 * footprint_of(plan).window)) < 7
    with pytest.raises(InputError, match=r"needs about .*MiB.*windows.*expected 100 MiB at most"):
        batch(100 << 20)


def test_what_a_window_holds_is_not_underestimated_twice_over():
    plan = plan_3d(patch_size=(64, 64, 64))
    maps = math.prod(plan.patch_size) * 4
    assert 10 * maps < footprint_of(plan).window < 60 * maps


def test_masks_are_the_same_within_a_limit_and_a_case_beyond_it_is_a_row(blobs, tmp_path):
    folder = untrained_model(tmp_path / "model", plan_3d(spacing_mm=(2.0, 2.0, 2.0)))
    free = medseg.predict(folder, blobs / "images", tmp_path / "free", precision="fp32")
    held = medseg.predict(folder, blobs / "images", tmp_path / "held", precision="fp32", max_memory="16GiB", jobs=1)
    assert len(free.failed) == len(held.failed) == 0
    for path in (tmp_path / "free").glob("*/mask.nii.gz"):
        assert path.read_bytes() == (tmp_path / "held" / path.parent.name / "mask.nii.gz").read_bytes()
    short = medseg.predict(folder, blobs / "images", tmp_path / "short", max_memory="20MiB")
    assert len(short.failed) == 10
    assert short.failed["error"].str.contains("expected 20 MiB at most").all()


def test_what_lies_in_a_file_counts_nothing(tmp_path):
    plan = plan_3d()
    plain = image_of(60, 60, 60)
    with room.using(room.Shared(tmp_path, 1000)):
        voxels = room.empty(plain.voxels.shape, np.float32)
        voxels[...] = plain.voxels
        spilled = Image(voxels, plain.geometry)
        tiling = monai_tiling(plain.geometry.shape, plan.patch_size, 0.5, 2)
        parts = need(spilled, footprint_of(plan), tiling, plain.geometry.shape, 2, slabs=True).parts
    assert parts["image"] == parts["label map"] == 0
    assert (
        need(plain, footprint_of(plan), tiling, plain.geometry.shape, 2, slabs=True).parts["image"]
        == plain.voxels.nbytes
    )


def test_what_cannot_fit_is_refused_before_anything_is_done_to_it():
    plan, image = plan_3d(), image_of(40, 40, 40)
    require_room(image, footprint_of(plan), None, slabs=False)
    require_room(image, footprint_of(plan), 64 << 30, slabs=False)
    with pytest.raises(InputError, match=r"needs about .*programs.*expected 50 MiB at most"):
        require_room(image, footprint_of(plan), 50 << 20, slabs=True)


def test_the_processes_of_a_run_count_with_the_one_that_leads_them(tmp_path):
    image, plan = image_of(20, 20, 20), plan_3d()
    held = "import numpy, sys; a = numpy.ones(75 << 20, numpy.uint8); print(1, flush=True); sys.stdin.read()"
    lead = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {held!r}])"

    def programs(leader):
        with room.using(room.Shared(tmp_path, 1 << 30, leader)):
            tiling = monai_tiling(image.geometry.shape, plan.patch_size, 0.5, 1)
            wanted = need(image, footprint_of(plan), tiling, image.geometry.shape, 1, slabs=True)
            return wanted.parts["programs"]

    alone = programs(None)
    assert programs(os.getpid()) == pytest.approx(alone, rel=0.05)
    with subprocess.Popen(
        [sys.executable, "-c", f"b = bytes([1]) * (180 << 20)\n{lead}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as leader:
        assert leader.stdout.read(1) == b"1"
        more = programs(leader.pid) - alone + (200 << 20)  # at least so much is counted in any case
        leader.stdin.close()
    assert 255 < more / 2**20 < 330
