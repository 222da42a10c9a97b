"""Shape and intensity against bodies of known size, on turned and skewed grids, and of what has hardly any."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.geometry import Geometry, Reorientation
from medseg.image import Image
from medseg.io import read_image, read_mask
from medseg.labels import Labels
from medseg.regions import measure_regions
from medseg.regions import surface as surfaces
from medseg.regions.cells import cover, patches
from medseg.regions.surface import surface_of

LESION = Labels.from_config({"lesion": 1})
PLANES = ("longest_in_sagittal_mm", "longest_in_coronal_mm", "longest_in_axial_mm")  # change places as axes do
PLACED = ("case", "label", "region", "touches_border")


def rotation(seed: int) -> np.ndarray:
    turned, _r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return turned * np.sign(np.linalg.det(turned))


def grid(shape, spacing, seed=None, skew=0.0) -> Geometry:
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if seed is None else rotation(seed)) * np.array(spacing)
    affine[:3, 2] += skew * affine[:3, 0]
    affine[:3, 3] = (-80, 12, 300)
    return Geometry(shape, affine)


def row_of(mask, geometry, voxels=None, **options):
    values = np.zeros(mask.shape, np.int16) if voxels is None else voxels
    table = measure_regions(Image(values[np.newaxis], geometry), mask.astype(np.uint8), LESION, **options)
    assert len(table) == 1
    return table.iloc[0]


def body(geometry: Geometry, directions: np.ndarray, radii) -> np.ndarray:
    """Voxels of an ellipsoid in the middle of the grid."""
    centre = geometry.to_world((np.array(geometry.shape) - 1) / 2)
    offsets = (geometry.to_world(np.moveaxis(np.indices(geometry.shape), 0, -1)) - centre) @ directions
    return ((offsets / np.array(radii)) ** 2).sum(-1) <= 1


@pytest.mark.parametrize(
    ("spacing", "seed", "skew"), [((1, 1, 1), None, 0), ((0.7, 0.9, 1.3), 4, 0), ((1, 1, 1), 2, 0.4)]
)
def test_a_sphere_is_a_sphere_on_any_grid(spacing, seed, skew):
    radius = 15.0
    geometry = grid(
        tuple(int(2 * radius * (1.25 if i < 2 else 1) / step) + 5 for i, step in enumerate(spacing)),
        spacing,
        seed,
        skew,
    )
    row = row_of(body(geometry, np.eye(3), (radius,) * 3), geometry)
    assert row["mesh_volume_mm3"] == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.01)
    # facets of a binary mask stand oblique to the sphere: its surface is overrated by about a tenth, at any resolution
    assert row["surface_mm2"] == pytest.approx(4 * np.pi * radius**2 * 1.08, rel=0.04)
    assert 0.88 < row["sphericity"] < 0.97
    assert row["sphericity"] ** 3 == pytest.approx(row["compactness_2"])
    for name in ("major_axis_mm", "minor_axis_mm", "least_axis_mm"):
        assert row[name] == pytest.approx(2 * radius * np.sqrt(4 / 5), rel=0.01)
    assert row["elongation"] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("seed", [3, 8])
def test_an_ellipsoid_has_its_axes_and_points_where_it_points(seed):
    radii = np.array([24.0, 15.0, 9.0])
    geometry, directions = grid((70, 70, 36), (0.8, 0.8, 1.6), seed), rotation(seed + 50)
    row = row_of(body(geometry, directions, radii), geometry)
    assert row["mesh_volume_mm3"] == pytest.approx(4 / 3 * np.pi * np.prod(radii), rel=0.01)
    lengths = [row[f"{name}_axis_mm"] for name in ("major", "minor", "least")]
    np.testing.assert_allclose(lengths, 2 * radii * np.sqrt(4 / 5), rtol=0.01)
    assert (row["elongation"], row["flatness"]) == (pytest.approx(15 / 24, rel=0.01), pytest.approx(9 / 24, rel=0.01))
    towards = np.array([row[f"major_axis_{axis}"] for axis in "xyz"])
    assert np.linalg.norm(towards) == pytest.approx(1)
    assert abs(towards @ directions[:, 0]) > 0.9995
    assert towards[2] > 0


def test_a_box_encloses_what_its_cut_edges_leave():
    sides = (5, 4, 3)
    row = row_of(np.pad(np.ones(sides, bool), 1), grid(tuple(n + 2 for n in sides), (1, 1, 1)))
    # each of the 12 edges of length n - 1 loses a prism of 1/8, each of the 8 corners 1/8 - 1/48 of a cube
    edges = 4 * sum(n - 1 for n in sides)
    assert row["mesh_volume_mm3"] == pytest.approx(60 - edges / 8 - 8 * (1 / 8 - 1 / 48))
    faces = 2 * sum((a - 1) * (b - 1) for a, b in ((5, 4), (5, 3), (4, 3)))
    assert row["surface_mm2"] == pytest.approx(faces + edges * np.sqrt(0.5) + 8 * np.sqrt(3) / 8)
    assert [row[name] for name in PLANES] == pytest.approx([np.hypot(4, 2), np.hypot(5, 2), np.hypot(5, 3)])


def test_every_kind_of_cell_fits_its_neighbours():
    """Volumes from counts of cells are those of closed surfaces: inside and outside together make a cell."""
    share = cover(3)
    assert share[0] == 0
    assert share[255] == 1
    plain = [number for number in range(256) if not crosswise(number)]
    np.testing.assert_allclose(share[plain] + share[[255 - number for number in plain]], 1)
    assert len(set(np.round(share, 9))) > 10
    sides = np.diff(patches(3).corners, axis=1)
    assert np.linalg.norm(sides, axis=-1).min() > 0.4


def crosswise(number: int) -> bool:
    cube = np.array([number >> bit & 1 for bit in range(8)]).reshape(2, 2, 2)
    faces = [cube.take(side, axis) for axis in range(3) for side in (0, 1)]
    return any(face[0, 0] == face[1, 1] != face[0, 1] == face[1, 0] for face in faces)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), density=st.floats(0.05, 0.9))
def test_the_surface_of_any_mask_is_closed(seed, density):
    """The volume from the counts of cells is the flow of another field through all patches of the surface."""
    mask = np.pad(np.random.default_rng(seed).random((5, 4, 6)) < density, 1)
    found, kinds = patches(3), surfaces._kinds(mask.astype(np.uint8))
    flow = 0.0
    for place in np.ndindex(kinds.shape):
        of_cell = found.cell == kinds[place]
        a, b, c = np.moveaxis(found.corners[of_cell] + place, 1, 0)
        normals = np.cross(b - a, c - a) / 2 * found.weight[of_cell, np.newaxis]
        flow += float((normals * (a + b + c) / 3)[:, 1].sum())
    enclosed = surface_of(mask, Geometry.from_spacing(mask.shape, (1, 1, 1))).enclosed
    assert flow == pytest.approx(enclosed, abs=1e-9)


def test_a_large_region_is_measured_some_slices_at_a_time(monkeypatch):
    mask = np.random.default_rng(2).random((9, 7, 8)) < 0.6
    geometry = grid(mask.shape, (0.7, 0.8, 2.0), 5)
    whole = row_of(mask, geometry, merge_mm=99)
    for module in ("surface", "axes"):
        monkeypatch.setattr(f"medseg.regions.{module}._BLOCK", 1)
    for module in ("measured", "intensity"):
        monkeypatch.setattr(f"medseg.regions.{module}.BLOCK", 7)
    again = row_of(mask, geometry, merge_mm=99)
    numbers = whole.drop(list(PLACED)).to_numpy(float)
    np.testing.assert_allclose(again.drop(list(PLACED)).to_numpy(float), numbers, rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), density=st.floats(0.2, 0.9))
def test_flips_axis_orders_crops_and_shifts_change_no_shape_and_no_intensity(seed, density):
    rng = np.random.default_rng(seed)
    mask = np.zeros((10, 9, 8), bool)
    mask[2:7, 2:6, 2:6] = rng.random((5, 4, 4)) < density
    mask[3:5, 3, 3] = True
    voxels = rng.integers(-200, 300, mask.shape).astype(np.int16)
    geometry = grid(mask.shape, (0.6, 0.9, 2.2), int(rng.integers(100)), skew=0.2)
    change = Reorientation(tuple(int(n) for n in rng.permutation(3)), tuple(bool(n) for n in rng.integers(0, 2, 3)))
    box = tuple(slice(a, a + n) for a, n in zip((1, 2, 0), (7, 5, 7), strict=True))
    shifted = geometry.affine.copy()
    shifted[:3, 3] += (5, -7, 11)
    moved = Geometry(mask.shape, shifted).cropped((1, 2, 0), (7, 5, 7)).reoriented(change)
    options = {"merge_mm": 99, "channel_names": ("hu",)}
    before = row_of(mask, geometry, voxels, **options)
    after = row_of(change.apply(mask[box]), moved, change.apply(voxels[box]), **options)
    bound = ("centroid", "box", "longest_axial_start", "longest_axial_end", "perpendicular_", "major_axis_", *PLANES)
    kept = [name for name in before.index if not name.startswith(bound) and name not in PLACED]
    kept += ["major_axis_mm", "perpendicular_mm"]
    assert len(kept) > 40
    np.testing.assert_allclose(after[kept].to_numpy(float), before[kept].to_numpy(float), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(after[list(PLANES)].max(), before[list(PLANES)].max())
    np.testing.assert_allclose(sorted(after[list(PLANES)]), sorted(before[list(PLANES)]))


def test_one_voxel_has_defined_values_and_empty_cells():
    mask = np.zeros((3, 3, 3), bool)
    mask[0, 1, 1] = True
    row = row_of(mask, grid(mask.shape, (1, 1, 2)), np.full(mask.shape, 70, np.int16), channel_names=("hu",))
    assert row["mesh_volume_mm3"] == pytest.approx(2 / 6)  # an octahedron
    assert (row["major_axis_mm"], row["least_axis_mm"]) == (0, 0)
    assert row[["elongation", "flatness", "major_axis_x", "major_axis_y", "major_axis_z"]].isna().all()
    assert (row["mean_hu"], row["sd_hu"], row["skewness_hu"], row["kurtosis_hu"], row["entropy_hu"]) == (70, 0, 0, 0, 0)
    assert (row["uniformity_hu"], row["energy_hu"], row["rmad_hu"]) == (1, 4900, 0)
    assert row["touches_border"]


@pytest.mark.parametrize("value", [0.1, -1000.3, 1e-30])
def test_a_constant_region_has_no_skewness_and_no_entropy(value):
    mask = np.ones((4, 5, 3), bool)
    row = row_of(mask, grid(mask.shape, (1, 1, 1)), np.full(mask.shape, value, np.float32))
    assert row["mean_ch0"] == float(np.float32(value))
    for name in ("sd", "skewness", "kurtosis", "entropy", "mad", "rmad", "iqr", "range"):
        assert row[f"{name}_ch0"] == 0, name
    assert row["uniformity_ch0"] == 1


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10_000), kind=st.sampled_from(["int16", "uint8", "float32", "float64"]), n=st.integers(2, 300)
)
def test_figures_are_those_of_scipy_and_numpy(seed, kind, n):
    from scipy import stats

    values = np.random.default_rng(seed).normal(90, 25, n).clip(0, 255).astype(kind)
    mask = np.ones((n, 1, 1), bool)
    row = row_of(mask, grid(mask.shape, (1, 1, 1)), values.reshape(mask.shape), channel_names=("hu",))
    exact = values.astype(np.float64)
    p10, p90 = np.percentile(exact, [10, 90])
    inner = exact[(exact >= p10) & (exact <= p90)]
    bins = np.unique(np.floor(exact / 25), return_counts=True)[1] / n
    level = np.ptp(exact) == 0
    expected = {
        "p5": np.percentile(exact, 5), "p25": np.percentile(exact, 25), "p95": np.percentile(exact, 95),
        "iqr": stats.iqr(exact), "skewness": 0 if level else stats.skew(exact),
        "kurtosis": 0 if level else stats.kurtosis(exact), "mad": np.abs(exact - exact.mean()).mean(),
        "rmad": np.abs(inner - inner.mean()).mean() if inner.size else np.nan,
        "rms": np.sqrt((exact**2).mean()), "energy": (exact**2).sum(), "entropy": stats.entropy(bins, base=2),
        "uniformity": (bins**2).sum(),
    }  # fmt: skip
    found = [row[f"{name}_hu"] for name in expected]
    np.testing.assert_allclose(found, list(expected.values()), rtol=1e-9, atol=1e-9)


def test_a_picture_has_a_contour_of_known_length():
    mask = np.zeros((12, 9), bool)
    mask[2:9, 3:7] = True
    flat = Geometry.from_spacing(mask.shape, (0.5, 0.5), "PixelSpacing")
    row = row_of(mask, flat)
    perimeter = (2 * (6 + 3) + 4 * np.sqrt(0.5)) / 2
    area = (7 * 4 - 4 / 8) / 4  # each corner is cut off
    assert row["perimeter_mm"] == pytest.approx(perimeter)
    assert row["circularity"] == pytest.approx(4 * np.pi * area / perimeter**2)
    assert (row["feret_min_mm"], row["feret_max_mm"]) == (pytest.approx(2), row["longest_axial_mm"])
    assert row["equivalent_diameter_mm"] == pytest.approx(np.sqrt(4 * 7 / np.pi))
    assert row[["sphericity", "least_axis_mm", "flatness", "perimeter_px"]].isna().all()
    pixels = row_of(mask, Geometry.from_spacing(mask.shape, None))
    assert (pixels["perimeter_px"], pixels["feret_min_px"]) == (pytest.approx(2 * perimeter), pytest.approx(4))
    assert np.isnan(pixels["perimeter_mm"])


def test_volumes_and_means_of_totalsegmentators_own_statistics(test_data):
    folder = test_data / "totalsegmentator" / "example_seg_fast"
    image = read_image(test_data / "totalsegmentator" / "example_ct_sm.nii.gz")
    published = json.loads((folder / "statistics.json").read_text())
    names = ("aorta", "kidney_left", "kidney_right", "liver", "spleen")
    for name in names:
        mask, _grid = read_mask(folder / f"{name}.nii.gz", on=image)
        table = measure_regions(image, mask, LESION, merge_mm=2000)
        assert table["volume_mm3"].sum() == pytest.approx(published[name]["volume"], rel=1e-6), name
        mean = (table["mean_ch0"] * table["voxels"]).sum() / table["voxels"].sum()
        assert mean == pytest.approx(published[name]["intensity"], abs=1e-4), name
