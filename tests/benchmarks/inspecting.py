"""Inspecting 1,000 pictures beside decoding them: `python tests/benchmarks/inspecting.py [--json FILE]`.

Everything is generated: 1,000 8-bit PNGs of 512×512 pixels with the noise of radiographs, and a mask for each. The
peer only decodes all images and masks with Pillow, one after another, so that a ratio near 1 means that decoding
is what takes the time. Takes about ten minutes.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image as Picture
from side_by_side import Work, main

from medseg import Labels, inspect_dataset, open_dataset

CASES, SIZE = 1000, 512
LABELS = Labels.from_config({"lesion": 255})


def prepare(folder: Path) -> None:
    """Write images and masks, no two of them alike."""
    x, y = np.meshgrid(*(np.linspace(-1, 1, SIZE, dtype=np.float32),) * 2)
    for name in ("images", "masks"):
        (folder / "set" / name).mkdir(parents=True)
    for case in range(CASES):
        rng = np.random.default_rng(case)
        image = radiograph(rng, x, y)
        (across, down), size = rng.uniform(-0.5, 0.5, 2), rng.uniform(0.05, 0.3)
        lesion = (x - across) ** 2 + (y - down) ** 2 < size**2
        Picture.fromarray(np.clip(image + 30 * lesion, 0, 255).astype(np.uint8)).save(
            folder / "set" / "images" / f"{case:04d}.png"
        )
        Picture.fromarray(lesion.astype(np.uint8) * 255).save(folder / "set" / "masks" / f"{case:04d}.png")


def radiograph(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A few smooth shadows under quantum noise; shape (rows, columns)."""
    image = np.full(x.shape, 40, np.float32)
    for _ in range(6):
        across, down, wide, high = *rng.uniform(-0.8, 0.8, 2), *rng.uniform(0.1, 0.8, 2)
        image += rng.uniform(10, 60) * np.exp(-(((x - across) / wide) ** 2) - ((y - down) / high) ** 2)
    return image + rng.standard_normal(x.shape, np.float32) * np.sqrt(image)


def decode(folder: Path) -> int:
    """All pixels of all images and masks, with Pillow."""
    total = 0
    for path in sorted((folder / "set").rglob("*.png")):
        with Picture.open(path) as picture:
            total += np.asarray(picture).nbytes
    return total


def inspect(folder: Path, jobs: int) -> int:
    """The doctor's findings."""
    found = inspect_dataset(open_dataset(folder / "set", labels=LABELS), jobs=jobs)
    assert len(found.facts) == CASES
    return len(found.facts)


def page(folder: Path) -> int:
    """The whole command with its page, as a user runs it; the size of the page in bytes."""
    out = folder / "page.html"
    words = ["inspect", str(folder / "set"), "--label", "lesion=255", "--jobs", "2", "--page", str(out), "--json"]
    subprocess.run([sys.executable, "-m", "medseg", *words], capture_output=True, check=True)
    return out.stat().st_size


def rate(seconds: float) -> str:
    """Cases a second."""
    return f"{CASES / seconds:.0f} cases/s"


WORKS = [
    Work("inspect 1,000 PNGs, 1 core", "Pillow decoding", lambda f: inspect(f, 1), decode, 1.5, rate),
    Work("inspect 1,000 PNGs, 2 cores", "Pillow decoding", lambda f: inspect(f, 2), decode, 1.0, rate),
    Work("the command with --page, 2 cores", "Pillow decoding", page, decode, 2.0, rate),
]

if __name__ == "__main__":
    main(WORKS, prepare, __file__)
