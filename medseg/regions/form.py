"""A region's form: its mask and the steps of its grid, wherever it lies. Small ones of one form are measured once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np

from medseg.geometry import Geometry

__all__ = ["Form", "by_form"]

_SMALL = 64  # voxels of a box up to which forms are remembered: a mask of specks has many regions, but few forms
_REMEMBERED = 1 << 14

Measure = Callable[[np.ndarray, Geometry], dict[str, Any]]


@dataclass(frozen=True)
class Form:
    """What can be looked up.

    Args:
        shape: Of the box.
        inside: The boolean mask's bytes.
        steps: The bytes of the affine's columns, without the origin.
        spacing_source: As the geometry's.
    """

    shape: tuple[int, ...]
    inside: bytes
    steps: bytes
    spacing_source: str


def by_form(measure: Measure, mask: np.ndarray, geometry: Geometry) -> dict[str, Any]:
    """What a function of a mask and its grid finds, which must not depend on where the grid lies.

    Args:
        measure: The function; a module's own, since what it found is kept with it.
        mask: One region, boolean, shape of its box.
        geometry: The grid on which it lies, of any extent.
    """
    steps = geometry.affine[:-1, :-1]
    if mask.size > _SMALL:
        return measure(mask, _grid(mask.shape, steps, geometry.spacing_source))
    return _remembered(measure)(Form(mask.shape, mask.tobytes(), steps.tobytes(), geometry.spacing_source))


@cache
def _remembered(measure: Measure) -> Callable[[Form], dict[str, Any]]:
    @lru_cache(maxsize=_REMEMBERED)
    def of_form(form: Form) -> dict[str, Any]:
        mask = np.frombuffer(form.inside, bool).reshape(form.shape)
        steps = np.frombuffer(form.steps).reshape(mask.ndim, mask.ndim)
        return measure(mask, _grid(form.shape, steps, form.spacing_source))

    return of_form


def _grid(shape: tuple[int, ...], steps: np.ndarray, source: str) -> Geometry:
    affine = np.eye(len(shape) + 1)
    affine[:-1, :-1] = steps
    return Geometry(shape, affine, source)
