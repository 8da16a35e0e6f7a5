"""The Gradio Space, in the environment that FASTNST_SPACE_PYTHON names: Gradio pins other versions than ours."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastnst

ROOT = Path(__file__).parents[2]
APP = ROOT / "integrations" / "space" / "app.py"
PYTHON = os.path.abspath(os.environ["FASTNST_SPACE_PYTHON"]) if "FASTNST_SPACE_PYTHON" in os.environ else None
_PATIENCE = 60.0  # seconds until the page answers


def test_the_app_is_short() -> None:
    assert len(APP.read_text().splitlines()) <= 80


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The running app's address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    chosen = {"PYTHONPATH": str(ROOT), "GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"}
    log = (tmp_path / "log").open("w")
    app = subprocess.Popen([str(PYTHON), str(APP)], env={**os.environ, **chosen}, cwd=tmp_path, stdout=log, stderr=log)
    try:
        ends = time.monotonic() + _PATIENCE
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
                break
            except OSError:
                assert app.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < ends, (tmp_path / "log").read_text()
                time.sleep(0.3)
        yield f"http://127.0.0.1:{port}/"
    finally:
        app.terminate()
        app.wait(20)
        log.close()


@pytest.mark.slow
@pytest.mark.skipif(PYTHON is None, reason="FASTNST_SPACE_PYTHON names no Python with Gradio")
def test_a_visitor_gets_a_picture_or_a_sentence(address: str, tmp_path: Path) -> None:
    (tmp_path / "program.jpg").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    code = f"""
from gradio_client import Client, handle_file
from PIL import Image
client = Client({address!r}, verbose=False)
photo = handle_file({str(fastnst.sample_photo())!r})
for second, part in (("none", "all of it"), ("the_kiss", "people")):
    print(Image.open(client.predict(photo, "red_chalk", second, 1, 1, False, part, api_name="/restyle")).size)
try:
    client.predict(handle_file("program.jpg"), "red_chalk", "none", 1, 1, False, "all of it", api_name="/restyle")
except Exception as error:
    print(error)
try:
    client.predict(None, "red_chalk", "none", 1, 1, False, "all of it", api_name="/restyle")
except Exception as error:
    print(error)
"""
    done = subprocess.run([str(PYTHON), "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == [
        *("(410, 480)", "(410, 480)"),
        "the picture is not a picture in a format that can be read.",
        "Choose a photo first.",
    ]
