"""The page of `medseg evaluate`: whole, self-contained, and never the reason that an evaluation fails."""

import io
import re
from html.parser import HTMLParser
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image as Picture
from typer.testing import CliRunner

import medseg
from medseg.cli import app
from medseg.errors import InputError, OutputError
from medseg.evaluation import Evaluation, find_pairs
from medseg.evaluation.worst import worst_cases
from medseg.geometry import Geometry
from medseg.image import Segmentation
from medseg.io import write_mask
from medseg.io.label_files import write_label_files
from medseg.labels import Labels
from medseg.outputs.evaluation_page import write_evaluation_page
from medseg.outputs.evaluation_plots import write_plots
from medseg.outputs.slice_view import slice_view
from medseg.outputs.worst_cases import PREDICTED, REFERENCE, worst_pictures

GRID = Geometry.from_spacing((20, 18, 10), (1, 1, 3))
ONE = Labels.from_config({"lesion": 1})


class Tags(HTMLParser):
    """The tags of a page with what they say."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember it."""
        self.found.append((tag, dict(attrs)))


def body(shift: int = 0, high: int = 8) -> np.ndarray:
    mask = np.zeros(GRID.shape, np.uint8)
    mask[4 + shift : 12 + shift, 5:12, 2:high] = 1
    return mask


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Seven cases as predict leaves them, the later the worse, the last empty; `<c6>` needs escaping."""
    out, ref, rows = tmp_path / "out", tmp_path / "ref", ["case,patient,status,images,sex,age"]
    (tmp_path / "my images").mkdir()
    for n in range(7):
        case = "<c6>" if n == 6 else f"c{n}"
        image = tmp_path / "my images" / f"c{n}.nii.gz"
        voxels = np.random.default_rng(n).normal(size=GRID.shape).astype(np.float32)
        nibabel.save(nibabel.Nifti1Image(voxels, GRID.affine), image)
        (out / case).mkdir(parents=True)
        write_mask(out / case / "mask.nii.gz", Segmentation(body(n) * (n < 6), GRID, ONE))
        write_mask(ref / f"{case}.nii.gz", Segmentation(body(), GRID, ONE))
        rows.append(f"{case},p{n},done,{image},{'mf'[n % 2]},{30 + n}")
    (out / "cases.csv").write_text("\n".join([*rows, "c9,p9,failed,,,"]))
    return out, ref


def scored(folders: tuple[Path, Path], **how: object) -> Evaluation:
    return medseg.evaluate(*folders, ONE, jobs=1, **how)


def test_the_page_says_it_all_and_asks_for_nothing(folders, tmp_path):
    found = scored(folders, group_by=["sex"])
    write_evaluation_page(tmp_path / "index.html", found, write_plots(tmp_path, found), worst=2, title="a < b")
    text = (tmp_path / "index.html").read_text()
    tags = Tags(text).found
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|<c6>", text)
    pictures = [attributes for tag, attributes in tags if tag == "img"]
    assert all(one["src"].startswith("data:image/png;base64,") for one in pictures)
    assert [bool(one["alt"]) for one in pictures] == [True] * 4  # two plots, two cases
    row = found.summary.set_index("metric").loc["dice"]
    for said in (
        f'<td class="number">{row["mean"]:.3f}</td>',
        f"{row['low']:.3f} to {row['high']:.3f}",
        "&lt;c6&gt;, lesion",
        "label missed",
        "1 case could not be scored",
        "<h3>sex</h3>",
        "10,000 bootstrap draws",
    ):
        assert said in text, said


def test_a_worst_case_is_drawn_in_the_slice_of_most_disagreement_over_its_image(folders):
    out, _ref = folders
    mask = body()
    mask[4:12, 5:12, 7] = 0
    mask[2:4, 5:12, 6] = 1  # slice 7 lacks 56 pixels, slice 6 has 14 too many
    write_mask(out / "c0" / "mask.nii.gz", Segmentation(mask, GRID, ONE))
    found = scored(folders)
    drawn = {one.case: one for one in worst_pictures(found, 7)}
    assert "k = 7" in drawn["c0"].caption
    assert not any(one.note for one in drawn.values())
    with Picture.open(io.BytesIO(drawn["c3"].png)) as picture:
        colours = {tuple(colour) for colour in np.asarray(picture.convert("RGB")).reshape(-1, 3)}
    assert {tuple(bytes.fromhex(colour[1:])) for colour in (PREDICTED, REFERENCE)} <= colours
    assert len(colours) > 40  # greys of an image, and not one


def test_the_image_is_brought_onto_the_grid_of_the_masks(folders, tmp_path):
    voxels = nibabel.load(tmp_path / "my images" / "c1.nii.gz").get_fdata(dtype=np.float32)
    turned = np.diag([-1.0, 1, 3, 1])
    turned[:3, 3] = [GRID.affine[0, 3] + 19, *GRID.affine[1:3, 3]]
    nibabel.save(nibabel.Nifti1Image(voxels[::-1], turned), tmp_path / "my images" / "c1.nii.gz")
    found = scored(folders)
    np.testing.assert_array_equal(found.source.image("c1", GRID), voxels)


@pytest.mark.parametrize("harm", ["missing", "broken", "of another size", "unsaid"])
def test_an_image_that_cannot_be_shown_is_a_note_and_no_end(folders, tmp_path, harm):
    image = tmp_path / "my images" / "c5.nii.gz"
    if harm == "missing":
        image.unlink()
    elif harm == "broken":
        image.write_bytes(image.read_bytes()[:60])
    elif harm == "of another size":
        nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4), np.float32), np.eye(4)), image)
    else:
        (folders[0] / "cases.csv").unlink()
    notes = {one.case: one for one in worst_pictures(scored(folders), 2)}
    assert notes["c5"].note.startswith("without its image: ")
    assert notes["c5"].png
    assert bool(notes["<c6>"].note) == (harm == "unsaid")


def test_masks_that_are_gone_leave_the_words(folders, tmp_path):
    found = scored(folders)
    (folders[0] / "c5" / "mask.nii.gz").unlink()
    (one,) = [one for one in worst_pictures(found, 3) if one.case == "c5"]
    assert not one.png
    assert one.note.startswith("no picture: ")
    write_evaluation_page(tmp_path / "index.html", found, worst=3)
    assert "no picture: " in (tmp_path / "index.html").read_text()


def test_a_page_of_nothing_but_failures(folders, tmp_path):
    for path in folders[0].glob("*/mask.nii.gz"):
        path.write_bytes(b"broken")
    found = scored(folders, group_by=["age"])
    found.save(tmp_path / "scores")
    write_evaluation_page(tmp_path / "index.html", found, write_plots(tmp_path, found))
    assert found.worst.empty
    assert found.subgroups.empty
    assert "8 cases could not be scored" in (tmp_path / "index.html").read_text()


def test_radiographs_are_drawn_as_stored(tmp_path):
    voxels = np.zeros((40, 30), np.uint8)
    voxels[3:9, 2:7] = 255
    for folder in ("images", "labels", "out"):
        (tmp_path / folder).mkdir()
        Picture.fromarray(voxels.T // (255 if folder == "labels" else 1)).save(tmp_path / folder / "a.png")
    Picture.fromarray(np.roll(voxels, 3, 0).T // 255).save(tmp_path / "out" / "a.png")
    found = medseg.evaluate(tmp_path / "out", tmp_path, ONE)
    (one,) = worst_pictures(found)
    assert not one.note
    assert "pixels" in one.caption
    assert slice_view(Geometry.from_spacing((40, 30), None)).turned == (False, True)


def test_the_worst_are_told_with_what_is_wrong(folders):
    worst = scored(folders).worst
    assert worst["case"].tolist() == ["<c6>", "c5", "c4", "c3", "c2", "c1", "c0"]
    assert worst["rank"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert worst["reason"].tolist()[:3] == ["label missed", "little overlap of masks of like size", ""]
    rows = pd.DataFrame({"case": ["a", "a", "b"], "label": ["x", "y", "x"], "dice": [0.5, 0.2, 0.4]})
    rows = rows.reindex(columns=worst.columns)
    assert worst_cases(rows, 5)[["case", "label"]].to_numpy().tolist() == [["a", "y"], ["b", "x"]]


def test_the_command_has_a_page_where_it_is_wanted(folders):
    out, ref = folders
    words = ["evaluate", str(out), str(ref), "--label", "lesion=1", "--jobs", "1"]
    done = CliRunner().invoke(app, [*words, "--group-by", "age", "--worst", "1"])
    assert done.exit_code == 1, done.output  # c9 was never predicted
    page = (out / "evaluation" / "index.html").read_text()
    assert page.count("Outlines of ") == 1
    groups = pd.read_csv(out / "evaluation" / "subgroups.csv")
    assert set(groups["value"]) == {"≤ 33", "> 33"}
    CliRunner().invoke(app, [*words, "--no-page", "--no-plots"])
    left = {path.name for path in (out / "evaluation").iterdir()}
    assert not left & {"index.html", "subgroups.csv", "scores.png"}  # of the first run, which are true no more
    assert len(find_pairs(out, ref)) == 8


def test_scores_never_lie_among_masks(folders, tmp_path):
    out, ref = folders
    words = ["evaluate", str(out), str(ref), "--label", "lesion=1", "--out"]
    assert CliRunner().invoke(app, [*words, str(out)]).exit_code == 2
    assert CliRunner().invoke(app, [*words, str(ref)]).exit_code == 2
    found = scored(folders)
    with pytest.raises(OutputError, match=r"cases\.csv"):
        found.save(out)
    (out / "cases.csv").unlink()
    found.save(out)
    write_plots(out, found)
    assert [case for case, *_ in find_pairs(out, ref)] == ["<c6>", *(f"c{n}" for n in range(6)), "c9"]


def test_a_column_that_makes_no_groups_is_refused_before_the_work(folders):
    with pytest.raises(InputError, match="sex, age"):
        scored(folders, group_by=["scanner"])


def test_a_label_that_overlaps_another_and_what_nobody_judged_are_shown_as_scored(tmp_path):
    both = Labels.from_config({"organ": 1, "lesion": 2, "overlapping": True})
    for name, shift in (("out", 1), ("ref", 0)):
        channels = np.stack([body(), body(shift, 5)])
        write_label_files(tmp_path / name / "a", Segmentation(channels, GRID, both), ".nii.gz")
    found = medseg.evaluate(tmp_path / "out", tmp_path / "ref", both)
    masks = found.source.masks("a", "lesion")
    np.testing.assert_array_equal(masks.predicted, body(1, 5) == 1)
    np.testing.assert_array_equal(masks.reference, body(0, 5) == 1)
    ignoring, true = Labels.from_config({"lesion": 1, "ignore": 9}), body()
    true[:6] = 9
    for name, mask in (("p", body(1)), ("t", true)):
        write_mask(tmp_path / name / "a.nii.gz", Segmentation(mask, GRID, ignoring))
    masks = medseg.evaluate(tmp_path / "p", tmp_path / "t", ignoring).source.masks("a", "lesion")
    assert not masks.predicted[:6].any()
    np.testing.assert_array_equal(masks.reference, true == 1)
