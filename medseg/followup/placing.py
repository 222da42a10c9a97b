"""Whether positions of two studies can be compared, or what has to be done so that they can."""

from dataclasses import replace
from typing import Literal

from medseg.errors import GeometryError, InputError
from medseg.followup.registration_check import register
from medseg.followup.time_point import TimePoint
from medseg.io.grids import SAME_VOXELS
from medseg.resample import covered

__all__ = ["PLACINGS", "Placing", "placed_on"]

Placing = Literal["none", "rigid", "affine"]
PLACINGS: tuple[Placing, ...] = ("none", "rigid", "affine")
_FRAME = "frame_of_reference"


def placed_on(baseline: TimePoint, later: TimePoint, placing: Placing | None) -> TimePoint:
    """A follow-up with its place in the baseline's world.

    Args:
        baseline: The first time point.
        later: Another one.
        placing: "rigid" and "affine" register its image to the baseline's; "none" takes positions as they are. `None`
            does so too where the files say that it may: one DICOM frame of reference, or one grid where none is known.

    Raises:
        InputError: There is no such way, or no image to register.
        GeometryError: Positions cannot be compared as they are, or the registration failed its check.
    """
    if placing not in (None, *PLACINGS):
        raise InputError("register", f"{placing}", f"Choose {', '.join(PLACINGS)}.", ", ".join(PLACINGS))
    if later.failure:
        return later
    if placing in ("rigid", "affine"):
        return _registered(baseline, later, placing)
    if baseline.segmentation is None or later.segmentation is None:
        return later
    if baseline.segmentation.geometry.ndim != later.segmentation.geometry.ndim:
        raise GeometryError(
            later.name, f"not of as many axes as {baseline.name}", "Compare two volumes, or two pictures."
        )
    doubt = _doubt(baseline, later)
    if doubt and placing is None:
        raise GeometryError(
            later.name,
            doubt,
            "Register it: --register rigid (or affine) with an --image each; or say --register none where positions "
            "can be compared as they are.",
        )
    if not covered(later.segmentation.geometry, baseline.segmentation.geometry).any():
        mend = "Register them: --register rigid with an --image each."
        raise GeometryError(later.name, f"it shows no place that {baseline.name} shows", mend)
    return replace(later, notes=(*later.notes, f"{doubt}; positions were taken as they are")) if doubt else later


def _registered(baseline: TimePoint, later: TimePoint, placing: Placing) -> TimePoint:
    lacking = [point.name for point in (baseline, later) if point.image is None]
    if lacking:
        mend = "Give an --image for each time point, or compare positions as they are: --register none."
        raise InputError(f"--register {placing}", f"no image of {', '.join(lacking)}", mend)
    assert baseline.image is not None
    assert later.image is not None
    kind: Literal["rigid", "affine"] = "affine" if placing == "affine" else "rigid"
    found = register(baseline.image, later.image, kind, name=later.name)
    return replace(later, to_baseline=found.matrix, notes=(*later.notes, found.describe()))


def _doubt(baseline: TimePoint, later: TimePoint) -> str:
    """Why positions may not be comparable; empty where they are."""
    one, other = ("" if point.image is None else point.image.facts.get(_FRAME, "") for point in (baseline, later))
    if one and other:
        return "" if one == other else f"its DICOM frame of reference is another than that of {baseline.name}"
    assert baseline.segmentation is not None
    assert later.segmentation is not None
    mine, theirs = later.segmentation.geometry, baseline.segmentation.geometry
    if mine.same_as(theirs, SAME_VOXELS * min(theirs.step)):
        return ""
    return f"it lies on another grid than {baseline.name}, and no file says that both have one frame of reference"
