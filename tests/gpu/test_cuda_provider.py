"""The CUDA provider as it really is, on stub libraries: what runs where, is copied, fails, and how it is reported.

Kernels do nothing here, so precision is taken for granted and pictures are not looked at.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from fastnst.array_types import UInt8Image
from fastnst.errors import ConfigError, ModelError
from fastnst.runtime import MattingModel, StyleModel, resolve_style
from fastnst.runtime.engine import reference
from fastnst.runtime.engine.machine import gpu_name
from fastnst.runtime.engine.session import open_session
from fastnst.runtime.portrait.matting_model import resolve_matting_model
from tests.gpu.stub_cuda import StubCuda

COUNTED = ("up", "down", "up from locked", "down to locked", "malloc", "capture", "replay", "device to device")


@pytest.fixture(autouse=True)
def _precise(monkeypatch: pytest.MonkeyPatch, cuda: StubCuda) -> None:
    def judged(paths: object, engine: str, run: reference.Run, on_cpu: reference.Run, **_: object) -> bool:
        run(np.zeros((1, 64, 96, 3), np.uint8))
        return True

    monkeypatch.setattr(reference, "is_precise", judged)


def frame(height: int = 64, width: int = 96) -> UInt8Image:
    return np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype=np.uint8)


def counts(cuda: StubCuda) -> Counter[str]:
    return Counter({name: cuda.count(name) for name in COUNTED})


@pytest.mark.parametrize("model", [resolve_style("starry_night"), resolve_matting_model()], ids=["style", "matting"])
def test_all_that_sees_pixels_is_on_the_gpu(cuda: StubCuda, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    from fastnst.runtime.engine import session

    real = session.session_options

    def recording(ort: object, threads: int) -> object:
        options = real(ort, threads)  # type: ignore[arg-type]
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        return options

    monkeypatch.setattr(session, "session_options", recording)
    opened = open_session(onnxruntime, model, 1, "cuda", [("cuda", {})])
    placed: dict[str, Counter[str]] = {}
    for part in opened.get_provider_graph_assignment_info():  # type: ignore[attr-defined]
        kinds = placed.setdefault(part.ep_name, Counter())
        kinds.update(node.op_type for node in part.get_nodes())
    heavy = {"Conv", "Pad", "Resize", "InstanceNormalization", "Transpose", "Relu", "Tanh", "Clip", "Round", "Floor"}
    assert not heavy & set(placed.get("CPUExecutionProvider", ()))
    assert heavy & set(placed["CUDAExecutionProvider"])


def test_a_frame_goes_up_once_and_comes_down_once_in_locked_memory(cuda: StubCuda) -> None:
    model = StyleModel(resolve_style("starry_night"), "cuda")
    for _ in range(4):
        model(frame())
    before = counts(cuda)
    kept = [model(frame()) for _ in range(5)]
    found = counts(cuda) - before
    assert len({result.ctypes.data for result in kept}) == 5  # each in memory of its own
    assert found == Counter({"up": 5, "down": 5, "up from locked": 5, "down to locked": 5, "replay": 5})


def test_the_third_frame_of_a_size_is_recorded_and_later_ones_are_replayed(cuda: StubCuda) -> None:
    model = StyleModel(resolve_style("starry_night"), "cuda")
    seen = []
    for _ in range(5):
        before = counts(cuda)
        model(frame())
        seen.append((counts(cuda) - before)["capture"])
    assert seen == [0, 0, 1, 0, 0]


def test_another_thread_records_again(cuda: StubCuda) -> None:
    model = StyleModel(resolve_style("starry_night"), "cuda")
    for _ in range(4):
        model(frame())
    before = counts(cuda)
    thread = threading.Thread(target=lambda: [model(frame()) for _ in range(4)])
    thread.start()
    thread.join()
    assert (counts(cuda) - before)["capture"] == 1


def test_graphs_of_many_sizes_are_freed_by_opening_anew(cuda: StubCuda) -> None:
    model = StyleModel(resolve_style("starry_night"), "cuda")
    first = model._engine.bound.session  # type: ignore[union-attr]
    for number in range(9):
        for _ in range(3):
            assert model(frame(32, 32 + 4 * number)).shape == (1, 32, 32 + 4 * number, 3)
    assert model._engine.bound.session is not first  # type: ignore[union-attr]


@pytest.mark.parametrize("call", ["capture", "captured"])
def test_a_recording_that_fails_leads_back(cuda: StubCuda, call: str, caplog: pytest.LogCaptureFixture) -> None:
    model = StyleModel(resolve_style("starry_night"), "cuda")
    cuda.fail(call)
    with caplog.at_level(logging.WARNING):
        for _ in range(6):
            assert model(frame()).shape == (1, 64, 96, 3)
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("CUDA graphs are not used: ")


def test_a_gpu_that_fails_at_the_third_frame_is_one_sentence(
    cuda: StubCuda, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    model = StyleModel(resolve_style("starry_night"), "cuda")
    model(frame())
    model(frame())
    cuda.fail("synchronize")
    cuda.fail("up")
    with caplog.at_level(logging.WARNING), pytest.raises(ModelError, match=r"failed while it ran \(.{5,120}\)\.$"):
        model(frame())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("call", ["malloc", "up", "synchronize"])
def test_a_gpu_that_fails_when_it_is_opened_is_not_mistaken_for_the_cpu(
    cuda: StubCuda,
    call: str,
    negative_model: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from fastnst.runtime.engine import providers

    style = resolve_style("starry_night")
    monkeypatch.setattr(providers, "_plausible", lambda _: ["cuda"])
    cuda.fail(call)
    with pytest.raises(ConfigError, match=r"'cuda' cannot be used \(.{5,130}\): it needs an NVIDIA GPU"):
        StyleModel(style, "cuda")
    with caplog.at_level(logging.WARNING):
        assert StyleModel(style).provider == "cpu"
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("cuda is not used: ")
    assert capfd.readouterr() == ("", "")  # onnxruntime's pages of text stay away


def test_tensorrt_without_its_library_is_one_sentence(cuda: StubCuda, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match=r"'tensorrt' cannot be used .*pip install \"tensorrt-cu1\d<11\""):
        StyleModel(resolve_style("starry_night"), "tensorrt")
    assert capfd.readouterr() == ("", "")


def test_no_locked_memory_left_is_no_reason_to_stop(cuda: StubCuda) -> None:
    model = StyleModel(resolve_style("starry_night"), "cuda")
    cuda.fail("lock")
    assert model(frame(72, 88)).shape == (1, 72, 88, 3)


def test_mattes_run_there_too(cuda: StubCuda) -> None:
    model = MattingModel(resolve_matting_model(), "cuda")
    assert model.provider.startswith("cuda")
    before = counts(cuda)
    model._engine.run(np.zeros((1, 96, 128, 3), np.uint8))
    found = counts(cuda) - before
    assert (found["up"], found["down"]) == (1, 1)


def test_the_card_and_its_driver_have_a_name(cuda: StubCuda) -> None:
    assert gpu_name() == "Stub H100, driver 999.1"
