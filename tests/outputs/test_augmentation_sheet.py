"""The contact sheet of an augmentation, from the command to the picture."""

import numpy as np
import pytest
from PIL import Image as Picture
from typer.testing import CliRunner

from medseg.cli import app
from medseg.errors import ConfigError
from medseg.labels import Labels
from medseg.outputs.augmentation_sheet import SheetRow, ShownPatch, draw_sheet
from medseg.workflow.augmenting import augment_preview

LABELS = Labels.from_config({"a": 1, "b": 2})


def patch(shape: tuple[int, ...], caption: str, overlapping: bool = False) -> ShownPatch:
    image = np.random.default_rng(1).normal(size=(1, *shape)).astype(np.float32)
    targets = np.zeros(shape, np.uint8)
    targets[tuple(slice(2, 6) for _ in shape)] = 2
    return ShownPatch(image, np.stack([targets * 0, targets // 2]) if overlapping else targets, caption)


@pytest.mark.parametrize("overlapping", [False, True])
@pytest.mark.parametrize("shape", [(9, 12), (10, 12, 8)])
def test_labels_are_outlined_in_their_colours_in_each_patch(shape, overlapping):
    row = SheetRow("case", tuple(patch(shape, caption, overlapping) for caption in ("as it is", "rot 12°, flip x")))
    rgb = np.asarray(draw_sheet([row], LABELS, (1.0,) * len(shape)))
    below = rgb[48:248]  # under the legend and the title
    outlined = (below == LABELS.labels[1].colour).all(-1)
    middle = rgb.shape[1] // 2
    assert outlined[:, :middle].sum() == outlined[:, middle:].sum() > 100
    assert not (below == LABELS.labels[0].colour).all(-1).any()


def test_a_long_caption_makes_its_row_higher_and_no_cell_wider():
    short, long = (
        draw_sheet([SheetRow("case", (patch((9, 9), text),))], LABELS, (1.0, 1.0))
        for text in ("flip x", ", ".join(["brightness 1.20"] * 7))
    )
    assert long.height > short.height
    assert long.width == short.width


def test_the_command_draws_a_sheet_and_prepares_only_what_it_shows(blob_config, tmp_path):
    path = tmp_path / "sheet.png"
    words = ["augment-preview", str(blob_config), "--out", str(path), "--cases", "2", "--variations", "3"]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert len(list((tmp_path / "run" / "cache").iterdir())) == 2
    first = path.read_bytes()
    augment_preview(blob_config, out=path, cases=2, variations=3)
    assert path.read_bytes() == first
    with Picture.open(path) as drawn:
        assert drawn.width > 4 * 150


def test_a_misspelt_key_is_named(blob_config, tmp_path):
    with pytest.raises(ConfigError, match="rotation"):
        augment_preview(blob_config, "augment.rotatoin=0.5", out=tmp_path / "sheet.png")
