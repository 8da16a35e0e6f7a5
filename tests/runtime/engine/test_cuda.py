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
from fastnst.runtime import StyleMetadata, StyleModel, available_styles
from fastnst.runtime.engine import cuda, providers
from fastnst.runtime.engine.contract import SAME_PICTURE
from fastnst.runtime.engine.cuda import attempts, open_gpu
from fastnst.runtime.engine.io_binding import BoundSession
from fastnst.runtime.engine.reference import Reference
from fastnst.runtime.engine.session import UnavailableError, warn_once
from tests.conftest import write_model


class OrtError(Exception):
    """An error as onnxruntime raises it."""


OrtError.__module__ = "onnxruntime.capi.onnxruntime_pybind11_state"


class Value:
    """An OrtValue."""

    made = 0

    def __init__(self, shape: list[int]) -> None:
        Value.made += 1
        self.pixels = np.zeros(shape, np.uint8)

    @classmethod
    def ortvalue_from_shape_and_type(cls, shape: list[int], element: Any, device: str, index: int) -> Value:
        assert (element, device, index) == (np.uint8, "cuda", 0)
        return cls(shape)

    def update_inplace(self, pixels: np.ndarray) -> None:
        self.pixels[...] = pixels

    def numpy(self) -> np.ndarray:
        return self.pixels.copy()  # from the device


class RunOptions:
    def __init__(self) -> None:
        self.entries: dict[str, str] = {}

    def add_run_config_entry(self, name: str, value: str) -> None:
        self.entries[name] = value


