from __future__ import annotations

import copy

import pytest
import torch

from fastnst.networks import StyleNetwork, build_network
from fastnst.networks.affines import affine_sizes, affines, fingerprint, restyle_each, set_affines


def network(name: str) -> StyleNetwork:
    torch.manual_seed(0)
    return build_network(name, **({"width": 32, "blocks": 1} if name.startswith("swift") else {"width": 8}))


@pytest.mark.parametrize("name", ["swift", "swift-s", "johnson"])
def test_each_sample_gets_its_own_affines(name: str) -> None:
    shared = network(name)
    photos = torch.rand(3, 3, 32, 48)
    values = affines(shared) + 0.3 * torch.randn(3, len(affines(shared)))
    together = restyle_each(shared, photos, values)
    for photo, own, restyled in zip(photos, values, together, strict=True):
        alone = copy.deepcopy(shared)
        set_affines(alone, own)
        assert torch.equal(affines(alone), own)
        assert torch.allclose(alone(photo[None])[0], restyled, atol=1e-5)


def test_gradients_reach_each_samples_affines_as_they_reach_the_networks_own() -> None:
    shared = network("swift")
    photos = torch.rand(2, 3, 32, 32)
    values = affines(shared).repeat(2, 1).requires_grad_()
    restyle_each(shared, photos, values).square().sum().backward()
    assert values.grad is not None
    for index in range(2):
        shared.zero_grad()
        shared(photos[index : index + 1]).square().sum().backward()
        parameters = dict(shared.named_parameters())
        own = torch.cat([parameters[name].grad for name in affine_sizes(shared)])
        assert torch.allclose(values.grad[index], own, rtol=1e-3, atol=1e-4 * own.abs().max())


def test_swift_has_the_affines_of_ten_normalizations() -> None:
    full = build_network("swift")
    assert len(affine_sizes(full)) == 2 * 10
    assert len(affines(full)) == 1152


def test_a_fingerprint_is_of_the_convolutions_alone() -> None:
    one, other = network("swift"), network("swift")
    set_affines(other, affines(other) + 1)
    assert fingerprint(one) == fingerprint(other)
    assert fingerprint(copy.deepcopy(one).half().float()) == fingerprint(one)
    with torch.no_grad():
        next(other.parameters()).mul_(1.01)
    assert fingerprint(one) != fingerprint(other)
