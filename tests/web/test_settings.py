"""The adjustments in Chromium beside the runtime's: colours, mixes, strokes, people, tiles; own styles, lost cards."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fastnst.runtime.imaging.color import transfer_luminance
from fastnst.runtime.models.style_model import StyleModel
from fastnst.runtime.portrait.compositing import composite
from fastnst.runtime.portrait.matting_model import MattingModel, resolve_matting_model
from fastnst.runtime.tiling import choose_tiles, run_in_tiles
from fastnst.web.server import PageServer
from fastnst.web.site import build_site
from tests.style_models import write_style
from tests.web.conftest import GPU_ARGUMENTS, page_opener
from tests.web.test_page import agreeing, expect, painted, saved
from tests.web.test_shaders import OPERATORS, _style

pytestmark = pytest.mark.slow
OpenPage = Callable[..., Any]
SHOTS = os.environ.get("FASTNST_SHOTS")  # a folder for screenshots, to look at


@pytest.fixture(scope="module")
def portrait(photo: Image.Image) -> Image.Image:
    """Head and shoulders, 128×144."""
    return photo.resize((128, 144), Image.Resampling.LANCZOS, (0, 12, 512, 588))


@pytest.fixture(scope="module")
def styles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """The page with two styles that cost nothing: the picture itself, and its negative."""
    folder = tmp_path_factory.mktemp("styles")
    write_style(folder / "itself.onnx", title="Itself")
    write_style(folder / "negative.onnx", negative=True, title="Negative")
    with serving(folder) as running:
        yield running


@contextmanager
def serving(folder: Path) -> Iterator[PageServer]:
    """The page with the styles of a folder."""
    with PageServer(build_site(folder), 0) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture(scope="module")
def page(
    launch: Callable[..., Any], server: PageServer, portrait: Image.Image, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """One page for all settings."""
    with page_opener(launch, server.url, portrait, tmp_path_factory.mktemp("settings")) as open_it:
        page = open_it("?engine=wasm#style=edtaonisl")
        expect(page.locator("#status")).to_contain_text("128×144")
        yield page


def saved_with(page: Any, fragment: str) -> np.ndarray:
    """The picture with these settings, as it is saved; the address has them before its name is asked for."""
    page.evaluate(
        """(fragment) => new Promise((resolve) => {
          addEventListener('hashchange', resolve, { once: true });
          location.hash = fragment;
        }).then(() => 0)""",
        fragment,
    )
    found, _ = saved(page)
    shot(page, fragment)
    return found


def shot(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name.replace('/', '_')}.png")


def test_keeping_the_colours_is_as_in_the_runtime(page: Any, portrait: Image.Image) -> None:
    found = saved_with(page, "style=the_scream&keep=1")
    photo, restyled = np.asarray(portrait), painted(portrait, "the_scream").astype(np.uint8)
    expected = transfer_luminance(photo, restyled).astype(int)
    assert np.abs(expected - restyled).mean() > 10
    assert agreeing(found, expected, 3) >= 0.999


def test_a_mix_is_the_mean_of_two_styles(page: Any, portrait: Image.Image) -> None:
    found = saved_with(page, "style=the_scream&mix=great_wave&share=0.25")
    one, other = painted(portrait, "the_scream"), painted(portrait, "great_wave")
    assert np.abs(one - other).mean() > 20
    assert np.abs(found - (0.75 * one + 0.25 * other)).max(-1).mean() <= 2
    assert agreeing(found, np.rint(0.75 * one + 0.25 * other).astype(int), 3) >= 0.999
    # Without the second style the first is back.
    assert agreeing(saved_with(page, "style=the_scream"), one) >= 0.999


def test_larger_strokes_are_those_of_a_smaller_picture(page: Any, portrait: Image.Image) -> None:
    found = saved_with(page, "style=red_chalk&stroke=2")
    half = portrait.resize((64, 72), Image.Resampling.BOX)
    seen = Image.fromarray(painted(half, "red_chalk").astype(np.uint8))
    expected = np.asarray(seen.resize(portrait.size, Image.Resampling.BILINEAR)).astype(int)
    plain = painted(portrait, "red_chalk")
    assert np.abs(found - expected).mean() < 0.5 * np.abs(found - plain).mean()


@pytest.mark.parametrize("part", ["background", "person"])
def test_people_are_found_and_kept(page: Any, portrait: Image.Image, part: str) -> None:
    found = saved_with(page, f"style=edtaonisl&portrait={part}")
    photo = np.asarray(portrait)
    restyled = painted(portrait, "edtaonisl").astype(np.uint8)
    alpha = MattingModel(resolve_matting_model(), "cpu")(photo)
    front, back = (photo, restyled) if part == "background" else (restyled, photo)
    expected = composite(front, back, alpha).astype(int)
    sure = (alpha > 0.99) | (alpha < 0.01)
    assert 0.3 < (alpha > 0.5).mean() < 0.7
    assert sure.mean() > 0.6
    assert np.abs(found - expected).max(-1)[sure].mean() < 2
    assert np.abs(found - expected).max(-1).mean() < 6


def test_a_style_of_ones_own_is_dropped_in(page: Any, portrait: Image.Image, tmp_path: Path) -> None:
    own = write_style(tmp_path / "mine.onnx", negative=True, title="Night and Day", artist="Nobody")
    saved_with(page, "style=red_chalk")
    page.evaluate(
        """(bytes) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(bytes)], 'mine.onnx'));
          for (const type of ['dragenter', 'dragover', 'drop']) {
            const event = { dataTransfer: transfer, bubbles: true, cancelable: true };
            document.body.dispatchEvent(new DragEvent(type, event));
          }
        }""",
        list(own.read_bytes()),
    )
    expect(page.locator("#painting")).to_have_text("Night and Day")
    expect(page.locator("[role=radio][aria-checked=true]")).to_have_attribute("data-name", "mine")
    found, name = saved(page)
    shot(page, "own style")
    assert name == "sample-mine.png"
    assert np.abs(found - (255 - np.asarray(portrait).astype(int))).max() <= 1


def test_a_photo_beyond_one_run_is_saved_in_tiles(open_page: OpenPage, photo: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "styles" / "norm.onnx"  # depends on all that it sees, and costs little
    path.parent.mkdir()
    path.write_bytes(_style(*OPERATORS["norm"]))
    limits = ("runPixels = 2_000_000", "runPixels = 200_000")
    with serving(path.parent) as running:
        page = open_page(
            "?engine=wasm",
            url=running.url,
            changed={"wasm_engine.js": limits, "worker.js": ("engine.viewPixels)", "20_000)")},
        )
        expect(page.locator("#status")).to_contain_text("160×96")
        large = photo.resize((640, 400), Image.Resampling.LANCZOS, (0, 60, 512, 380))
        large.save(tmp_path / "large.png")
        page.locator("#file").set_input_files(tmp_path / "large.png")
        expect(page.locator("#status")).to_contain_text("the photo has 640×400; it is saved at that size")
        shot(page, "reduced")
        found, _ = saved(page)
    pixels = np.asarray(large)
    model = StyleModel(path, "cpu")
    tiles = choose_tiles(pixels.shape[0], pixels.shape[1], 0.2)
    assert tiles
    expected = run_in_tiles(pixels, lambda part: model(part), tiles).astype(int)
    assert agreeing(found, expected, 3) >= 0.99


def test_a_photo_of_640_by_360_is_as_by_onnxruntime(open_page: OpenPage, photo: Image.Image, tmp_path: Path) -> None:
    whole = photo.resize((640, 360), Image.Resampling.LANCZOS, (0, 60, 512, 348))
    page = open_page("?engine=wasm#style=great_wave", photo=whole)
    expect(page.locator("#status")).to_contain_text("640×360")
    shot(page, "640")
    assert agreeing(saved(page)[0], painted(whole, "great_wave")) >= 0.999


@pytest.fixture(scope="module")
def gpu_page(
    launch: Callable[..., Any], styles: PageServer, portrait: Image.Image, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    with page_opener(launch, styles.url, portrait, tmp_path_factory.mktemp("gpu")) as open_it:
        page = open_it("?engine=webgpu#style=negative", arguments=GPU_ARGUMENTS)
        expect(page.locator("#status")).to_contain_text("128×144")
        expect(page.locator("#status")).to_contain_text("WebGPU")
        yield page


def test_shaders_adjust_as_the_runtime_does(gpu_page: Any, portrait: Image.Image) -> None:
    photo = np.asarray(portrait)
    negative = 255 - photo.astype(int)
    found = saved_with(gpu_page, "style=negative&keep=1")
    assert agreeing(found, transfer_luminance(photo, negative.astype(np.uint8)).astype(int), 3) >= 0.999
    found = saved_with(gpu_page, "style=negative&mix=itself&share=0.25")
    assert np.abs(found - (0.75 * negative + 0.25 * photo)).max() <= 1
    found = saved_with(gpu_page, "style=negative&strength=0.25")
    assert np.abs(found - (0.25 * negative + 0.75 * photo)).max() <= 1
    found = saved_with(gpu_page, "style=negative&stroke=1.5")
    assert 2 < np.abs(found - negative).mean() < 20
    found = saved_with(gpu_page, "style=negative&portrait=background")
    alpha = MattingModel(resolve_matting_model(), "cpu")(photo)
    expected = composite(photo, negative.astype(np.uint8), alpha).astype(int)
    sure = (alpha > 0.99) | (alpha < 0.01)
    assert np.abs(found - expected).max(-1)[sure].mean() < 2


def test_operators_that_shaders_do_not_know_run_in_wasm(gpu_page: Any, portrait: Image.Image, tmp_path: Path) -> None:
    from onnx import helper

    path = tmp_path / "one.onnx"
    path.write_bytes(_style([helper.make_node("Softmax", ["x"], ["y"], axis=1)], {}))
    gpu_page.evaluate("location.hash = 'style=negative'")
    gpu_page.locator("#file").set_input_files(path)
    expect(gpu_page.locator("#status")).to_contain_text(
        "WASM, since the graphics engine does not know the operator Softmax"
    )
    expected = StyleModel(path, "cpu")(np.asarray(portrait)[None])[0].astype(int)
    assert np.abs(saved(gpu_page)[0] - expected).max() <= 1


def test_a_lost_graphics_card_is_replaced(open_page: OpenPage, styles: PageServer, portrait: Image.Image) -> None:
    own = [*GPU_ARGUMENTS, "--mute-audio"]  # a browser of its own, as no card is left in it
    page = open_page("?engine=webgpu#style=negative", url=styles.url, photo=portrait, arguments=own)
    expect(page.locator("#status")).to_contain_text("WebGPU")
    before = saved_with(page, "style=negative&portrait=background")
    page.context.browser.new_browser_cdp_session().send("Browser.crashGpuProcess")
    expect(page.locator("#toast")).to_have_text("The graphics engine was lost; it is started again.")
    expect(page.locator("#status")).to_contain_text("WASM")
    after, _ = saved(page)
    shot(page, "after the loss")
    assert np.abs(before - after).max(-1).mean() <= 1
