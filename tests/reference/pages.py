"""Comparisons made of closed forms, for the pages that show them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fastnst.reference.compare import Compared, Ways
from fastnst.reference.curves import Curve

WAYS = Ways(steps=60, refined=20, check=True)


def compared(name: str, photo: Image.Image, network_total: float = 1.5) -> Compared:
    """A photo whose descents are exponentials: L-BFGS reaches the network at a known iteration."""
    turned = {way: photo.rotate(turn) for way, turn in (("network", 90), ("refined", 180), ("photo", 270))}

    def curve(start: float, rate: float, steps: int, picture: Image.Image) -> Curve:
        totals = (start * np.exp(-rate * np.arange(steps)) + 0.5).tolist()
        return Curve(totals, (0.2 * np.arange(1, steps + 1)).tolist(), {steps: picture})

    curves = {
        "photo": curve(7.0, 0.1, 60, turned["photo"]),
        "noise": curve(30.0, 0.1, 60, turned["photo"]),
        "refined": curve(network_total - 0.5, 0.05, 20, turned["refined"]),
        "adam": curve(7.0, 0.05, 60, turned["photo"]),
        "strong_wolfe": curve(7.0, 0.09, 60, turned["photo"]),
    }
    measures = {label: {"ssim": 0.5, "swd": 0.1 + place, "second_style": 0.2} for place, label in enumerate(
        ("photo", "network", "refined", "optimization")
    )}  # fmt: skip
    terms = {"content": 0.4, "style": 0.11, "tv": 0.0}
    return Compared(
        name,
        photo,
        turned["network"],
        terms | {"total": network_total},
        terms | {"total": 7.5},
        0.004,
        curves,
        measures,
    )
