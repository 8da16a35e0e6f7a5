"""The objective that both training and the per-image reference lower: a weighted sum of the registry's terms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from fastnst.errors import ConfigError
from fastnst.losses.config import ObjectiveConfig, check_weight
from fastnst.losses.registry import TERMS
from fastnst.losses.term import ContentTarget, LossTerm, NetworkPass, TermInputs
from fastnst.perceptual.network import PerceptualNetwork

TOTAL = "total"


@dataclass(frozen=True)
class LossTerms:
    """The measured terms, without their weights, and the weighted sum that is minimized.

    Attributes:
        parts: each term by its name, `[N]` (one value a sample) or, after `mean`, a scalar.
        total: of the same shape.
    """

    parts: Mapping[str, Tensor]
    total: Tensor

    def __getitem__(self, name: str) -> Tensor:
        """A term by its name, or `total`."""
        return self.total if name == TOTAL else self.parts[name]

    def items(self) -> Iterator[tuple[str, Tensor]]:
        """The terms by name, in the registry's order, `total` last."""
        yield from self.parts.items()
        yield TOTAL, self.total

    def mean(self) -> LossTerms:
        """The terms averaged over the batch."""
        return LossTerms({name: term.mean() for name, term in self.parts.items()}, self.total.mean())

    def detach(self) -> LossTerms:
        """The same without their graph."""
        return LossTerms({name: term.detach() for name, term in self.parts.items()}, self.total.detach())

    def floats(self) -> dict[str, float]:
        """The batch means as `{name: number}`, for logs and reports."""
        names, terms = zip(*self.items(), strict=True)
        # One wait for the device in place of one a term.
        return dict(zip(names, torch.stack([term.detach().mean() for term in terms]).cpu().tolist(), strict=True))


