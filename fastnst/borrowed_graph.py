"""The graph of a style that ships, with another network's weights: tracing one anew takes torch eight seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from fastnst.errors import ModelError
from fastnst.half_weights import HALF
from fastnst.onnx_graph import OPSET
from fastnst.runtime.models.catalog import shipped_styles
from fastnst.runtime.models.metadata import StyleMetadata
from fastnst.runtime.models.onnx_metadata import read_description

_PREFIX = "network."  # of the weights in an exported graph, before their names in the network


def borrowed_graph(state: Mapping[str, Tensor], metadata: StyleMetadata) -> Any | None:
    """The float32 ONNX graph of the first style that ships with this network, holding these weights; None without one.

    What else the graph holds is of its network, not of its weights. Whether it computes what the network does is the
    caller's to check: the code of a network may have changed since the style was exported.

    Args:
        state: the weights of the `folded` network, by their names in it.
        metadata: says which network they are of, and with which options.
    """
    import onnx

    for path in shipped_styles().values():
        try:
            shipped = read_description(path)
        except ModelError:
            continue
        if shipped.precision != "fp32" or not _same_network(shipped, metadata):
            continue
        model = onnx.load(path)
        if [item.version for item in model.opset_import if item.domain == ""] == [OPSET] and _filled(model, state):
            return model
    return None


def _same_network(one: StyleMetadata, other: StyleMetadata) -> bool:
    return (one.network, one.network_options) == (other.network, other.network_options)


def _filled(model: Any, state: Mapping[str, Tensor]) -> bool:
    """Put the weights in the places of the model's own; False if one is missing, of another shape or too large for it.

    Some may be left over: a folded block keeps the convolution that it replaces.
    """
    from onnx.numpy_helper import from_array

    places = {
        item.name.removeprefix(_PREFIX): item for item in model.graph.initializer if item.name.startswith(_PREFIX)
    }
    for stored, place in places.items():
        name = stored.removesuffix(HALF)
        if name not in state or list(place.dims) != list(state[name].shape):
            return False
        weight = state[name].detach().cpu()
        values = (weight.float() if name == stored else weight.half()).contiguous()
        if not values.isfinite().all():
            return False
        place.raw_data = from_array(values.numpy()).raw_data
    return True
