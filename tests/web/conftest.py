"""The page served on this machine, and the system's Chromium or what FASTNST_CHROMIUM names: no download."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fastnst.web.server import PageServer
from fastnst.web.site import PAGE, build_site

# WebGPU and everything else on the processor. Screenshots of WebGPU are black then: pixels are read from what is saved.
GPU_ARGUMENTS = [
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
    "--use-vulkan=swiftshader",
    "--use-angle=vulkan",
    "--ignore-gpu-blocklist",
    "--disable-vulkan-surface",
]
PATIENCE = 120_000  # ms: this machine may be busy


@pytest.fixture(scope="session")
def server() -> Iterator[PageServer]:
    """The page as `fastnst web` serves it."""
    with PageServer(build_site(), 0) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture(scope="session")
def small_photo(photo: Image.Image) -> Image.Image:
    """A real photo at 160×96."""
    return photo.crop((0, 60, 512, 367)).resize((160, 96))


@pytest.fixture(scope="session")
def launch() -> Iterator[Callable[..., Any]]:
    """Gives Chromium with these arguments; the same one for the same arguments."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright (pip install playwright)")
    chromium = os.environ.get("FASTNST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        pytest.skip("needs Chromium (apt-get install chromium)")
    api.expect.set_options(timeout=PATIENCE)
    with api.sync_playwright() as playwright:
        browsers: dict[tuple[str, ...], Any] = {}

        def get(*arguments: str) -> Any:
            if arguments not in browsers:
                args = ["--no-sandbox", *arguments]  # CI runs as root, where Chromium's sandbox cannot
                browsers[arguments] = playwright.chromium.launch(executable_path=chromium, args=args, timeout=PATIENCE)
            return browsers[arguments]

        yield get
        for browser in browsers.values():
            browser.close()


@pytest.fixture
def open_page(
    launch: Callable[..., Any], server: PageServer, small_photo: Image.Image, tmp_path: Path
) -> Iterator[Callable[..., Any]]:
    """`page_opener` for one test."""
    with page_opener(launch, server.url, small_photo, tmp_path) as open_it:
        yield open_it


@contextmanager
def page_opener(
    launch: Callable[..., Any], home: str, small_photo: Image.Image, folder: Path
) -> Iterator[Callable[..., Any]]:
    """Opens the page as a new visitor; its end checks that nothing was logged and no other host was asked.

    `photo` takes the place of the sample photo: restyling a large one takes seconds without a graphics card.
    """
    problems: list[str] = []
    sample = folder / "sample.png"

    def watch(page: Any, origin: str) -> None:
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: message.type == "error" and problems.append(message.text))
        ours = re.compile(rf"({re.escape(origin)}|blob:|data:)")
        page.on("request", lambda request: ours.match(request.url) or problems.append(f"asked {request.url}"))

    contexts = []

    def open_it(
        address: str = "?engine=wasm",
        *,
        arguments: tuple[str, ...] | list[str] = (),
        url: str = home,
        photo: Image.Image | None = small_photo,
        worker: bool = False,
        changed: Mapping[str, tuple[str, str]] | None = None,
        **options: Any,
    ) -> Any:
        """`changed` replaces a text of a script of the page: limits, so that small pictures reach them."""
        context = launch(*arguments).new_context(service_workers="allow" if worker else "block", **options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        watch(page, url)
        if photo is not None:
            photo.save(sample)
            page.route("**/sample.jpg", lambda route: route.fulfill(path=sample, content_type="image/png"))
        for script, (old, new) in (changed or {}).items():
            text = (PAGE / script).read_text(encoding="utf-8")
            assert old in text
            headers = {"content-type": "text/javascript", "cross-origin-embedder-policy": "require-corp"}
            answer = {"body": text.replace(old, new), "headers": headers}
            context.route(f"**/{script}", partial(lambda answer, route: route.fulfill(**answer), answer))
        page.goto(f"{url}{address}")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert not problems
