"""Distances between pictures by the features of a perceptual network: the field's figures for style transfer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from fastnst.perceptual.network import PerceptualNetwork

# The layers that LPIPS reads, by network; torchmetrics ships the weights of both.
LPIPS_LAYERS = {
    "alexnet": ("relu1", "relu2", "relu3", "relu4", "relu5"),
    "vgg16": ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"),
}
_LPIPS_FILES = {"alexnet": "alex.pth", "vgg16": "vgg.pth"}
_CFSD_SIDE, _CFSD_ROWS = 256, 512
_PROJECTIONS = 128


def lpips(network: PerceptualNetwork, picture: Tensor, other: Tensor) -> float:
    """LPIPS 0.1 (Zhang et al. 2018): squared differences of unit-length features, weighed by a learned vector a layer.

    Args:
        network: `alexnet` or `vgg16` with torchvision's weights, for which those vectors were learned.
        picture, other: float RGB `[1, 3, H, W]` in [0, 1], of one size.

    0 for equal pictures; about 0.7 for unrelated ones.
    """
    layers = LPIPS_LAYERS[network.name]
    with torch.no_grad():
        mine, others = (network.features(images, layers) for images in (picture, other))
        distance = torch.zeros((), device=picture.device)
        for layer, weight in zip(layers, _lpips_weights(network.name), strict=True):
            difference = (_unit_length(mine[layer]) - _unit_length(others[layer])).square()
            distance = distance + (difference * weight.to(difference.device)).sum(1).mean()
    return float(distance)


def content_structure_distance(network: PerceptualNetwork, picture: Tensor, photo: Tensor) -> float:
    """CFSD (Chung et al. 2024, "Style Injection in Diffusion"): how much the photo's self-similarities changed.

    The feature vectors of one layer, divided by their number of channels, are compared with each other by inner
    products; a softmax makes each position's row a distribution. The figure is the Kullback-Leibler divergence of the
    picture's rows from the photo's, summed over positions, of pictures at 256 pixels. Published with VGG-19's relu3_1;
    here the layer of that depth of the network given. Of networks with small features the rows are nearly even, and
    their divergence is below float32's rounding: it is computed in float64.

    Args:
        network: that reads the features.
        picture, photo: float RGB `[1, 3, H, W]` in [0, 1], of one size.
    """
    layer = middle_layer(network)
    with torch.no_grad():
        found, expected = (_positions(network, images, layer) for images in (picture, photo))
        parts = (_divergence(found, expected, slice(row, row + _CFSD_ROWS)) for row in range(0, len(found), _CFSD_ROWS))
        return float(sum(parts))


def sliced_wasserstein(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], *, seed: int = 0) -> float:
    """Sliced Wasserstein distance between distributions of feature vectors, the mean over layers.

    Vectors are projected on 128 random directions; in one dimension the squared distance is that of the sorted values.
    Each layer's is divided by the mean square of the expected features, so that layers and networks compare. It sees
    whole distributions, where Gram matrices see second moments (Heitz et al. 2021, "A Sliced Wasserstein Loss for
    Neural Texture Synthesis").

    Args:
        found, expected: `{layer: [1, C, h, w]}` of the picture and of the painting, which may differ in size.
        seed: of the directions.
    """
    generator = torch.Generator().manual_seed(seed)
    distances = []
    for layer, features in found.items():
        target = expected[layer]
        directions = torch.randn(features.shape[1], _PROJECTIONS, generator=generator)
        directions = (directions / directions.norm(dim=0)).to(features.device)
        mine, theirs = (one.float().flatten(2)[0].T @ directions for one in (features, target))  # [positions, 128]
        distance = (_quantiles(mine) - _quantiles(theirs)).square().mean()
        distances.append(distance / (target.float().square().mean() + 1e-12))
    return float(torch.stack(distances).mean())


def middle_layer(network: PerceptualNetwork) -> str:
    """`relu3_1` of a VGG; of a network without blocks the ReLU at half of the depth."""
    if "relu3_1" in network.layer_names:
        return "relu3_1"
    rectified = [name for name in network.layer_names if name.startswith("relu")]
    return rectified[(len(rectified) - 1) // 2]


def _positions(network: PerceptualNetwork, images: Tensor, layer: str) -> Tensor:
    """The feature vector of every position over its number of channels, float64 `[positions, C]`."""
    height, width = images.shape[2:]
    scale = _CFSD_SIDE / max(height, width)
    if scale < 1:
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        images = F.interpolate(images, size, mode="bilinear", antialias=True).clamp(0, 1)
    features = network.features(images, [layer])[layer]
    return features.flatten(2)[0].T.double() / features.shape[1]


def _divergence(found: Tensor, expected: Tensor, rows: slice) -> Tensor:
    """Of some rows; of all at once the matrices would take gigabytes."""
    mine, theirs = (F.log_softmax(one[rows] @ one.T, dim=1) for one in (found, expected))
    return F.kl_div(mine, theirs, reduction="sum", log_target=True)


def _quantiles(values: Tensor, count: int = 1024) -> Tensor:
    """`count` quantiles of each column, at the middles of equal shares."""
    shares = (torch.arange(count, device=values.device) + 0.5) / count
    ordered = values.sort(dim=0).values
    position = shares * len(ordered) - 0.5
    position = position.clamp(0, len(ordered) - 1)
    below = position.floor().long()
    above = (below + 1).clamp(max=len(ordered) - 1)
    part = (position - below)[:, None]
    return ordered[below] * (1 - part) + ordered[above] * part


def _unit_length(features: Tensor) -> Tensor:
    features = features.float()
    return features / features.square().sum(1, keepdim=True).sqrt().add(1e-10)


def _lpips_weights(name: str) -> Sequence[Tensor]:
    """One vector `[1, C, 1, 1]` a layer, as torchmetrics ships them."""
    import torchmetrics

    folder = Path(torchmetrics.__file__).parent / "functional" / "image" / "lpips_models"
    state = torch.load(folder / _LPIPS_FILES[name], map_location="cpu", weights_only=True)
    return [state[f"lin{number}.model.1.weight"] for number in range(len(LPIPS_LAYERS[name]))]
