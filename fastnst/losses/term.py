"""The interface of a loss term: its name and weight, what it needs, and how it measures pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from torch import Tensor, nn

if TYPE_CHECKING:
    from fastnst.losses.config import ObjectiveConfig
    from fastnst.perceptual.network import PerceptualNetwork

Need = Literal["features", "pixels", "stride", "pairs"]


@dataclass(frozen=True)
class ContentTarget:
    """The targets: what pictures should keep of their photos.

    Attributes:
        photos: float RGB `[N, 3, H, W]` in [0, 1].
        features: of the photos, `{layer: [N, C, h, w]}`, at the layers of terms that compare with the photo.
    """

    photos: Tensor
    features: Mapping[str, Tensor]


@dataclass(frozen=True)
class NetworkPass:
    """Facts on the network that made the pictures, for terms that look at the network itself.

    Attributes:
        restyle: the network, float RGB `[N, 3, H, W]` in [0, 1] in and out.
        photos: what it was given.
        stride: of its upsampling, in pixels.
        seed: of whatever a term draws.
    """

    restyle: Callable[[Tensor], Tensor]
    photos: Tensor
    stride: int
    seed: int = 0


@dataclass(frozen=True)
class TermInputs:
    """The inputs of terms. A term finds there what it declares in `needs`, and nothing else for sure.

    Attributes:
        images: the pictures, float RGB `[N, 3, H, W]` in [0, 1].
        perceptual: the network that read the features.
        features: of the pictures at the terms' layers, `{layer: [N, C, h, w]}` (`features`).
        raw: the layers that come without their read-out (see `LossTerm.raw_layers`).
        target: of the photos (`features` and `pixels`); None where paintings are read.
        masks: `{term: [N, 1, H, W] in [0, 1]}`, of the positions that count.
        network: how the pictures were made (`stride` and `pairs`).
    """

    images: Tensor
    perceptual: PerceptualNetwork
    features: Mapping[str, Tensor] = field(default_factory=dict)
    raw: frozenset[str] = frozenset()
    target: ContentTarget | None = None
    masks: Mapping[str, Tensor] = field(default_factory=dict)
    network: NetworkPass | None = None

    @property
    def photos(self) -> ContentTarget:
        """The target, where the term compares with the photos."""
        assert self.target is not None, "a term of pictures is measured against their photos"
        return self.target

    @property
    def made_by(self) -> NetworkPass:
        """The network's pass, for a term that needs `stride` or `pairs`."""
        assert self.network is not None, "a term of the network is measured in its training"
        return self.network


class LossTerm(nn.Module):
    """One term of the objective. A new one is a subclass in a file of its own and a line in `registry.TERMS`.

    From that line on it has an option `<name>_weight` in training recipes (and in the reference's, unless it needs a
    network), a column in logs, tables and reports, a place in the model file and its card.

    Class attributes:
        name: of the option and in logs: a short word in snake case.
        label: in tables and cards.
        about: what the weight's help says.
        default_weight: 0 leaves it out.
        needs: `features` (of a perceptual network), `pixels`, `stride` (of the network that made the pictures) or
            `pairs` (of photos that the network restyles). A term with one of the first two measures any picture and
            counts in `total`; one with any of the others is a term of trainings alone.
        compares: whether it compares features with those of the photo.
        learns_style: whether it has a target from the paintings.
        masked: whether it takes a mask; portraits then weigh it inside and outside of the person.
        always: measured at weight 0 too, because tables without it would be odd.
        former_keys: what its weight is called in model files of older versions.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    about: ClassVar[str] = ""
    default_weight: ClassVar[float] = 0.0
    needs: ClassVar[frozenset[Need]]
    compares: ClassVar[bool] = False
    learns_style: ClassVar[bool] = False
    masked: ClassVar[bool] = False
    always: ClassVar[bool] = False
    former_keys: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: ObjectiveConfig) -> None:
        super().__init__()
        self.config = config

    @classmethod
    def needs_network(cls) -> bool:
        """True if it can be measured in a training only."""
        return bool(cls.needs & {"stride", "pairs"})

    def layers(self) -> Sequence[str]:
        """Layers of the perceptual network that it reads."""
        return ()

    def raw_layers(self) -> Sequence[str]:
        """Those of its layers that it would rather read without their read-out, if no other term reads them."""
        return ()

    def set_style(self, paintings: Sequence[TermInputs], shares: Sequence[float]) -> None:
        """Take the paintings' features as the style, averaged with `shares`, which add up to one."""

    def forward(self, inputs: TermInputs) -> Tensor:
        """The term of each picture, without its weight: `[N]` float32, or a scalar over the batch."""
        raise NotImplementedError
