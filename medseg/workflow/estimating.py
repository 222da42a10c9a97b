"""What a case will take, as far as its headers, its model and earlier cases tell."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from medseg.case import Case
from medseg.errors import MedsegError
from medseg.geometry import Geometry
from medseg.ledger import Entry
from medseg.ledger.entries import DONE
from medseg.line.network import Facts
from medseg.options import ReadOptions

if TYPE_CHECKING:
    from medseg.plan import Plan

__all__ = ["grid_of", "peak_of", "plan_of", "seconds_a_voxel", "voxels_of"]

_LEARNT_FROM = 50  # earlier cases whose seconds a voxel are looked up
_VOXEL = 4  # bytes at most, of what CT, MR and PET are read as
_MIB = 1 << 20


def grid_of(case: Case, options: ReadOptions) -> Geometry:
    """The grid of a case, by its headers; whatever these refuse is raised."""
    from medseg.io.reading import read_geometry

    if case.refusal is not None:
        raise case.refusal
    return [read_geometry(image, options=options) for image in case.images][
        min(options.reference, len(case.images) - 1)
    ]


def voxels_of(grid: Geometry) -> int:
    """How many there are."""
    return math.prod(grid.shape)


def seconds_a_voxel(
    entries: Iterable[Entry], cases: Mapping[str, Case], facts: Facts, options: ReadOptions
) -> tuple[float | None, int]:
    """The median of earlier cases by the same model, and of how many.

    Args:
        entries: What came of cases.
        cases: Those that are listed again, by id: under pseudonyms the ledger does not know where their images are.
        facts: What the model is.
        options: How images are read.
    """
    rates: list[float] = []
    for entry in entries:
        if len(rates) == _LEARNT_FROM:
            break
        if entry.state == DONE and facts.hash and entry.model == facts.hash and entry.seconds:
            earlier = Case(entry.case, entry.patient, tuple(map(Path, entry.images)))
            with suppress(MedsegError):
                grid = grid_of(cases.get(entry.case, earlier), options)
                rates.append(sum(entry.seconds.values()) / voxels_of(grid))
    return (statistics.median(rates), len(rates)) if rates else (None, 0)


def plan_of(facts: Facts) -> "Plan | None":
    """The plan, where the model is one of ours."""
    from pydantic import ValidationError

    from medseg.plan import Plan

    try:
        return Plan.model_validate(dict(facts.description))
    except ValidationError:
        return None


def peak_of(plan: "Plan", grid: Geometry) -> float | None:
    """MiB that a process holds at most; None where the image is no one for this model."""
    import numpy as np

    from medseg.image import Image
    from medseg.inference.memory import footprint_of, need
    from medseg.inference.windows import monai_tiling

    if grid.ndim != plan.dims or (plan.spacing_mm is not None and not grid.spacing_known):
        return None
    # Views of one number: of the voxels only how many there are is asked.
    voxels = np.broadcast_to(np.zeros((), f"f{_VOXEL}"), (len(plan.channels), *grid.shape))
    shape: Sequence[int] = plan.working_shape(grid)
    tiling = monai_tiling(shape, plan.patch_size, plan.overlap, plan.batch_size)
    slabs = plan.dims == 3 and not plan.preparation
    wanted = need(Image(voxels, grid), footprint_of(plan), tiling, shape, plan.batch_size, slabs=slabs)
    return wanted.total / _MIB
