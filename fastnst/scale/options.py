"""Options of a batch, and its outcome."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fastnst.errors import ConfigError, suggest
from fastnst.images.formats import SUFFIXES
from fastnst.input_files import sha256_of
from fastnst.runtime.finishing import RestyleOptions
from fastnst.runtime.models.style_spec import choose
from fastnst.runtime.stylizer import check_max_size

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class BatchOptions:
    """The restyling of every picture of a batch.

    Attributes:
        style: a style's name, a file, a mix or a hub's address; workers get this text, not an open model.
        restyling: strength, colours, strokes.
        format: the suffix of all results, without its dot; None keeps each picture's own where it can be written.
        quality: of JPEG and WebP, 1 … 100.
        max_size: reduce pictures to this long side in pixels first.
        provider: what computes, as for `Stylizer`.
        engine: `local` or `ray`.
        workers: processes or actors; None takes one for every two cores (of the cluster).
        threads: CPU threads of each worker; None divides the cores among the workers.
        gpus: of each Ray actor, as a share of one.
        image_column: of parquet files; None finds it by its type.
        allow_huge: take pictures above 179 megapixels.
    """

    style: str
    restyling: RestyleOptions = field(default_factory=RestyleOptions)
    format: str | None = None
    quality: int = 95
    max_size: int | None = None
    provider: str = "auto"
    engine: str = "local"
    workers: int | None = None
    threads: int | None = None
    gpus: float = 0.0
    image_column: str | None = None
    allow_huge: bool = False

    def validate(self) -> None:
        """Raise `ConfigError`, or `StyleNotFoundError`, for what means nothing, before any picture is read."""
        self.restyling.validate()
        if self.engine not in ENGINES:
            raise ConfigError(
                f"unknown engine '{self.engine}'.{suggest(self.engine, ENGINES)} Choose one of: {', '.join(ENGINES)}."
            )
        if self.format is not None and f".{self.format}" not in SUFFIXES:
            raise ConfigError(f"unknown format '{self.format}': choose one of {', '.join(SUFFIXES)}.")
        if not 1 <= self.quality <= 100:
            raise ConfigError(f"quality must be between 1 and 100, not {self.quality}.")
        for name in ("workers", "threads"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= 4096:
                raise ConfigError(f"{name} must be between 1 and 4096, not {value}.")
        if not 0 <= self.gpus <= 64:
            raise ConfigError(f"gpus must be between 0 and 64, not {self.gpus}.")
        if self.max_size is not None:
            check_max_size(self.max_size)
        choose(self.style)

    def fingerprint(self) -> str:
        """The settings that results depend on, as JSON: the styles' content, and every option that changes pixels."""
        spec = choose(self.style)
        files = [sha256_of(path)[:16] for path in spec.paths]
        values = {
            "style": list(zip(files, spec.weights, strict=True)),
            "look": dataclasses.asdict(self.restyling),  # the key of version 0.2, whose results are gone on with
            "format": self.format,
            "quality": self.quality,
            "max_size": self.max_size,
        }
        return json.dumps(values, sort_keys=True)


@dataclass
class Summary:
    """The outcome of a run.

    Attributes:
        made: pictures of this run.
        kept: pictures that an earlier run had made and that are intact.
        failed: pictures that could not be made; the manifest has each with its reason.
        seconds: of this run.
        manifest: where the manifest is.
        first_failures: up to ten sentences, each on a picture that could not be made.
    """

    made: int = 0
    kept: int = 0
    failed: int = 0
    seconds: float = 0.0
    manifest: str = ""
    first_failures: list[str] = field(default_factory=list)


def as_inputs(inputs: str | Path | Sequence[str | Path]) -> list[str]:
    """One or several inputs as a list of texts; raises `ConfigError` for none."""
    names = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    if not names:
        raise ConfigError("no input was given: name a folder, an address, a .parquet, a .tar or a list file (.txt).")
    return [str(one) for one in names]
