"""The report and the blind page in a real browser, from file://."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fastnst.metrics.equivalent_iterations import Spread
from fastnst.reference.blind import BlindPhoto, blind_page
from fastnst.reference.charts import frontier
from fastnst.reference.compare import summarize
from fastnst.reference.report import write_html
from tests.reference.pages import WAYS, compared


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, or Playwright's own, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as running:
        program = shutil.which("chromium") or running.chromium.executable_path
        if not Path(program).exists():
            pytest.skip("neither Debian's chromium nor Playwright's is installed")
        opened = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def report(tmp_path: Path, photo: Image.Image) -> Path:
    small = photo.resize((128, 128))
    photos = [compared("<script>alert(1)</script>.jpg", small), compared("b.jpg", small, network_total=2.5)]
    summary = summarize(photos, WAYS) | {"second_perceptual": "vgg16:random", "second_note": ""}
    summary |= {"precision": "tf32", "optimization_device": "GPU, <i>X</i>", "network_device": "cpu, f32"}
    summary["iqa"] = {}
    summary["at_sizes"] = [{"size": 128, **summary}]
    page = tmp_path / "report.html"
    page.write_text(write_html("A <b>title</b>", summary, photos, small), encoding="utf-8")
    return page


def opened(browser: Any, path: Path, **options: Any) -> tuple[Any, list[str]]:
    page = browser.new_page(**options)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: errors.append(request.url) if request.url.startswith("http") else None)
    page.goto(path.as_uri())
    return page, errors


def test_summary_of_known_curves(photo: Image.Image) -> None:
    """7 e^(-0.1 n) + 0.5 comes down to 1.5 at n = 10 ln 7, to 2.5 at 10 ln 3.5."""
    small = photo.resize((64, 64))
    summary = summarize([compared("a", small), compared("b", small, 2.5)], WAYS)
    counts = [10 * math.log(7), 10 * math.log(3.5)]
    assert summary["lbfgs_equivalent"] == pytest.approx(sum(counts) / 2, abs=0.02)
    assert summary["lbfgs_equivalent_quartiles"] == pytest.approx(sorted(counts), abs=0.02)
    assert summary["strong_wolfe_equivalent"] == pytest.approx(sum(counts) / 2 / 0.9, abs=0.02)
    assert summary["lbfgs_equivalent_from_noise"] == pytest.approx(10 * (math.log(30) + math.log(15)) / 2, abs=0.02)
    assert summary["time_ratio"] == pytest.approx(60 * 0.2 / 0.004)
    assert summary["frontier"]["refined"]["seconds"][0] == pytest.approx(0.2 + 0.004)


def test_a_spread_with_photos_that_were_not_reached() -> None:
    assert Spread.over([10, 20, None, 30]).in_words(100) == "25 (10 to 30)"
    assert Spread.over([10, None, None]).in_words(100) == "more than 100"
    assert Spread.over([10, 12, 14, None]).in_words(100) == "13 (10 to 14)"
    assert Spread.over([10, 12, None]).in_words(100) == "12 (10 to over 100)"


def test_the_chart_stands_without_a_browser() -> None:
    drawn = frontier((0.004, 1.5), {"photo": {"seconds": [0.2, 0.4], "objective": [7.5, 6.8]}})
    assert "L-BFGS from the photo, 2 evaluations: 6.8 after 400 ms" in drawn
    assert "NaN" not in drawn
    assert "nan" not in drawn


@pytest.mark.slow
def test_the_report_in_a_browser(browser: Any, report: Path) -> None:
    page, errors = opened(browser, report, viewport={"width": 1200, "height": 900})
    assert page.title() == "A <b>title</b>"
    assert page.locator("h1 b").count() == 0  # names are text
    assert "Computed in float32 with factors of TF32 (GPU, <i>X</i>)." in page.locator("body").inner_text()
    assert page.get_by_text("by PyTorch, strong Wolfe").is_visible()
    figure = page.locator("figure[data-photo]").first
    pair = figure.locator(".pair")
    slider = pair.locator("input")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert pair.evaluate("element => element.style.getPropertyValue('--cut')") == "60%"
    assert "60%" in pair.locator(".after").evaluate("element => getComputedStyle(element).clipPath")
    before = pair.locator(".after").get_attribute("src")
    figure.get_by_role("button", name="network + L-BFGS").click()
    assert pair.locator(".after").get_attribute("src") != before
    assert "20 evaluations" in figure.locator("figcaption").inner_text()
    row = page.locator("tr", has_text="network + L-BFGS").inner_text()  # e^(-0.2) + 0.5 and 2 e^(-0.2) + 0.5 after 5
    assert "1.728\n1.52 to 1.93" in row
    figure.get_by_role("button", name="100 %").click()
    for shown in (".restyled", ".original"):  # beside each other, at one pixel a pixel
        assert page.locator(f"dialog {shown}").evaluate("image => image.naturalWidth === image.width") is True
    page.locator("dialog").click()
    assert not page.locator("dialog").is_visible()
    page.locator("svg.chart").scroll_into_view_if_needed()
    box = page.locator("svg.chart circle").nth(3).bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    assert "evaluations:" in page.locator("#hover").inner_text()
    assert errors == []
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_fits_a_telephone_and_the_dark(browser: Any, report: Path, scheme: str) -> None:
    page, errors = opened(browser, report, viewport={"width": 375, "height": 800}, color_scheme=scheme)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 375
    colours = page.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
    bright = [sum(int(part) for part in colour.strip("rgb()").split(",")) for colour in colours]
    assert (bright[0] < bright[1]) is (scheme == "dark")
    page.emulate_media(media="print")
    assert page.locator(".all").first.is_visible()
    for hidden in (".pair", ".drag", "#hover", ".zoom"):
        assert not page.locator(hidden).first.is_visible()
    page.set_viewport_size({"width": 718, "height": 1050})  # a page of A4 with its margins
    assert page.evaluate("document.documentElement.scrollWidth") <= 718
    assert errors == []
    page.close()


@pytest.mark.slow
def test_the_blind_page_counts_what_was_preferred(browser: Any, tmp_path: Path, photo: Image.Image) -> None:
    small = photo.resize((96, 96))
    pictures = {"<i>one</i>": small.rotate(90), "other": small.rotate(180)}
    photos = [BlindPhoto(f"{number}</script>.jpg", small, pictures) for number in range(6)]
    path = tmp_path / "blind.html"
    path.write_text(blind_page("which?", photos, small), encoding="utf-8")
    page, errors = opened(browser, path)
    mine = page.evaluate("study.photos[0].pictures[0]")
    assert "other" not in page.locator("body").inner_text()
    assert not page.locator("#stop").is_visible()  # nothing to count yet
    for number in range(7):  # the second answer is taken back and given again
        assert f"Pair {min(number + 1, 6) if number < 2 else number} of 6" in page.locator("main").inner_text()
        left = page.locator("#left").get_attribute("src") == mine
        page.keyboard.press("ArrowLeft" if left else "ArrowRight")
        if number == 1:
            page.keyboard.press("Backspace")
    row = page.locator("#results tr td").all_inner_texts()
    assert row == ["<i>one</i> or other", "6", "0", "0", "100 % (61 to 100 %)"]
    assert page.locator("#answers .preferred").all_inner_texts() == ["<i>one</i>"] * 6
    with page.expect_download() as download:
        page.locator("#save").click()
    answers = json.loads(Path(download.value.path()).read_text())
    assert len(answers["answers"]) == 6
    assert {answer["preferred"] for answer in answers["answers"]} == {"<i>one</i>"}
    (result,) = answers["results"]
    assert result["interval_95"] == pytest.approx([6 / (6 + 1.959964**2), 1], abs=1e-4)  # Wilson, all of n
    assert errors == []
    page.close()


@pytest.mark.slow
def test_a_blind_comparison_may_stop_early_and_go_on(browser: Any, tmp_path: Path, photo: Image.Image) -> None:
    small = photo.resize((96, 96))
    photos = [BlindPhoto(str(number), small, {"a": small.rotate(90), "b": small.rotate(180)}) for number in range(3)]
    path = tmp_path / "blind.html"
    path.write_text(blind_page("which?", photos, small), encoding="utf-8")
    page, errors = opened(browser, path, viewport={"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.keyboard.press("ArrowDown")
    page.locator("#stop").click()
    assert page.locator("#results tr td").all_inner_texts() == ["a or b", "0", "0", "1", "no answer"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.keyboard.press("ArrowLeft")  # no answer while the results are shown
    page.keyboard.press("Backspace")
    assert "Pair 2 of 3" in page.locator("main").inner_text()
    for _ in range(2):
        page.locator("#choose-left").click()
    cells = page.locator("#results tr td").all_inner_texts()
    assert int(cells[1]) + int(cells[2]) == 2
    assert errors == []
    page.close()
