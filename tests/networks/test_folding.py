"""Networks for their exported graphs paint what they painted, and give their weights back."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn import functional as F

from fastnst.networks import StyleNetwork, build_network
from fastnst.networks.base import UpsampleBlock
from fastnst.networks.enlarging import gathering_filters, interleaved, ungathered
from fastnst.networks.folding import FoldedLast, FoldedUpsample, folded, unfolded


@pytest.mark.parametrize(("name", "folds"), [("swift", 2), ("swift-s", 2), ("johnson", 0)])
def test_a_folded_network_paints_the_same(name: str, folds: int) -> None:
    torch.manual_seed(0)
    network: StyleNetwork = build_network(name).eval()
    other = folded(copy.deepcopy(network))
    assert sum(isinstance(module, FoldedUpsample) for module in other.modules()) == folds
    assert any(isinstance(module, FoldedLast) for module in other.modules()) is (folds > 0)
    photos = torch.rand(2, 3, 20, 28)
    with torch.no_grad():
        torch.testing.assert_close(other(photos), network(photos), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["swift", "swift-s"])
def test_its_weights_come_back_by_their_names(name: str) -> None:
    network = build_network(name)
    # An exported graph has no parameters that it does not use.
    used = {
        key: value
        for key, value in folded(copy.deepcopy(network)).state_dict().items()
        if not key.endswith((".conv.0.weight", ".conv.0.bias"))
    }
    found = unfolded(used)
    expected = network.state_dict()
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-5, atol=1e-7)


def test_enlarging_is_bilinear_but_for_the_outermost_pixels() -> None:
    torch.manual_seed(0)
    block = UpsampleBlock(5, 4, mode="bilinear", norm=False)
    x = torch.randn(2, 5, 6, 9)
    expected = block.conv(F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False))
    found = block(x)
    torch.testing.assert_close(found[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], rtol=1e-4, atol=1e-5)
    flat = block(torch.ones(1, 5, 4, 4))  # no grid, and no border, on a flat map
    torch.testing.assert_close(flat, flat[..., :1, :1].expand_as(flat))


def test_a_convolution_of_interleaved_maps() -> None:
    torch.manual_seed(0)
    weight, x = torch.randn(3, 2, 3, 3), torch.randn(1, 8, 5, 4)
    filters = gathering_filters(weight)
    found = interleaved(F.conv2d(F.pad(x, [1] * 4, mode="replicate"), filters))
    expected = F.conv2d(F.pad(interleaved(x), [1] * 4, mode="reflect"), weight)
    torch.testing.assert_close(found, expected)
    assert torch.equal(ungathered(filters), weight)
