"""A small data set with a flaw in most of its cases, for the tests of what a user sees of them."""

from pathlib import Path

import numpy as np

from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.io import write_image, write_mask
from medseg.labels import Labels

__all__ = ["LABELS", "SCRIPT", "flawed_set"]

LABELS = Labels.from_config({"lesion": 1})
SCRIPT = "x<script>alert(1)&amp;"  # a case's name that must not become code
_SHAPE = (24, 20, 16)


def flawed_set(root: Path) -> Path:
    """Layout "paired": eight volumes; a copied, a shifted, a cut, an undeclared and an unreadable one among them."""
    rng = np.random.default_rng(0)
    plain = np.zeros(_SHAPE, np.uint8)
    plain[6:14, 5:12, 4:9] = 1
    images = {f"case{number}": rng.integers(0, 1000, _SHAPE).astype(np.int16) for number in range(7)}
    images |= {SCRIPT: rng.integers(0, 1000, _SHAPE).astype(np.int16), "case1": images["case0"]}
    masks = dict.fromkeys(images, plain) | {"case4": plain[:, :12], "case5": plain * 7}
    for name, voxels in images.items():
        affine = np.eye(4)
        write_image(root / "images" / f"{name}.nii.gz", Image(voxels[np.newaxis], Geometry(_SHAPE, affine)))
        affine[0, 3] = 4.0 if name == "case3" else 0.0
        mask = masks[name]
        meaning = LABELS if mask.max() < 2 else Labels.from_config({"other": 7})
        write_mask(root / "labels" / f"{name}.nii.gz", Segmentation(mask, Geometry(mask.shape, affine), meaning))
    (root / "images" / "case6.nii.gz").write_bytes(b"nothing")
    rows = [f"{name},p{min(place, 3)},{'test' if place == 2 else 'train'},{'MF'[place % 2]},{40 + place}"
            for place, name in enumerate(images)]  # fmt: skip
    (root / "cases.csv").write_text("\n".join(["id,patient,split,sex,age", *rows]) + "\n")
    return root
