"""The options that say what computes."""

from __future__ import annotations

import argparse
from dataclasses import dataclass


@dataclass(frozen=True)
class EngineOptions:
    """The engine that runs the models.

    Attributes:
        provider: `auto`, `cpu`, `openvino`, `cuda` or `tensorrt`.
        threads: CPU threads; None takes all that may be used.
    """

    provider: str = "auto"
    threads: int | None = None


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("--provider", default="auto", help="auto, cpu, openvino, cuda or tensorrt (default: auto)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all that may be used)")


def read_engine_options(arguments: argparse.Namespace) -> EngineOptions:
    """The parsed options; whether they can be had is seen when a model is opened."""
    return EngineOptions(arguments.provider, arguments.threads)
