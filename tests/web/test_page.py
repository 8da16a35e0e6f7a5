"""The page in Chromium: a photo in, pixels out; camera, record, offline, keyboard, a sub-path."""

from __future__ import annotations

import http.server
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fastnst.cli import main
from fastnst.runtime.models.catalog import available_styles
from fastnst.runtime.models.style_model import StyleModel

pytestmark = pytest.mark.slow
OpenPage = Callable[..., Any]


def expect(locator: Any) -> Any:
    from playwright.sync_api import expect

    return expect(locator)


def saved(page: Any, button: str = "#save-png") -> tuple[np.ndarray, str]:
    """What the save menu gives, and the file's name."""
    page.locator("#save").click()
    with page.expect_download() as download:
        page.locator(button).click()
    with Image.open(download.value.path()) as image:
        return np.asarray(image.convert("RGB")).astype(int), download.value.suggested_filename


def painted(photo: Image.Image, style: str) -> np.ndarray:
    """What onnxruntime makes of it."""
    return StyleModel(available_styles()[style], "cpu")(np.asarray(photo)[None])[0].astype(int)


def agreeing(found: np.ndarray, expected: np.ndarray, levels: int = 2) -> float:
    assert found.shape == expected.shape
    return float((np.abs(found - expected).max(-1) <= levels).mean())


def test_a_photo_is_restyled_as_by_onnxruntime(open_page: OpenPage, small_photo: Image.Image, tmp_path: Path) -> None:
    page = open_page("?engine=wasm#style=the_scream")
    expect(page.locator("#status")).to_contain_text("160×96")
    expect(page.locator("#status")).to_contain_text("WASM")
    # One of a user's own, with a name.
    own = tmp_path / "holiday.png"
    small_photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).crop((0, 0, 141, 96)).save(own)
    page.locator("#file").set_input_files(own)
    expect(page.locator("#status")).to_contain_text("141×96")
    found, name = saved(page)
    assert name == "holiday-the_scream.png"
    with Image.open(own) as picture:
        expected = painted(picture, "the_scream")
        assert np.abs(found - np.asarray(picture).astype(int)).mean() > 5
    assert agreeing(found, expected) >= 0.999
    # Half strength is half way.
    page.locator("#adjust").click()
    page.locator("#strength").fill("0.5")
    page.wait_for_timeout(500)
    half, _ = saved(page)
    with Image.open(own) as picture:
        assert np.abs(half - (np.asarray(picture) + expected) / 2).max() <= 3
    assert "strength=0.5" in page.evaluate("location.hash")
    # What is no picture, and a style that is none, are one sentence each and change nothing.
    page.locator("#file").set_input_files({"name": "x.png", "mimeType": "image/png", "buffer": b"no picture"})
    expect(page.locator("#toast")).to_have_text("x.png is not a picture that this browser can read.")
    matting = Path(available_styles()["the_scream"]).parent / "matting" / "small.onnx"
    page.locator("#file").set_input_files(matting)
    expect(page.locator("#toast")).to_contain_text(
        "small.onnx cannot be used: it is not a fastnst style model: it is a matting model."
    )
    page.locator("#file").set_input_files({"name": "y.onnx", "mimeType": "", "buffer": b"no model"})
    expect(page.locator("#toast")).to_contain_text("y.onnx cannot be used: it is not an ONNX model, or it is damaged.")


def test_keyboard_alone_and_nothing_in_the_way_of_screen_readers(open_page: OpenPage) -> None:
    page = open_page("?engine=wasm#style=great_wave", reduced_motion="reduce")
    expect(page.locator("#status")).to_contain_text("160×96")
    page.keyboard.press("ArrowRight")
    expect(page.locator("[role=radio][aria-checked=true]")).to_have_attribute("data-name", "impression_sunrise")
    expect(page.locator("#painting")).to_have_text("Impression, Sunrise")
    assert "style=impression_sunrise" in page.evaluate("location.hash")
    page.keyboard.press("b")
    expect(page.locator("#divider")).to_be_visible()
    page.locator("#divider").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#divider")).to_have_attribute("aria-valuenow", "52")
    page.keyboard.press("a")
    expect(page.locator("#strength")).to_be_focused()
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    found = axe.Axe().run(page).response["violations"]
    serious = [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in ("serious", "critical")]
    assert not serious
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    expect(page.locator("#adjust")).to_be_focused()
    page.keyboard.press("s")
    expect(page.locator("#save-png")).to_be_focused()


