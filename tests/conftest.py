"""Fixtures shared by the tests: real data where it is there, tiny generated studies everywhere."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# As Python has it: a shell lets what it starts in the background ignore Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no defect of what is tested.
_own = settings.get_profile(settings.get_current_profile_name())
settings.register_profile("patient", _own, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture
def test_data() -> Path:
    """The folder of real data; the test is skipped where there is none."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MEDSEG_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set MEDSEG_TEST_DATA to the folder that holds it")
    return folder


@pytest.fixture(scope="session")
def ct_studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated CT data set, read-only: two training studies and one held back, with manifest.csv."""
    from medseg.demo.dataset import generate

    return generate("ct", tmp_path_factory.mktemp("ct_studies"), studies=2, held_back=1, seed=7)


@pytest.fixture(scope="session")
def mammograms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated mammogram data set, read-only: three training images and one held back, with manifest.csv."""
    from medseg.demo.dataset import generate

    return generate("mammogram", tmp_path_factory.mktemp("mammograms"), studies=3, held_back=1, seed=7)


@pytest.fixture(scope="session")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A paired data set, read-only: ten noisy volumes of two small bright bodies each, two images a patient."""
    import nibabel
    import numpy as np

    root = tmp_path_factory.mktemp("blobs")
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in (20, 24, 18)), indexing="ij"))
    affine = np.diag([-1.0, 1.0, 1.5, 1.0])
    rows = ["name,person"]
    for case in range(10):
        voxels, labels = rng.normal(100, 20, grid.shape[1:]), np.zeros(grid.shape[1:], np.uint8)
        for value, brightness in ((1, 200), (4, 320)):
            centre = rng.uniform(6, 12, 3)[:, None, None, None]
            inside = ((grid - centre) ** 2).sum(0) < 4**2
            voxels[inside], labels[inside] = voxels[inside] + brightness, value
        for folder, array in (("images", voxels.astype(np.float32)), ("labels", labels)):
            (root / folder).mkdir(exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(array, affine), root / folder / f"case{case}.nii.gz")
        rows.append(f"case{case},person{case // 2}")
    (root / "cases.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture
def blob_config(blobs: Path, tmp_path: Path) -> Path:
    """A config that trains a very small network on `blobs` for two epochs, into a folder of the test's own."""
    path = tmp_path / "blobs.yaml"
    path.write_text(
        f"""
dataset: {blobs}
out: {tmp_path / "run"}
modality: MR
labels: {{low: 1, high: 4}}
cases: {{file: cases.csv, id: name, patient: person}}
epochs: 2
plan:
  patch_size: [16, 16, 16]
  network: {{features: [8, 16, 16]}}
learning: {{steps_per_epoch: 4, validations: 2, precision: fp32}}
"""
    )
    return path
