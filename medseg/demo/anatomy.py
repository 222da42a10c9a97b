"""A stylised upper abdomen, portal-venous phase, painted structure by structure in patient millimetres.

The origin lies in the middle of the body; +x is the patient's right, +y anterior, +z superior. Nothing here is
clinical: sizes and HU are of the right order so that intensities overlap as they do in patients.
"""

from dataclasses import dataclass

import numpy as np

from medseg.demo.canvas import Canvas, Depth

__all__ = ["Anatomy", "draw_anatomy", "paint_anatomy"]

AIR, LUNG, FAT, FLUID, MUSCLE, DISC, MARROW, CORTEX = -1000, -840, -100, 12, 55, 80, 190, 520


@dataclass(frozen=True)
class Anatomy:
    """What differs between patients.

    Args:
        half_width: Body, x, mm.
        half_depth: Body, y, mm.
        rim: Thickness of subcutaneous fat, mm.
        scale: Size of the organs relative to the average.
        liver_hu: Mean HU of the liver.
        blood_hu: HU of the portal and hepatic veins.
        dome: Height of the diaphragm, z, mm.
        seed: Source of the small differences: vessels, bowel, exact places.
    """

    half_width: float
    half_depth: float
    rim: float
    scale: float
    liver_hu: float
    blood_hu: float
    dome: float
    seed: int

    @property
    def spine_y(self) -> float:
        """Middle of the vertebral bodies, mm."""
        return -(self.half_depth - self.rim - 44)


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """A random patient."""
    liver = rng.uniform(92, 118)
    return Anatomy(
        half_width=rng.uniform(128, 152),
        half_depth=rng.uniform(88, 108),
        rim=rng.uniform(8, 24),
        scale=rng.uniform(0.9, 1.08),
        liver_hu=liver,
        blood_hu=liver + rng.uniform(35, 60),
        dome=rng.uniform(35, 60),
        seed=int(rng.integers(2**31)),
    )


def paint_anatomy(canvas: Canvas, anatomy: Anatomy) -> Depth:
    """Paint the whole patient and the couch.

    Returns:
        Depth in the liver, mm, where lesions may be put.
    """
    rng = np.random.default_rng(anatomy.seed)
    x, y = canvas.x, canvas.y
    canvas.paint(4 - np.abs(y + anatomy.half_depth + 14 - 0.0012 * x**2), -650)  # the couch, a hollow shell
    canvas.paint(_wall(canvas, anatomy, 0), FAT)
    canvas.paint(_wall(canvas, anatomy, anatomy.rim), MUSCLE)
    cavity = _wall(canvas, anatomy, anatomy.rim + 16)
    canvas.paint(cavity, FAT)
    _paint_lungs(canvas, anatomy, cavity)
    _paint_left_organs(canvas, anatomy, cavity, rng)
    _paint_bowel(canvas, anatomy, cavity, rng)
    _paint_great_vessels(canvas, anatomy)
    liver = _paint_liver(canvas, anatomy, cavity, rng)
    _paint_spine(canvas, anatomy)
    _paint_ribs(canvas, anatomy)
    return liver


def _wall(canvas: Canvas, anatomy: Anatomy, inset: float) -> Depth:
    """Depth below a shell `inset` mm under the skin."""
    radii = (anatomy.half_width - inset, anatomy.half_depth - inset, 4000.0)
    return canvas.ellipsoid((0, 0, 0), radii)


def _paint_lungs(canvas: Canvas, anatomy: Anatomy, cavity: Depth) -> None:
    """Both lung bases above a domed diaphragm, the back reaching lower than the front."""
    x, y, z = canvas.x, canvas.y, canvas.z
    diaphragm = anatomy.dome - 0.006 * (np.abs(x) - 70) ** 2 + 0.25 * y
    canvas.paint(np.minimum(np.minimum(z - diaphragm, cavity - 2), np.abs(x) - 22), LUNG)
    canvas.paint(canvas.ellipsoid((-25, 30, anatomy.dome + 45), (55, 42, 50)), 120)  # the heart


def _paint_left_organs(canvas: Canvas, anatomy: Anatomy, cavity: Depth, rng: np.random.Generator) -> None:
    """Spleen, both kidneys with brighter cortex, and the stomach with a gas bubble at its top."""
    s = anatomy.scale
    spleen = canvas.ellipsoid((-88 * s, -28, 18 + rng.normal(0, 6)), (32 * s, 46 * s, 44 * s))
    canvas.paint(np.minimum(spleen, cavity - 2), anatomy.liver_hu + rng.normal(14, 5))
    for side in (-1, 1):
        centre = (side * 58 * s, -44, -45 + rng.normal(0, 6))
        canvas.paint(canvas.ellipsoid(centre, (28 * s, 25 * s, 48 * s)), 170)
        canvas.paint(canvas.ellipsoid(centre, (16 * s, 13 * s, 34 * s)), 120)
        canvas.paint(canvas.ellipsoid((centre[0] - side * 8, centre[1], centre[2]), (8, 6, 20)), FLUID)
    stomach = np.minimum(canvas.ellipsoid((-58 * s, 34, 12), (40 * s, 34 * s, 42 * s)), cavity - 2)
    canvas.paint(stomach, 70)
    canvas.paint(stomach - 4, 25)
    canvas.paint(np.minimum(stomach - 4, canvas.y - rng.uniform(36, 50)), -950)


