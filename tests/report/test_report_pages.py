"""The pages of a report in a browser, opened from disk: nothing goes wrong, nothing leaves, keys and clicks work."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import medseg.outputs.report
from medseg import report
from tests.reporters import Listener

PLACES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
DRAWING = Path(medseg.outputs.report.__file__).parent / "static" / "niivue.umd.js"
draws = pytest.mark.skipif(not DRAWING.exists(), reason="NiiVue is fetched when medseg is built: make vendor")
READY = 60_000  # ms; a volume is drawn by the processor, which other tests use too


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="the pages need playwright: pip install '.[dev]'")
    chromium = next((path for name in PLACES if (path := shutil.which(name))), None)
    if chromium is None:
        pytest.skip("no chromium on PATH to open the pages with: apt-get install chromium")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser):
    """A page that fails the test if anything is logged as an error or asked of the network."""
    wrong: list[str] = []
    opened = browser.new_page(viewport={"width": 1000, "height": 700})
    opened.set_default_timeout(READY)
    opened.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("request", lambda asked: None if re.match("file:|data:|blob:", asked.url) else wrong.append(asked.url))
    opened.on("requestfailed", lambda asked: wrong.append(f"failed: {asked.url}"))
    yield opened
    opened.close()
    assert wrong == []


@pytest.fixture(scope="module")
def folder(make_predictions, tmp_path_factory):
    out = make_predictions(tmp_path_factory.mktemp("pages"))
    report(out, jobs=1)
    return shutil.move(out / "report", tmp_path_factory.mktemp("elsewhere"))  # the folder is complete in itself


def opened(page, folder: Path, name: str) -> None:
    page.goto((Path(folder) / name).as_uri())


def case_opened(page, folder: Path, number: int) -> None:
    opened(page, folder, f"cases/{number:06d}.html")
    page.wait_for_selector(".stage[data-ready]")


def position(page) -> list[float]:
    return page.evaluate("medsegViewer.viewer.position()")


def regions_of(page) -> list[dict]:
    return page.evaluate("medsegViewer.regions")


def axial(page) -> list[float]:
    """Left, top, width and height of the axial plane in the picture, in pixels of the page."""
    script = """() => {
        const canvas = document.querySelector("canvas.slices"), ratio = canvas.width / canvas.clientWidth;
        const tile = medsegViewer.viewer.nv().screenSlices.find(tile => tile.axCorSag === 0).leftTopWidthHeight;
        const [left, top, wide, high] = tile.map(n => n / ratio);
        return [Math.min(left, left + wide), top, Math.abs(wide), high];
    }"""
    return page.evaluate(script)


def lines_in_axial(page) -> list[list[float]]:
    """Ends (x1, y1, x2, y2) of the lines that are drawn on the axial plane."""
    left, top, wide, high = axial(page)
    script = "lines => lines.map(l => ['x1', 'y1', 'x2', 'y2'].map(n => +l.getAttribute(n)))"
    drawn = page.locator("svg.lines line").evaluate_all(script)
    return [ends for ends in drawn if left <= ends[0] <= left + wide and top <= ends[1] <= top + high]


def test_the_index_filters_sorts_and_opens_a_case_by_keys(page, folder):
    opened(page, folder, "index.html")
    names = page.locator("#cases tbody a")
    assert names.all_inner_texts() == ["scan_one", "chest", "case 3", "case 4"]
    page.get_by_role("button", name="Show them in the table").click()
    assert names.all_inner_texts() == ["case 4"]
    box = page.get_by_role("searchbox", name="Filter cases")
    box.fill("status=done regions>1 c")
    assert names.all_inner_texts() == ["scan_one", "chest", "case 3"]
    page.locator("#cases").get_by_role("button", name="case", exact=True).click()
    assert names.all_inner_texts() == ["case 3", "chest", "scan_one"]
    assert page.locator("#cases th[aria-sort=ascending]").inner_text() == "case"
    page.get_by_role("region", name="Cases").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/cases/000002.html")
    page.wait_for_selector(".stage[data-ready]")
    assert page.locator("h1").inner_text() == "chest"


@draws
def test_a_click_on_a_region_moves_the_planes_to_its_centre(page, folder):
    case_opened(page, folder, 1)
    for number in (1, 0):
        page.locator("#regions").get_by_role("button", name=f"Region {number + 1}: go to its centre").click()
        centre = np.array(regions_of(page)[number]["centre"])
        assert np.abs(np.array(position(page)) - centre).max() <= 0.51
        assert page.locator("#regions tr[aria-current=true]").count() == 1


@draws
def test_recist_lines_show_in_their_slice_and_end_where_the_mask_does(page, folder):
    case_opened(page, folder, 1)
    page.locator("#regions").get_by_role("button", name="Region 1: go to its longest diameter").click()
    left, top, wide, high = axial(page)
    drawn = lines_in_axial(page)
    picture = page.evaluate("medsegViewer.picture")
    pixels = wide / picture["extent"][0]  # a millimetre
    assert len(drawn) == 2
    for (x1, y1, x2, y2), (start, end) in zip(drawn, regions_of(page)[0]["lines"], strict=True):
        step = np.subtract(end, start)[:2] * np.divide(picture["extent"], picture["shape"])[:2]
        # the patient's right lies on the left, anterior up, and pages count downwards
        np.testing.assert_allclose([x2 - x1, y2 - y1], -step * pixels, atol=1)
        np.testing.assert_allclose(
            [x1, y1], [left + wide - (start[0] + 0.5) * wide / 40, top + high - (start[1] + 0.5) * high / 36], atol=1
        )
    page.locator(".stage").focus()
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    assert lines_in_axial(page) == []


@draws
def test_keys_move_through_slices_and_regions(page, folder):
    case_opened(page, folder, 1)
    page.locator(".stage").focus()
    before = position(page)
    page.keyboard.press("PageUp")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    assert np.subtract(position(page), before).tolist() == [1, -1, 1]
    page.keyboard.press("n")
    page.keyboard.press("n")
    assert page.locator("#regions tr[aria-current=true]").inner_text().split()[2] == "node"
    slider = page.get_by_role("slider", name="Mask")
    page.keyboard.press("]")
    assert float(slider.input_value()) == pytest.approx(0.5)
    page.keyboard.press("m")
    assert float(slider.input_value()) == 0


@draws
def test_the_wheel_scrolls_slices_and_opacity_changes_the_picture(page, folder):
    case_opened(page, folder, 1)
    before = position(page)
    left, top, wide, high = axial(page)
    box = page.locator(".stage").bounding_box()
    x, y = box["x"] + left + wide / 2, box["y"] + top + high / 2
    page.mouse.move(x, y)
    page.mouse.wheel(0, 100)
    page.wait_for_timeout(300)
    moved = np.subtract(position(page), before)
    assert abs(moved[2]) == 1
    assert moved[:2].tolist() == [0, 0]
    shots = []
    for value in ("0", "1"):
        page.get_by_role("slider", name="Mask").fill(value)
        shots.append(page.locator("canvas.slices").screenshot())
    assert shots[0] != shots[1]


@draws
def test_the_3d_view_is_drawn_beside_the_planes(page, folder):
    case_opened(page, folder, 1)
    button = page.get_by_role("button", name="3D view")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert page.evaluate("medsegViewer.viewer.nv().screenSlices.some(tile => tile.axCorSag === 4)")


def test_a_radiograph_is_zoomed_and_its_regions_are_found(page, folder):
    case_opened(page, folder, 2)
    page.locator("#regions").get_by_role("button", name="Region 2: go to its centre").click()
    middle = page.evaluate("medsegViewer.viewer.middle()")
    np.testing.assert_allclose(middle, regions_of(page)[1]["centre"], atol=0.01)
    sheet = page.locator(".sheet")
    wide = sheet.bounding_box()["width"]
    page.locator(".stage").focus()
    page.keyboard.press("+")
    assert sheet.bounding_box()["width"] == pytest.approx(1.2 * wide, rel=0.01)
    page.keyboard.press("0")
    whole, stage = sheet.bounding_box(), page.locator(".stage").bounding_box()
    assert whole["height"] <= stage["height"] + 1
    assert whole["width"] <= stage["width"] + 1
    assert all(image.get_attribute("alt") for image in page.locator("img").all())


def test_sliders_say_and_set_which_values_are_black_and_white(page, folder):
    case_opened(page, folder, 2)
    black, white = (page.get_by_role("slider", name=name) for name in ("Black", "White"))
    stage = page.locator(".stage")
    before = stage.screenshot()
    told = [float(slider.get_attribute("aria-valuetext")) for slider in (black, white)]
    black.fill("200")
    white.fill("100")
    assert (black.input_value(), white.input_value()) == ("99", "100")  # the one stays below the other
    now = [float(slider.get_attribute("aria-valuetext")) for slider in (black, white)]
    np.testing.assert_allclose(now, np.interp([99, 100], [0, 255], told), rtol=1e-3)
    assert stage.screenshot() != before


def test_failures_of_one_reason_are_one_item_with_a_link_to_each(page, make_predictions, tmp_path):
    out = make_predictions(tmp_path)
    table = pd.read_csv(out / "cases.csv", dtype=str)
    failed = [
        {"case": f"scan_{n}", "status": "failed", "images": f"/in/{n}.nii", "error": f"/in/{n}.nii: lacks {n} bytes."}
        for n in range(101, 116)
    ]
    pd.concat([table, pd.DataFrame(failed)]).to_csv(out / "cases.csv", index=False)
    report(out, jobs=1)
    opened(page, out / "report", "index.html")
    first, second = page.locator(".problem li").all_inner_texts()
    assert first.startswith("15 cases: lacks # bytes. scan_101, scan_102,")
    assert first.endswith("scan_112 and 3 more")
    assert second.startswith("case 4: ")
    assert page.locator(".problem li").first.locator("a").count() == 12
    page.get_by_role("searchbox", name="Filter cases").fill("0000")  # the addresses of pages are none of the words
    assert page.locator("#cases tbody a").count() == 0


def test_pages_without_a_picture_say_why(page, folder):
    opened(page, folder, "cases/000003.html")
    assert "No picture: [image]: is gone" in page.locator("#view").inner_text()
    assert page.locator("#regions tbody tr").count() == 2
    page.locator("#regions tbody tr").first.click()
    opened(page, folder, "cases/000004.html")
    assert "ends too early" in page.locator("body").inner_text()
    page.get_by_role("link", name="Previous case").click()
    page.wait_for_url("**/cases/000003.html")


def test_a_report_without_what_draws_volumes_says_how_to_get_it(browser, make_predictions, tmp_path):
    told, out = Listener(), make_predictions(tmp_path)
    report(out, jobs=1, reporter=told)
    made = out / "report"
    assert any("make vendor" in said for said in told.said) == (not DRAWING.exists())
    (made / "static" / DRAWING.name).unlink(missing_ok=True)
    page = browser.new_page()
    opened(page, made, "cases/000001.html")
    page.get_by_text("`make vendor` fetches it").wait_for()
    page.close()


def test_every_control_is_reached_by_tab_in_the_order_of_the_page(page, folder):
    case_opened(page, folder, 2)
    seen = []
    script = """() => {
        const here = document.activeElement;
        return here.getAttribute("aria-label") || here.innerText || here.parentElement.innerText.trim();
    }"""
    for _ in range(14):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(script))
    assert seen[:3] == ["All cases", "Previous case", "Next case"]
    assert seen[3].startswith("Picture of chest")
    assert seen[4:10] == ["Mask", "RECIST lines", "Zoom in", "Zoom out", "Whole image", "Black"]
    assert seen[10:12] == ["White", "Regions"]
    assert seen[12] == "Region 1: go to its centre"


def test_a_table_of_thousands_of_rows_holds_few_of_them_in_the_page(page, make_predictions, tmp_path):
    out = make_predictions(tmp_path)
    table = pd.read_csv(out / "cases.csv", dtype=str).iloc[[0]]
    many = pd.concat([table.assign(case=f"case_{n:04d}", patient=f"case_{n:04d}") for n in range(5000)])
    many.to_csv(out / "cases.csv", index=False)
    report(out, limit=0)
    opened(page, out / "report", "index.html")
    page.locator("#cases tbody tr").nth(5).wait_for()
    assert page.locator("#cases tbody tr").count() < 100
    page.get_by_role("region", name="Cases").focus()
    page.keyboard.press("End")
    page.get_by_role("cell", name="case_4999").wait_for()
    page.get_by_role("searchbox", name="Filter cases").fill("case_3217")
    assert page.locator("#cases tbody tr").count() == 1
