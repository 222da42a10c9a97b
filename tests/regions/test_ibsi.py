"""The phantoms of the Image Biomarker Standardisation Initiative against its consensus values and their tolerances."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from medseg.geometry import Geometry
from medseg.image import Image
from medseg.io import read_image, read_mask
from medseg.labels import labels_of
from medseg.regions import measure_regions

SHAPE = {
    "morph_volume": "mesh_volume_mm3", "morph_vol_approx": "volume_mm3", "morph_area_mesh": "surface_mm2",
    "morph_av": "surface_to_volume", "morph_comp_1": "compactness_1", "morph_comp_2": "compactness_2",
    "morph_sph_dispr": "spherical_disproportion", "morph_sphericity": "sphericity", "morph_asphericity": "asphericity",
    "morph_diam": "longest_3d_mm", "morph_pca_maj_axis": "major_axis_mm", "morph_pca_min_axis": "minor_axis_mm",
    "morph_pca_least_axis": "least_axis_mm", "morph_pca_elongation": "elongation", "morph_pca_flatness": "flatness",
}  # fmt: skip
FIRST_ORDER = {
    "stat_mean": "mean", "stat_skew": "skewness", "stat_kurt": "kurtosis", "stat_median": "median", "stat_min": "min",
    "stat_p10": "p10", "stat_p90": "p90", "stat_max": "max", "stat_iqr": "iqr", "stat_range": "range",
    "stat_mad": "mad", "stat_rmad": "rmad", "stat_energy": "energy", "stat_rms": "rms", "ih_entropy": "entropy",
    "ih_uniformity": "uniformity",
}  # fmt: skip
LOW, HIGH = -500, 400  # HU of the intensity mask, in both configurations


def reference(folder: Path, name: str) -> dict[str, tuple[float, float]]:
    """Value and tolerance by tag."""
    with (folder / "reference_values" / f"ibsi_1_{name}.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines, delimiter=";") if row["reference value"]]
    return {row["tag"]: (float(row["reference value"]), float(row["tolerance"] or 0)) for row in rows}


def checked(row: pd.Series, expected: dict[str, tuple[float, float]], channel: str) -> None:
    """Ours, rounded to three digits as the consensus is, lie within the standard's tolerance of it."""
    found = {tag: row[name] for tag, name in SHAPE.items()}
    found |= {tag: row[f"{name}_{channel}"] for tag, name in FIRST_ORDER.items()}
    found["stat_var"] = row[f"sd_{channel}"] ** 2
    rounded = {tag: float(f"{value:.3g}") for tag, value in found.items()}
    wrong = {
        tag: (found[tag], expected[tag])
        for tag, value in rounded.items()
        if abs(value - expected[tag][0]) > expected[tag][1] + 1e-9 * abs(expected[tag][0])
    }
    assert wrong == {}


def of_whole_mask(image: Image, mask: np.ndarray, channel: str) -> pd.Series:
    table = measure_regions(image, mask, labels_of(mask), channel_names=(channel,), merge_mm=1000)
    assert len(table) == 1
    return table.iloc[0]


def test_the_digital_phantom(test_data):
    folder = test_data / "ibsi"
    nifti = folder / "ibsi_1_digital_phantom" / "nifti"
    image = read_image(nifti / "image" / "phantom.nii.gz")
    row = of_whole_mask(image, read_mask([nifti / "mask" / "mask.nii.gz"])[0], "grey")
    checked(row, reference(folder, "dig_phantom"), "grey")
    assert row["voxels"] == 74


def ct(folder: Path) -> tuple[np.ndarray, np.ndarray, Geometry]:
    nifti = folder / "ibsi_1_ct_radiomics_phantom" / "nifti"
    image = read_image(nifti / "image" / "phantom.nii.gz")
    return image.voxels[0], read_mask([nifti / "mask" / "mask.nii.gz"])[0], image.geometry


def within_range(voxels: np.ndarray, geometry: Geometry) -> Image:
    """Re-segmentation leaves voxels out of the statistics and in the shape: so do voxels that are not finite."""
    values = np.where((voxels >= LOW) & (voxels <= HIGH), voxels, np.nan).astype(np.float32)
    return Image(values[np.newaxis], geometry, modality="CT")


def test_the_ct_phantom_as_it_is_in_bins_of_25_hu(test_data):
    """Configuration A."""
    voxels, mask, geometry = ct(test_data / "ibsi")
    row = of_whole_mask(within_range(voxels, geometry), mask, "hu")
    checked(row, reference(test_data / "ibsi", "chest_config_a"), "hu")


def test_the_ct_phantom_resampled_in_the_plane_in_32_bins(test_data):
    """Configuration B: 2 mm by 2 mm, bilinear, grids aligned at their centres, whole HU."""
    from scipy.ndimage import map_coordinates

    voxels, mask, geometry = ct(test_data / "ibsi")
    step = np.array([2.0, 2.0, geometry.step[2]])
    shape = np.ceil(np.array(voxels.shape) * geometry.step / step - 1e-6).astype(int)
    places = [
        (np.arange(n) - (n - 1) / 2) * new / old + (before - 1) / 2
        for n, new, old, before in zip(shape, step, geometry.step, voxels.shape, strict=True)
    ]
    grid = np.stack(np.meshgrid(*places, indexing="ij"))
    linear = {"order": 1, "mode": "nearest"}
    coarse = np.rint(map_coordinates(voxels.astype(np.float64), grid, **linear))
    inside = (map_coordinates((mask > 0).astype(np.float64), grid, **linear) >= 0.5).astype(np.uint8)
    row = of_whole_mask(within_range(coarse, Geometry.from_spacing(tuple(shape), step)), inside, "grey")
    checked(row, reference(test_data / "ibsi", "chest_config_b"), "grey")
