"""High dynamic range to the 8 bits that a style model takes: a table from PQ or HLG in BT.2020 to BT.709."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import numpy as np

from fastnst.runtime.video._pyav import import_av

PQ, HLG = 16, 18  # transfer characteristics of ITU-T H.273, table 3
_LUT_POINTS = 33  # points a side: what film looks are distributed with
_WHITE_NITS = 203.0  # nits of diffuse white (ITU-R BT.2408); it becomes SDR's white, less the room for highlights
_PEAK_NITS = 1000.0  # nits at which HLG's curve is rendered (ITU-R BT.2100)
_KNEE = 0.6  # of SDR's white; below it nothing is changed, above it highlights are compressed (our choice)
_TO_BT709 = np.array(  # ITU-R BT.2087, linear BT.2020 to linear BT.709
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)


def tone_map(signal: np.ndarray, transfer: int) -> np.ndarray:
    """Encoded BT.2020 `[..., 3]` in [0, 1] with `transfer` PQ or HLG → encoded BT.709 in [0, 1]."""
    linear = (_pq_nits(signal) if transfer == PQ else _hlg_nits(signal)) / _WHITE_NITS
    linear = np.maximum(linear @ _TO_BT709.T, 0)
    # The brightest channel is compressed and the others follow, which keeps the hue.
    brightest = linear.max(axis=-1, keepdims=True)
    room = 1 - _KNEE
    compressed = np.where(brightest > _KNEE, _KNEE + room * (1 - np.exp(-(brightest - _KNEE) / room)), brightest)
    linear = linear * compressed / np.maximum(brightest, 1e-6)
    result: np.ndarray = np.clip(linear, 0, 1) ** (1 / 2.4)  # the display of ITU-R BT.1886 undoes this
    return result


class ToneMapper:
    """Turns HDR frames of FFmpeg into SDR ones; one for each clip."""

    def __init__(self, transfer: int) -> None:
        self._transfer = transfer
        self._graph: Any = None

    def __call__(self, frame: Any) -> Any:
        """Take a frame in `gbrp16le` and return it tone-mapped, same size and format."""
        if self._graph is None:
            self._graph = self._build(frame)
        self._graph.vpush(frame)
        return self._graph.vpull()

    def _build(self, frame: Any) -> Any:
        av = import_av()
        handle, name = tempfile.mkstemp(suffix=".cube")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(_cube(self._transfer))
            graph = av.filter.Graph()
            buffer = graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
            )
            table = graph.add("lut3d", file=name, interp="tetrahedral")
            graph.link_nodes(buffer, table, graph.add("buffersink")).configure()
        finally:
            os.unlink(name)  # lut3d has read it
        return graph


def _cube(transfer: int) -> str:
    steps = np.linspace(0, 1, _LUT_POINTS)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")  # in a .cube red runs fastest
    colours = tone_map(np.stack([red, green, blue], axis=-1).reshape(-1, 3), transfer)
    return (
        f"LUT_3D_SIZE {_LUT_POINTS}\n" + "\n".join(" ".join(f"{value:.6f}" for value in row) for row in colours) + "\n"
    )


def _pq_nits(signal: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084's EOTF."""
    power = signal ** (1 / 78.84375)
    result: np.ndarray = (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125)
    return 10000 * result


def _hlg_nits(signal: np.ndarray) -> np.ndarray:
    """ITU-R BT.2100's HLG: inverse OETF, then the OOTF with gamma 1.2 for a display of 1,000 nits."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luminance = scene @ np.array([0.2627, 0.6780, 0.0593])
    result: np.ndarray = _PEAK_NITS * scene * np.maximum(luminance, 1e-9)[..., None] ** 0.2
    return result
