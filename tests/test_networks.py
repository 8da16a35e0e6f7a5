from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fastnst.errors import ConfigError
from fastnst.networks import NETWORKS, build_network
from fastnst.networks.base import InstanceNorm

SMALL = {
    "johnson": {"width": 8, "blocks": 1},
    "cyclegan": {"width": 8, "blocks": 6},
    "swift": {"width": 32, "blocks": 1},
    "swift-s": {"width": 32, "blocks": 1},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_shape_and_range_are_kept(name: str) -> None:
    network = build_network(name, **SMALL[name])
    for height, width in ((16, 16), (36, 64)):
        restyled = network(torch.rand(2, 3, height, width))
        assert restyled.shape == (2, 3, height, width)
        assert restyled.min() >= 0
        assert restyled.max() <= 1


@pytest.mark.parametrize("name", NETWORKS)
def test_a_constant_photo_has_no_grid_and_no_border(name: str) -> None:
    """Whatever the weights: uneven upsampling or padding would draw something into a flat picture."""
    torch.manual_seed(0)
    network = build_network(name, **SMALL[name]).double()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    for module in network.modules():
        if isinstance(module, InstanceNorm):
            module.eps = 1.0  # or it would blow the last bit of a flat map up to a picture
    flat = torch.tensor([0.2, 0.5, 0.7], dtype=torch.float64).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    restyled = network(flat)
    assert (restyled - restyled[..., :1, :1]).abs().max() < 1e-6


@pytest.mark.parametrize("name", NETWORKS)
def test_no_transposed_convolution_and_no_zero_padding(name: str) -> None:
    for module in build_network(name, **SMALL[name]).modules():
        assert not isinstance(module, nn.ConvTranspose2d)
        if isinstance(module, nn.Conv2d):
            assert module.padding_mode == "reflect"


@pytest.mark.parametrize("name", NETWORKS)
def test_options_rebuild_the_network(name: str) -> None:
    network = build_network(name, **SMALL[name])
    again = build_network(name, **network.options)
    again.load_state_dict(network.state_dict())


def test_johnson_is_the_consensus_network() -> None:
    convolutions = [module for module in build_network("johnson").modules() if isinstance(module, nn.Conv2d)]
    assert [(c.out_channels, c.kernel_size[0]) for c in convolutions] == [
        (32, 9), (64, 3), (128, 3), *[(128, 3)] * 10, (64, 3), (32, 3), (3, 9),
    ]  # fmt: skip
    parameters = sum(parameter.numel() for parameter in build_network("johnson").parameters())
    assert 1.67e6 < parameters < 1.69e6


def test_instance_norm_is_the_formula() -> None:
    norm = InstanceNorm(4)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = torch.randn(2, 4, 5, 6) * 3 + 1
    assert torch.allclose(norm(x), F.instance_norm(x, weight=norm.weight, bias=norm.bias), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("jonson", {}, "Did you mean 'johnson'"),
        ("johnson", {"width": -3}, "must be a whole number of at least 1, not -3"),
        ("johnson", {"depth": 3}, "has no option 'depth'"),
        ("johnson", {"width": 2.5}, "must be a whole number of at least 1, not 2.5"),
        ("johnson", {"width": True}, "must be a whole number of at least 1, not True"),
        ("swift", {"width": 48}, "multiple of 32"),
        ("cyclegan", {"blocks": 7}, "6 or 9 blocks"),
    ],
)
def test_unknown_networks_and_options_are_refused(name: str, options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_network(name, **options)


@pytest.mark.slow
def test_reading_a_network_loads_no_compiler() -> None:
    """What a file holds is compared with a network on the device "meta": torch's compiler would take six seconds."""
    code = (
        "import sys, torch; from fastnst.networks import NETWORKS, build_network; torch.set_default_device('meta');"
        " [build_network(name) for name in NETWORKS]; print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "False"
