"""What the files of a report hold: voxels and places of its pictures, what is resumed, and that no name is in them."""

import base64
import gzip
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image as PillowImage

from medseg import report
from medseg.errors import ConfigError, InputError
from medseg.geometry import Geometry
from medseg.io import read_image
from medseg.outputs.report.case_data import open_case
from medseg.outputs.report.display import Range, fitted, grey, shown_mask
from medseg.outputs.report.one_pager import draw_one_pager
from medseg.outputs.report.source import read_source


def handed_over(path: Path) -> dict:
    """What a script of the report hands over."""
    return json.loads(re.fullmatch(r"(?://.*\n)?\w+\((.*)\);\n", path.read_text(), re.DOTALL)[1])


def volume_of(path: Path) -> nibabel.Nifti1Image:
    return nibabel.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(handed_over(path)["data"])))


@pytest.fixture(scope="module")
def made(predictions):
    report(predictions, jobs=1, pdf=True)
    return predictions / "report"


def test_the_volume_of_a_page_is_the_image_at_the_same_places_in_the_world(made, predictions):
    image = read_image(read_source(predictions).cases[0].images)
    shown = volume_of(made / "cases" / "000001.image0.js")
    mask = volume_of(made / "cases" / "000001.mask.js")
    written = nibabel.load(predictions / "scan_one" / "mask.nii.gz")
    assert nibabel.aff2axcodes(shown.affine) == ("R", "A", "S")
    np.testing.assert_array_equal(shown.affine, mask.affine)
    points = np.argwhere(np.asarray(written.dataobj) == 2)
    world = nibabel.affines.apply_affine(written.affine, points)
    there = np.rint(nibabel.affines.apply_affine(np.linalg.inv(mask.affine), world)).astype(int)
    assert sorted(map(tuple, there)) == sorted(map(tuple, np.argwhere(np.asarray(mask.dataobj) == 2)))
    low, high = np.percentile(image.voxels[0], [0.5, 99.5])
    values = np.clip(image.voxels[0][tuple(points.T)], low, high)
    np.testing.assert_allclose(shown.get_fdata()[tuple(there.T)], values, atol=(high - low) / 255)


def test_centres_and_lines_lie_where_the_table_has_them(made, predictions):
    page = handed_over(made / "cases" / "000001.js")
    affine = volume_of(made / "cases" / "000001.image0.js").affine
    table = pd.read_csv(predictions / "regions.csv")
    for region, row in zip(page["regions"], table[table["case"] == "scan_one"].to_dict("records"), strict=True):
        world = nibabel.affines.apply_affine(affine, region["centre"])
        np.testing.assert_allclose(world, [row[f"centroid_{axis}_mm"] for axis in "xyz"], atol=0.01)
        lengths = [
            np.linalg.norm(np.diff(nibabel.affines.apply_affine(affine, line), axis=0)) for line in region["lines"]
        ]
        np.testing.assert_allclose(lengths, [row["longest_axial_mm"], row["perpendicular_mm"]], atol=0.02)
        assert len({end[2] for line in region["lines"] for end in line}) == 1  # all in one axial slice


def test_a_radiograph_is_shown_as_stored_with_its_mask_and_lines_in_pixels(made, predictions):
    stored = np.asarray(PillowImage.open(read_source(predictions).cases[1].images[0]))
    shown = np.asarray(PillowImage.open(made / "cases" / "000002.image.png"))
    assert shown.shape == stored.shape
    assert np.corrcoef(shown.ravel(), np.clip(stored, *np.percentile(stored, [0.5, 99.5])).ravel())[0, 1] > 0.999
    mask = np.asarray(PillowImage.open(made / "cases" / "000002.mask.png").convert("RGBA"))
    inside = np.asarray(PillowImage.open(predictions / "chest" / "mask.png")) == 1
    np.testing.assert_array_equal(mask[..., 3] == 255, inside)
    assert set(map(tuple, mask[inside])) == {(214, 39, 40, 255)}
    table = pd.read_csv(predictions / "regions.csv").query("case == 'chest'")
    for region, length in zip(
        handed_over(made / "cases" / "000002.js")["regions"], table["longest_axial_px"], strict=True
    ):
        assert np.linalg.norm(np.subtract(*region["lines"][0])) == pytest.approx(length, abs=0.01)
        x, y = np.rint(region["centre"]).astype(int)
        assert inside[y, x]


def test_a_large_image_is_shrunk_over_the_same_extent_and_no_region_is_lost():
    native = Geometry((40, 60, 10), np.diag([-1.0, -1.0, 3.0, 1.0]))
    grid = fitted(native, 2000)
    assert grid.shrunk
    assert np.prod(grid.geometry.shape) <= 2000
    assert grid.geometry.shape[2] >= 6  # the thick slices are thinned last
    turned = native.reoriented(native.to_canonical)
    corner = np.full(3, -0.5)
    np.testing.assert_allclose(grid.geometry.to_world(corner), turned.to_world(corner))
    voxels = np.random.default_rng(0).uniform(0, 255, native.shape)
    assert grey(voxels, grid, Range(0, 255, 0, 255)).mean() == pytest.approx(voxels.mean(), abs=0.5)
    mask = np.zeros(native.shape, np.uint8)
    mask[11, 17, 4] = 1
    region = {"label": "lesion", **{f"box_size_{axis}": 1 for axis in "ijk"}}
    for axis, at in zip("ijk", (11, 17, 4), strict=True):
        region |= {f"box_start_{axis}": at, f"centroid_{axis}": at}
    shown = shown_mask(mask, grid, [region], ["lesion"])
    assert np.abs(np.argwhere(shown)[0] - grid.shown_at((11, 17, 4))).max() <= 0.5