class Objective(nn.Module):
    """Content + style + total variation and whatever else the registry has, measured by a perceptual network.

    With F the features, G their statistic (for Gram, G = FFᵀ/M with M = H·W positions), C channels, and s, c the
    style's and the photo's, the content and style terms of one layer are:

    | normalization | content | style | source |
    |---|---|---|---|
    | relative | ‖F−Fc‖² / ‖Fc‖² | ‖G−Gs‖² / ‖Gs‖² | ours: no units, so weights carry over |
    | gatys | ½ ‖F−Fc‖² | ‖G−Gs‖² / (4C²) | Gatys et al. 2016, eq. 1 and 4 (for equal sizes) |
    | mean | mean (F−Fc)² | mean (G/C − Gs/C)² | Johnson et al. 2016, eq. 2-4; pytorch/examples |
    | sum | ‖F−Fc‖² | ‖G−Gs‖² | plain |
    | chw | mean (F−Fc)² | mean (M·G − M·Gs)² / (C·M) | common course recipe: MSE of unscaled Grams over C·H·W |

    `relative` and `gatys` average layers (weights are scaled to sum to one); the others add them as weighted.
    Gatys' form divides each picture's Gram by its own area, so painting and photo may differ in size; with equal
    sizes it is the published one exactly.

    A term is there if its weight is above 0, or if tables always show it. Those that measure pictures make up `total`,
    which training and reference can compare number for number; `measure_network` has those that need the network.
    """

    def __init__(self, perceptual: PerceptualNetwork, config: ObjectiveConfig | None = None) -> None:
        super().__init__()
        self.config = config or ObjectiveConfig()
        self.config.validate()
        weights = self.config.weights
        self.perceptual = perceptual
        self.terms = nn.ModuleDict(
            {name: term(self.config) for name, term in TERMS.items() if weights[name] > 0 or term.always}
        )
        perceptual.check_layers(self.layers)
        readers = {layer: [one for one in self._terms() if layer in one.layers()] for layer in self.layers}
        # Layers whose maps come without their read-out: their readers would rather read out what they made of them.
        self.read_out_later = frozenset(
            layer for layer, terms in readers.items() if all(layer in term.raw_layers() for term in terms)
        )

    @property
    def layers(self) -> list[str]:
        """All layers read, without repetition."""
        return list(dict.fromkeys(layer for term in self._terms() for layer in term.layers()))

    @property
    def picture_terms(self) -> list[str]:
        """The names of the terms in `total`."""
        return [term.name for term in self._terms() if not term.needs_network()]

    @property
    def trained_terms(self) -> list[str]:
        """The names of all terms, in the order in which a training measures them."""
        return [*self.picture_terms, *(term.name for term in self._terms() if term.needs_network())]

    @property
    def draws(self) -> bool:
        """Whether a term draws something anew at each step."""
        return any("pairs" in term.needs for term in self._terms())

    @property
    def masked_terms(self) -> list[str]:
        """The names of those that take a mask."""
        return [name for name in self.picture_terms if TERMS[name].masked]

    @torch.no_grad()
    def set_style(
        self,
        paintings: Sequence[Tensor],
        weights: Sequence[float] | None = None,
        masks: Sequence[Tensor | None] | None = None,
    ) -> None:
        """Take one or more paintings as the style: their statistics are averaged.

        Args:
            paintings: float RGB `[1, 3, H, W]` in [0, 1], each of its own size.
            weights: one non-negative weight a painting, scaled to sum to one (default: equal).
            masks: for each painting `[1, 1, H, W]` in [0, 1] of the part that counts, or None.

        Raises `ConfigError` for no painting, bad weights, or one too small for the deepest layer.
        """
        shares = painting_shares(len(paintings), weights)
        masks = masks if masks is not None else [None] * len(paintings)
        for term in self._terms():
            if not term.learns_style:
                continue
            seen = [
                TermInputs(
                    painting,
                    self.perceptual,
                    self.features(painting, term.layers()),
                    self.read_out_later,
                    masks={} if mask is None else {term.name: mask},
                )
                for painting, mask in zip(paintings, masks, strict=True)
            ]
            term.set_style(seen, shares)

    @torch.no_grad()
    def content_target(self, photos: Tensor) -> ContentTarget:
        """The targets that terms compare with: the photos `[N, 3, H, W]` in [0, 1], and their features."""
        layers = [layer for term in self._terms() if term.compares for layer in term.layers()]
        with torch.autocast(photos.device.type, enabled=False):
            return ContentTarget(photos, self.perceptual.features(photos, layers))

    def features(self, images: Tensor, layers: Sequence[str] | None = None) -> dict[str, Tensor]:
        """The inputs of `measure` of images `[N, 3, H, W]` in [0, 1], of all the objective's layers or of some."""
        return self.perceptual.features(images, self.layers if layers is None else layers, raw=self.read_out_later)

    def forward(self, images: Tensor, target: ContentTarget, *, masks: Mapping[str, Tensor] | None = None) -> LossTerms:
        """Measure images float RGB `[N, 3, H, W]` in [0, 1] against the photos' content and the style.

        Args:
            images: the pictures to measure; gradients flow to them.
            target: from `content_target`, of the same size.
            masks: `{term: [N, 1, H, W] in [0, 1]}`: where `content` and `style` count. Content errors are multiplied by
                it, style statistics are taken over it and divided by its area.

        Returns the terms of each sample, `[N]` float32.
        """
        # Under an autocast of the caller the Gram products would lose their float32 again.
        with torch.autocast(images.device.type, enabled=False):
            images = images.float()
            return self.measure(images, self.features(images), target, masks=masks)

    def measure(
        self,
        images: Tensor,
        features: Mapping[str, Tensor],
        target: ContentTarget,
        *,
        masks: Mapping[str, Tensor] | None = None,
    ) -> LossTerms:
        """As `forward`, for images whose `features` are at hand: several masks then cost one pass."""
        inputs = TermInputs(images, self.perceptual, features, self.read_out_later, target, masks or {})
        return self.summed({term.name: term(inputs) for term in self._terms() if not term.needs_network()})

    def summed(self, parts: Mapping[str, Tensor]) -> LossTerms:
        """Measured terms with their weighted sum."""
        weights = self.config.weights
        name, *others = parts
        total = weights[name] * parts[name]
        for other in others:
            total = total + weights[other] * parts[other]
        return LossTerms(parts, total)

    def measure_network(self, images: Tensor, made_by: NetworkPass) -> dict[str, Tensor]:
        """The terms of a training that need its network: `{name: scalar}`, without their weights.

        Runs in the caller's autocast, since a term may run the network once more.
        """
        inputs = TermInputs(images, self.perceptual, network=made_by)
        return {term.name: term(inputs).mean() for term in self._terms() if term.needs_network()}

    def with_network(self, terms: LossTerms, images: Tensor, made_by: NetworkPass) -> LossTerms:
        """Mean terms together with those of `measure_network`; the total then is what a training lowers."""
        others = self.measure_network(images, made_by)
        total = terms.total
        for name, value in others.items():
            total = total + self.config.weights[name] * value
        return LossTerms({**terms.parts, **others}, total)

    def _terms(self) -> list[LossTerm]:
        return [cast(LossTerm, term) for term in self.terms.values()]


def painting_shares(count: int, weights: Sequence[float] | None) -> list[float]:
    """Each painting's share of a style, all together 1; equal without weights. Raises `ConfigError`."""
    if not count:
        raise ConfigError("a style needs at least one painting.")
    shares = list(weights) if weights is not None else [1.0] * count
    if len(shares) != count:
        raise ConfigError(f"{len(shares)} painting weights were given for {count} paintings.")
    for share in shares:
        check_weight("painting weight", share)
    if sum(shares) == 0:
        raise ConfigError("painting weights are all zero: give at least one painting a positive weight.")
    return [share / sum(shares) for share in shares]