def _paint_bowel(canvas: Canvas, anatomy: Anatomy, cavity: Depth, rng: np.random.Generator) -> None:
    """Loops of gut in the lower front, filled with gas, fluid or oral contrast."""
    for _loop in range(int(rng.integers(7, 12))):
        start = np.array([rng.uniform(-80, 60), rng.uniform(5, 60), rng.uniform(-100, -35)])
        end = start + rng.normal(0, 28, 3)
        radius = rng.uniform(9, 16)
        loop = np.minimum(canvas.capsule(start, end, radius), cavity - 2)
        canvas.paint(loop, rng.uniform(60, 100))
        canvas.paint(loop - 3, rng.choice([-900.0, 15.0, 40.0, 180.0], p=[0.3, 0.3, 0.25, 0.15]))


def _paint_great_vessels(canvas: Canvas, anatomy: Anatomy) -> None:
    y = anatomy.spine_y + 29
    canvas.paint(canvas.capsule((-12, y, -400), (-8, y, 400), 11), anatomy.blood_hu + 12)
    canvas.paint(canvas.capsule((17, y - 4, -400), (21, y + 6, 400), 12), anatomy.blood_hu - 20)


def _paint_liver(canvas: Canvas, anatomy: Anatomy, cavity: Depth, rng: np.random.Generator) -> Depth:
    """Right and left lobe under the diaphragm, their vessels, and the gall bladder below."""
    s = anatomy.scale
    x, y, z = canvas.x, canvas.y, canvas.z
    right = canvas.ellipsoid((62 * s, 2, -2), (72 * s, 82 * s, 78 * s))
    left = canvas.ellipsoid((-5, 46 * s, 16), (68 * s, 36 * s, 36 * s))
    underside = z + 52 * s + 0.35 * y - 0.25 * x  # the slanted visceral surface
    undulation = 3 * np.sin(x / 17 + rng.uniform(0, 6)) * np.sin(y / 19) * np.sin(z / 15 + rng.uniform(0, 6))
    behind = np.hypot(x, y - anatomy.spine_y - 12) - 38  # leaves room for spine and great vessels
    lobes = np.minimum(np.maximum(right, left) + undulation, np.minimum(underside, behind))
    liver = np.minimum(np.minimum(lobes, cavity - 2), anatomy.dome + 0.25 * y + 6 - z)
    canvas.paint(liver, anatomy.liver_hu)
    root = np.array([22.0, 10.0, -8.0])
    for _branch in range(int(rng.integers(4, 7))):
        _paint_branch(canvas, liver, root, rng.normal((1.0, 0.2, 0.3), 0.7), rng.uniform(4, 6.5), anatomy, rng)
    canvas.paint(canvas.ellipsoid((34 * s, 42, -44 * s), (14, 17, 26)), FLUID)
    return liver


def _paint_branch(
    canvas: Canvas,
    liver: Depth,
    start: np.ndarray,
    heading: np.ndarray,
    radius: float,
    anatomy: Anatomy,
    rng: np.random.Generator,
) -> None:
    """A vessel within the liver that thins and forks until it is below 2 mm."""
    while radius > 2:
        heading = heading / np.linalg.norm(heading)
        end = start + heading * rng.uniform(16, 28)
        canvas.paint(np.minimum(canvas.capsule(start, end, radius), liver - 3), anatomy.blood_hu)
        if rng.random() < 0.35:
            _paint_branch(canvas, liver, end, heading + rng.normal(0, 0.7, 3), radius * 0.6, anatomy, rng)
        start, heading, radius = end, heading + rng.normal(0, 0.35, 3), radius * rng.uniform(0.65, 0.85)


def _paint_spine(canvas: Canvas, anatomy: Anatomy) -> None:
    """Vertebral bodies with discs between them, the canal, and the posterior processes."""
    x, y, z = canvas.x, canvas.y, canvas.z
    back = anatomy.spine_y
    body = canvas.ellipsoid((0, back, 0), (22, 17, 4000.0))
    within = np.abs((z + anatomy.dome) % 34 - 17)  # 17 mm at a disc's middle, 0 in a vertebra's
    canvas.paint(20 - np.hypot(np.abs(x) - 26, y - back + 26), MUSCLE)
    canvas.paint(15 - np.hypot(np.abs(x) - 34, y - back - 2) + np.minimum(0, -z / 8), MUSCLE)  # psoas
    canvas.paint(body, DISC)
    canvas.paint(np.minimum(body, 14 - within), CORTEX)
    canvas.paint(np.minimum(body - 3, 11 - within), MARROW)
    arch = canvas.ellipsoid((0, back - 24, 0), (15, 13, 4000.0))
    process = np.minimum(np.minimum(4 - np.abs(x), 17 - np.abs(y - back + 42)), 12 - within)
    canvas.paint(np.maximum(np.minimum(arch, 13 - within), process), 400)
    canvas.paint(canvas.ellipsoid((0, back - 23, 0), (9, 8, 4000.0)), 25)


def _paint_ribs(canvas: Canvas, anatomy: Anatomy) -> None:
    """Slanted hoops in the wall, cut open in front."""
    y, z = canvas.y, canvas.z
    across = _wall(canvas, anatomy, anatomy.rim + 8)
    along = np.abs((z - 0.45 * y + anatomy.dome) % 30 - 15)
    hoop = 5.5 - np.hypot(across, along)
    open_front = np.minimum(0.55 * anatomy.half_depth - y, z - 0.45 * y + 75)
    canvas.paint(np.minimum(hoop, open_front), 420)
    canvas.paint(np.minimum(hoop - 2.5, open_front), 220)