def test_a_narrow_window_loses_nothing(open_page: OpenPage) -> None:
    page = open_page("?engine=wasm", viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True)
    expect(page.locator("#status")).to_contain_text("160×96")
    for control in ("#choose", "#camera", "#compare", "#adjust", "#save", "#styles", "#frame"):
        box = page.locator(control).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        assert box["y"] + box["height"] <= 640
    assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.fixture(scope="session")
def camera_clip(small_photo: Image.Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera's pictures as .y4m: the photo, moving."""
    path = tmp_path_factory.mktemp("camera") / "camera.y4m"
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W160 H96 F30:1 Ip A1:1 C420jpeg\n")
        for shift in range(0, 20, 2):
            planes = Image.fromarray(np.roll(np.asarray(small_photo), shift, 1)).convert("YCbCr").split()
            small = [plane.resize((80, 48)) for plane in planes[1:]]
            file.write(b"FRAME\n" + b"".join(plane.tobytes() for plane in (planes[0], *small)))
    return path


def test_the_camera_is_restyled_and_recorded(open_page: OpenPage, camera_clip: Path) -> None:
    fakes = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    page = open_page(arguments=[*fakes, f"--use-file-for-fake-video-capture={camera_clip}"])
    page.locator("#camera").click()
    expect(page.locator("body")).to_have_attribute("data-source", "camera")
    expect(page.locator("body")).to_have_attribute("data-frames", re.compile(r"^([3-9]|\d\d+)$"))
    expect(page.locator("#status")).to_contain_text("frames a second")
    page.locator("#record").click()
    expect(page.locator("#record-label")).to_have_text(re.compile(r"0:0[2-9]"))
    with page.expect_download() as download:
        page.locator("#record").click()
    clip = Path(download.value.path())
    assert re.fullmatch(r"camera-edtaonisl\.(mp4|webm)", download.value.suggested_filename)
    assert clip.stat().st_size > 1000
    assert b"ftyp" in clip.read_bytes()[:16] or clip.read_bytes()[:4] == b"\x1aE\xdf\xa3"
    found, _ = saved(page)
    assert found.shape[1] / found.shape[0] == pytest.approx(160 / 96, rel=0.02)
    assert found.std() > 10


def test_clean_mode_shows_the_picture_alone(open_page: OpenPage) -> None:
    page = open_page("?clean=1&engine=wasm&source=photo", viewport={"width": 320, "height": 192})
    expect(page.locator("body")).to_have_attribute("data-state", "ready")
    box = page.locator("#frame").bounding_box()
    assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, 320, 192)
    for part in (".bar", ".rail", ".foot", "#hint"):
        expect(page.locator(part)).to_be_hidden()


@pytest.fixture
def plain_host(small_photo: Image.Image, tmp_path: Path) -> Iterator[str]:
    """An exported page under a sub-path of a host that sends no headers of its own."""
    styles = tmp_path / "styles"
    styles.mkdir()
    for name in ("great_wave", "the_scream"):
        shutil.copy(available_styles()[name], styles)
    assert main(["web", "--styles", str(styles), "--export", str(tmp_path / "host" / "a" / "page")]) == 0
    small_photo.resize((80, 48)).save(tmp_path / "host" / "a" / "page" / "sample.jpg")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        extensions_map = {
            **http.server.SimpleHTTPRequestHandler.extensions_map,
            ".mjs": "text/javascript",
            ".wasm": "application/wasm",
        }

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "host")) as host:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{host.server_port}/a/page/"
        host.shutdown()


def test_an_export_under_a_sub_path_works_with_threads_and_offline(
    open_page: OpenPage, plain_host: str, small_photo: Image.Image, tmp_path: Path
) -> None:
    page = open_page("?engine=wasm#style=great_wave", url=plain_host, worker=True, photo=None)
    expect(page.locator("body")).to_have_attribute("data-offline", "ready")
    assert page.evaluate("crossOriginIsolated")
    page.context.set_offline(True)
    page.reload()
    own = tmp_path / "own.png"
    small_photo.save(own)
    page.locator("#file").set_input_files(own)
    expect(page.locator("#status")).to_contain_text("160×96")
    page.locator("[data-name=the_scream]").click()  # kept, though never shown
    expect(page.locator("#painting")).to_have_text("The Scream")
    expect(page.locator("#status")).to_contain_text("160×96")
    assert agreeing(saved(page)[0], painted(small_photo, "the_scream")) >= 0.999
