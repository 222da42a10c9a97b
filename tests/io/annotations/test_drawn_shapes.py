"""Shapes against scikit-image's rasteriser and areas that can be computed."""

import math

import numpy as np
import pytest
from skimage.draw import polygon2mask

from medseg.errors import InputError
from medseg.io.annotations.shapes import Shape, ellipse, pixels, points_of, polygon, rectangle


def painted(shape: Shape, size: tuple[int, int] = (60, 50)) -> np.ndarray:
    canvas = np.zeros(size, bool)
    shape.paint(canvas)
    return canvas


@pytest.mark.parametrize("seed", range(20))
def test_polygons_cover_the_pixels_whose_centres_they_hold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 12)))
    radii = rng.uniform(3, 24, len(angles))
    corners = np.stack([30 + radii * np.cos(angles), 25 + radii * np.sin(angles)], axis=1)
    expected = polygon2mask((60, 50), corners - 0.5)
    np.testing.assert_array_equal(painted(polygon("mass", corners, "case")), expected)


def test_a_square_on_pixel_borders_covers_exactly_these_pixels() -> None:
    mask = painted(rectangle("mass", (3, 5), (4, 2), "case"))
    assert mask.sum() == 8
    assert mask[3:7, 5:7].all()


def test_what_reaches_beyond_the_image_is_cut() -> None:
    mask = painted(polygon("mass", np.array([[-900.0, -900], [5, -900], [5, 900], [-900, 900]]), "case"))
    assert mask[:5].all()
    assert mask.sum() == 5 * 50


def test_circles_and_turned_ellipses_have_their_areas_and_places() -> None:
    assert painted(ellipse("mass", (30, 25), (20, 20), "case")).sum() == pytest.approx(math.pi * 400, rel=0.01)
    upright = painted(ellipse("mass", (30.3, 25.2), (8, 20), "case"))
    assert upright.sum() == pytest.approx(math.pi * 160, rel=0.02)
    np.testing.assert_array_equal(painted(ellipse("mass", (30.3, 25.2), (20, 8), "case", turned=math.pi / 2)), upright)
    turned = painted(ellipse("mass", (30, 25), (20, 4), "case", turned=math.pi / 4))
    assert turned[40, 35]  # from x towards y: to the right and down
    assert not turned[40, 15]


def test_a_circle_round_a_pixel_has_its_edge() -> None:
    mask = painted(ellipse("mass", (10.5, 10.5), (1, 1), "case"))
    assert np.argwhere(mask).tolist() == [[9, 10], [10, 9], [10, 10], [10, 11], [11, 10]]


def test_points_mark_the_pixels_they_lie_in() -> None:
    mask = painted(pixels("calcification", np.array([[3.99, 4.0], [-1.0, 2.0]])))
    assert np.argwhere(mask).tolist() == [[3, 4]]


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([1, math.nan], [1, 2]),
        ([1, math.inf], [1, 2]),
        ([1e300, 2], [1, 2]),
        ([1, 2], [1]),
        ("ab", "cd"),
        ([10**400], [1]),
    ],
)
def test_what_is_no_place_is_refused(x: object, y: object) -> None:
    with pytest.raises(InputError, match="case: its coordinates"):
        points_of(x, y, "case")


def test_shapes_without_area_are_refused() -> None:
    with pytest.raises(InputError, match="2 points, expected at least 3"):
        polygon("mass", np.zeros((2, 2)), "case")
    with pytest.raises(InputError, match="radius 0, expected above 0"):
        ellipse("mass", (5, 5), (0, 3), "case")
