"""What a style model file says about itself."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from fastnst.errors import ModelError

FORMAT_VERSION = 1
_PREFIX = "fastnst."
_VERSION_KEY = f"{_PREFIX}format_version"


@dataclass(frozen=True)
class StyleMetadata:
    """The description inside a style model file; in the .onnx each field is a property `fastnst.<field>`.

    Attributes:
        name: what users pass to --style.
        title, artist, year, movement, licence: of the painting.
        painting_sha256: of the painting's file.
        network, network_options: rebuild the network.
        perceptual: the perceptual network of its training.
        loss_weights: the objective's configuration.
        steps, batch_size, image_size: of the training.
        started_from: the style of another painting whose network this training began with; empty for none.
        data: the photos it learned from.
        training_seconds: wall-clock time of the training; 0 if not recorded.
        hardware: what it ran on, as `CPU, …` or `GPU, …`; empty if not recorded.
        objective: its terms on held-out photos, by the perceptual network it was trained with.
        lbfgs_equivalent: iterations of per-image optimization with the same mean objective (N_eq), if measured.
        precision: `fp32` or `fp16`.
        fastnst_version: what exported it.
    """

    name: str
    title: str = ""
    artist: str = ""
    year: str = ""
    movement: str = ""
    licence: str = ""
    painting_sha256: str = ""
    network: str = ""
    network_options: dict[str, Any] = field(default_factory=dict)
    perceptual: str = ""
    loss_weights: dict[str, Any] = field(default_factory=dict)
    steps: int = 0
    batch_size: int = 0
    image_size: int = 0
    started_from: str = ""
    data: str = ""
    training_seconds: float = 0.0
    hardware: str = ""
    objective: dict[str, float] = field(default_factory=dict)
    lbfgs_equivalent: float | None = None
    precision: str = "fp32"
    fastnst_version: str = ""

    def to_properties(self) -> dict[str, str]:
        """As ONNX metadata properties: text as it is, everything else as JSON with sorted keys."""
        return write_properties(self)

    @classmethod
    def from_properties(cls, properties: dict[str, str]) -> StyleMetadata:
        """Read back `to_properties`. Raises `ModelError` with the reason for foreign or newer properties."""
        values = read_properties(cls(name=""), properties)
        if "name" not in values:
            raise ModelError("its description names no style")
        return cls(**values)


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
    errors: dict[str, float] = field(default_factory=dict)
    precision: str = "fp32"
    fastnst_version: str = ""

    def to_properties(self) -> dict[str, str]:
        """As ONNX metadata properties, like a style's."""
        return write_properties(self)

    @classmethod
    def from_properties(cls, properties: dict[str, str]) -> MattingMetadata:
        """Read back `to_properties`. Raises `ModelError` with the reason for anything else."""
        values = read_properties(cls(name=""), properties)
        if values.get("kind") != "matting":
            raise ModelError("its description is not that of a matting model")
        metadata = cls(**values)
        if not isinstance(metadata.reference_size, int) or not 32 <= metadata.reference_size <= 4096:
            raise ModelError(f"its description is damaged (reference_size is {metadata.reference_size})")
        return metadata


def write_properties(metadata: StyleMetadata | MattingMetadata) -> dict[str, str]:
    """Each field as a property `fastnst.<field>`: text as it is, everything else as JSON with sorted keys."""
    properties = {_VERSION_KEY: str(FORMAT_VERSION)}
    for name, value in dataclasses.asdict(metadata).items():
        properties[_PREFIX + name] = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return properties


def read_properties(defaults: StyleMetadata | MattingMetadata, properties: dict[str, str]) -> dict[str, Any]:
    """The fields of `write_properties` that are there; the types are those of `defaults`.

    Raises `ModelError` with the reason, to be put after "is not a … model:", for foreign, newer or damaged properties.
    """
    version = properties.get(_VERSION_KEY)
    if version is None:
        raise ModelError("it carries no fastnst description")
    if version != str(FORMAT_VERSION):
        raise ModelError(f"its format version is {version}, this fastnst reads version {FORMAT_VERSION}")
    values: dict[str, Any] = {}
    for option in dataclasses.fields(defaults):
        text = properties.get(_PREFIX + option.name)
        if text is None:
            continue
        try:
            values[option.name] = text if isinstance(getattr(defaults, option.name), str) else json.loads(text)
        except ValueError as error:
            raise ModelError(f"its description is damaged ({option.name})") from error
    return values
