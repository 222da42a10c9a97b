from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from medseg.case import Case
from medseg.errors import DatasetError, LabelError
from medseg.io import read_case_image, read_case_label_map, read_reader_masks
from medseg.labels import Labels
from medseg.options import ReadOptions


def case_of(path: Path, spacing: tuple[float, ...] | None, **saving: object) -> Case:
    PIL.Image.fromarray(np.zeros((4, 6), np.uint8)).save(path, **saving)
    return Case("a", "p", (path,), spacing_mm=spacing)


def test_the_stated_spacing_stands_in_where_the_file_has_none(tmp_path: Path) -> None:
    for spacing, expected in (((0.2,), (0.2, 0.2)), ((0.2, 0.3), (0.2, 0.3))):
        image = read_case_image(case_of(tmp_path / "a.png", spacing))
        assert (image.geometry.spacing_mm, image.geometry.spacing_source) == (expected, "manifest")
        assert image.notes == ()
    assert not read_case_image(case_of(tmp_path / "a.png", None)).geometry.spacing_known
    with pytest.raises(DatasetError, match="3 numbers for an image of 2 axes"):
        read_case_image(case_of(tmp_path / "a.png", (1, 1, 1)))


def test_the_spacing_of_the_file_wins_and_a_contradiction_is_noted(tmp_path: Path) -> None:
    for spacing, contradicts in (((0.1,), False), ((0.1003,), False), ((0.2,), True), ((1, 1, 1), True)):
        image = read_case_image(case_of(tmp_path / "a.tif", spacing, dpi=(254, 254)))
        assert image.geometry.spacing_mm == pytest.approx((0.1, 0.1))
        assert any("states a spacing" in note for note in image.notes) == contradicts


def test_the_mask_of_a_case_says_what_was_done_to_read_it(tmp_path: Path) -> None:
    image = read_case_image(case_of(tmp_path / "a.png", None))
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[1:3, 2:5] = (0, 255, 0)
    pixels[0, 0] = (0, 1, 0)
    PIL.Image.fromarray(pixels).save(tmp_path / "m.png")
    case = Case("a", "p", (tmp_path / "a.png",), (tmp_path / "m.png",))
    found = read_case_label_map(case, image, Labels.from_config({"lesion": "#00ff00"}))
    assert int(found.mask.sum()) == 6
    assert "1 voxels (4.17%) got the nearest declared label" in found.notes[0]


def drawn(folder: Path, **columns: int) -> dict[str, Path]:
    """Binary masks of (4, 6) pixels by name, each white in one column of the picture (or none, for -1)."""
    paths = {}
    for name, column in columns.items():
        pixels = np.zeros((4, 6), np.uint8)
        if column >= 0:
            pixels[:, column] = 255
        PIL.Image.fromarray(pixels).save(folder / f"{name}.png")
        paths[name] = folder / f"{name}.png"
    return paths


def test_a_file_for_each_structure_becomes_one_map_in_the_values_of_its_labels(tmp_path: Path) -> None:
    image = read_case_image(case_of(tmp_path / "a.png", None))
    files = drawn(tmp_path, left=0, right=2, heart=4)
    case = Case("a", "p", (tmp_path / "a.png",), tuple(files.values()), structures=tuple(files))
    columns = read_case_label_map(case, image).mask[:, 0]
    assert columns.tolist() == [2, 0, 3, 0, 1, 0]  # heart, left, right: each a label, by name
    lungs = Labels.from_config({"lung": ["left", "right"], "ignore": "heart"})
    assert read_case_label_map(case, image, lungs).mask[:, 0].tolist() == [1, 0, 1, 0, 255, 0]
    one = Labels.from_config({"right": 7})
    assert read_case_label_map(case, image, one).mask[:, 0].tolist() == [0, 0, 7, 0, 0, 0]


def test_structures_that_overlap_are_refused_or_become_a_stack(tmp_path: Path) -> None:
    image = read_case_image(case_of(tmp_path / "a.png", None))
    files = drawn(tmp_path, lung=1, clavicle=1, heart=3)
    case = Case("a", "p", (tmp_path / "a.png",), tuple(files.values()), structures=tuple(files))
    with pytest.raises(LabelError, match=r"4 voxels belong to several labels \(clavicle, lung\).*overlapping: true"):
        read_case_label_map(case, image)
    several = Labels.of_structures(files, exclusive=False)
    found = read_case_label_map(case, image, several).mask
    assert found.shape == (3, 6, 4)
    assert [np.flatnonzero(channel[:, 0]).tolist() for channel in found] == [[1], [1], [3]]


def test_values_that_belong_to_several_labels_become_a_stack(tmp_path: Path) -> None:
    image = read_case_image(case_of(tmp_path / "a.png", None))
    pixels = np.zeros((4, 6), np.uint8)
    pixels[0, :3] = (1, 2, 3)
    PIL.Image.fromarray(pixels).save(tmp_path / "m.png")
    case = Case("a", "p", (tmp_path / "a.png",), (tmp_path / "m.png",))
    labels = Labels.from_config({"whole": [1, 2, 3], "core": [2, 3], "overlapping": True})
    found = read_case_label_map(case, image, labels).mask
    assert found[:, :4, 0].tolist() == [[1, 1, 1, 0], [0, 1, 1, 0]]


def test_a_case_with_nothing_to_find_needs_no_mask(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    image = read_case_image(case_of(path, None))
    found = read_case_label_map(Case("a", "p", (path,), negative=True), image)
    assert found.mask.shape == (6, 4)
    assert not found.mask.any()
    with pytest.raises(DatasetError, match="has no label"):
        read_case_label_map(Case("a", "p", (path,)), image)


def test_readers_are_kept_apart_until_somebody_says_what_they_become(tmp_path: Path) -> None:
    image = read_case_image(case_of(tmp_path / "a.png", None))
    files = drawn(tmp_path, anna=1, ben=1, carla=2)
    case = Case("a", "p", (tmp_path / "a.png",), readers={name: (path,) for name, path in files.items()})
    assert case.labelled
    with pytest.raises(DatasetError, match=r"has masks of 3 readers.*majority, staple, anna, ben, carla"):
        read_case_label_map(case, image)
    with pytest.raises(DatasetError, match="none of 'dora'"):
        read_case_label_map(case, image, options=ReadOptions(consensus="dora"))
    for choice, column in (("majority", 1), ("carla", 2)):
        mask = read_case_label_map(case, image, options=ReadOptions(consensus=choice)).mask
        assert np.flatnonzero(mask[:, 0]).tolist() == [column]
    assert list(read_reader_masks(case, image)) == ["anna", "ben", "carla"]
