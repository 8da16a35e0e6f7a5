"""OpenVINO: the same pictures, faster; a plain sentence where it cannot be had."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fastnst.errors import ConfigError
from fastnst.images.decode import open_image
from fastnst.images.resize import resize_long_side
from fastnst.runtime import StyleModel
from fastnst.runtime.engine import openvino, reference
from fastnst.runtime.engine import session as sessions
from fastnst.runtime.engine.machine import cpu_name
from fastnst.runtime.models.catalog import resolve_style

PHOTO = Path(__file__).parents[3] / "fastnst" / "sample.jpg"

needs_openvino = pytest.mark.skipif(openvino.openvino_version() is None, reason="OpenVINO has no wheel here")


@pytest.fixture(autouse=True)
def _forget_warnings() -> None:
    sessions.warn_once.cache_clear()


@pytest.fixture
def photo() -> np.ndarray:
    return np.asarray(resize_long_side(open_image(PHOTO), 240))[None]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(a.astype(float) - b).mean()))


@needs_openvino
def test_it_restyles_as_onnxruntime_does(photo: np.ndarray) -> None:
    style = resolve_style("starry_night")
    model, on_cpu = StyleModel(style, "openvino"), StyleModel(style, "cpu")
    assert model.provider == "openvino"
    assert model.precision in ("bf16", "f32")
    other = np.asarray(Image.fromarray(photo[0]).resize((133, 70)))[None]
    for picture in (photo, other, photo, np.concatenate((photo, photo[:, :, ::-1]))):
        restyled = model(picture)
        assert psnr(restyled, on_cpu(picture)) >= 40
        assert psnr(restyled, picture) < 20  # it did something


@needs_openvino
def test_results_are_the_callers_own_and_threads_take_turns(photo: np.ndarray) -> None:
    model = StyleModel(resolve_style("starry_night"), "openvino")
    pictures = [np.roll(photo, 40 * number, axis=2) for number in range(4)]
    expected = [model(picture).copy() for picture in pictures]
    kept = model(pictures[0])
    found: dict[int, np.ndarray] = {}
    threads = [
        threading.Thread(target=lambda number=number: found.update({number: model(pictures[number])}))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(found[number], expected[number]) for number in range(4))
    assert np.array_equal(kept, expected[0])


@needs_openvino
def test_bf16_that_could_be_seen_is_refused(
    photo: np.ndarray, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engines: list[str] = []

    def judged(_paths: Any, engine: str, *_: Any, **__: Any) -> bool:
        engines.append(engine)
        return ", f32, " in engine

    monkeypatch.setattr(reference, "is_precise", judged)
    with caplog.at_level(logging.WARNING):
        model = StyleModel(resolve_style("starry_night"), "openvino")
    assert model.precision == "f32"
    has_bf16 = len(engines) == 2  # some CPUs have none
    assert caplog.messages == ["bf16 is not precise enough for starry_night.onnx: f32 is used."] * has_bf16
    assert all(engine.endswith(cpu_name()) for engine in engines)  # another processor is another verdict
    assert psnr(model(photo), StyleModel(resolve_style("starry_night"), "cpu")(photo)) > 50


def test_without_it_the_extra_is_named(negative_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(openvino.metadata, "version", missing)
    with pytest.raises(ConfigError, match=r"'openvino' cannot be used.*not installed.*fastnst\[fastcpu\]"):
        StyleModel(negative_model, "openvino")
    assert StyleModel(negative_model, "auto").provider == "cpu"


@needs_openvino
def test_a_start_that_fails_is_one_line_and_the_cpu_goes_on(
    negative_model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise sessions.UnavailableError("the library is damaged")

    monkeypatch.setattr(openvino, "_open_package", broken)
    monkeypatch.setattr(openvino, "open_plugin", broken)
    with caplog.at_level(logging.WARNING):
        assert StyleModel(negative_model, "auto").provider == "cpu"
        assert StyleModel(negative_model, "auto").provider == "cpu"
    assert caplog.messages == ["openvino is not used: the library is damaged."]
    with pytest.raises(ConfigError, match="the library is damaged"):
        StyleModel(negative_model, "openvino")


@needs_openvino
def test_a_failing_run_is_the_engines_failure(photo: np.ndarray) -> None:
    engine = StyleModel(resolve_style("starry_night"), "openvino")
    with pytest.raises(sessions.EngineFailure) as failure:
        engine.session.run(None, {"image": photo[..., :2]})
    assert sessions.is_engine_error(failure.value)
    assert "input" in str(failure.value)  # the reason, not the place in OpenVINO's source
    assert "Exception from" not in str(failure.value)


@needs_openvino
def test_an_engine_that_fails_at_its_first_picture_is_not_taken(
    negative_model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: Any) -> None:
        raise sessions.EngineFailure("no kernel")

    monkeypatch.setattr(openvino.OpenVINOSession, "run", fails)
    with caplog.at_level(logging.WARNING):
        assert StyleModel(negative_model, "auto").provider == "cpu"
    assert any("no kernel" in message or "no CPU device" in message for message in caplog.messages)
    with pytest.raises(ConfigError, match="'openvino' cannot be used"):
        StyleModel(negative_model, "openvino")


def test_openvinos_errors_are_reported_by_what_happened() -> None:
    text = "Exception from src/inference/a.cpp:104:\nCheck 'x' failed at b.cpp:7:\nstd::bad_alloc\n\n"
    assert openvino.reason_of(RuntimeError(text)) == "std::bad_alloc"
    assert openvino.reason_of(RuntimeError("plain")) == "plain"


@needs_openvino
def test_folders_of_many_sizes_do_not_fill_the_memory(photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "_MAX_KEPT_SIZES", 2)
    model = StyleModel(resolve_style("starry_night"), "openvino")
    expected = {side: model(photo[:, :side]) for side in (64, 72)}
    first = model.session._request
    assert np.array_equal(model(photo[:, :64]), expected[64])
    assert model.session._request is first
    model(photo[:, :80])  # the third
    assert model.session._request is not first
    for side, picture in expected.items():
        assert np.array_equal(model(photo[:, :side]), picture)


@needs_openvino
@pytest.mark.slow
def test_nobody_is_told_that_it_is_used(tmp_path: Path) -> None:
    pytest.importorskip("openvino")  # the plugin alone has no telemetry
    code = (
        "import sys; from fastnst.runtime.engine.openvino import import_openvino; import_openvino().Core();"
        "assert not any(name.startswith('openvino_telemetry') for name in sys.modules)"
    )
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(PHOTO.parents[1])}
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, check=True, timeout=120)
    assert not list(tmp_path.iterdir())
