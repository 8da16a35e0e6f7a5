"""Metadata of a style model file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict, TypeVar

from fastnst.errors import ModelError
from fastnst.printable import printable
from fastnst.runtime.models.description import INFORMS, DescriptionError, fields_of, read_json

# `major` or `major.minor`. A newer minor version only adds fields, so it opens; a newer major one does not.
FORMAT_VERSION = "1"
PREFIX = "fastnst."
_VERSION_KEY = f"{PREFIX}format_version"


class FirstJudge(TypedDict, total=False):
    """The perceptual network that judged the first share of a training's steps."""

    name: str
    share: float


class LossWeights(TypedDict, total=False):
    """An objective's configuration, as far as anything here reads it; an objective may have further entries."""

    content_layers: list[str]
    style_layers: list[str]
    content_layer_weights: list[float] | None
    style_layer_weights: list[float] | None
    content_weight: float
    style_weight: float
    tv_weight: float
    weave_weight: float
    temporal: float
    normalization: str
    statistic: str
    padding: str
    style_size: int | None
    style_trim: float
    first_judge: FirstJudge | None
    mattes: dict[str, Any]


@dataclass(frozen=True)
class StyleMetadata:
    """The description inside a style model file; in the .onnx each field is a property `fastnst.<field>`.

    Attributes:
        name: what users pass to --style.
        title, artist, year, movement, licence: of the painting.
        weights_licence: of the trained weights; empty if their maker gave none.
        painting_sha256: of the painting's file.
        network, network_options: rebuild the network.
        perceptual: the perceptual network of its training.
        loss_weights: the objective's configuration.
        steps, batch_size, image_size: of the training.
        started_from: the style of another painting whose network this training began with, or `start`,
            which belongs to none; empty for random weights.
        data: the photos it learned from.
        training_seconds: wall-clock time of the training; 0 if not recorded.
        hardware: what it ran on, as `CPU, …` or `GPU, …`; empty if not recorded.
        objective: its terms on held-out photos, by the perceptual network it was trained with.
        lbfgs_equivalent: iterations of per-image optimization, begun with noise, that reach the same mean objective
            (N_eq), if measured.
        precision: `fp32` or `fp16`.
        fastnst_version: what exported it.
    """

    name: str
    title: str = ""
    artist: str = ""
    year: str = ""
    movement: str = ""
    licence: str = ""
    weights_licence: str = ""
    painting_sha256: str = ""
    network: str = ""
    network_options: dict[str, Any] = field(default_factory=dict)
    perceptual: str = ""
    loss_weights: dict[str, Any] = field(default_factory=dict, metadata={"schema": LossWeights})
    steps: int = 0
    batch_size: int = 0
    image_size: int = 0
    started_from: str = ""
    data: str = ""
    training_seconds: float = 0.0
    hardware: str = ""
    objective: dict[str, float] = field(default_factory=dict, metadata=INFORMS)
    lbfgs_equivalent: float | None = None
    precision: str = "fp32"
    fastnst_version: str = ""

    def to_properties(self) -> dict[str, str]:
        """As ONNX metadata properties: text as it is, everything else as JSON with sorted keys."""
        return write_properties(self)

    @classmethod
    def from_properties(cls, properties: Mapping[str, str]) -> StyleMetadata:
        """Read back `to_properties`. Raises `ModelError` with the reason for foreign, newer or damaged properties."""
        if kind := properties.get(f"{PREFIX}kind"):
            raise ModelError(f"it is a {printable(kind, 40)} model")
        return _described(cls, _fields_in(cls, properties))

    @classmethod
    def from_mapping(cls, values: object) -> StyleMetadata:
        """Check a description that was kept as an object, in a checkpoint. Raises `ModelError` with the reason."""
        return _described(cls, values)


@dataclass(frozen=True)
class MattingMetadata:
    """The description inside a matting model file, kept like a style's.

    Attributes:
        name: what the file calls itself.
        kind: always `matting`; a style model has no kind.
        network_options: rebuild the network.
        reference_size: the short side in pixels at which the network works best; pictures are scaled to it.
        steps, batch_size, image_size: of the training.
        data: what it learned from, and whose that is.
        licence: of the weights.
        errors: on held-out portraits.
        precision: of the weights in the file, `fp32` or `fp16`.
        fastnst_version: what exported it.
    """

    name: str
    kind: str = "matting"
    network_options: dict[str, Any] = field(default_factory=dict)
    reference_size: int = 256
    steps: int = 0
    batch_size: int = 0
    image_size: int = 0
    data: str = ""
    licence: str = ""
    errors: dict[str, float] = field(default_factory=dict, metadata=INFORMS)
    precision: str = "fp32"
    fastnst_version: str = ""

    def to_properties(self) -> dict[str, str]:
        """As ONNX metadata properties, like a style's."""
        return write_properties(self)

    @classmethod
    def from_properties(cls, properties: Mapping[str, str]) -> MattingMetadata:
        """Read back `to_properties`. Raises `ModelError` with the reason for anything else."""
        values = _fields_in(cls, properties)
        if values.get("kind") != "matting":
            raise ModelError("its description is not that of a matting model")
        return cls.from_mapping(values)

    @classmethod
    def from_mapping(cls, values: object) -> MattingMetadata:
        """Check a description that was kept as an object, in a checkpoint. Raises `ModelError` with the reason."""
        metadata = _described(cls, values)
        if not 32 <= metadata.reference_size <= 4096:
            raise ModelError(f"its description is damaged (reference_size is {metadata.reference_size})")
        return metadata


Metadata = TypeVar("Metadata", StyleMetadata, MattingMetadata)


def learned_from(*trainings: str) -> str:
    """What a network's trainings learned from, one after the other, in one text; the same is told once."""
    return "; ".join(filter(None, dict.fromkeys(trainings)))


def write_properties(metadata: StyleMetadata | MattingMetadata) -> dict[str, str]:
    """Each field as a property `fastnst.<field>`: text as it is, everything else as JSON with sorted keys."""
    properties = {_VERSION_KEY: FORMAT_VERSION}
    for name, value in dataclasses.asdict(metadata).items():
        properties[PREFIX + name] = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return properties


def _fields_in(kind: type[StyleMetadata] | type[MattingMetadata], properties: Mapping[str, str]) -> dict[str, object]:
    """The values of `write_properties` that are there, of any type yet.

    Raises `ModelError` with the reason, to be put after "is not a … model:".
    """
    version = properties.get(_VERSION_KEY)
    if version is None:
        raise ModelError("it carries no fastnst description")
    if version.partition(".")[0] != FORMAT_VERSION:
        raise ModelError(
            f"its format version is {printable(version, 20)}, this fastnst reads version {FORMAT_VERSION}"
            " (a newer fastnst may read it)"
        )
    values: dict[str, object] = {}
    for option in dataclasses.fields(kind):
        text = properties.get(PREFIX + option.name)
        if text is None:
            continue
        try:
            values[option.name] = text if option.type in (str, "str") else read_json(text)
        except DescriptionError as error:
            raise ModelError(f"its description is damaged ({option.name} {error})") from None
    return values


def _described(kind: type[Metadata], values: object) -> Metadata:
    """The metadata with these values. Raises `ModelError` with the reason, to be put after "is not a … model:"."""
    if not isinstance(values, Mapping):
        raise ModelError("its description is damaged (it is not an object)")
    try:
        fields = fields_of(kind, values)
    except DescriptionError as error:
        raise ModelError(f"its description is damaged ({error})") from None
    if not fields.get("name"):
        raise ModelError("its description names no style" if kind is StyleMetadata else "its description has no name")
    return kind(**fields)
