"""CT-like abdomens with liver lesions of known volume."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.transform import Rotation

from medseg.demo.anatomy import Anatomy, draw_anatomy, paint_anatomy
from medseg.demo.canvas import Canvas, Depth
from medseg.demo.lesions import Lesion, draw_lesion
from medseg.geometry import Geometry

__all__ = ["CTStudy", "draw_patient", "scan"]

SHAPE = (96, 96, 36)
_COUNTS = {0: 0.04, 1: 0.28, 2: 0.34, 3: 0.24, 4: 0.10}
_DIAMETERS_MM = (20.0, 46.0)
_CLEARANCE_MM = 4.0


@dataclass(frozen=True, eq=False)
class CTStudy:
    """One CT scan and what is known of it.

    Args:
        voxels: HU, int16, shape (x, y, z); axes as a DICOM reader gives them (column, row, slice from the feet up).
        lesion_map: Number (1, 2, ...) of the lesion in which a voxel's centre lies, else 0; uint8, same shape.
        lesions: Their continuous bodies; centres in world mm (RAS+).
        contrasts_hu: Difference of each lesion to the liver.
        geometry: The grid, perhaps slightly oblique.
    """

    voxels: npt.NDArray[np.int16]
    lesion_map: npt.NDArray[np.uint8]
    lesions: tuple[Lesion, ...]
    contrasts_hu: tuple[float, ...]
    geometry: Geometry

    @property
    def mask(self) -> npt.NDArray[np.uint8]:
        """1 in any lesion, else 0."""
        return (self.lesion_map > 0).astype(np.uint8)


def draw_patient(rng: np.random.Generator) -> Anatomy:
    """A random patient, to be scanned once or several times."""
    return draw_anatomy(rng)


def scan(patient: Anatomy, rng: np.random.Generator) -> CTStudy:
    """One scan of a patient: where he lies on the couch, which lesions he has, and the noise.

    Args:
        patient: His anatomy.
        rng: Source of chance; equal states give equal voxels.
    """
    geometry = _couch_grid(rng)
    canvas = Canvas(geometry, -1000)
    points = canvas.points
    liver = paint_anatomy(canvas, patient)
    lesions = _place(_draw_lesions(rng), points, liver, rng)
    contrasts = tuple(float(rng.choice([-1, 1], p=[0.7, 0.3]) * rng.uniform(40, 65)) for _ in lesions)
    lesion_map = np.zeros(geometry.shape, np.uint8)
    for number, (lesion, contrast) in enumerate(zip(lesions, contrasts, strict=True), start=1):
        depth = lesion.depth(points)
        canvas.paint(depth, patient.liver_hu + contrast)
        lesion_map[depth > 0] = number
    return CTStudy(_acquired(canvas.voxels, rng), lesion_map, lesions, contrasts, geometry)


def _couch_grid(rng: np.random.Generator) -> Geometry:
    """Columns run to the patient's left, rows to his back, slices up; the whole turned by up to 4 degrees."""
    pixel = rng.uniform(3.3, 3.6)
    spacing = np.array([pixel, pixel, 5.0])
    turn = Rotation.from_euler("xyz", rng.uniform(-4, 4, 3), degrees=True).as_matrix()
    axes = turn @ np.diag([-1.0, -1.0, 1.0]) * spacing
    centre = rng.uniform(-5, 5, 3)
    affine = np.eye(4)
    affine[:3, :3] = axes
    affine[:3, 3] = centre - axes @ ((np.array(SHAPE) - 1) / 2)
    return Geometry(SHAPE, affine)


def _draw_lesions(rng: np.random.Generator) -> list[Lesion]:
    """Lesions around the origin, largest first; diameters (of a ball of the same volume) are log-uniform."""
    count = int(rng.choice(list(_COUNTS), p=list(_COUNTS.values())))
    smallest, largest = np.log(_DIAMETERS_MM)
    diameters = np.exp(rng.uniform(smallest, largest, count))
    volumes = np.sort(np.pi / 6 * diameters**3)[::-1]
    return [draw_lesion(rng, 3, float(volume), rng.uniform(0, 0.2)) for volume in volumes]


def _place(
    lesions: Sequence[Lesion], points: npt.NDArray[np.float32], liver: Depth, rng: np.random.Generator
) -> tuple[Lesion, ...]:
    """Put each lesion where it lies wholly within the liver and clear of the others; leave out what has no room."""
    placed: list[Lesion] = []
    room = liver.copy()
    for lesion in lesions:
        free = np.argwhere(room > lesion.reach)
        if len(free) == 0:
            continue
        moved = lesion.moved_to(points[tuple(free[rng.integers(len(free))])])
        room = np.minimum(room, -_CLEARANCE_MM - moved.depth(points))
        placed.append(moved)
    return tuple(placed)


def _acquired(voxels: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.int16]:
    """Blur of the scanner, correlated noise of 8 to 12 HU, whole HU of twelve bits."""
    noise = ndimage.gaussian_filter(rng.standard_normal(voxels.shape, np.float32), (0.6, 0.6, 0.3))
    noise *= rng.uniform(8, 12) / noise.std()
    blurred = ndimage.gaussian_filter(voxels, (0.4, 0.4, 0))
    return np.clip(np.rint(blurred + noise), -1024, 3071).astype(np.int16)
