"""An RTSTRUCT of 512×512×300 voxels with 5 organs, written and read again, against plastimatch (Debian's package).

    python tests/benchmarks/dicom_rtstruct.py [--rounds 5] [--json FILE]

All is generated. plastimatch runs as a program of its own, so that its memory is not seen here. It is told to write no
more than contours, but reads the pixels of the CT, too, which ours need not.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from side_by_side import Work, main

from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.io.dicom.instances import Instances
from medseg.io.structures import read_segmentation
from medseg.labels import Labels
from medseg.outputs.dicom.identity import Author
from medseg.outputs.dicom.rtstruct import write_rtstruct
from medseg.outputs.dicom.source import source_of

sys.path.insert(0, str(Path(__file__).parents[1]))
from dicom_sources import ct_series

SHAPE = (512, 512, 300)
NAMES = ("liver", "spleen", "left kidney", "right kidney", "pancreas")
GRID = Geometry(SHAPE, np.diag([-0.8, -0.8, 1.0, 1.0]))


def prepare(folder: Path) -> None:
    """A CT of air, five uneven bodies as a mask, and the mask's RTSTRUCT."""
    ct_series(folder / "ct", GRID)
    x, y, z = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    waves, mask = 0.04 * np.sin(x / 3.0) * np.cos(y / 4.0), np.zeros(SHAPE, np.uint8)
    for number in range(1, 6):
        middle, radius = 80 * number, 30 + 8 * number
        far = ((x - middle) ** 2 + (y - 250) ** 2 + (z - 50 * number) ** 2) / radius**2
        mask[far + waves < 1] = number
    np.save(folder / "mask.npy", mask)
    nibabel.save(nibabel.Nifti1Image(mask, GRID.affine), folder / "mask.nii")
    _written(folder)


def _image(folder: Path) -> Image:
    files = tuple((path, None) for path in sorted((folder / "ct").iterdir()))
    return Image(np.broadcast_to(np.zeros((), np.int16), (1, *SHAPE)), GRID, "CT", folder, Instances(files))


def _written(folder: Path) -> Any:
    labels = Labels.from_config({label: number for number, label in enumerate(NAMES, start=1)})
    segmentation = Segmentation(np.load(folder / "mask.npy"), GRID, labels)
    return write_rtstruct(folder / "ours.dcm", source_of(_image(folder)), segmentation, Author("benchmark"))


def _read(folder: Path) -> Any:
    found = read_segmentation(folder / "ours.dcm", on=_image(folder))
    if not np.array_equal(found.mask, np.load(folder / "mask.npy")):
        raise ValueError("the mask did not come back")
    return found


def _plastimatch(*told: str) -> Any:
    def side(folder: Path) -> Any:
        command = ["plastimatch", "convert", "--referenced-ct", "ct", *told]
        return subprocess.run(command, cwd=folder, check=True, capture_output=True)

    return side


WORKS = [
    Work(
        "mask to RTSTRUCT",
        "plastimatch",
        _written,
        _plastimatch("--input-ss-img", "mask.nii", "--output-dicom", "theirs"),
        0.5,
    ),
    Work(
        "RTSTRUCT to mask", "plastimatch", _read, _plastimatch("--input", "ours.dcm", "--output-labelmap", "t.nii"), 1.0
    ),
]

if __name__ == "__main__":
    main(WORKS, prepare, __file__)
