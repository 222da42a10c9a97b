"""Previews: what is on them, and that they are the same each time."""

import numpy as np
import pytest
from PIL import Image as PillowImage

from medseg.errors import LabelError, OutputError
from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.labels import Labels
from medseg.outputs.preview import draw_preview, write_preview
from medseg.regions import measure_segmentation

LABELS = Labels.from_config({"lesion": 1, "organ": 2})


def study(shape: tuple[int, ...], lesion: int, spacing=None) -> tuple[Image, Segmentation]:
    voxels = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    mask = np.zeros(shape, np.uint8)
    mask[tuple(slice(4, 4 + lesion) for _n in shape)] = 1
    image = Image(voxels[np.newaxis], Geometry.from_spacing(shape, spacing))
    return image, Segmentation(mask, image.geometry, LABELS, image=image)


def colours(picture: PillowImage.Image) -> set[tuple[int, ...]]:
    return {tuple(int(part) for part in colour) for colour in np.unique(np.asarray(picture).reshape(-1, 3), axis=0)}


@pytest.mark.parametrize(("shape", "spacing"), [((40, 36, 20), (1.0, 1.0, 3.0)), ((64, 48), None), ((40, 36, 1), None)])
def test_a_preview_shows_the_lesion_and_names_every_label(tmp_path, shape, spacing):
    image, segmentation = study(shape, 5 if min(shape) > 1 else 1, spacing)
    if min(shape) == 1:
        segmentation.mask[4:9, 4:9, 0] = 1
    write_preview(tmp_path / "case_1" / "preview.png", image, segmentation)
    with PillowImage.open(tmp_path / "case_1" / "preview.png") as picture:
        assert {LABELS.labels[0].colour, LABELS.labels[1].colour} <= colours(picture)
    write_preview(tmp_path / "again.png", image, segmentation, title="case_1")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "case_1" / "preview.png").read_bytes()


def test_a_small_lesion_has_a_close_up_and_a_large_one_needs_none():
    small, large = (draw_preview(*study((40, 40, 40), size, (1, 1, 1))) for size in (3, 30))
    assert small.height > 1.5 * large.height
    assert small.width == large.width


def test_an_empty_mask_is_drawn_too():
    assert draw_preview(*study((20, 20, 20), 0, (1, 1, 1))).width > 300


def test_many_labels_wrap_below_the_picture():
    labels = Labels.from_config({f"a structure of a long name {n}": n for n in range(1, 13)})
    image, _segmentation = study((20, 20), 3)
    mask = np.zeros((20, 20), np.uint8)
    one_line = draw_preview(*study((20, 20), 0))
    assert draw_preview(image, Segmentation(mask, image.geometry, labels)).height > one_line.height + 26


def test_what_cannot_be_drawn_or_written_is_an_error_of_ours(tmp_path):
    image, segmentation = study((20, 20), 3)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        write_preview(tmp_path / "file" / "preview.png", image, segmentation)
    segmentation.mask[0, 0] = 77
    with pytest.raises(LabelError, match="c3"):
        draw_preview(image, segmentation, "c3")


def test_regions_that_were_measured_are_drawn_as_those_that_are_found():
    for shape, size in (((40, 40, 40), 5), ((30, 30), 6)):
        image, segmentation = study(shape, size, (1,) * len(shape))
        table = measure_segmentation(image, segmentation)
        found = draw_preview(image, segmentation)
        assert draw_preview(image, segmentation, regions=table).tobytes() == found.tobytes()
