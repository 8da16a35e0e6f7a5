"""The Inception networks of FID and ArtFID, with their published weights."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor, nn

from fastnst.cache import cache_folder
from fastnst.download import RemoteFile, download
from fastnst.errors import ConfigError, MissingDependencyError
from fastnst.input_files import expanded
from fastnst.perceptual.weight_formats import UNREADABLE, unpickled

# The weights of the first FID (Heusel et al. 2017), as torch-fidelity publishes them for PyTorch, with the first digits
# of their SHA-256 in the name.
WEIGHTS = RemoteFile(
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    "sha256:6726825d",
    95_628_359,
)
# That of ArtFID (Wright & Ommer 2022) has no checksum to verify, so it is not downloaded.
ART_WEIGHTS = "https://huggingface.co/matthias-wright/art_inception/resolve/main/art_inception.pth"
_CHANNELS = 2048


class PooledInception(nn.Module):
    """The 2048 pooled features that FID compares: float RGB `[N, 3, H, W]` in [0, 1] to `[N, 2048]`."""

    num_features = _CHANNELS

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)


class FidInception(PooledInception):
    """Of FID: levels of 8 bits, resized to 299 pixels by the network itself."""

    def forward(self, images: Tensor) -> Tensor:
        """`[N, 2048]` float32."""
        found: Tensor = self.network((images * 255).round().clamp(0, 255).to(torch.uint8))
        return found


class ArtInception(PooledInception):
    """Of ArtFID: the same architecture trained on art, of pictures as large as they are."""

    def forward(self, images: Tensor) -> Tensor:
        """`[N, 2048]` float32."""
        found: Tensor = self.network(images)
        return found


def open_inception(weights_file: str | None = None) -> FidInception:
    """The network of FID.

    Args:
        weights_file: a local file in place of the download.

    Raises `MissingDependencyError` without torch-fidelity, which has the architecture, `DownloadError` with the offline
    alternative, `ConfigError` for a file that is none.
    """
    try:
        import torch_fidelity  # noqa: F401 (torchmetrics' network is built on it)
        from torchmetrics.image.fid import NoTrainInceptionV3
    except ImportError as error:
        raise MissingDependencyError('FID needs torch-fidelity: pip install "fastnst[metrics]".') from error
    path = expanded(weights_file) if weights_file else _downloaded()
    _read_state(path, "--fid-weights")  # holds tensors and nothing else; torch-fidelity would run what a pickle says
    try:
        network = NoTrainInceptionV3("inception-v3-compat", [str(_CHANNELS)], str(path))
    except RuntimeError as error:
        raise ConfigError(f"{path} does not hold the weights of FID's Inception: give {WEIGHTS.name}.") from error
    return FidInception(network)


def open_art_inception(weights_file: str) -> ArtInception:
    """The network of ArtFID from a local file. Raises `MissingDependencyError`, `ConfigError`."""
    try:
        from torchvision.models import inception_v3
    except ImportError as error:
        raise MissingDependencyError('ArtFID needs torchvision: pip install "fastnst[metrics]".') from error
    path = expanded(weights_file)
    state = _read_state(path, "--art-fid-weights")
    network = inception_v3(weights=None, aux_logits=False, init_weights=False, transform_input=False)
    network.fc = nn.Identity()
    if network.load_state_dict(state, strict=False).missing_keys:
        raise ConfigError(f"{path} does not hold the weights of ArtFID's Inception: give {ART_WEIGHTS}.")
    return ArtInception(network)


def _downloaded() -> Path:
    kept = cache_folder() / WEIGHTS.name
    if os.path.isfile(kept):
        return kept
    advice = (
        f"get {WEIGHTS.name} ({WEIGHTS.size / 1e6:.0f} MB) from another machine and pass it with --fid-weights FILE."
    )
    return download(WEIGHTS, kept, offline_advice=advice)


def _read_state(path: Path, option: str) -> dict[str, Tensor]:
    if not os.path.isfile(path):
        raise ConfigError(f"the weights file {path} of {option} does not exist.")
    try:
        state = unpickled(path)
    except UNREADABLE as error:
        raise ConfigError(f"{path} of {option} cannot be read as weights of PyTorch (.pth).") from error
    if not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ConfigError(f"{path} of {option} holds no weights alone.")
    return state
