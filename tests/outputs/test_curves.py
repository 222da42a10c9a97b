"""Learning curves from whole and from sparse histories."""

import numpy as np
import pandas as pd
from PIL import Image

from medseg.outputs.curves import draw_curves, write_curves


def history(epochs: int, every: int) -> pd.DataFrame:
    frame = pd.DataFrame({"epoch": np.arange(1, epochs + 1), "loss": np.linspace(2, 1, epochs), "learning_rate": 1e-3})
    validated = frame["epoch"] % every == 0
    for name, height in (("val_dice", 0.7), ("val_dice_liver", 0.9), ("val_dice_tumour", 0.5)):
        frame[name] = np.where(validated, height, np.nan)
    return frame


def test_every_label_has_a_curve_of_its_validated_epochs_only():
    loss, dice, rate = draw_curves(history(20, 5)).axes
    assert [line.get_label() for line in dice.lines] == ["mean of labels", "liver", "tumour"]
    assert list(dice.lines[0].get_xdata()) == [5, 10, 15, 20]
    assert [text.get_text() for text in dice.texts] == ["best 0.700"]
    assert loss.get_xlabel() == "epoch"
    assert len(rate.lines) == 1


def test_a_history_without_validation_or_of_one_epoch_is_drawn(tmp_path):
    for number, frame in enumerate((history(1, 5), history(3, 1), pd.DataFrame({"loss": [1.0, np.nan, 0.5]}))):
        path = tmp_path / f"{number}.png"
        write_curves(path, frame)
        with Image.open(path) as picture:
            assert picture.width > 900


def test_the_same_history_gives_the_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        write_curves(tmp_path / name, history(9, 3))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