class Session:
    """255 − image, off by some levels as the precision has it."""

    def __init__(self, path: str, options: Any, providers: list[Any]) -> None:
        self.path, self.wanted = Path(path), providers
        self.options: dict[str, Any] = {}
        for entry in providers:
            if isinstance(entry, tuple):
                self.options |= entry[1]
        self.graphs: list[str] = []
        self.error = 0
        self.fails_to_record = False

    def get_providers(self) -> list[str]:
        return [entry[0] if isinstance(entry, tuple) else entry for entry in self.wanted]

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name="image", type="tensor(uint8)", shape=["N", "H", "W", 3])]

    def get_outputs(self) -> list[Any]:
        return [SimpleNamespace(name="stylized", type="tensor(uint8)", shape=["N", "H", "W", 3])]

    def run(self, _names: Any, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        return [np.clip(255 - feed["image"].astype(int) + self.error, 0, 255).astype(np.uint8)]

    def io_binding(self) -> Any:
        binding = SimpleNamespace()
        binding.bind_ortvalue_input = lambda name, value: setattr(binding, name, value)
        binding.bind_ortvalue_output = lambda name, value: setattr(binding, name, value)
        return binding

    def run_with_iobinding(self, binding: Any, options: RunOptions | None) -> None:
        graph = options.entries["gpu_graph_id"] if options else "none"
        self.graphs.append(graph)
        if self.fails_to_record and graph not in ("none", "-1"):
            raise RuntimeError("capture failed\nat a line\nand another")  # the bindings raise no type of their own here
        binding.stylized.pixels[...] = 255 - binding.image.pixels


class FakeOrt(SimpleNamespace):
    """An onnxruntime with GPU providers; `broken` says which sessions cannot be opened, `errors` how exact they are."""

    def __init__(self) -> None:
        super().__init__(
            __version__="9.9", OrtValue=Value, RunOptions=RunOptions, SessionOptions=onnxruntime.SessionOptions
        )
        self.available = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
        self.opened: list[Session] = []
        self.broken = lambda session: None
        self.errors = lambda session: 0

    def get_available_providers(self) -> list[str]:
        return self.available

    def InferenceSession(  # noqa: N802
        self, path: str, options: Any, providers: list[Any], enable_fallback: int = 1
    ) -> Session:
        assert enable_fallback == 0, "onnxruntime would go on with the CPU by itself"
        session = Session(path, options, providers)
        reason = self.broken(session)
        if reason:
            raise OrtError(reason)
        session.error = self.errors(session)
        self.opened.append(session)
        return session


@pytest.fixture
def ort(monkeypatch: pytest.MonkeyPatch) -> FakeOrt:
    fake = FakeOrt()
    monkeypatch.setattr(providers, "import_onnxruntime", lambda: fake)
    monkeypatch.setattr(providers, "_plausible", lambda _: ["tensorrt", "cuda"])
    monkeypatch.setattr(cuda, "page_locked_memory", lambda _: None)  # torch may have brought the real library
    warn_once.cache_clear()
    return fake


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return train_anew(tmp_path / "negative.onnx", 0)


def train_anew(path: Path, number: int) -> Path:
    """Another model in place of this one."""
    return write_model(path, properties=StyleMetadata(name="negative", steps=number).to_properties())


def frame(height: int = 20, width: int = 24, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (1, height, width, 3), dtype=np.uint8)


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


def test_a_verdict_belongs_to_a_card_and_its_driver(ort: FakeOrt, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastnst.runtime.engine.cuda.gpu_name", lambda: "one card, driver 1")
    assert StyleModel(model, "tensorrt").precision == "f16"
    ort.errors = lambda session: 9 if session.options.get("trt_fp16_enable") else 0
    assert StyleModel(model, "tensorrt").precision == "f16"  # as judged before
    monkeypatch.setattr("fastnst.runtime.engine.cuda.gpu_name", lambda: "one card, driver 2")
    assert StyleModel(model, "tensorrt").precision == "tf32"


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


def test_precision_below_40_db_is_refused(ort: FakeOrt, model: Path, caplog: pytest.LogCaptureFixture) -> None:
    ort.errors = lambda session: 9 if session.options.get("trt_fp16_enable") else 0
    with caplog.at_level(logging.WARNING):
        assert StyleModel(model, "tensorrt").precision == "tf32"
    assert [record.message for record in caplog.records] == [
        "f16 is not precise enough for negative.onnx on tensorrt: another one is used."
    ]
    train_anew(model, 1)  # verdicts are kept by the file
    ort.errors = lambda session: 9 if session.options and "use_tf32" not in session.options else 0
    assert StyleModel(model, "cuda").precision == "f32"
    train_anew(model, 2)
    ort.errors = lambda session: 1 if session.options else 0
    assert StyleModel(model, "tensorrt").precision == "f16"


def test_a_half_copy_beside_the_model_is_taken_if_it_is_precise(ort: FakeOrt, model: Path) -> None:
    half = model.with_suffix(".fp16.onnx")
    half.write_bytes(b"half of it")
    assert [way.precision for way in attempts(model, "cuda")] == ["f16", "tf32", "f32"]
    assert StyleModel(model, "cuda").precision == "f16"
    assert ort.opened[-1].path == half
    half.write_bytes(b"a bad half")
    ort.errors = lambda session: 20 if session.path == half else 0
    assert StyleModel(model, "cuda").precision == "tf32"
    assert ort.opened[-1].path == model


def test_a_half_copy_is_judged_against_the_model_that_it_lies_beside(ort: FakeOrt, model: Path) -> None:
    half = model.with_suffix(".fp16.onnx")
    half.write_bytes(b"half of it")
    assert StyleModel(model, "cuda").precision == "f16"
    train_anew(model, 3)
    ort.errors = lambda session: 20 if session.path == half else 0
    assert StyleModel(model, "cuda").precision == "tf32"


def test_a_damaged_half_copy_is_left_out_with_one_line(
    ort: FakeOrt, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    half = model.with_suffix(".fp16.onnx")
    half.write_bytes(b"half of")
    ort.broken = lambda session: "cut short" if session.path == half else None
    with caplog.at_level(logging.WARNING):
        assert StyleModel(model, "cuda").precision == "tf32"
    assert [record.message for record in caplog.records] == ["negative.fp16.onnx is not used: cut short."]


def test_half_copies_are_no_styles(negative_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one.onnx", "one.fp16.onnx"):
        (tmp_path / name).write_bytes(negative_model.read_bytes())
    monkeypatch.setenv("FASTNST_STYLES", str(tmp_path))
    assert "one" in available_styles()
    assert "one.fp16" not in available_styles()


def test_engines_are_cached_by_precision(ort: FakeOrt, model: Path, tmp_path: Path) -> None:
    folders = [dict(way.providers)["tensorrt"]["trt_engine_cache_path"] for way in attempts(model, "tensorrt")]
    assert len(set(folders)) == 3
    assert all(Path(folder).is_dir() for folder in folders)
    train_anew(model, 3)
    assert folders[0] != dict(attempts(model, "tensorrt")[0].providers)["tensorrt"]["trt_engine_cache_path"]


def test_auto_goes_on_where_the_cache_cannot_be_written(
    ort: FakeOrt, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("fastnst.runtime.engine.cuda.cache_path", lambda: tmp_path / "file" / "cache")
    assert StyleModel(model).provider == "cuda"


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
