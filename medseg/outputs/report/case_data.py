"""What a case's page shows, as data: its picture's files, its regions and where they lie in the picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medseg.case import Case
from medseg.errors import GridMismatchError, InputError
from medseg.image import Image, Segmentation
from medseg.io import mask_on_grid, read_case_image, read_label_map
from medseg.io.label_files import read_label_files
from medseg.labels import Labels
from medseg.options import ReadOptions
from medseg.outputs.report.display import Grid, Range, fitted, grey, shown_mask, value_range
from medseg.outputs.report.packing import nifti_bytes, write_grey_picture, write_mask_picture, write_script
from medseg.outputs.report.source import ReportCase, Source
from medseg.regions import axial_diameters, segmentation_regions

__all__ = ["Opened", "lines_of", "open_case", "places", "write_pictures"]

_MOST_CHANNELS = 4
_MOST_LINES = 200
_LINES = ("longest_axial", "perpendicular")


@dataclass(frozen=True, eq=False)
class Opened:
    """A case's image and its mask on one grid.

    Args:
        image: As it was read for prediction.
        segmentation: The mask that was written.
    """

    image: Image
    segmentation: Segmentation


def open_case(case: ReportCase, source: Source) -> Opened:
    """Read image and mask again.

    Raises:
        MedsegError: A file is gone, has changed or cannot be read.
    """
    if source.labels is None:
        raise InputError("run.json", "is missing: nothing says what the mask's values mean", "Predict again.")
    gone = next((path for path in case.images if not _exists(path)), None)
    if gone is not None:
        raise InputError(gone, "is gone", "Put it back, and run the report again.")
    reading = ReadOptions.model_validate(source.run.get("settings", {}).get("reading", {}))
    image = read_case_image(Case(case.id, case.id, case.images), reading)
    mask = _mask(source.out / case.id, image, source.labels)
    return Opened(image, Segmentation(mask, image.geometry, source.labels))


def _exists(path: Path) -> bool:
    from medseg import address

    return address.exists(path)


def _mask(folder: Path, image: Image, labels: Labels) -> np.ndarray:
    grid = image.geometry
    if not labels.exclusive:
        return read_label_files(folder, labels, on=grid).mask
    path = next((folder / name for name in ("mask.nii.gz", "mask.png") if (folder / name).is_file()), None)
    if path is None:
        raise InputError("mask", "is gone", "Predict the case again.")
    found = read_label_map(path)
    if grid.ndim == 3:
        return mask_on_grid(found.mask, found.geometry, grid, path)
    # Of a picture the data set may have stated the spacing, which its file does not know.
    if found.mask.shape != grid.shape:
        raise GridMismatchError(path, f"has the shape {found.mask.shape} and the image {grid.shape}", "Predict again.")
    return found.mask


def write_pictures(
    folder: Path, case: ReportCase, opened: Opened, run: Mapping[str, Any], most_voxels: int
) -> tuple[dict[str, Any], Grid]:
    """Write the files of a case's picture, and say what they are.

    Args:
        folder: Of the pages.
        case: Whose.
        opened: Its image and mask.
        run: `run.json`.
        most_voxels: Of an image and all of its channels that are shown; one with more is shrunk.

    Returns:
        What the page's script needs, and the grid that is shown.

    Raises:
        OutputError: A file cannot be written.
    """
    image, labels = opened.image, opened.segmentation.labels
    shown = min(image.channels, _MOST_CHANNELS if image.geometry.ndim == 3 else 1)
    grid = fitted(image.geometry, most_voxels // shown)
    plan = run.get("plan", {})
    names = [str(name) for name in plan.get("channels", ())]
    ranges = [value_range(image, n, str(plan.get("modality", "")) if n == 0 else "") for n in range(shown)]
    mask = shown_mask(opened.segmentation.drawable(case.name), grid, case.regions, labels.names)
    said: dict[str, Any] = {
        "shape": list(grid.geometry.shape),
        "extent": [n * step for n, step in zip(grid.geometry.shape, grid.geometry.step, strict=True)],
        "native": image.geometry.describe(),
        "shown": grid.geometry.describe(),
        "shrunk": grid.shrunk,
        "overlapping": not labels.exclusive,
        "channels": [_channel(names[n] if n < len(names) else f"ch{n}", ranges[n]) for n in range(shown)],
    }
    if image.geometry.ndim == 2:
        return said | _write_radiograph(folder, case, grey(image.voxels[0], grid, ranges[0]), mask, labels, grid), grid
    for n in range(shown):
        packed = nifti_bytes(grey(image.voxels[n], grid, ranges[n]), grid.geometry, ranges[n])
        write_script(folder / f"{case.key}.image{n}.js", "medsegPut", {"name": f"image{n}", "data": packed})
    packed = nifti_bytes(mask, grid.geometry)
    write_script(folder / f"{case.key}.mask.js", "medsegPut", {"name": "mask", "data": packed})
    return said | {"kind": "volume", "oblique": image.geometry.oblique}, grid


def _write_radiograph(
    folder: Path, case: ReportCase, voxels: np.ndarray, mask: np.ndarray, labels: Labels, grid: Grid
) -> dict[str, Any]:
    write_grey_picture(folder / f"{case.key}.image.png", voxels)
    write_mask_picture(folder / f"{case.key}.mask.png", mask, labels)
    steps = grid.geometry.step
    return {"kind": "radiograph", "aspect": steps[1] / steps[0]}


def _channel(name: str, values: Range) -> dict[str, Any]:
    return {
        "name": name,
        "low": values.low,
        "high": values.high,
        "black": values.black,
        "white": values.white,
        "unit": values.unit,
    }


def places(case: ReportCase, grid: Grid, lines: Mapping[tuple[str, int], Sequence[Any]]) -> list[dict[str, Any]]:
    """Of each region its centre and its two RECIST lines, in voxels of what is shown."""
    axes = "ijk"[: grid.native.ndim]
    found = []
    for region in case.regions:
        one: dict[str, Any] = {"centre": None, "lines": []}
        if f"centroid_{axes[-1]}" in region:
            one["centre"] = grid.shown_at([region[f"centroid_{axis}"] for axis in axes])
        for ends in lines.get((region["label"], region["region"]), ()):
            one["lines"].append([[round(float(n), 3) for n in grid.geometry.to_index(end)] for end in ends])
        found.append(one)
    return found


def lines_of(case: ReportCase, opened: Opened) -> dict[tuple[str, int], list[np.ndarray]]:
    """Ends of the longest diameter and of the one across, in the image's world, each of shape (2, ndim).

    They are in the table of volumes with a known spacing. Of others they are found again in the mask, where the
    region there is the one of the table.
    """
    found: dict[tuple[str, int], list[np.ndarray]] = {}
    missing: dict[tuple[str, int], int] = {}
    for region in case.regions:
        key = (region["label"], region["region"])
        if f"{_LINES[0]}_start_x_mm" in region:
            found[key] = [
                np.array([[region[f"{line}_{end}_{axis}_mm"] for axis in "xyz"] for end in ("start", "end")], float)
                for line in _LINES
            ]
        elif len(missing) < _MOST_LINES:
            missing[key] = region["voxels"]
    if missing:
        geometry = opened.image.geometry
        for one in segmentation_regions(opened.segmentation):
            if missing.get((one.label, one.id)) == one.voxels:
                measured = axial_diameters(one.mask, geometry.cropped(one.start, one.size))
                found[one.label, one.id] = [
                    np.array([line.start, line.end]) for line in (measured.longest, measured.perpendicular)
                ]
    return found
