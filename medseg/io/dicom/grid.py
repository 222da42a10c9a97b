"""From the positions of DICOM slices to one grid, or a refusal with the numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medseg.errors import GeometryError
from medseg.geometry import Geometry
from medseg.io.dicom.headers import Slice

__all__ = ["radiograph_grid", "sorted_with_grid"]

_SPACING_MM, _SPACING_SHARE = 0.01, 0.01  # distances between slices may differ by the larger of both
_COSINE = 1e-3  # directions of the slices of one series may differ by this
_TILT = 5e-3  # sideways shift per mm along the normal; a smaller one stays in the affine as it is
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SPLIT = "Pass the slices of one acquisition only, or resample the series with a tool made for it."


def sorted_with_grid(slices: Sequence[Slice], where: Path) -> tuple[list[Slice], Geometry, tuple[str, ...]]:
    """Slices in the order of their positions along the slice normal, their grid and notes.

    Raises:
        GeometryError: Positions or directions are missing, differ, repeat, have gaps or are sheared.
    """
    _check_alike(slices, where)
    first = slices[0].header
    axes = np.array(_numbers(slices[0], "ImageOrientationPatient", 6)).reshape(2, 3)
    if abs(axes[0] @ axes[1]) > _COSINE or np.abs(np.linalg.norm(axes, axis=1) - 1).max() > _COSINE:
        raise GeometryError(where, f"ImageOrientationPatient {axes.ravel().tolist()} is not two unit vectors", _SPLIT)
    normal = np.cross(axes[0], axes[1])
    positions = np.array([_numbers(one, "ImagePositionPatient", 3) for one in slices])
    order = np.argsort(positions @ normal, kind="stable")
    positions = positions[order]
    step, notes = _step(positions, normal, first, where)
    row_spacing, column_spacing = _numbers(slices[0], "PixelSpacing", 2)
    affine = np.eye(4)
    # Axis x is the column index, which runs along the first direction in steps of the *second* PixelSpacing.
    affine[:3, :3] = np.stack([axes[0] * column_spacing, axes[1] * row_spacing, step], axis=1)
    affine[:3, 3] = positions[0]
    # DICOM's patient frame is LPS+ (x to the left, y to the back); ours is RAS+: both rows change sign.
    affine = _LPS_TO_RAS @ affine
    if abs(np.linalg.det(affine)) < 1e-12:
        raise GeometryError(where, f"PixelSpacing {row_spacing}, {column_spacing}", _SPLIT, "spacings above 0")
    return [slices[i] for i in order], Geometry((first.Columns, first.Rows, len(slices)), affine), notes


def radiograph_grid(header: Any) -> Geometry:
    """The 2D grid of a projection: PixelSpacing, else the detector's spacing over the magnification, else unknown."""
    shape = (int(header.Columns), int(header.Rows))
    for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        pair = header.get(name)
        if not pair or len(pair) != 2 or min(float(value) for value in pair) <= 0:
            continue
        row_spacing, column_spacing = (float(value) for value in pair)
        factor = float(header.get("EstimatedRadiographicMagnificationFactor") or 1)
        if name != "ImagerPixelSpacing" or factor <= 0 or factor == 1:
            return Geometry.from_spacing(shape, [column_spacing, row_spacing], name)
        source = "ImagerPixelSpacing corrected for magnification"
        return Geometry.from_spacing(shape, [column_spacing / factor, row_spacing / factor], source)
    return Geometry.from_spacing(shape, None)


def _check_alike(slices: Sequence[Slice], where: Path) -> None:
    """Refuse slices of different size, spacing or direction."""
    for name, tolerance, count in (
        ("Rows", 0.0, 1), ("Columns", 0.0, 1), ("PixelSpacing", 1e-4, 2), ("ImageOrientationPatient", _COSINE, 6),
    ):  # fmt: skip
        values = np.array([_numbers(one, name, count) for one in slices])
        apart = np.abs(values - values[0]).max(axis=1)
        if apart.max() > tolerance:
            other = int(apart.argmax())
            found = (
                f"{name} differs between slices: {values[0].tolist()} in {slices[0].path.name}, "
                f"{values[other].tolist()} in {slices[other].path.name}"
            )
            raise GeometryError(where, found, _SPLIT)


def _step(positions: np.ndarray, normal: np.ndarray, header: Any, where: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """The vector from one slice to the next, in LPS mm; positions are sorted along the normal."""
    if len(positions) == 1:
        return _single_step(normal, header, where)
    depths = positions @ normal
    distances = np.diff(depths)
    usual = float(np.median(distances))
    tolerance = max(_SPACING_MM, _SPACING_SHARE * usual)
    if distances.min() < _SPACING_MM:
        at = depths[int(distances.argmin())]
        found = f"{int((distances < _SPACING_MM).sum())} slices lie at the position of another (at {at:.3f} mm)"
        raise GeometryError(where, found, "Remove the duplicates, or pass one acquisition of the series.")
    if np.abs(distances - usual).max() > tolerance:
        at = int(np.abs(distances - usual).argmax())
        found = (
            f"the distance between slices is not constant: {usual:.4g} mm as a rule, "
            f"{distances[at]:.4g} mm after the slice at {depths[at]:.3f} mm"
        )
        raise GeometryError(where, found, "Fetch the missing slices; medseg does not invent what lies between.")
    step = (positions[-1] - positions[0]) / (len(positions) - 1)
    sideways = float(np.linalg.norm(step - (step @ normal) * normal))
    if sideways > _TILT * usual:
        found = f"the slices are sheared (gantry tilt): {sideways:.4g} mm sideways for each {usual:.4g} mm"
        raise GeometryError(where, found, "Resample it without the tilt first (dcm2niix does).")
    off = np.linalg.norm(positions - (positions[0] + np.arange(len(positions))[:, None] * step), axis=1).max()
    if off > max(tolerance, 0.1):
        raise GeometryError(where, f"a slice lies {off:.4g} mm beside the line of the others", _SPLIT)
    return step, ()


def _single_step(normal: np.ndarray, header: Any, where: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    for name in ("SpacingBetweenSlices", "SliceThickness"):
        thickness = abs(float(header.get(name) or 0))
        if thickness > 0:
            return normal * thickness, (f"one slice: its thickness of {thickness:g} mm is {name}",)
    raise GeometryError(
        where, "is one slice without SliceThickness", "Pass the whole series, or add the thickness to the header."
    )


def _numbers(one: Slice, name: str, count: int) -> list[float]:
    value = one.header.get(name)
    try:
        numbers = [float(value)] if count == 1 else [float(part) for part in value]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise GeometryError(
            one.path,
            f"{name} is {value!r}",
            "Without it the slice has no place: export the series again.",
            f"{count} number(s)",
        )
    return numbers
