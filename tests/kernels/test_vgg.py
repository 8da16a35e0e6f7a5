"""The joined layers of a VGG, by Triton's interpreter, which needs no GPU, and on one where there is one."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fastnst import kernels
from fastnst.errors import ConfigError
from fastnst.kernels.vgg import activated, pooled
from fastnst.perceptual import network
from fastnst.perceptual.architectures import TORCHVISION, ConvSpec, vgg_layers
from fastnst.perceptual.network import PerceptualNetwork

_LAYERS = vgg_layers(((4, 4), (8, 8, 8), (8,)))
_TAPS = (
    ["relu1_1", "relu2_1", "relu3_1"],
    ["relu1_2", "conv2_2", "relu2_2", "pool2"],  # maps before and after a pooling, and before a ReLU
    ["conv2_3"],
)
_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"

pytest.importorskip("triton", reason="Triton is not installed")


def _maps_and_gradient(taps: list[str], padding: str, size: tuple[int, int], device: str) -> dict[str, Tensor]:
    torch.manual_seed(1)
    judge = PerceptualNetwork(_LAYERS, TORCHVISION, padding=padding).to(device)  # type: ignore[arg-type]
    pictures = torch.rand(2, 3, *size, device=device, requires_grad=True)
    maps = judge.features(pictures, taps)
    sum(map_.square().sum() + map_.sin().sum() for map_ in maps.values()).backward()  # type: ignore[union-attr]
    assert pictures.grad is not None
    return {name: map_.detach() for name, map_ in maps.items()} | {"gradient": pictures.grad}


def _check(monkeypatch: pytest.MonkeyPatch, taps: list[str], padding: str, size: tuple[int, int], device: str) -> None:
    assert kernels.kernels_work(torch.device(device))
    joined = _maps_and_gradient(taps, padding, size, device)
    with monkeypatch.context() as without:
        without.setattr(network, "kernels_work", lambda _device: False)
        plain = _maps_and_gradient(taps, padding, size, device)
    assert joined.keys() == plain.keys()
    for name, expected in plain.items():
        torch.testing.assert_close(joined[name], expected, rtol=1e-4, atol=1e-5, msg=f"{name} of {taps}")


@pytest.mark.skipif(not _INTERPRETED, reason="run by test_interpreted.py")
@pytest.mark.parametrize("taps", _TAPS)
@pytest.mark.parametrize(("padding", "size"), [("replicate", (9, 14)), ("zeros", (9, 14)), ("replicate", (8, 8))])
def test_interpreted(monkeypatch: pytest.MonkeyPatch, taps: list[str], padding: str, size: tuple[int, int]) -> None:
    _check(monkeypatch, taps, padding, size, "cpu")


@pytest.mark.skipif(not _INTERPRETED, reason="run by test_interpreted.py")
def test_weights_that_are_trained_take_the_plain_way() -> None:
    judge = PerceptualNetwork(_LAYERS, TORCHVISION).requires_grad_(True)
    judge.features(torch.rand(1, 3, 8, 8), ["relu2_1"])["relu2_1"].sum().backward()  # type: ignore[no-untyped-call]
    assert judge.convolutions["conv1_1"].bias.grad is not None  # type: ignore[union-attr]


@pytest.mark.skipif(not _INTERPRETED, reason="run by test_interpreted.py")
def test_pictures_too_small_are_refused() -> None:
    judge = PerceptualNetwork(_LAYERS, TORCHVISION, padding="replicate")
    with pytest.raises(ConfigError, match="an image of 9×3 pixels is too small"):
        judge.features(torch.rand(1, 3, 3, 9), ["relu3_1"])  # its maps are one high before the second pooling


@pytest.mark.filterwarnings("ignore:invalid value")  # of numpy, which interprets
@pytest.mark.skipif(not _INTERPRETED, reason="run by test_interpreted.py")
@pytest.mark.parametrize("join", [activated, pooled])
def test_what_is_not_a_number_stays_so(join: Callable[..., tuple[Tensor, Tensor | None]]) -> None:
    x = torch.randn(1, 2, 4, 4)
    x[0, 1, 2, 3] = float("nan")
    x.requires_grad_()
    padded, _ = join(x, torch.ones(2), 1, whole=False)
    assert padded.isnan().any((0, 2, 3)).tolist() == [False, True]
    padded[:, 0].sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert bool(x.grad.isfinite().all())


@pytest.mark.skipif(not _INTERPRETED, reason="run by test_interpreted.py")
def test_other_orders_of_layers_take_the_plain_way(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = (("conv1", ConvSpec(4, 3, 1, 1, 0)), ("conv2", ConvSpec(4, 3, 1, 1, 1)), ("pool2", (2, 2)))
    judge, pictures = PerceptualNetwork(layers, TORCHVISION), torch.rand(1, 3, 8, 8)
    found = judge.features(pictures, ["pool2"])["pool2"]
    monkeypatch.setattr(network, "kernels_work", lambda _device: False)
    torch.testing.assert_close(found, judge.features(pictures, ["pool2"])["pool2"])


@pytest.mark.skipif(not torch.cuda.is_available() or _INTERPRETED, reason="no GPU")
@pytest.mark.parametrize("taps", _TAPS)
@pytest.mark.parametrize(("padding", "size"), [("replicate", (9, 14)), ("zeros", (64, 48))])
def test_on_a_gpu(monkeypatch: pytest.MonkeyPatch, taps: list[str], padding: str, size: tuple[int, int]) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    _check(monkeypatch, taps, padding, size, "cuda")


def test_without_a_gpu_the_plain_way_is_taken() -> None:
    assert kernels.kernels_work(torch.device("cpu")) is _INTERPRETED
