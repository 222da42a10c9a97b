"""Size and mean of PyRadiomics' own test cases against the figures that it publishes for them."""

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from medseg.geometry import Geometry
from medseg.image import Image
from medseg.labels import labels_of
from medseg.regions import axial_diameters, longest_diameter, measure_regions

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def nrrd(path: Path) -> tuple[np.ndarray, Geometry]:
    import SimpleITK as sitk  # noqa: N813

    image = sitk.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image).T, Geometry(image.GetSize(), LPS_TO_RAS @ affine)


def published(folder: Path, table: str, feature: str, case: str) -> float:
    with (folder / "baseline" / f"baseline_{table}.csv").open(newline="") as lines:
        row = next(row for row in csv.DictReader(lines) if row["featureName"] == feature)
    return float(row[case])


@pytest.mark.parametrize("case", ["brain1", "brain2", "breast1"])
def test_size_and_mean_of_the_whole_label(test_data, case):
    folder = test_data / "pyradiomics"
    voxels, geometry = nrrd(folder / f"{case}_image.nrrd")
    mask, _same = nrrd(folder / f"{case}_label.nrrd")
    mask = (mask == 1).astype(np.uint8)
    table = measure_regions(Image(voxels[np.newaxis], geometry), mask, labels_of(mask))
    count = table["voxels"].sum()
    assert count == published(folder, "firstorder", "diagnostics_Mask-original_VoxelNum", case)
    volume = published(folder, "shape", "original_shape_VoxelVolume", case)
    assert table["volume_mm3"].sum() == pytest.approx(volume, rel=1e-9)
    mean = (table["mean_ch0"] * table["voxels"]).sum() / count
    assert mean == pytest.approx(published(folder, "firstorder", "original_firstorder_Mean", case), rel=1e-9)


@pytest.mark.parametrize("case", ["brain1", "brain2", "breast1", "lung1", "lung2"])
def test_diameters_between_mesh_vertices(test_data, case):
    """PyRadiomics' mesh has the same vertices; its slices also hold those between two slices (see below)."""
    folder = test_data / "pyradiomics"
    mask, geometry = nrrd(folder / f"{case}_label.nrrd")
    start = np.argwhere(mask == 1).min(axis=0)
    size = np.argwhere(mask == 1).max(axis=0) + 1 - start
    inside = mask[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))] == 1
    crop = geometry.cropped(tuple(start), tuple(size))
    longest = published(folder, "shape", "original_shape_Maximum3DDiameter", case)
    assert longest_diameter(inside, crop).length == pytest.approx(longest, rel=1e-6)
    in_slice = published(folder, "shape", "original_shape_Maximum2DDiameterSlice", case)
    assert max(axial_diameters(inside, crop).longest.length, between_slices(inside, crop)) == pytest.approx(in_slice)


def between_slices(mask: np.ndarray, geometry: Geometry) -> float:
    """Longest distance between vertices midway between two slices, which PyRadiomics' "2D slice" counts and RECIST not.

    Such vertices lie where a voxel is in one slice's region and its neighbour in the next slice is not.
    """
    from scipy.spatial.distance import pdist

    edges = [np.argwhere(below != above) for below, above in pairwise(np.moveaxis(mask, 2, 0))]
    return max(pdist(points * geometry.step[:2]).max() for points in edges if len(points) > 1)
