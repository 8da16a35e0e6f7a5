"""FID and ArtFID, for many pictures: whole zoos, not reports of four photos."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

MIN_PICTURES = 50  # below it a covariance of thousands of features is noise


class PooledFeatures(nn.Module):
    """Mean features of one layer, as what a Fréchet distance compares.

    Args:
        network: gives `features(images, layers)`, such as a `PerceptualNetwork`.
        layer: of it.
        num_features: its channels.
    """

    def __init__(self, network: nn.Module, layer: str, num_features: int) -> None:
        super().__init__()
        self.network, self.layer, self.num_features = network, layer, num_features

    def forward(self, images: Tensor) -> Tensor:
        """Images float `[N, 3, H, W]` in [0, 1] to `[N, C]`."""
        features: Tensor = self.network.features(images, [self.layer])[self.layer]  # type: ignore[operator]
        return features.float().mean((2, 3))


def frechet_distance(extractor: nn.Module, pictures: Iterable[Tensor], paintings: Iterable[Tensor]) -> float:
    """‖μ − μ'‖² + tr(Σ + Σ' − 2 (Σ Σ')^½) of two sets' features (Heusel et al. 2017), by torchmetrics.

    Args:
        extractor: maps float images `[1, 3, H, W]` in [0, 1] to `[1, C]`, and says C as `num_features`. With Inception
            it is FID, with any other network a Fréchet distance of that network, which is to be named with it.
        pictures, paintings: the sets, each picture of its own size.
    """
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Given(nn.Module):
        """Features that are computed already: torchmetrics wants a network."""

        num_features = int(extractor.num_features)  # type: ignore[arg-type]

        def forward(self, features: Tensor) -> Tensor:
            return features

    metric = FrechetInceptionDistance(feature=Given(), normalize=True, input_img_size=(3, 8, 8))
    for images, real in ((pictures, False), (paintings, True)):
        for image in images:
            with torch.no_grad():
                metric.update(extractor(image).cpu(), real=real)
    return float(metric.compute())


def art_fid(lpips: float, fid: float) -> float:
    """ArtFID (Wright & Ommer 2022): (1 + LPIPS to the photos) · (1 + FID to the paintings)."""
    return (1 + lpips) * (1 + fid)
