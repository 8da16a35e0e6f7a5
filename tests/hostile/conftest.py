"""What several of these tests share. Torch is imported by those that need it only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fastnst.networks.base import StyleNetwork


@pytest.fixture(scope="session")
def network() -> StyleNetwork:
    """A small style network of random weights, to be left as it is."""
    import torch

    from fastnst.networks import build_network

    torch.manual_seed(0)
    return build_network("swift", width=32, blocks=1)
