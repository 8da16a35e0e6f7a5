"""A model repository for NVIDIA's Triton Inference Server: uint8 pictures in, uint8 pictures out.

    repository/NAME/config.pbtxt
    repository/NAME/1/model.onnx

After Triton's "Model Configuration" document. Requests of equal shape are batched while they wait; the batch's
dimension is the model's own, so `dims` leave it out.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastnst.errors import ConfigError, suggest
from fastnst.output_folders import write_folder
from fastnst.runtime.models.style_model import MIN_SIDE, StyleModel

DEVICES = ("auto", "gpu", "cpu")
_MAX_SIDE = 8192
_VERSION = "1"
_NAME = re.compile(r"[\w][\w.-]{0,199}")


@dataclass(frozen=True)
class TritonOptions:
    """Options of a server that runs the models.

    Attributes:
        max_batch: pictures of one size that go through the network together, 1 … 64.
        queue_delay: microseconds that a request may wait for others of its size.
        instances: copies of each model on each device.
        device: `auto`, `gpu` or `cpu`.
        warm_up: sizes (width, height) that are run when the server starts, so that no request pays for it.
        tensorrt: let TensorRT run it on GPUs, in half precision.
    """

    max_batch: int = 8
    queue_delay: int = 2000
    instances: int = 1
    device: str = "auto"
    warm_up: Sequence[tuple[int, int]] = ((1280, 720),)
    tensorrt: bool = False

    def validate(self) -> None:
        """Raise `ConfigError` for what means nothing."""
        bounds = (("max-batch", self.max_batch, 1, 64), ("queue-delay", self.queue_delay, 0, 1_000_000))
        for name, value, minimum, maximum in (*bounds, ("instances", self.instances, 1, 64)):
            if not minimum <= value <= maximum:
                raise ConfigError(f"{name} must be between {minimum} and {maximum}, not {value}.")
        if self.device not in DEVICES:
            raise ConfigError(
                f"unknown device '{self.device}'.{suggest(self.device, DEVICES)} Choose one of: {', '.join(DEVICES)}."
            )
        if self.tensorrt and self.device == "cpu":
            raise ConfigError("--tensorrt runs on GPUs: leave out --device cpu.")
        for width, height in self.warm_up:
            if not all(MIN_SIDE <= side <= _MAX_SIDE for side in (width, height)):
                raise ConfigError(
                    f"a warm-up's sides must be between {MIN_SIDE} and {_MAX_SIDE}, not {width}×{height}."
                )


def write_repository(
    styles: dict[str, Path], folder: Path, options: TritonOptions | None = None, *, overwrite: bool = False
) -> list[Path]:
    """Write a model for each style, by the name that requests will use, and return their folders.

    Raises `ConfigError` for options that mean nothing, `ModelError` for a file that does not keep the contract,
    `OutputError` for what exists already or cannot be written; then nothing was written.
    """
    options = options or TritonOptions()
    options.validate()
    for name in styles:
        if not _NAME.fullmatch(name):
            raise ConfigError(f"'{name[:60]}' cannot be a model's name: take letters, digits, _, - and . for its file.")
    for path in styles.values():
        StyleModel(path, "cpu")  # the server would refuse a broken file in a log that nobody reads
    with write_folder(folder, overwrite=overwrite) as place:
        for name, path in styles.items():
            version = place / name / _VERSION
            version.mkdir(parents=True)
            shutil.copyfile(path, version / "model.onnx")
            (place / name / "config.pbtxt").write_text(configuration(name, options), encoding="utf-8")
    return [folder / name for name in styles]


def configuration(name: str, options: TritonOptions) -> str:
    """The text of a model's `config.pbtxt`, a `ModelConfig` message of Triton."""
    kind = {"auto": "KIND_AUTO", "gpu": "KIND_GPU", "cpu": "KIND_CPU"}[options.device]
    preferred = sorted({size for size in (2, 4, 8, 16, 32, 64) if size <= options.max_batch})
    parts = [
        f'name: "{name}"',
        'backend: "onnxruntime"',
        f"max_batch_size: {options.max_batch}",
        _tensor("input", "image"),
        _tensor("output", "stylized"),
        f"instance_group [ {{ kind: {kind} count: {options.instances} }} ]",
    ]
    if preferred:
        sizes = ", ".join(map(str, preferred))
        parts.append(
            "dynamic_batching {\n"
            f"  preferred_batch_size: [ {sizes} ]\n"
            f"  max_queue_delay_microseconds: {options.queue_delay}\n"
            "}"
        )
    parts += [_warm_up(width, height) for width, height in options.warm_up]
    if options.tensorrt:
        parts.append(
            "optimization { execution_accelerators { gpu_execution_accelerator : [ {\n"
            '  name : "tensorrt"\n'
            '  parameters { key: "precision_mode" value: "FP16" }\n'
            '  parameters { key: "trt_engine_cache_enable" value: "true" }\n'
            "} ] } }"
        )
    return "\n".join(parts) + "\n"


def _tensor(kind: str, name: str) -> str:
    return f'{kind} [ {{ name: "{name}" data_type: TYPE_UINT8 dims: [ -1, -1, 3 ] }} ]'


def _warm_up(width: int, height: int) -> str:
    value = f"{{ data_type: TYPE_UINT8 dims: [ {height}, {width}, 3 ] random_data: true }}"
    return f'model_warmup [ {{ name: "{width}x{height}" batch_size: 1\n  inputs {{ key: "image" value: {value} }} }} ]'
