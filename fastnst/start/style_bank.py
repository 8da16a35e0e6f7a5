"""Many styles at hand on the device: what describes each, and what the objective asks for."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from fastnst.losses.objective import Objective
from fastnst.losses.style import StyleTerm
from fastnst.losses.term import TermInputs
from fastnst.start.paintings import Paintings, in_colours_of
from fastnst.start.predictor import LAYERS, moments_of
from fastnst.trainer.photos import Crops

_STORED = torch.bfloat16  # of Gram matrices: half the memory, and a fraction of a percent off


class WideStyles:
    """Many more styles than there are paintings: some take the colours of a photo, some are photos.

    Args:
        paintings: to draw from.
        photos: crops, one for each draw.
        recoloured: share of the draws that are paintings in a photo's colours.
        photographs: share of the draws that are photos as they are.
    """

    def __init__(self, paintings: Paintings, photos: Crops, recoloured: float, photographs: float) -> None:
        self.paintings, self.photos = paintings, photos
        self.recoloured, self.photographs = recoloured, photographs

    def draw(self, number: int) -> tuple[list[Tensor], list[float]]:
        """Style number `number`: pictures, float RGB `[1, 3, H, W]` in [0, 1], and their weights."""
        chance = np.random.default_rng((self.paintings.seed, 5, number)).random()
        if chance >= self.recoloured + self.photographs:
            return self.paintings.draw(number)[:2]
        photo = self.photos[number].numpy().astype(np.float32) / 255
        if chance < self.photographs:
            return [torch.from_numpy(photo)[None]], [1.0]
        pictures, weights, _ = self.paintings.draw(number)
        turned = [torch.from_numpy(in_colours_of(one[0].numpy(), photo))[None] for one in pictures]
        return turned, weights


class StyleBank:
    """Moments (`predictor.moments_of`) and style targets of many styles, measured once.

    Args:
        styles: whose draws 0, 1, … are taken.
        count: of the draws.
        objective: whose style term's targets are kept.

    Attributes:
        moments: `[D, M]` float32.
        targets: `{layer: [D, C, C]}`.
    """

    def __init__(self, styles: WideStyles, count: int, objective: Objective, device: torch.device) -> None:
        moments: list[Tensor] = []
        targets: dict[str, list[Tensor]] = {}
        with ThreadPoolExecutor(os.cpu_count()) as pool, torch.no_grad():
            for pictures, weights in pool.map(styles.draw, range(count)):
                seen, wanted = measure_style([picture.to(device) for picture in pictures], weights, objective)
                moments.append(seen)
                for layer, target in wanted.items():
                    targets.setdefault(layer, []).append(target.to(_STORED))
        self.moments = torch.cat(moments)
        self.targets = {layer: torch.cat(parts) for layer, parts in targets.items()}

    def take(self, count: int, blended: float, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Random styles: their moments `[count, M]` and targets `{layer: [count, C, C]}`, on the device.

        A share `blended` of them are mixtures of two, in random parts. Nothing here waits for the device.
        """
        device, known = self.moments.device, len(self.moments)
        first, second = torch.randint(known, (2, count), generator=generator, device=device)
        part, chance = torch.rand(2, count, generator=generator, device=device)
        part = torch.where(chance < blended, part, 0.0)

        def mixed(values: Tensor) -> Tensor:
            shares = part.view(-1, *[1] * (values.ndim - 1))
            return torch.lerp(values[first].float(), values[second].float(), shares)

        return mixed(self.moments), {layer: mixed(values) for layer, values in self.targets.items()}


def measure_style(
    pictures: list[Tensor], weights: list[float], objective: Objective
) -> tuple[Tensor, dict[str, Tensor]]:
    """One style's moments `[1, M]` and targets `{layer: [1, C, C]}`; its paintings are averaged with their weights."""
    term, perceptual = style_term(objective), objective.perceptual
    layers = dict.fromkeys([*LAYERS, *term.layers()])
    found = [perceptual.features(picture, layers) for picture in pictures]  # one pass for both
    shares = [weight / sum(weights) for weight in weights]
    term.set_style(
        [TermInputs(picture, perceptual, maps) for picture, maps in zip(pictures, found, strict=True)], shares
    )
    moments = torch.stack([share * moments_of(one) for share, one in zip(shares, found, strict=True)]).sum(0)
    return moments, term.targets()


def style_term(objective: Objective) -> StyleTerm:
    """The objective's style term."""
    term = objective.terms["style"]
    assert isinstance(term, StyleTerm)
    return term
