"""Every notebook runs from top to bottom, in a fast form of its parameters, and is committed with its pictures."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
FAST = {
    "01_quickstart": {"STUDIES, HELD_BACK, MINUTES = 16, 4, 2.5": "STUDIES, HELD_BACK, MINUTES = 4, 1, 0.1"},
    "02_reading": {},  # takes seconds as it is
    "03_data": {},
    "04_training": {"STUDIES, EPOCHS, STEPS = 24, 12, 12": "STUDIES, EPOCHS, STEPS = 12, 1, 2"},
    "05_inference": {
        'HELD_BACK, EPOCHS, STEPS, DEPTHS = 12, 3, 8, 30, "64 128 256 512"': (
            'HELD_BACK, EPOCHS, STEPS, DEPTHS = 6, 1, 1, 2, "32 64"'
        )
    },
    "06_measure": {"STUDIES = 10": "STUDIES = 3"},
    "07_evaluate": {
        "LEARNING, TESTED, EPOCHS, STEPS, BUDGET = 18, 16, 8, 12, 12": (
            "LEARNING, TESTED, EPOCHS, STEPS, BUDGET = 8, 6, 1, 2, 2"
        )
    },
    "08_batch": {"STUDIES = 40": "STUDIES = 16"},
    "09_dicom": {},
}
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@each_notebook
def test_a_notebook_runs(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        for slow, fast in FAST[path.stem].items():
            if "parameters" in cell.metadata.get("tags", ()):
                assert slow in cell.source
                cell.source = cell.source.replace(slow, fast)
    nbformat.write(notebook, tmp_path / path.name)
    # In a process of its own, as nbclient takes signals over, which tests of them in this one would notice.
    execute = [sys.executable, "-c", "from nbclient.cli import main; main()", "--timeout=300", path.name]
    done = subprocess.run(execute, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-10_000:]


@each_notebook
def test_a_notebook_is_committed_with_its_pictures_and_small(path):
    assert path.stat().st_size < 1_000_000
    outputs = [output for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", ())]
    assert any("image/png" in output.get("data", {}) or "<img" in str(output) for output in outputs)
    assert not any(output.output_type == "error" for output in outputs)
