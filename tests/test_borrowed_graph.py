"""Exports without a tracing: the graph of a style that ships, with other weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fastnst import borrowed_graph, style_export
from fastnst.checkpoints import load_network
from fastnst.networks import StyleNetwork
from fastnst.runtime import StyleMetadata, StyleModel
from fastnst.runtime.models.catalog import shipped_styles
from fastnst.style_export import export_style_model, shaded_picture, trace_graph


def changed(style: str) -> tuple[StyleNetwork, StyleMetadata]:
    """The network of a style that ships, with other weights."""
    network, metadata = load_network(shipped_styles()[style])
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1 + 0.1 * torch.randn_like(parameter))
    return network, metadata


def no_tracing(*args: Any, **options: Any) -> Any:
    raise AssertionError("traced")


def test_the_graph_of_a_style_that_ships_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style_export, "trace_graph", no_tracing)
    network, metadata = changed("the_scream")
    path = tmp_path / "mine.onnx"
    assert export_style_model(network, metadata, path) > 0.999
    image = shaded_picture(np.random.default_rng(1), 1, 64, 80)
    with torch.inference_mode():
        expected = style_export.StyleModelGraph(network, torch.float32)(torch.from_numpy(image)).numpy()
    assert np.abs(StyleModel(path, "cpu")(image).astype(int) - expected).max() <= 1
    assert np.abs(StyleModel(shipped_styles()["the_scream"], "cpu")(image).astype(int) - expected).max() > 20


@pytest.mark.slow
@pytest.mark.parametrize("style", ["the_scream", "the_scream-s"])
def test_it_is_what_tracing_gives(style: str, tmp_path: Path) -> None:
    network, metadata = changed(style)
    borrowed, traced = tmp_path / "borrowed.onnx", tmp_path / "traced.onnx"
    export_style_model(network, metadata, borrowed)
    export_style_model(network, metadata, traced, trace=True)
    assert borrowed.read_bytes() == traced.read_bytes()


@pytest.mark.slow
def test_a_graph_that_no_longer_fits_the_code_is_traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, metadata = changed("the_scream")
    graph = borrowed_graph.borrowed_graph(style_export.folded(network).state_dict(), metadata)
    place = next(item for item in graph.graph.initializer if item.name.endswith("gathered"))
    place.raw_data = b"\0" * len(place.raw_data)
    monkeypatch.setattr(style_export, "borrowed_graph", lambda state, metadata: graph)
    traced: list[int] = []
    monkeypatch.setattr(style_export, "trace_graph", lambda *a, **o: traced.append(1) or trace_graph(*a, **o))
    network, metadata = changed("the_scream")
    assert export_style_model(network, metadata, tmp_path / "mine.onnx") > 0.999
    assert traced == [1]


def test_other_networks_borrow_nothing() -> None:
    network, metadata = changed("the_scream")
    state = style_export.folded(network).state_dict()
    assert borrowed_graph.borrowed_graph(state, metadata) is not None
    metadata.network_options["blocks"] = 4
    assert borrowed_graph.borrowed_graph(state, metadata) is None
    metadata.network_options["blocks"] = 5
    state["layers.1.0.weight"] = state["layers.1.0.weight"][:1]
    assert borrowed_graph.borrowed_graph(state, metadata) is None
