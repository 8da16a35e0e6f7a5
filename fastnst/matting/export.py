"""A trained matting network as one .onnx: bytes in, alpha out, self-contained, checked, described."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

import fastnst
from fastnst.errors import ConfigError, ModelError
from fastnst.matting.network import STRIDE, Block, IBNorm, MattingNetwork
from fastnst.onnx_graph import save_graph
from fastnst.output_files import write_atomically
from fastnst.runtime.models.metadata import MattingMetadata
from fastnst.style_export import PRECISIONS, cpu_session, shaded_picture, trace_graph

_CHECKED_SIZES = ((1, 64, 96), (2, 96, 32), (1, 256, 448))
# Of the alpha, on average: rounding weights to fp16 moves single pixels in doubt, not the matte.
_TOLERANCE = 0.01


class MattingGraph(nn.Module):
    """The exported graph: uint8 RGB `[N, H, W, 3]` → float alpha `[N, H, W, 1]` in [0, 1].

    H and W are multiples of 32; bringing a photo to such a size, at best with a short side of `fastnst.reference_size`,
    is the caller's business.
    """

    def __init__(self, network: MattingNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        alpha: Tensor = self.network(image.float().permute(0, 3, 1, 2) / 127.5 - 1).alpha
        return alpha.permute(0, 2, 3, 1)


def export_matting_model(
    network: MattingNetwork,
    metadata: MattingMetadata,
    path: Path,
    *,
    precision: str = "fp16",
    overwrite: bool = False,
) -> float:
    """Write the matting model file and return the mean difference of its alpha from torch's, of 1.

    `precision` is that of the weights in the file; they are computed with in float32 either way.

    Raises `ConfigError` for an unknown precision or suffix, `ModelError` if the two disagree, `OutputError` if `path`
    exists or cannot be written.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"unknown precision '{precision}': choose one of {', '.join(PRECISIONS)}.")
    if path.suffix != ".onnx":
        raise ConfigError(f"a matting model file ends in .onnx, {path.name} does not.")
    network = network.float().eval()
    described = replace(metadata, precision=precision, fastnst_version=fastnst.__version__)
    with write_atomically(path, overwrite=overwrite) as partial:
        model = trace_graph(MattingGraph(folded(network)), "alpha", channels=1, multiple=STRIDE)
        doc = _documentation(described)
        save_graph(model, described.to_properties(), partial, doc=doc, halve=precision == "fp16")
        return _check_parity(MattingGraph(network), partial)


def _documentation(metadata: MattingMetadata) -> str:
    """The description that the file shows whoever opens it in a viewer."""
    return (
        f"Finds people. Input 'image': RGB bytes [N, H, W, 3], H and W multiples of {STRIDE}, at best with a short side"
        f" of {metadata.reference_size}. Output 'alpha': floats [N, H, W, 1], 1 where people are. Made by fastnst"
        f" {metadata.fastnst_version}; weights: {metadata.licence or 'licence not said'}."
    )


def folded(network: MattingNetwork) -> MattingNetwork:
    """A copy that computes the same with every batch normalization folded into the convolution before it."""
    copied = copy.deepcopy(network).eval()
    for module in list(copied.modules()):
        if isinstance(module, Block) and len(module.layers) > 1:
            _fold_half(module)
        elif isinstance(module, nn.Sequential):
            _fold_neighbours(module)
    return copied


def _fold_neighbours(modules: nn.Sequential) -> None:
    for number in range(len(modules) - 1):
        convolution, norm = modules[number], modules[number + 1]
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            _fuse(convolution, norm, convolution.out_channels)
            modules[number + 1] = nn.Identity()


def _fold_half(block: Block) -> None:
    convolution, norm = block.layers[0], block.layers[1]
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, IBNorm)
    _fuse(convolution, norm.bnorm, norm.batch_channels)
    norm.bnorm = nn.Identity()  # type: ignore[assignment]


def _fuse(convolution: nn.Conv2d, norm: nn.BatchNorm2d, channels: int) -> None:
    """Fold `norm` into the first `channels` outputs of `convolution`."""
    weight = convolution.weight.detach().clone()
    outputs = weight.shape[0]
    bias = torch.zeros(outputs) if convolution.bias is None else convolution.bias.detach().clone()
    assert norm.running_mean is not None
    assert norm.running_var is not None
    fused_weight, fused_bias = fuse_conv_bn_weights(
        nn.Parameter(weight[:channels]),
        nn.Parameter(bias[:channels]),
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )
    weight[:channels], bias[:channels] = fused_weight.detach(), fused_bias.detach()
    convolution.weight, convolution.bias = nn.Parameter(weight), nn.Parameter(bias)


def _check_parity(reference: MattingGraph, path: Path) -> float:
    session = cpu_session(path)
    generator = np.random.default_rng(0)
    worst = 0.0
    for batch, height, width in _CHECKED_SIZES:
        image = shaded_picture(generator, batch, height, width)
        with torch.inference_mode():
            expected = reference(torch.from_numpy(image)).numpy()
        found = session.run(["alpha"], {"image": image})[0]
        if found.shape != expected.shape:
            raise ModelError(f"the exported model returns {found.shape} for {image.shape}: it was not written.")
        difference = float(np.abs(found - expected).mean())
        if not difference <= _TOLERANCE:
            raise ModelError(
                f"torch and onnxruntime differ by {difference:.3f} of 1 on average (at most {_TOLERANCE}):"
                " the model was not written."
            )
        worst = max(worst, difference)
    return worst
