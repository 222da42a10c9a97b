"""The page of `medseg inspect`: whole, self-contained, and safe whatever cases are called."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from flawed import LABELS, SCRIPT, flawed_set
from PIL import Image as Picture

from medseg.case import Case
from medseg.datasets import CaseTable, Dataset, inspect_dataset, survey_dataset
from medseg.datasets.inspection import CaseFacts, Finding, Inspection
from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.io import write_image, write_mask
from medseg.labels import Labels
from medseg.outputs.case_pictures import CasePictures
from medseg.outputs.distributions import charts
from medseg.outputs.finding_groups import grouped, listed
from medseg.outputs.inspection_page import write_inspection_page

TABLE = CaseTable(patient="patient", split="split")


class Page(HTMLParser):
    """The tags, links and anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember it."""
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of each of these."""
        return [found for name, found in self.tags if name == tag]


@pytest.fixture(scope="module")
def flawed(tmp_path_factory: pytest.TempPathFactory) -> Inspection:
    root = flawed_set(tmp_path_factory.mktemp("flawed") / "set")
    return inspect_dataset(survey_dataset(root, labels=LABELS, table=TABLE), thumbnails=48)


@pytest.fixture(scope="module")
def text(flawed: Inspection, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "inspect.html"
    write_inspection_page(path, flawed)
    return path.read_text(encoding="utf-8")


def test_the_page_asks_for_nothing_and_runs_only_its_own_script(text: str) -> None:
    page = Page(text)
    assert len(page.all("script")) == 1
    assert not page.all("link")
    assert {image["src"].split(",")[0] for image in page.all("img")} <= {
        "data:image/jpeg;base64",
        "data:image/svg+xml;base64",
    }
    assert not re.search(r"(src|href)=.(https?:)?//", text)
    (policy,) = (meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "script-src 'sha256-" in policy
    assert all(image["alt"] for image in page.all("img"))


def test_names_of_cases_are_text_and_never_code(text: str) -> None:
    assert SCRIPT not in text
    assert "x&lt;script&gt;alert(1)&amp;amp;" in text


def test_every_link_leads_to_a_case_or_a_finding(text: str, flawed: Inspection) -> None:
    page = Page(text)
    anchors = {found["id"] for _tag, found in page.tags if "id" in found}
    links = {found["href"].removeprefix("#") for found in page.all("a")}
    assert links
    assert links <= anchors
    assert sum(name.startswith("case-") for name in anchors) == len(flawed.facts)


def test_problems_come_first_each_kind_with_its_cases_and_its_mend(text: str, flawed: Inspection) -> None:
    kinds = {one.kind for one in flawed.problems}
    assert {"unreadable", "grid_header", "grid_resample", "undeclared_values", "duplicate"} <= kinds
    places = [text.index(f'id="problem-{kind}"') for kind in kinds]
    notes = [text.index(f'id="note-{one.kind}"') for one in flawed.findings if one.severity == "note"]
    assert max(places) < min([*notes, text.index("<h2>Cases</h2>")])
    assert "by itself" in text  # the mask of another grid beside its image
    assert "--fix copy-header" in text


def test_every_readable_case_has_a_picture_in_the_table(text: str, flawed: Inspection) -> None:
    assert f"{len(flawed.facts)} cases, 7 of them with a picture" in text
    rows = text[text.index("<tbody>") :].split("<tr ")[1:]
    assert len(rows) == len(flawed.facts)
    assert sum("data:image/jpeg" in row for row in rows) == 7


def test_distributions_are_pictures_that_are_the_same_for_the_same_data(flawed: Inspection) -> None:
    first, second = list(charts(flawed)), list(charts(flawed))
    assert [one.svg for one in first] == [one.svg for one in second]
    titles = [one.title for one in first]
    assert {"Intensities", "Cases in each split", "Cases of one patient", "Sex (8 cases)"} <= set(titles)
    assert {one.title: one.said for one in first}["Cases in each split"] == "train: 7, test: 1"
    assert not {"Size", "Spacing"} & set(titles)  # all are alike
    assert all(one.svg.startswith(b"<?xml") and one.said for one in first)


def test_a_sound_set_without_thumbnails_has_a_page_too(flawed: Inspection, tmp_path: Path) -> None:
    bare = inspect_dataset(flawed.dataset)
    write_inspection_page(tmp_path / "bare.html", Inspection(bare.dataset, bare.facts))
    text = (tmp_path / "bare.html").read_text(encoding="utf-8")
    assert "No problem found." in text
    assert "data:image/jpeg" not in text
    write_inspection_page(tmp_path / "empty.html", Inspection(bare.dataset, ()))


def test_where_not_all_pictures_fit_cases_with_findings_have_theirs(
    flawed: Inspection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medseg.outputs.case_pictures._BUDGET", 30_000)
    pictures = CasePictures(flawed, ["case5"])
    by_id = {one.case.id: one for one in flawed.facts}
    assert pictures.of(by_id["case5"])
    assert any(not pictures.of(one) for one in flawed.facts if one.thumbnail is not None)
    assert "cases, 7 of them" not in pictures.told


def test_a_thousand_noisy_cases_make_a_page_below_25_mb(flawed: Inspection, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (112, 340, 3)).astype(np.uint8)
    one = flawed.facts[0]
    facts = tuple(
        CaseFacts(replace(one.case, id=f"n{place}"), one.geometry, thumbnail=noise, intensities=one.intensities)
        for place in range(1000)
    )
    findings = tuple(
        Finding(kind, f"finding {place}", tuple(f"n{i}" for i in range(place, place + 8)))
        for kind in ("duplicate", "leak", "constant", "empty_mask")
        for place in range(20)
    )
    write_inspection_page(tmp_path / "large.html", Inspection(flawed.dataset, facts, findings))
    assert (tmp_path / "large.html").stat().st_size < 25 << 20


def test_a_picture_shows_what_it_shows(flawed: Inspection) -> None:
    tag = CasePictures(flawed).of(flawed.facts[0])
    data = base64.b64decode(re.findall(r"base64,([^\"]+)", tag)[0])
    shown = np.asarray(Picture.open(io.BytesIO(data)).convert("RGB")).astype(int)
    assert shown.shape[0] == 48
    assert (shown[..., 0] - shown[..., 1:].max(axis=2)).max() > 60  # the lesion, in red on grey


def test_a_mask_off_its_image_is_drawn_whatever_its_values(tmp_path: Path) -> None:
    grid = Geometry.from_spacing((16, 12, 10), (1, 1, 1))
    write_image(tmp_path / "image.nii.gz", Image(np.arange(1920, dtype=np.int16).reshape(1, 16, 12, 10), grid))
    mask = np.zeros((16, 10, 10), np.uint8)
    mask[4:9, 3:8, 2:7] = 255
    meaning = Labels.from_config({"lesion": 255})
    drawn = Segmentation(mask, Geometry.from_spacing(mask.shape, (1, 1, 1)), meaning)
    write_mask(tmp_path / "mask.nii.gz", drawn)
    case = Case("a", "a", (tmp_path / "image.nii.gz",), (tmp_path / "mask.nii.gz",), structures=("lesion",))
    inspection = inspect_dataset(Dataset(tmp_path, "own", (case,), None, ("image",)), thumbnails=48)
    (found,) = inspection.problems
    _image, itself = re.findall(r"base64,([^\"]+)", CasePictures(inspection).of_finding(found))
    assert np.asarray(Picture.open(io.BytesIO(base64.b64decode(itself)))).max() > 60


def test_findings_are_grouped_by_severity_and_kind() -> None:
    findings = [
        Finding("unlabelled", "two cases have no label", ("a", "b"), "note"),
        Finding("leak", "p", ("a", "b"), mend="Keep."),
        Finding("leak", "q", ("b", "c", "d"), mend="Keep."),
        Finding("unreadable", "x", ("a",)),
        Finding("layout", "y"),
    ]
    groups = grouped(findings)
    assert [one.kind for one in groups] == ["layout", "unreadable", "leak", "unlabelled"]
    assert [one.extent for one in groups] == ["1 finding", "1 case", "2 findings, 4 cases", "2 cases"]
    assert groups[2].mends == ("Keep.",)
    assert listed("abcde", 3) == "a, b, c … and 2 more"
