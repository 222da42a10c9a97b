"""Running model folders in plain MONAI, in a process where medseg cannot be imported."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("medseg", "our_networks"):
            raise ImportError(name + " is not installed here")

sys.meta_path.insert(0, Blocked())
"""
RUN_ALL = """
import json, sys
from monai.bundle import run

for model, image, out in json.loads(sys.argv[1]):
    run(config_file=model + "/configs/inference.json", bundle_root=model, image=image, output_dir=out)
"""


def in_plain_monai(words: Sequence[str], folder: Path) -> None:
    """Run Python with these words, where medseg cannot be imported."""
    (folder / "site").mkdir(exist_ok=True)
    (folder / "site" / "sitecustomize.py").write_text(BLOCKED)
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={"PYTHONPATH": str(folder / "site"), "PATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def run_bundles(jobs: Sequence[tuple[Path, Path, Path]], folder: Path) -> None:
    """Run each (model folder, image, output folder), all in one process."""
    in_plain_monai(["-c", RUN_ALL, json.dumps([[str(path) for path in job] for job in jobs])], folder)
