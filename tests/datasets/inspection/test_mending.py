"""Mended copies lie on their images, open as a data set, and leave every original as it was."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from clouds import disk, save_volume

from medseg.datasets import inspect_dataset, open_dataset
from medseg.datasets.inspection import mend_dataset
from medseg.errors import InputError
from medseg.labels import Labels

LABELS = Labels.from_config({"lesion": 1})


@pytest.fixture
def flawed(volumes: Path) -> Path:
    """v0's mask is shifted by 3 mm, v1's is on a grid half as fine, v2's lies elsewhere."""
    shifted, away = np.diag([1.0, 1.0, 2.0, 1.0]), np.diag([1.0, 1.0, 2.0, 1.0])
    shifted[0, 3], away[:3, 3] = 3, 500
    coarse = np.diag([2.0, 2.0, 2.0, 1.0])
    coarse[:2, 3] = 0.5
    save_volume(volumes / "labels" / "v0.nii.gz", disk((40, 36, 30)), shifted)
    save_volume(volumes / "labels" / "v1.nii.gz", disk((40, 36, 30))[::2, ::2], coarse)
    save_volume(volumes / "labels" / "v2.nii.gz", disk((20, 18, 30)), away)
    return volumes


def hashes(root: Path) -> dict[Path, str]:
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("how", "mended", "left"),
    [("copy-header", {"v0"}, {("grid_resample", ("v1",)), ("grid_size", ("v2",))}),
     ("resample", {"v0", "v1"}, {("grid_size", ("v2",))})],
)  # fmt: skip
def test_what_can_be_mended_is_and_the_rest_is_refused_by_name(flawed, tmp_path, how, mended, left) -> None:
    before = hashes(flawed)
    done = mend_dataset(inspect_dataset(open_dataset(flawed, labels=LABELS)), tmp_path / "out", how)
    assert hashes(flawed) == before
    assert {path.name.partition(".")[0] for path in done.masks} == mended
    assert {name for name, _why in done.refused} == {"v0", "v1", "v2"} - mended
    again = inspect_dataset(open_dataset(done.manifest, labels=LABELS))
    assert {(one.kind, one.cases) for one in again.findings} == left
    voxels = {one.case.id: one.label_voxels["lesion"] for one in again.facts}
    whole = int(disk((40, 36, 30)).sum())
    assert voxels["v0"] == whole
    if how == "resample":
        assert abs(voxels["v1"] - whole) < 0.1 * whole
    assert not list((tmp_path / "out").rglob(".*"))


def test_a_copied_header_leaves_the_voxels_and_a_resampled_mask_its_place(flawed, tmp_path) -> None:
    import nibabel

    data = open_dataset(flawed, labels=LABELS)
    copied = nibabel.load(mend_dataset(data, tmp_path / "a", "copy-header").masks[data.cases[0].masks[0]])
    assert np.array_equal(np.asarray(copied.dataobj), disk((40, 36, 30)))
    assert np.array_equal(copied.affine, nibabel.load(data.cases[0].images[0]).affine)
    moved = nibabel.load(mend_dataset(data, tmp_path / "b", "resample").masks[data.cases[0].masks[0]])
    assert np.array_equal(np.asarray(moved.dataobj), np.roll(disk((40, 36, 30)), 3, axis=0))


def test_nothing_is_written_into_the_data_set_or_over_a_manifest(flawed: Path, tmp_path: Path) -> None:
    data = open_dataset(flawed, labels=LABELS)
    with pytest.raises(InputError, match="lies in the data set"):
        mend_dataset(data, flawed / "mended", "resample")
    mend_dataset(data, tmp_path / "out", "resample")
    with pytest.raises(InputError, match="holds a manifest already"):
        mend_dataset(data, tmp_path / "out", "resample")
    with pytest.raises(InputError, match="unknown mend"):
        mend_dataset(data, tmp_path / "other", "magic")  # type: ignore[arg-type]


def test_an_interrupted_run_leaves_whole_masks_and_no_manifest(flawed, tmp_path, monkeypatch) -> None:
    from medseg.datasets.inspection import mending

    def killed(path, segmentation):  # type: ignore[no-untyped-def]
        raise KeyboardInterrupt

    data = open_dataset(flawed, labels=LABELS)
    with monkeypatch.context() as patched:
        patched.setattr(mending, "write_mask", killed)
        with pytest.raises(KeyboardInterrupt):
            mend_dataset(data, tmp_path / "out", "resample")
    assert not (tmp_path / "out" / "manifest.csv").exists()
    assert mend_dataset(data, tmp_path / "out", "resample").manifest.exists()
