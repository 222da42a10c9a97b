"""Writing a DICOM SEG of 512×512×300 voxels with 5 labels, against highdicom: from headers and mask to the file.

    python tests/benchmarks/dicom_seg.py [--rounds 5] [--json FILE]

All is generated. Goal: 2 s, and twice the mask's memory (75 MiB), both counted with the mask itself.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from side_by_side import Work, main

from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.io.dicom.instances import Instances
from medseg.labels import Labels
from medseg.outputs.dicom.identity import Author
from medseg.outputs.dicom.seg import segmentation_object, write_seg
from medseg.outputs.dicom.source import source_of

sys.path.insert(0, str(Path(__file__).parents[1]))
from dicom_sources import ct_series

SHAPE = (512, 512, 300)
NAMES = ("liver", "spleen", "left kidney", "right kidney", "pancreas")
AUTHOR = Author("benchmark", "ab" * 32, "1", "cd" * 32)


def _grid() -> Geometry:
    return Geometry(SHAPE, np.diag([-0.8, -0.8, 1.0, 1.0]))


def prepare(folder: Path) -> None:
    """A CT of noise-free air, and two masks: organs as they are, and labels that are in every slice."""
    ct_series(folder / "ct", _grid())
    x, y, z = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    organs, columns = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    for number in range(1, 6):
        middle, radius = 80 * number, 30 + 8 * number
        organs[(x - middle) ** 2 + (y - 250) ** 2 + (z - 40 * number) ** 2 < radius**2] = number
        columns[:, 80 * number : 80 * number + 40] = number
    np.save(folder / "organs.npy", organs)
    np.save(folder / "columns.npy", columns)


def _files(folder: Path) -> list[Path]:
    return sorted((folder / "ct").iterdir())


def _ours(name: str) -> Any:
    def side(folder: Path) -> Any:
        mask, grid = np.load(folder / f"{name}.npy"), _grid()
        voxels = np.broadcast_to(np.zeros((), np.int16), (1, *SHAPE))
        image = Image(voxels, grid, "CT", folder, Instances(tuple((path, None) for path in _files(folder))))
        labels = Labels.from_config({label: number for number, label in enumerate(NAMES, start=1)})
        made = segmentation_object(source_of(image), Segmentation(mask, grid, labels), AUTHOR, case="case")
        return write_seg(folder / "ours.dcm", made)

    return side


def _highdicom(name: str) -> Any:
    def side(folder: Path) -> Any:
        import highdicom as hd
        import pydicom
        from pydicom.sr.codedict import codes

        mask = np.load(folder / f"{name}.npy")
        images = [pydicom.dcmread(path, stop_before_pixels=True) for path in _files(folder)]
        algorithm = hd.AlgorithmIdentificationSequence("benchmark", codes.DCM.ArtificialIntelligence, "1")
        described = [
            hd.seg.SegmentDescription(
                number,
                label,
                codes.SCT.Organ,
                codes.SCT.AnatomicalStructure,
                hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
                algorithm,
            )
            for number, label in enumerate(NAMES, start=1)
        ]
        made = hd.seg.Segmentation(
            images,
            np.ascontiguousarray(mask.T),
            hd.seg.SegmentationTypeValues.BINARY,
            described,
            hd.UID(),
            1,
            hd.UID(),
            1,
            "maker",
            "model",
            "1",
            "serial",
        )
        made.save_as(folder / "theirs.dcm")
        return made

    return side


WORKS = [
    Work("5 organs", "highdicom", _ours("organs"), _highdicom("organs"), 0.5),
    Work("5 labels in every slice", "highdicom", _ours("columns"), _highdicom("columns"), 0.5),
]

if __name__ == "__main__":
    main(WORKS, prepare, __file__)
