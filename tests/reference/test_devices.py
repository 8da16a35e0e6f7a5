"""The reference off the CPU: nothing is left behind there, results are the same, and few values are waited for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from fastnst.commands.compare import compare
from fastnst.commands.compare_request import Request
from fastnst.hardware import float32_products
from fastnst.reference import config
from tests.simulated_gpu import DEVICE, simulated_gpu
from tests.style_models import write_style
from tests.test_perceptual import random_state

LAYERS = {"content_layers": ["relu3"], "style_layers": ["relu1", "relu2"], "style_weight": 10.0, "tv_weight": 2.0}


def test_the_simulated_device_refuses_what_cuda_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with simulated_gpu(monkeypatch) as device:
        there = torch.ones(2, 3).to(DEVICE)
        assert (there * 2).device == DEVICE
        with pytest.raises(RuntimeError, match="on the CPU, others are on the device"):
            there + torch.ones(2, 3)
        with pytest.raises(RuntimeError, match="numpy"):
            there.numpy()
        assert device.waits == 0
        assert float(there.sum()) == 6
        assert device.waits == 1


@pytest.mark.slow
def test_a_comparison_on_a_gpu_has_the_figures_of_one_on_the_cpu(
    tmp_path: Path, photo: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").mkdir()
    photo.resize((80, 72)).save(tmp_path / "photos" / "one.png")
    photo.rotate(90).resize((110, 90)).save(tmp_path / "painting.png")
    save_file(random_state("alexnet"), tmp_path / "alexnet.safetensors")
    style = write_style(tmp_path / "negative.onnx", negative=True, perceptual="alexnet", loss_weights=LAYERS)
    request = Request(
        str(style), tmp_path / "photos", (tmp_path / "painting.png",), count=1, size=80, steps=3, refine=2, check=True,
        perceptual_weights=str(tmp_path / "alexnet.safetensors"), second="slim", provider="cpu",
    )  # fmt: skip
    found = []
    for place in ("cpu", "gpu"):
        config._opened.cache_clear()
        monkeypatch.setenv("FASTNST_CACHE", str(tmp_path / place))
        if place == "cpu":
            monkeypatch.setattr("fastnst.reference.config.default_device", lambda: torch.device("cpu"))
            found.append(compare(request)[0])
            continue
        with simulated_gpu(monkeypatch) as device:
            found.append(compare(request)[0])
        evaluations = request.ways.evaluations + 4  # and those of the trial that says how long it will take
        assert device.waits < 12 * evaluations + 60
    config._opened.cache_clear()
    on_cpu, on_gpu = found
    assert on_gpu["optimization_device"] != on_cpu["optimization_device"]
    assert on_gpu["precision"] == on_cpu["precision"] == "f32"
    for way, curve in on_cpu["frontier"].items():
        assert on_gpu["frontier"][way]["objective"] == pytest.approx(curve["objective"], rel=1e-3), way
    for label, measures in on_cpu["measures"].items():
        assert on_gpu["measures"][label] == pytest.approx(measures, rel=1e-2, abs=1e-4), label


def test_products_in_float32_are_exact_unless_asked_and_afterwards_as_before() -> None:
    def allowed() -> tuple[bool, bool]:
        return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32

    before = allowed()
    with float32_products(tf32=True):
        assert allowed() == (True, True)
        with float32_products(tf32=False):
            assert allowed() == (False, False)
            assert torch.backends.cudnn.conv.fp32_precision != "tf32"
            with torch.backends.cudnn.flags(enabled=True):  # as other libraries do
                pass
        assert allowed() == (True, True)
    assert allowed() == before
