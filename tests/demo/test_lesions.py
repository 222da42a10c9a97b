import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.demo.lesions import Lesion, draw_lesion


def _ellipsoid(radii: tuple[float, ...]) -> Lesion:
    ndim = len(radii)
    return Lesion(np.zeros(ndim), np.array(radii), np.eye(ndim), np.zeros((0, ndim)), np.zeros(0), 0.0)


def _counted(lesion: Lesion, step: float) -> float:
    """Volume or area by counting cells of a fine grid whose centres lie inside."""
    side = np.arange(-lesion.reach, lesion.reach, step) + step / 2
    points = np.stack(np.meshgrid(*[side] * lesion.ndim, indexing="ij"), axis=-1) + lesion.centre
    return np.count_nonzero(lesion.depth(points) > 0) * step**lesion.ndim


def test_an_ellipsoid_has_its_textbook_volume():
    assert _ellipsoid((5.0, 10.0, 20.0)).size == pytest.approx(4 / 3 * np.pi * 1000, rel=2e-3)


def test_an_ellipse_has_its_textbook_area():
    assert _ellipsoid((5.0, 10.0)).size == pytest.approx(np.pi * 50, rel=1e-6)


@given(seed=st.integers(0, 10_000), ndim=st.sampled_from([2, 3]), irregularity=st.sampled_from([0.0, 0.1, 0.25]))
@settings(max_examples=12, deadline=None)
def test_the_stated_size_is_what_a_fine_grid_counts(seed, ndim, irregularity):
    lesion = draw_lesion(np.random.default_rng(seed), ndim, 4000.0, irregularity)
    assert lesion.size == pytest.approx(4000.0, rel=1e-9)
    assert _counted(lesion, 0.5) == pytest.approx(4000.0, rel=0.01)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=12, deadline=None)
def test_the_reach_holds_the_whole_body(seed):
    lesion = draw_lesion(np.random.default_rng(seed), 3, 9000.0, 0.25)
    directions = np.random.default_rng(seed + 1).standard_normal((500, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    assert (lesion.radius(directions) <= lesion.reach).all()


def test_the_depth_is_continuous_across_the_reach():
    lesion = draw_lesion(np.random.default_rng(3), 3, 9000.0, 0.2)
    along = np.linspace(0, 1.9 * lesion.reach, 2000)
    depth = lesion.depth(along[:, np.newaxis] * np.array([0.6, 0.8, 0.0]))
    assert np.abs(np.diff(depth)[1:]).max() < 0.1


def test_the_centre_is_inside():
    lesion = draw_lesion(np.random.default_rng(3), 3, 9000.0, 0.2).moved_to([10, 20, 30])
    assert lesion.depth(np.array([[10.0, 20.0, 30.0]]))[0] > 5
