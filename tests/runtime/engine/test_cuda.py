"""The GPU path without a GPU: our logic against a stand-in for onnxruntime, and kept buffers on the real one."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest

from fastnst.errors import ConfigError, ModelError
from fastnst.runtime import StyleModel
from fastnst.runtime.engine import providers
from fastnst.runtime.engine.contract import SAME_PICTURE
from fastnst.runtime.engine.cuda import open_gpu
from fastnst.runtime.engine.io_binding import BoundSession
from fastnst.runtime.engine.reference import Reference
from fastnst.runtime.engine.session import UnavailableError
from tests.runtime.engine.fake_ort import FakeOrt, OrtError, Session, Value, frame


def test_cuda_runs_with_kept_buffers_and_records_what_repeats(ort: FakeOrt, model: Path) -> None:
    opened = StyleModel(model, "cuda")
    assert (opened.provider, opened.precision) == ("cuda", "tf32")
    session = ort.opened[-1]
    assert session.options["enable_cuda_graph"] == 1
    before = Value.made
    frames = [frame(seed=seed) for seed in range(4)]
    results = [opened(one) for one in frames]
    assert all(np.array_equal(result, 255 - one) for result, one in zip(results, frames, strict=True))
    assert Value.made - before == 2  # one input and one output for all four frames
    assert session.graphs == ["-1", "-1", "1", "1"]
    for _ in range(3):
        opened(frame(30, 40))
    assert session.graphs[4:] == ["-1", "-1", "2"]


def test_graphs_are_bounded_by_opening_anew(ort: FakeOrt, model: Path) -> None:
    opened = StyleModel(model, "cuda")
    first = ort.opened[-1]
    for width in range(20, 28):  # onnxruntime frees no graph while its session lives
        for _ in range(4):
            opened(frame(16, width))
    assert len(set(first.graphs)) == 1 + 8
    assert ort.opened[-1] is first
    for _ in range(4):
        assert np.array_equal(opened(frame(16, 40)), 255 - frame(16, 40))
    assert ort.opened[-1] is not first
    assert ort.opened[-1].options["enable_cuda_graph"] == 1
    assert len(ort.opened[-1].graphs) == 4


def test_each_thread_warms_up_and_records_by_itself(ort: FakeOrt, model: Path) -> None:
    opened = StyleModel(model, "cuda")
    for _ in range(3):
        opened(frame())
    thread = threading.Thread(target=lambda: [opened(frame()) for _ in range(3)])
    thread.start()
    thread.join()
    assert ort.opened[-1].graphs == ["-1", "-1", "1", "-1", "-1", "2"]


def test_a_gpu_that_fails_for_good_is_reported_in_one_sentence(
    ort: FakeOrt, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = StyleModel(model, "cuda")
    opened(frame())

    def fail(self: Session, *_: Any) -> None:
        raise RuntimeError("CUDA failure 999: unknown error ; GPU=0\nand a page more")

    monkeypatch.setattr(Session, "run_with_iobinding", fail)
    with pytest.raises(
        ModelError, match=r"negative.onnx failed while it ran \(CUDA failure 999: unknown error ; GPU=0\)"
    ):
        opened(frame())


def test_auto_tries_tensorrt_only_where_its_library_is(monkeypatch: pytest.MonkeyPatch) -> None:
    real_exists = os.path.exists
    monkeypatch.setattr(os.path, "exists", lambda path: str(path) == "/dev/nvidiactl" or real_exists(path))
    monkeypatch.setattr(providers, "openvino_version", lambda: None)
    listed = SimpleNamespace(get_available_providers=lambda: ["TensorrtExecutionProvider", "CUDAExecutionProvider"])
    monkeypatch.setattr(providers, "_has_library", lambda _: False)
    assert providers._plausible(listed) == ["cuda"]
    monkeypatch.setattr(providers, "_has_library", lambda name: "nvinfer" in name)
    assert providers._plausible(listed) == ["tensorrt", "cuda"]


@pytest.mark.parametrize(("built_for", "package"), [("12.8", "tensorrt-cu12"), ("13.0", "tensorrt-cu13")])
def test_tensorrts_remedy_names_the_cuda_of_the_installed_onnxruntime(
    ort: FakeOrt, model: Path, built_for: str, package: str
) -> None:
    ort.cuda_version = built_for
    ort.broken = lambda session: "no libnvinfer" if session.options else None
    with pytest.raises(ConfigError, match=f'pip install "{package}<11"'):
        StyleModel(model, "tensorrt")


def test_a_resident_run_replays_without_transfers(ort: FakeOrt, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = StyleModel(model, "cuda")
    run = opened.resident(frame())
    session = ort.opened[-1]
    monkeypatch.setattr(Value, "update_inplace", None)
    monkeypatch.setattr(Value, "numpy", None)
    before = len(session.graphs)
    for _ in range(3):
        run()
    assert session.graphs[before - 1 :] == ["1"] * 4


def test_a_failed_recording_falls_back_with_one_line(
    ort: FakeOrt, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened = StyleModel(model, "cuda")
    ort.opened[-1].fails_to_record = True
    with caplog.at_level(logging.WARNING):
        for seed in range(5):
            assert np.array_equal(opened(frame(seed=seed)), 255 - frame(seed=seed))
    assert [record.message for record in caplog.records] == ["CUDA graphs are not used: capture failed."]
    assert "enable_cuda_graph" not in ort.opened[-1].options
    assert set(ort.opened[-1].graphs) == {"none"}


def test_without_graphs_from_the_beginning(ort: FakeOrt, model: Path, caplog: pytest.LogCaptureFixture) -> None:
    ort.broken = lambda session: "nodes on the CPU" if "enable_cuda_graph" in session.options else None
    with caplog.at_level(logging.WARNING):
        opened = StyleModel(model, "cuda")
    assert np.array_equal(opened(frame()), 255 - frame())
    assert [record.message for record in caplog.records] == ["CUDA graphs are not used: nodes on the CPU."]


def test_auto_goes_on_with_one_line_each(ort: FakeOrt, model: Path, caplog: pytest.LogCaptureFixture) -> None:
    ort.broken = lambda session: "no libnvinfer\nwall of text" if "trt_fp16_enable" in session.options else None
    with caplog.at_level(logging.WARNING):
        assert StyleModel(model).provider == "cuda"
    assert [record.message for record in caplog.records] == ["tensorrt is not used: no libnvinfer."]
    caplog.clear()
    ort.broken = lambda session: "no GPU" if session.options else None
    with caplog.at_level(logging.WARNING):
        assert StyleModel(model).provider == "cpu"
    assert [record.message for record in caplog.records] == [
        "tensorrt is not used: no GPU.",
        "cuda is not used: no GPU.",
    ]
    with pytest.raises(ConfigError, match=r"'cuda' cannot be used \(no GPU\)"):
        StyleModel(model, "cuda")


def test_failures_with_the_first_picture_count_too(ort: FakeOrt, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Session.run

    def run(self: Session, names: Any, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        if self.options:
            raise OrtError("cudnn is missing")
        return real(self, names, feed)

    monkeypatch.setattr(Session, "run", run)
    reference = ort.InferenceSession(str(model), None, ["CPUExecutionProvider"], enable_fallback=0)
    with pytest.raises(UnavailableError, match="cudnn is missing"):
        open_gpu(ort, model, 1, "cuda", Reference(reference, model, SAME_PICTURE), bound=True, is_half=False)


def test_kept_buffers_on_the_real_onnxruntime(negative_model: Path) -> None:
    session = onnxruntime.InferenceSession(str(negative_model), providers=["CPUExecutionProvider"])
    run = BoundSession(onnxruntime, session, "cpu")
    first = run(frame())
    second = run(255 - frame())
    assert np.array_equal(first, 255 - frame())  # not overwritten by the second
    assert np.array_equal(second, frame())
    assert run(frame(33, 17)).shape == (1, 33, 17, 3)
    flipped = frame()[:, ::-1]  # not contiguous
    assert np.array_equal(run(flipped), 255 - flipped)
