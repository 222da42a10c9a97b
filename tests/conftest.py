"""Fixtures shared by the tests: real data where it is there, tiny generated studies everywhere."""

import os
from pathlib import Path

import pytest


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
