"""Mammogram-like radiographs with masses of known area."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from medseg.demo.lesions import Lesion, draw_lesion

__all__ = ["Breast", "MammogramStudy", "draw_breast", "expose"]

SHAPE = (320, 416)  # pixels (x, y)
MASK_VALUE = 255
_COUNTS = {0: 0.05, 1: 0.60, 2: 0.35}
_DIAMETERS_PX = (30.0, 76.0)
_CLEARANCE_PX = 10.0
_Picture = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Breast:
    """What differs between patients; both views of one patient share it.

    Args:
        reach: How far the breast comes out of the chest wall, share of the picture's width.
        height: Its half height, share of the picture's height.
        density: Share of glandular tissue, 0 to 1.
        muscle: Slope of the edge of the pectoral muscle.
    """

    reach: float
    height: float
    density: float
    muscle: float


@dataclass(frozen=True, eq=False)
class MammogramStudy:
    """One radiograph and what is known of it.

    Args:
        pixels: Uint16, shape (x, y); a dense tissue is bright.
        mask: 255 in a mass, else 0; uint8, same shape.
        masses: Their continuous outlines in pixels.
        laterality: "L": the chest wall is at the left edge of the picture, "R": at the right.
    """

    pixels: npt.NDArray[np.uint16]
    mask: npt.NDArray[np.uint8]
    masses: tuple[Lesion, ...]
    laterality: Literal["L", "R"]


def draw_breast(rng: np.random.Generator) -> Breast:
    """A random patient."""
    return Breast(rng.uniform(0.62, 0.88), rng.uniform(0.38, 0.46), rng.uniform(0.25, 0.7), rng.uniform(0.7, 1.2))


def expose(breast: Breast, laterality: Literal["L", "R"], rng: np.random.Generator) -> MammogramStudy:
    """One radiograph of a breast.

    Args:
        breast: The patient's.
        laterality: Which of the two.
        rng: Source of chance; equal states give equal pixels.
    """
    points = np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in SHAPE), indexing="ij"), axis=-1)
    depth = _breast_depth(points, breast)
    muscle = _muscle_depth(points, breast)
    thickness = np.sqrt(np.clip(depth / 45, 0, 1))  # the breast is compressed to an even plate with a round rim
    tissue = _glands(breast, depth, muscle, rng)
    tissue += 0.42 * np.clip(0.5 + muscle / 14, 0, 1) * _mottle(rng, 8, 0.08)
    masses = _place(_draw_masses(rng), points, np.minimum(depth - 6, -muscle), rng)
    mask = np.zeros(SHAPE, np.uint8)
    for mass in masses:
        inside = mass.depth(points)
        softness = rng.uniform(3, 7)
        tissue += rng.uniform(0.23, 0.35) * np.clip(0.5 + inside / (2 * softness), 0, 1) * _mottle(rng, 5, 0.06)
        mask[inside > 0] = MASK_VALUE
    pixels = _detected(thickness * (0.30 + tissue), rng)
    if laterality == "R":
        pixels, mask = pixels[::-1].copy(), mask[::-1].copy()
        masses = tuple(_mirrored(mass) for mass in masses)
    return MammogramStudy(pixels, mask, masses, laterality)


def _breast_depth(points: _Picture, breast: Breast) -> _Picture:
    """Pixels below the skin line: half an ellipse against the chest wall at x = 0, fuller below."""
    width, height = SHAPE
    x, y = points[..., 0] / (breast.reach * width), (points[..., 1] / height - 0.52) / breast.height
    sagging = y - 0.12 * np.clip(x, 0, 1)
    level = np.sqrt(x**2 + np.abs(sagging) ** 2.2)
    return np.asarray((1 - level) * breast.height * height * 0.8, np.float32)


def _muscle_depth(points: _Picture, breast: Breast) -> _Picture:
    """Pixels inside the pectoral muscle, a triangle in the upper corner at the chest wall."""
    width, height = SHAPE
    edge = 0.30 * width - points[..., 0] - breast.muscle * 0.62 * points[..., 1] * width / height
    return np.asarray(edge / np.hypot(1, breast.muscle), np.float32)


def _glands(breast: Breast, depth: _Picture, muscle: _Picture, rng: np.random.Generator) -> _Picture:
    """Glandular tissue: noise of several scales, more of it towards the middle, streaked towards the nipple."""
    cloud = sum(weight * _mottle(rng, scale, 1.0, 0.0) for scale, weight in ((34, 1.0), (13, 0.7), (5, 0.5), (2, 0.3)))
    streaks = ndimage.gaussian_filter(rng.standard_normal(SHAPE, np.float32), (9, 1.8))
    cloud = cloud / np.std(cloud) + 0.25 * streaks / streaks.std()
    centre = np.clip(depth / 70, 0, 1) * np.clip(0.5 - muscle / 40, 0, 1)
    share = 1 / (1 + np.exp(-2.2 * (cloud + 2.4 * (breast.density - 0.55))))
    return np.asarray(0.38 * centre * share, np.float32)


def _mottle(rng: np.random.Generator, scale: float, sd: float, mean: float = 1.0) -> _Picture:
    """Smooth noise of a scale in pixels."""
    noise = ndimage.gaussian_filter(rng.standard_normal(SHAPE, np.float32), scale)
    return np.asarray(mean + sd * noise / noise.std(), np.float32)


def _draw_masses(rng: np.random.Generator) -> list[Lesion]:
    """Masses around the origin, largest first; diameters (of a disc of the same area) are log-uniform."""
    count = int(rng.choice(list(_COUNTS), p=list(_COUNTS.values())))
    smallest, largest = np.log(_DIAMETERS_PX)
    diameters = np.sort(np.exp(rng.uniform(smallest, largest, count)))[::-1]
    return [draw_lesion(rng, 2, float(np.pi / 4 * d**2), rng.uniform(0.03, 0.13)) for d in diameters]


def _place(masses: list[Lesion], points: _Picture, room: _Picture, rng: np.random.Generator) -> tuple[Lesion, ...]:
    """Put each mass wholly into the breast, clear of muscle and other masses; leave out what has no room."""
    placed: list[Lesion] = []
    room = np.minimum(room, points[..., 0] - _CLEARANCE_PX)  # away from the chest wall, which cuts the picture
    for mass in masses:
        free = np.argwhere(room > mass.reach)
        if len(free) == 0:
            continue
        moved = mass.moved_to(points[tuple(free[rng.integers(len(free))])])
        room = np.minimum(room, -_CLEARANCE_PX - moved.depth(points))
        placed.append(moved)
    return tuple(placed)


def _mirrored(mass: Lesion) -> Lesion:
    """The outline in a picture whose columns run the other way."""
    flip = np.array([-1.0, 1.0])
    centre = np.array([SHAPE[0] - 1 - mass.centre[0], mass.centre[1]])
    return Lesion(centre, mass.radii, mass.axes * flip, mass.waves * flip, mass.phases, mass.irregularity)


def _detected(signal: _Picture, rng: np.random.Generator) -> npt.NDArray[np.uint16]:
    """Blur and noise of the detector, sixteen bits with an exposure of its own."""
    grainy = ndimage.gaussian_filter(signal, 0.7) + rng.normal(0, 0.012, SHAPE)
    return np.clip(grainy * rng.uniform(38000, 48000) + 1500, 0, 65535).astype(np.uint16)
