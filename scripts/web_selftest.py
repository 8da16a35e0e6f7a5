"""Make the page's self-test: a small network with every operator of ours, a picture, and what onnxruntime makes of it.

    python scripts/web_selftest.py

The page runs it on the graphics card before it trusts it (fastnst/web/engines.js).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from fastnst.half_weights import halve_weights
from fastnst.networks.base import ConvBlock, InstanceNorm, ResidualBlock, StyleNetwork, UpsampleBlock, to_unit_range
from fastnst.onnx_graph import save_graph
from fastnst.runtime.models.metadata import StyleMetadata
from fastnst.runtime.models.style_model import StyleModel
from fastnst.style_export import StyleModelGraph, shaded_picture, trace_graph

FOLDER = Path(__file__).resolve().parents[1] / "fastnst" / "web" / "selftest"
_SIZE = (46, 62)  # height and width: padded and cropped inside the graph


class Probe(StyleNetwork):
    """Not trained: random weights that keep the picture's contrast, so that a wrong operator shows."""

    stride = 4
    smallest_input = 16

    def __init__(self) -> None:
        super().__init__()
        self.folded = nn.Sequential(nn.PixelUnshuffle(4), ConvBlock(48, 16), ResidualBlock(16))
        self.strided = nn.Sequential(
            ConvBlock(3, 8, 9), ConvBlock(8, 8, stride=2), ConvBlock(8, 16, stride=2), InstanceNorm(16), nn.ReLU()
        )
        self.up = nn.Sequential(
            UpsampleBlock(16, 8, mode="bilinear"), UpsampleBlock(8, 8), ConvBlock(8, 3, 9, norm=False, relu=False)
        )

    def paint(self, images: Tensor) -> Tensor:
        """Float RGB `[N, 3, H, W]` in [0, 1] to the same."""
        x = images * 2 - 1
        return to_unit_range(self.up(self.folded(x) + self.strided(x)))


def main() -> None:
    """Write network.onnx, input.png and expected.png."""
    torch.manual_seed(0)
    network = Probe().eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / "network.onnx"
    graph = StyleModelGraph(network, torch.float32)
    save_graph(trace_graph(graph, "stylized", channels=3), StyleMetadata(name="selftest").to_properties(), path)
    path.write_bytes(halve_weights(path.read_bytes()))
    # It fades to black, so that the light rule has work.
    fade = np.linspace(0, 1, _SIZE[1])[:, None]
    picture = (shaded_picture(np.random.default_rng(0), 1, *_SIZE) * fade).astype(np.uint8)
    Image.fromarray(picture[0]).save(FOLDER / "input.png")
    expected = StyleModel(path, provider="cpu")(picture)[0]
    Image.fromarray(expected).save(FOLDER / "expected.png")


if __name__ == "__main__":
    main()
