"""Textures against PyRadiomics' published figures, where the extra is installed."""

import csv
import importlib.util

import numpy as np
import pytest

from medseg import Geometry, Image, Labels, MissingExtraError, read_image, read_mask
from medseg.regions import Measured, find_regions, measure_regions
from medseg.regions.texture import FEATURES, columns, measure, texture_features

HERE = importlib.util.find_spec("radiomics") is not None
LESION = Labels.from_config({"lesion": 1})
needed = pytest.mark.skipif(not HERE, reason="the extra radiomics is not installed: docs/measuring.md says how")


@needed
@pytest.mark.parametrize("case", ["brain1", "brain2", "breast1"])
def test_textures_are_those_that_pyradiomics_publishes(test_data, case):
    folder = test_data / "pyradiomics"
    image = read_image(folder / f"{case}_image.nrrd")
    mask, _ = read_mask(folder / f"{case}_label.nrrd", on=image)
    ours = texture_features(image.voxels[0], mask == 1, bin_width=25)
    checked = 0
    for matrix in FEATURES:
        with (folder / "baseline" / f"baseline_{matrix}.csv").open(newline="") as lines:
            for row in csv.DictReader(lines):
                name = row["featureName"]
                if name.startswith("original_"):
                    key = name.removeprefix(f"original_{matrix}_").lower()
                    assert ours[f"{matrix}_{key}"] == pytest.approx(float(row[case]), rel=1e-9), name
                    checked += 1
    assert checked == len(columns(("one",))) == 75


@needed
@pytest.mark.parametrize("shape", [(9, 8, 7), (9, 8)])
def test_every_column_has_a_value_and_one_voxel_has_no_neighbour(shape):
    voxels = np.random.default_rng(0).normal(0, 50, (1, *shape)).astype(np.float32)
    image = Image(voxels, Geometry.from_spacing(shape, [1] * len(shape)))
    mask = np.zeros(shape, np.uint8)
    mask[1:6, 1:6] = 1
    (region,) = find_regions(mask, LESION)
    row = measure(Measured(region, region.mask, image, ("mr",)))
    assert list(row) == [column.name for column in columns(("mr",))]
    assert np.isfinite(list(row.values())).all()
    mask[:] = 0
    mask[(2,) * len(shape)] = 1
    table = measure_regions(image, mask, LESION, families=("texture",))
    assert np.isnan(table["glcm_contrast_ch0"][0])


@pytest.mark.skipif(HERE, reason="the extra is installed")
def test_without_the_extra_the_error_says_how_to_install_it():
    with pytest.raises(MissingExtraError, match=r"--no-build-isolation --no-deps pyradiomics==3\.0\.1"):
        texture_features(np.zeros((3, 3, 3)), np.ones((3, 3, 3), bool))
