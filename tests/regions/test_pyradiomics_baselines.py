"""Shape and first order of PyRadiomics' own test cases against the figures that it publishes for them."""

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


# How the published figure follows from our row, for every feature; n is the number of voxels.
SAME = {
    "VoxelVolume": lambda row, n: row["volume_mm3"],
    "Maximum3DDiameter": lambda row, n: row["longest_3d_mm"],
    "Elongation": lambda row, n: row["elongation"],
    "Flatness": lambda row, n: row["flatness"],
    # PyRadiomics divides the covariance by n; the values of IBSI's digital phantom need n - 1
    "MajorAxisLength": lambda row, n: row["major_axis_mm"] * np.sqrt((n - 1) / n),
    "MinorAxisLength": lambda row, n: row["minor_axis_mm"] * np.sqrt((n - 1) / n),
    "LeastAxisLength": lambda row, n: row["least_axis_mm"] * np.sqrt((n - 1) / n),
}
MESH = {
    "MeshVolume": "mesh_volume_mm3", "SurfaceArea": "surface_mm2", "SurfaceVolumeRatio": "surface_to_volume",
    "Sphericity": "sphericity",
}  # fmt: skip
FIRST_ORDER = {
    "Mean": lambda row, n: row["mean_hu"],
    "Variance": lambda row, n: row["sd_hu"] ** 2,
    "Minimum": lambda row, n: row["min_hu"],
    "Maximum": lambda row, n: row["max_hu"],
    "Median": lambda row, n: row["median_hu"],
    "10Percentile": lambda row, n: row["p10_hu"],
    "90Percentile": lambda row, n: row["p90_hu"],
    "InterquartileRange": lambda row, n: row["iqr_hu"],
    "Range": lambda row, n: row["range_hu"],
    "MeanAbsoluteDeviation": lambda row, n: row["mad_hu"],
    "RobustMeanAbsoluteDeviation": lambda row, n: row["rmad_hu"],
    "Skewness": lambda row, n: row["skewness_hu"],
    "Kurtosis": lambda row, n: row["kurtosis_hu"] + 3,  # ours is excess, as IBSI's
    # these baselines were made with 2000 added to every value (voxelArrayShift), which IBSI does not
    "Energy": lambda row, n: row["energy_hu"] + 2 * 2000 * n * row["mean_hu"] + n * 2000**2,
    "RootMeanSquared": lambda row, n: np.sqrt(row["rms_hu"] ** 2 + 2 * 2000 * row["mean_hu"] + 2000**2),
    "Entropy": lambda row, n: row["entropy_hu"],  # bins of 25, as CT's
    "Uniformity": lambda row, n: row["uniformity_hu"],
}
# PyRadiomics cuts faces whose corners lie crosswise now one way, now the other, which leaves its mesh open there. So
# figures of masks with such faces differ: by less than 1e-3, but for these.
OPEN_MESH = {("brain2", "SurfaceArea"): 4e-3, ("brain2", "SurfaceVolumeRatio"): 4e-3, ("brain2", "Sphericity"): 4e-3}
CROSSWISE = ("brain1", "brain2", "lung2")


def row_of(folder: Path, case: str):
    """The whole label as one region; of lungs there is no image."""
    mask, geometry = nrrd(folder / f"{case}_label.nrrd")
    mask = (mask == 1).astype(np.uint8)
    path = folder / f"{case}_image.nrrd"
    voxels = nrrd(path)[0] if path.exists() else np.zeros(mask.shape, np.int16)
    table = measure_regions(
        Image(voxels[np.newaxis], geometry), mask, labels_of(mask), channel_names=("hu",), merge_mm=1000
    )
    return table.iloc[0], mask == 1, geometry


@pytest.mark.parametrize("case", ["brain1", "brain2", "breast1"])
def test_first_order_features(test_data, case):
    folder = test_data / "pyradiomics"
    row, _mask, _geometry = row_of(folder, case)
    assert row["voxels"] == published(folder, "firstorder", "diagnostics_Mask-original_VoxelNum", case)
    for feature, ours in FIRST_ORDER.items():
        value = published(folder, "firstorder", f"original_firstorder_{feature}", case)
        assert ours(row, row["voxels"]) == pytest.approx(value, rel=1e-9), feature


@pytest.mark.parametrize("case", ["brain1", "brain2", "breast1", "lung1", "lung2"])
def test_shape_features(test_data, case):
    from skimage.measure import marching_cubes, mesh_surface_area

    folder = test_data / "pyradiomics"
    row, mask, geometry = row_of(folder, case)
    for feature, ours in SAME.items():
        value = published(folder, "shape", f"original_shape_{feature}", case)
        assert ours(row, row["voxels"]) == pytest.approx(value, rel=1e-9), feature
    for feature, name in MESH.items():
        value = published(folder, "shape", f"original_shape_{feature}", case)
        tolerance = OPEN_MESH.get((case, feature), 1e-3) if case in CROSSWISE else 1e-9
        assert row[name] == pytest.approx(value, rel=tolerance), feature
    assert (crosswise_faces(mask) > 0) == (case in CROSSWISE)
    # a third judge, whose surface is closed too; seven-cornered polygons are cut otherwise there
    vertices, faces, _n, _v = marching_cubes(np.pad(mask, 1).astype(np.float32), 0.5, spacing=geometry.step)
    assert row["surface_mm2"] == pytest.approx(
        mesh_surface_area(vertices, faces), rel=5e-3 if case == "brain1" else 5e-4
    )


def crosswise_faces(mask: np.ndarray) -> int:
    """Faces between four voxels of which two, diagonally, are inside."""
    count = 0
    padded = np.pad(mask, 1)
    for axis in range(3):
        a = np.moveaxis(padded, axis, 0)
        corners = a[:, :-1, :-1], a[:, 1:, :-1], a[:, 1:, 1:], a[:, :-1, 1:]
        count += int(((corners[0] == corners[2]) & (corners[1] == corners[3]) & (corners[0] != corners[1])).sum())
    return count


@pytest.mark.parametrize("case", ["brain1", "brain2", "breast1", "lung1", "lung2"])
def test_shape_features_of_a_slice(test_data, case):
    folder = test_data / "pyradiomics"
    slices = {"brain1": 16, "brain2": 8, "breast1": 9, "lung1": 33, "lung2": 22}
    mask, geometry = nrrd(folder / f"{case}_label.nrrd")
    mask = (mask[..., slices[case]] == 1).astype(np.uint8)
    flat = Geometry.from_spacing(mask.shape, geometry.step[:2])
    image = Image(np.zeros((1, *mask.shape), np.int16), flat)
    row = measure_regions(image, mask, labels_of(mask), merge_mm=1000).iloc[0]
    to_n = np.sqrt((row["voxels"] - 1) / row["voxels"])
    ours = {
        "PixelSurface": row["area_mm2"], "Perimeter": row["perimeter_mm"], "MaximumDiameter": row["feret_max_mm"],
        "Sphericity": np.sqrt(row["circularity"]), "Elongation": row["elongation"],
        "MajorAxisLength": row["major_axis_mm"] * to_n, "MinorAxisLength": row["minor_axis_mm"] * to_n,
    }  # fmt: skip
    for feature, value in ours.items():
        expected = published(folder, "shape2D", f"original_shape2D_{feature}", f"{case}_shape2D")
        assert value == pytest.approx(expected, rel=1e-6), feature


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