def test_the_mean_of_what_a_voxel_covers_is_exact_where_sizes_divide():
    native = Geometry((4, 6, 2), np.diag([1.0, 1.0, 2.0, 1.0]))
    grid = fitted(native, 12)
    voxels = np.arange(48, dtype=np.int16).reshape(4, 6, 2)
    assert grid.geometry.shape == (2, 3, 2)
    expected = voxels.reshape(2, 2, 3, 2, 2).mean(axis=(1, 3))
    assert np.abs(grey(voxels, grid, Range(0, 255, 0, 255)) - expected).max() <= 0.5


def test_an_image_that_is_gone_leaves_a_page_with_the_reason(made):
    page = handed_over(made / "cases" / "000003.js")
    assert page["picture"] is None
    assert page["reason"] == "[image]: is gone. Put it back, and run the report again"
    assert [region["cells"][0] for region in page["regions"]] == ["lesion", "node"]


def test_nothing_tells_whose_a_case_is_unless_that_is_asked_for(made, make_predictions, tmp_path):
    secret = re.compile(r"doe|john|A-77|/studies|broken\.dcm|secret", re.IGNORECASE)
    written = [path for path in made.rglob("*") if path.suffix in (".html", ".js") and path.parent.name != "static"]
    assert len(written) > 8
    for path in written:
        assert not secret.search(path.name)
        assert secret.findall(re.sub(r'"data":"[^"]*"|base64,[^"]*', "", path.read_text())) == [], path
    for path in made.rglob("*.pdf"):
        assert not re.search(rb"doe|john", path.read_bytes(), re.IGNORECASE)
    names = [row[0] for row in handed_over(made / "tables.js")["cases"]["rows"]]
    assert names == ["scan_one", "chest", "case 3", "case 4"]
    own = make_predictions(tmp_path)
    report(own, jobs=1)
    report(own, jobs=1, identifiers=True)
    text = (own / "report" / "tables.js").read_text() + (own / "report" / "cases" / "000003.html").read_text()
    assert {"Doe_John_7", "Doe^John", "A-77"} <= set(re.findall(r"Doe_John_7|Doe\^John|A-77", text))
    report(own, jobs=1, limit=0)  # what named them before is removed, even where no page is made
    assert list((own / "report" / "cases").glob("0*")) == []


def test_only_what_changed_is_made_again(make_predictions, tmp_path):
    out = make_predictions(tmp_path)
    first = report(out, jobs=1)
    assert (first.cases, first.pages, first.made) == (4, 4, 4)
    assert report(out, jobs=1).made == 0
    mask = out / "chest" / "mask.png"
    os.utime(mask, ns=(1, 1))
    (out / "report" / "cases" / "000001.js").unlink()  # as of a run that was stopped in its midst
    again = report(out, jobs=1)
    assert (again.pages, again.made) == (4, 2)


def test_pages_are_limited_and_chosen_and_the_index_has_all_cases(make_predictions, tmp_path):
    out = make_predictions(tmp_path)
    assert report(out, jobs=1, limit=1).pages == 1
    done = report(out, jobs=1, cases=["chest", "case 3"])
    assert (done.pages, done.made) == (3, 2)
    rows = handed_over(out / "report" / "tables.js")["cases"]["rows"]
    assert [row[-1] for row in rows] == ["cases/000001.html", "cases/000002.html", "cases/000003.html", None]
    with pytest.raises(ConfigError, match="nobody"):
        report(out, cases=["nobody"])


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"cases\.csv"):
        report(tmp_path)


def test_a_pdf_of_a_page_is_the_same_each_time(made, make_predictions, tmp_path):
    pages = sorted(made.rglob("*.pdf"))
    assert [path.name for path in pages] == [f"00000{n}.pdf" for n in range(1, 5)]
    before = {path.name: path.read_bytes() for path in pages}
    assert all(
        content.startswith(b"%PDF") and len(re.findall(rb"/Type /Page\b", content)) == 1 for content in before.values()
    )
    for path in (made / "cases").glob("00000?.js"):
        path.unlink()
    report(made.parent, jobs=1, pdf=True)
    assert {path.name: path.read_bytes() for path in sorted(made.rglob("*.pdf"))} == before


def test_a_page_on_paper_names_what_it_draws_and_nothing_lies_over_its_foot(predictions):
    source = read_source(predictions)
    case = source.cases[0]
    many = replace(case, columns={"scanner": "a long name " * 12}, regions=case.regions * 20)
    figure = draw_one_pager(many, source, open_case(case, source))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["lesion", "node", "longest", "perpendicular"]
    boxes = [text.get_window_extent() for text in figure.texts]
    assert all(box.x1 <= figure.bbox.x1 for box in boxes)
    (table,) = figure.axes[-1].tables
    assert table.get_window_extent(canvas.get_renderer()).y0 > boxes[-1].y1
