from __future__ import annotations

import functools
import http.server
import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fastnst.errors import ConfigError, DownloadError, ImageError, ModelError
from fastnst.runtime.engine.precision import peak_signal_to_noise
from fastnst.runtime.models.metadata import MattingMetadata
from fastnst.runtime.portrait import matting_model as matting
from fastnst.runtime.portrait.matting_model import (
    MattingModel,
    has_person,
    is_confident,
    paper_size,
    resolve_matting_model,
    settled,
    working_size,
)
from tests.matting_models import disc, scene, write_modnet, write_ours


@pytest.mark.parametrize("write", [write_ours, write_modnet])
@pytest.mark.parametrize("size", [(64, 64), (47, 131), (200, 90), (16, 16)])
def test_a_photos_matte_has_its_size(tmp_path: Path, write: object, size: tuple[int, int]) -> None:
    model = MattingModel(write(tmp_path / "m.onnx"), "cpu")  # type: ignore[operator]
    truth = disc(*size, soft=12)
    found = model(scene(truth))
    assert found.shape == size
    assert found.dtype == np.float32
    assert 0 <= found.min() <= found.max() <= 1
    assert np.abs(found - truth).mean() < 0.03


def test_modnet_sees_what_its_authors_feed_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = MattingModel(write_modnet(tmp_path / "m.onnx"), "cpu")
    fed: list[np.ndarray] = []
    session = model._engine.session

    class Spy:
        def __getattr__(self, name: str) -> object:
            return getattr(session, name)

        def run(self, names: object, feed: dict[str, np.ndarray]) -> object:
            fed.append(feed["input"])
            return session.run(names, feed)

    monkeypatch.setattr(model._engine, "session", Spy())
    model(np.full((600, 800, 3), (255, 0, 127), np.uint8))
    (planes,) = fed
    assert planes.shape == (1, 3, 512, 672)  # 682 cut to a multiple of 32
    assert planes.dtype == np.float32
    assert np.allclose(planes[0, :, 5, 5], [1, -1, (127 - 127.5) / 127.5], atol=1e-4)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1000, 2000), (512, 1024)),  # larger than 512 on both sides: the short one to 512
        ((300, 400), (512, 672)),  # smaller on both: too
        ((360, 640), (352, 640)),  # 512 lies between: only cut
        ((512, 512), (512, 512)),
        ((20, 600), (32, 576)),
    ],
)
def test_modnets_sizes(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert paper_size(*size) == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [((360, 640), (256, 448)), ((640, 360), (448, 256)), ((3000, 2000), (384, 256)), ((100, 1600), (64, 1024))],
)
def test_our_sizes(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert working_size(*size, 256) == expected


def test_what_is_nearly_sure_is_taken_as_sure_without_a_step() -> None:
    alpha = np.linspace(0, 1, 512, dtype=np.float32)
    found = settled(alpha)
    assert (found[alpha < 0.019] == 0).all()
    assert (found[alpha > 0.981] == 1).all()
    assert np.abs(found - alpha).max() < 0.021
    assert 0 <= np.diff(found).min() <= np.diff(found).max() < 1 / 400


@pytest.mark.parametrize("write", [write_ours, write_modnet])
def test_precision_is_judged_on_either_kind_of_model(tmp_path: Path, write: object) -> None:
    run = MattingModel(write(tmp_path / "m.onnx"), "cpu")._engine.run  # type: ignore[operator]
    takes_planes = write is write_modnet
    assert peak_signal_to_noise(run, run, takes_planes=takes_planes) == pytest.approx(120)
    # Rounding to tenths has an error of 0.1 / √12: 20 dB + 10.8 dB.
    coarse = peak_signal_to_noise(lambda images: np.round(run(images), 1), run, takes_planes=takes_planes)
    assert coarse == pytest.approx(30.8, abs=1)


def test_a_matte_that_wavers_shows_nobody(tmp_path: Path) -> None:
    model = MattingModel(write_ours(tmp_path / "m.onnx", reference_size=96), "cpu")  # the red channel is the matte
    sure, wavering = scene(disc(96, 128)), scene(0.7 * disc(96, 128))
    assert has_person(model(sure))
    assert np.array_equal(model.people(sure), model(sure))
    assert has_person(model(wavering))
    assert not has_person(model.people(wavering))
    assert is_confident(np.zeros((8, 8)))


def test_who_is_a_person() -> None:
    specks = np.zeros((100, 100), np.float32)
    specks[3, :30] = 1
    assert not has_person(specks)
    assert has_person(disc(100, 100))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"properties": {}}, "carries no fastnst description"),
        ({"properties": {"fastnst.format_version": "1", "fastnst.kind": "style"}}, "not that of a matting model"),
        ({"properties": MattingMetadata("x", reference_size=7).to_properties()}, r"damaged \(reference_size is 7\)"),
        ({"output": "stylized"}, "it has image, stylized where 'image' and 'alpha' are expected"),
        ({"channels": 3}, "its shapes are"),
    ],
)
def test_foreign_models_are_refused_with_the_reason(tmp_path: Path, options: dict, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        MattingModel(write_ours(tmp_path / "m.onnx", **options), "cpu")


def test_files_that_are_no_matting_models(tmp_path: Path, negative_model: Path) -> None:
    good = write_ours(tmp_path / "good.onnx")
    (tmp_path / "empty.onnx").touch()
    (tmp_path / "cut.onnx").write_bytes(good.read_bytes()[:80])
    write_modnet(tmp_path / "fixed.onnx", size=(512, 512))
    for path, reason in (
        (tmp_path / "empty.onnx", "is empty"),
        (tmp_path / "cut.onnx", "not an ONNX model"),
        (tmp_path / "missing.onnx", "does not exist"),
        (tmp_path, "is a folder"),
        (tmp_path / "fixed.onnx", "one size only"),
        (negative_model, "it has image, stylized"),
    ):
        with pytest.raises(ModelError, match=reason):
            MattingModel(path, "cpu")


def test_what_is_no_picture_for_it(tmp_path: Path) -> None:
    model = MattingModel(write_ours(tmp_path / "m.onnx"), "cpu")
    with pytest.raises(ImageError, match="too small to find people in"):
        model(np.zeros((15, 90, 3), np.uint8))
    with pytest.raises(ImageError, match="takes uint8"):
        model(np.zeros((32, 32, 3), np.float32))


@pytest.fixture
def official(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the publisher's, with a file that stands for the official one."""
    import hashlib

    folder = tmp_path / "mirror"
    path = write_modnet(folder / "model.onnx")
    checksum = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    published = replace(matting.MODNET, checksum=checksum, size=path.stat().st_size)
    monkeypatch.setattr(matting, "MODNET", published)
    return folder


def test_the_official_model_is_fetched_once(official: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FASTNST_MIRROR", str(official))
    monkeypatch.setenv("FASTNST_CACHE", str(tmp_path / "cache"))
    path = resolve_matting_model("modnet")
    assert path == tmp_path / "cache" / "modnet.onnx"
    assert MattingModel(path, "cpu").is_official
    (official / "model.onnx").unlink()
    assert resolve_matting_model("modnet") == path
    assert [each.name for each in path.parent.iterdir()] == ["modnet.onnx"]


def test_a_broken_download_goes_on_where_it_stopped(
    official: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = (official / "model.onnx").read_bytes()
    asked: list[str | None] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers.get("Range"))
            start = int(asked[-1].removeprefix("bytes=").rstrip("-")) if asked[-1] else 0
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start : start + 100] if not start else content[start:])

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cache = tmp_path / "cache"
    monkeypatch.setenv("FASTNST_CACHE", str(cache))
    monkeypatch.setenv("FASTNST_MIRROR", f"http://127.0.0.1:{server.server_port}")
    try:
        with pytest.raises(DownloadError, match=r"ended after 100 of .*--matting-model FILE, or use --matting ours"):
            resolve_matting_model("modnet")
        assert not (cache / "modnet.onnx").exists()
        assert resolve_matting_model("modnet").read_bytes() == content
    finally:
        server.shutdown()
        server.server_close()
    assert asked == [None, "bytes=100-"]


def test_a_wrong_file_is_not_kept(official: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FASTNST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FASTNST_MIRROR", str(official))
    write_ours(official / "model.onnx")
    with pytest.raises(DownloadError, match="is not the published file"):
        resolve_matting_model("modnet")
    assert list((tmp_path / "cache").iterdir()) == []


def test_which_model_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTNST_STYLES", str(tmp_path))
    small = write_ours(tmp_path / "matting" / "small.onnx")
    assert resolve_matting_model() == small
    assert resolve_matting_model("modnet", small) == small
    with pytest.raises(ConfigError, match=r"unknown matting model 'mod'.*modnet"):
        resolve_matting_model("mod")


def test_the_runtime_of_portraits_imports_nothing_heavy() -> None:
    code = (
        "import sys, json, fastnst.runtime.portrait.compositor, fastnst.commands.matte as m\n"
        "m.build_parser('x').format_help()\n"
        "print(json.dumps([m for m in ('torch', 'onnxruntime', 'onnx') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
