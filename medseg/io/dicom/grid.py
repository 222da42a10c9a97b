"""From the positions of DICOM slices to one grid, or a refusal with the numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg.errors import GeometryError
from medseg.geometry import Geometry
from medseg.io.dicom.headers import Slice
from medseg.io.volumes.stated import named_geometry

__all__ = ["COSINE", "SPACING_MM", "Stack", "numbers", "stacked"]

SPACING_MM, _SPACING_SHARE = 0.01, 0.01  # distances between slices may differ by the larger of both
COSINE = 1e-3  # directions of the slices of one series may differ by this
_TILT = 5e-3  # sideways shift per mm along the normal; a smaller one stays in the affine as it is
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SPLIT = "Pass the slices of one acquisition only."


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices in the order of their positions, and the grid that they make.

    Args:
        slices: Sorted along the slice normal.
        geometry: The grid, of shape (columns, rows, slices); sheared where there is a tilt.
        tilt: The sideways shift in words where the slices are sheared (gantry tilt), else empty.
        notes: What the user should know.
    """

    slices: tuple[Slice, ...]
    geometry: Geometry
    tilt: str = ""
    notes: tuple[str, ...] = ()


def stacked(slices: Sequence[Slice], where: Path) -> Stack:
    """Slices of one size and direction as a regular stack.

    Args:
        slices: In any order.
        where: What to name in an error.

    Raises:
        GeometryError: Positions or directions are missing, repeat, have gaps, or are not on one line.
    """
    first = slices[0].header
    axes = np.array(numbers(slices[0], "ImageOrientationPatient", 6)).reshape(2, 3)
    if abs(axes[0] @ axes[1]) > COSINE or np.abs(np.linalg.norm(axes, axis=1) - 1).max() > COSINE:
        raise GeometryError(where, f"ImageOrientationPatient {axes.ravel().tolist()} is not two unit vectors", _SPLIT)
    # Direction cosines are unit vectors that were written with few digits: PixelSpacing is the exact length of a step.
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    normal = np.cross(axes[0], axes[1])
    positions = np.array([numbers(one, "ImagePositionPatient", 3) for one in slices])
    order = np.argsort(positions @ normal, kind="stable")
    positions = positions[order]
    row_spacing, column_spacing = numbers(slices[0], "PixelSpacing", 2)
    if min(row_spacing, column_spacing) <= 0:
        raise GeometryError(where, f"PixelSpacing {row_spacing}, {column_spacing}", _SPLIT, "spacings above 0")
    notes: tuple[str, ...] = ()
    if len(slices) == 1:
        step, notes = _single_step(slices[0], normal)
    else:
        step = _step(positions, normal, where)
    affine = np.eye(4)
    # Axis x is the column index, which runs along the first direction in steps of the *second* PixelSpacing.
    affine[:3, :3] = np.stack([axes[0] * column_spacing, axes[1] * row_spacing, step], axis=1)
    affine[:3, 3] = positions[0]
    # DICOM's patient frame is LPS+ (x to the left, y to the back); ours is RAS+: both rows change sign.
    geometry = named_geometry(where, (first["Columns"], first["Rows"], len(slices)), _LPS_TO_RAS @ affine)
    return Stack(tuple(slices[i] for i in order), geometry, _tilt(step, normal), notes)


def numbers(one: Slice, name: str, count: int) -> list[float]:
    """So many finite numbers of a header value.

    Raises:
        GeometryError: The value is missing or something else.
    """
    value = one.header.get(name)
    try:
        found = [float(value)] if count == 1 else [float(part) for part in value]
    except (TypeError, ValueError):
        found = []
    if len(found) != count or not np.isfinite(found).all():
        raise GeometryError(
            one.path,
            f"{name} is {'missing' if value is None else repr(value)}",
            "Without it the slice has no place: export the series again.",
            f"{count} number(s)",
        )
    return found


def _step(positions: np.ndarray, normal: np.ndarray, where: Path) -> np.ndarray:
    """The vector from one slice to the next, in LPS mm; positions are sorted along the normal."""
    depths = positions @ normal
    distances = np.diff(depths)
    if distances.max() < SPACING_MM:
        raise GeometryError(where, f"all {len(positions)} slices lie at one position", "Pass one of them as a file.")
    if distances.min() < SPACING_MM:
        at = depths[int(distances.argmin())]
        spare = _slices(int((distances < SPACING_MM).sum()))
        found = f"several slices lie at one position: {spare} at that of another, such as {at:.3f} mm"
        raise GeometryError(where, found, "Remove the duplicates, or pass one acquisition of the series.")
    usual = float(np.median(distances))
    tolerance = max(SPACING_MM, _SPACING_SHARE * usual)
    if np.abs(distances - usual).max() > tolerance:
        raise GeometryError(where, *_uneven(distances, depths))
    step = np.asarray((positions[-1] - positions[0]) / (len(positions) - 1))
    off = np.linalg.norm(positions - (positions[0] + np.arange(len(positions))[:, None] * step), axis=1).max()
    if off > max(tolerance, 0.1):
        raise GeometryError(where, f"a slice lies {off:.4g} mm beside the line of the others", _SPLIT)
    return step


def _uneven(distances: np.ndarray, depths: np.ndarray) -> tuple[str, str]:
    """What is wrong with uneven distances, and the mend: slices are missing, or it was acquired so."""
    least = float(distances.min())
    missing = np.rint(distances / least).astype(int) - 1
    if np.abs(distances - (missing + 1) * least).max() <= max(SPACING_MM, _SPACING_SHARE * least):
        at = depths[int(missing.argmax())]
        found = (
            f"{_slices(int(missing.sum()))} missing: the distance between slices is {least:.4g} mm, but "
            f"{distances.max():.4g} mm after the slice at {at:.3f} mm"
        )
        return found, "Fetch the missing slices; medseg does not invent what lies between."
    usual = float(np.median(distances))
    at = int(np.abs(distances - usual).argmax())
    found = (
        f"the distance between slices is not constant: {usual:.4g} mm as a rule, {distances[at]:.4g} mm after the "
        f"slice at {depths[at]:.3f} mm"
    )
    return found, "Pass the slices of one evenly spaced part; medseg does not invent what lies between."


def _slices(count: int) -> str:
    return "1 slice is" if count == 1 else f"{count} slices are"


def _tilt(step: np.ndarray, normal: np.ndarray) -> str:
    along = float(step @ normal)
    sideways = float(np.linalg.norm(step - along * normal))
    return f"{sideways:.4g} mm sideways for each {along:.4g} mm" if sideways > _TILT * along else ""


def _single_step(one: Slice, normal: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    for name in ("SpacingBetweenSlices", "SliceThickness"):
        thickness = one.header.get(name)
        if isinstance(thickness, (int, float)) and np.isfinite(thickness) and thickness:
            return normal * abs(thickness), (f"one slice: its thickness of {abs(thickness):g} mm is {name}",)
    raise GeometryError(
        one.path, "is one slice without SliceThickness", "Pass the whole series, or add the thickness to the header."
    )
