"""Normalization and padding by Triton's interpreter, which needs no GPU, and on one where there is one."""

from __future__ import annotations

import os

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fastnst.kernels import kernels_work
from fastnst.kernels.norm import continued, normalized, reflected
from fastnst.networks import base, build_network

pytest.importorskip("triton", reason="Triton is not installed")

_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
_DEVICES = [
    pytest.param("cpu", marks=pytest.mark.skipif(not _INTERPRETED, reason="run by test_interpreted.py")),
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available() or _INTERPRETED, reason="no GPU")),
]
_SHAPES = [(2, 8, 7, 9), (1, 16, 40, 33), (3, 5, 4, 4)]  # of maps; one whose positions take several programs


def _gradients(y: Tensor, inputs: tuple[Tensor, ...], gradient: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(y, inputs, gradient.to(y)))


@pytest.mark.parametrize("device", _DEVICES)
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("shape", _SHAPES)
def test_normalization(device: str, shape: tuple[int, ...], relu: bool) -> None:
    torch.manual_seed(0)
    channels = shape[1]
    # Means far above the deviations: sums of squares would lose their digits.
    x = (torch.randn(shape) + 30 * torch.randn(1, channels, 1, 1)).to(device).requires_grad_()
    weight, bias = (torch.randn(channels, device=device, requires_grad=True) for _ in range(2))
    gradient = torch.randn(shape, device=device)
    expected = F.group_norm(x.double(), channels, weight.double(), bias.double(), 1e-5)
    expected = expected.relu() if relu else expected
    found = normalized(x, weight, bias, 1e-5, relu=relu)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=2e-5)
    inputs = (x, weight, bias)
    for one, other in zip(_gradients(found, inputs, gradient), _gradients(expected, inputs, gradient), strict=True):
        assert float((one - other).norm() / other.norm()) < 1e-5


@pytest.mark.parametrize("device", _DEVICES)
@pytest.mark.parametrize(("pad", "mode"), [(1, "reflect"), (3, "reflect"), (1, "replicate")])
@pytest.mark.parametrize("shape", _SHAPES)
def test_padding(device: str, shape: tuple[int, ...], pad: int, mode: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(shape, device=device, requires_grad=True)
    expected, found = F.pad(x, [pad] * 4, mode), reflected(x, pad) if mode == "reflect" else continued(x)
    assert torch.equal(found, expected)
    gradient = torch.randn(expected.shape, device=device)
    (one,), (other,) = _gradients(found, (x,), gradient), _gradients(expected, (x,), gradient)
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore:invalid value")  # of numpy, which interprets
@pytest.mark.parametrize("device", _DEVICES)
def test_what_is_not_a_number_stays_so(device: str) -> None:
    x = torch.randn(1, 2, 4, 4, device=device)
    ones = torch.ones(2, device=device)
    for value in (float("nan"), float("inf")):
        x[0, 1, 2, 2] = value
        found = normalized(x, ones, ones, 1e-5, relu=True)
        assert found.isnan().all((0, 2, 3)).tolist() == [False, True]  # as F.group_norm's


@pytest.mark.parametrize("device", _DEVICES)
def test_maps_too_small_to_be_reflected(device: str) -> None:
    with pytest.raises(ValueError, match="maps of 9×3 cannot be reflected by 3"):
        reflected(torch.rand(1, 2, 3, 9, device=device), 3)


@pytest.mark.parametrize("device", _DEVICES)
@pytest.mark.parametrize("name", ["swift", "johnson"])
def test_networks_paint_the_same(monkeypatch: pytest.MonkeyPatch, device: str, name: str) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    assert kernels_work(torch.device(device))
    torch.manual_seed(1)
    network = build_network(name, width=32 if name == "swift" else 8, blocks=1).to(device)
    photos = torch.rand(1, 3, 16, 24, device=device)
    found = network(photos)
    assert "_NormalizedBackward" in _names_behind(found)
    monkeypatch.setattr(base, "kernels_work", lambda _device: False)
    expected = network(photos)
    assert "_NormalizedBackward" not in _names_behind(expected)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def _names_behind(picture: Tensor) -> set[str]:
    """Of the operators that made it."""
    names, rest = set(), [picture.grad_fn]
    seen = set(rest)
    while rest:
        node = rest.pop()
        if node is not None:
            names.add(node.name())
            new = {following for following, _ in node.next_functions} - seen
            seen |= new
            rest += new
    return names
