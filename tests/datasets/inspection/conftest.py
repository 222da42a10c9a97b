"""Sound data sets of pictures and of volumes, into which tests put flaws."""

from pathlib import Path

import numpy as np
import pytest
from clouds import disk, save_picture, save_volume, texture


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Layout "manifest": ten pictures p0 to p9 of 160 x 128 with masks of 1, of ten patients, all in training."""
    root = tmp_path / "pictures"
    root.mkdir()
    rows = ["id,patient,image,label,split"]
    for number in range(10):
        name = f"p{number}"
        save_picture(root / f"{name}.png", texture(number, (128, 160)))
        save_picture(root / f"{name}_mask.png", disk((128, 160)))
        rows.append(f"{name},q{number},{name}.png,{name}_mask.png,train")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    """Layout "paired": ten volumes v0 to v9 of 40 x 36 x 30 voxels of 1 x 1 x 2 mm, with masks of 1."""
    root = tmp_path / "volumes"
    for number in range(10):
        save_volume(root / "images" / f"v{number}.nii.gz", texture(number, (40, 36, 30)).astype(np.int16))
        save_volume(root / "labels" / f"v{number}.nii.gz", disk((40, 36, 30)))
    return root
