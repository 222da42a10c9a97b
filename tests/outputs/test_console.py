"""Tables in a terminal."""

import numpy as np
import pandas as pd
from rich.console import Console

from medseg.geometry import Geometry
from medseg.image import Segmentation
from medseg.io import write_mask
from medseg.labels import Labels
from medseg.outputs.console import frame_table, inspection_view


def shown(frame: pd.DataFrame, **options) -> str:
    console = Console(width=100, force_terminal=False)
    with console.capture() as capture:
        console.print(frame_table(frame, "Regions [all]", **options))
    return capture.get()


def test_a_table_shows_what_it_holds_and_hides_empty_columns():
    frame = pd.DataFrame(
        {"case": ["[left]", "b"], "volume_ml": [1.23456, np.nan], "area_mm2": [np.nan] * 2, "voxels": [12345, 3]}
    )
    text = shown(frame)
    assert all(word in text for word in ("[left]", "1.235", "12345", "Regions [all]"))
    assert "area_mm2" not in text
    assert "nan" not in text


def test_columns_are_chosen_and_ordered_and_absent_ones_passed_over():
    text = shown(pd.DataFrame({"a": [1], "b": [2], "c": [3]}), columns=["c", "x", "a"])
    assert text.index("c") < text.index("a ")
    assert "b" not in text.replace("Regions [all]", "")


def test_a_long_table_says_how_long_it_is_and_an_empty_one_that_it_is():
    assert "the first 2 of 5 rows" in shown(pd.DataFrame({"a": range(5)}), max_rows=2)
    assert "no rows" in shown(pd.DataFrame({"a": []}))
    assert "<NA>" not in shown(pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}))


def test_an_inspection_shows_ranges_cases_and_problems(tmp_path):
    from medseg.datasets import inspect_dataset, open_dataset

    labels = Labels.from_config({"lesion": 1})
    for case, size in (("a", 8), ("b", 10)):
        for folder, larger in (("images", 0), ("labels", int(case == "b"))):
            (tmp_path / folder).mkdir(exist_ok=True)
            mask = np.ones((size + larger, 6, 5), np.uint8)
            drawn = Segmentation(mask, Geometry.from_spacing(mask.shape, (1.0, 2.0, 3.0)), labels)
            write_mask(tmp_path / folder / f"{case}.nii.gz", drawn)
    console = Console(width=160, force_terminal=False)
    with console.capture() as capture:
        console.print(inspection_view(inspect_dataset(open_dataset(tmp_path, labels=labels))))
    text = capture.get()
    assert "8 / 9 / 10, 6 / 6 / 6, 5 / 5 / 5" in text
    assert "✗ Mask on another grid · 1 case" in text
    assert "b: b.nii.gz: " in text
    assert "✗ Constant · 2 cases" in text
    assert text.rstrip().endswith("3 problems")
