"""The nodes. ComfyUI's images are float RGB `[N, H, W, 3]` in [0, 1], its masks float `[N, H, W]`; torch tensors."""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from comfy_api.latest import io
from PIL import Image

import fastnst
from fastnst.cache import data_path

_CATEGORY = "image/fastnst"
_OPEN_STYLES = 4  # models kept open


def style_names() -> list[str]:
    """The styles that are installed."""
    return list(fastnst.available_styles())


@functools.lru_cache(maxsize=_OPEN_STYLES)
def stylizer(style: str) -> fastnst.Stylizer:
    """A style, kept open between runs."""
    return fastnst.Stylizer(style)


@functools.lru_cache(maxsize=1)
def matting() -> fastnst.Matting:
    """The network that finds people, kept open between runs."""
    return fastnst.Matting()


def to_photos(image: Any) -> list[np.ndarray]:
    """A batch of ComfyUI's as uint8 `[H, W, 3]` each."""
    levels = np.rint(np.clip(image.detach().float().cpu().numpy()[..., :3], 0, 1) * 255)
    return list(levels.astype(np.uint8))


def to_image(pictures: list[Any]) -> Any:
    """Pictures of one size as a batch of ComfyUI's."""
    import torch

    return torch.from_numpy(np.stack([np.asarray(one, dtype=np.float32) / 255 for one in pictures]))


def restyled(image: Any, style: str, strength: float, preserve_color: bool, stroke: float) -> Any:
    """A batch restyled, picture by picture, so that large ones are tiled."""
    options = {"strength": strength, "preserve_color": preserve_color, "stroke": stroke}
    return to_image([stylizer(style)(photo, **options) for photo in to_photos(image)])


def restyling_inputs() -> list[Any]:
    """The shared part of restyling nodes."""
    return [
        io.Float.Input("strength", default=1.0, min=0.0, max=1.0, step=0.05, tooltip="0 leaves the photo"),
        io.Boolean.Input("preserve_color", default=False, tooltip="keep the photo's colours"),
        io.Float.Input("stroke", default=1.0, min=0.5, max=2.0, step=0.1, tooltip="broader or finer strokes"),
    ]


class RestyleNode(io.ComfyNode):
    """Restyle pictures with one style."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FastNSTRestyle",
            display_name="Restyle (fastnst)",
            category=_CATEGORY,
            description="Restyle pictures in the manner of a painting, in one pass of a small network.",
            inputs=[
                io.Image.Input("image"),
                io.Combo.Input("style", options=style_names(), tooltip="a style that is installed"),
                *restyling_inputs(),
                io.String.Input(
                    "style_file", default="", optional=True, tooltip="a style model file (.onnx) in place of the style"
                ),
            ],
            outputs=[io.Image.Output(display_name="image")],
        )

    @classmethod
    def execute(
        cls, image: Any, style: str, strength: float, preserve_color: bool, stroke: float, style_file: str = ""
    ) -> io.NodeOutput:
        return io.NodeOutput(restyled(image, style_file.strip() or style, strength, preserve_color, stroke))


class MixNode(io.ComfyNode):
    """Restyle pictures with a mix of two styles."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        names = style_names()
        return io.Schema(
            node_id="FastNSTMix",
            display_name="Mix styles (fastnst)",
            category=_CATEGORY,
            description="Restyle pictures with two styles at once.",
            inputs=[
                io.Image.Input("image"),
                io.Combo.Input("first", options=names),
                io.Combo.Input("second", options=names),
                io.Float.Input("balance", default=0.5, min=0.0, max=1.0, step=0.05, tooltip="share of the second"),
                *restyling_inputs(),
            ],
            outputs=[io.Image.Output(display_name="image")],
        )

    @classmethod
    def execute(
        cls,
        image: Any,
        first: str,
        second: str,
        balance: float,
        strength: float,
        preserve_color: bool,
        stroke: float,
    ) -> io.NodeOutput:
        shares = [(name, share) for name, share in ((first, 1 - balance), (second, balance)) if share > 0]
        mix = shares[0][0] if len(shares) == 1 else ",".join(f"{name}:{share:.3f}" for name, share in shares)
        return io.NodeOutput(restyled(image, mix, strength, preserve_color, stroke))


class MatteNode(io.ComfyNode):
    """Find the people in pictures."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FastNSTMatte",
            display_name="Portrait matte (fastnst)",
            category=_CATEGORY,
            description="A mask of the people; empty where there are none.",
            inputs=[io.Image.Input("image")],
            outputs=[io.Mask.Output(display_name="people")],
        )

    @classmethod
    def execute(cls, image: Any) -> io.NodeOutput:
        import torch

        return io.NodeOutput(torch.from_numpy(np.stack([matting()(photo) for photo in to_photos(image)])))


class TrainNode(io.ComfyNode):
    """Train a style from a painting."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FastNSTTrain",
            display_name="Train a style (fastnst)",
            category=_CATEGORY,
            description="Train a style from a painting and a folder of photos; minutes on a CPU. Its result goes to"
            " style_file of Restyle. Needs fastnst[train]. The same painting and settings are trained once.",
            inputs=[
                io.Image.Input("painting"),
                io.String.Input("photos", default="", tooltip="a folder of photos"),
                io.String.Input("name", default="mine"),
                io.Combo.Input("recipe", options=["quickstart", "style"]),
                io.Int.Input("steps", default=0, min=0, max=100_000, tooltip="0 takes the recipe's"),
            ],
            outputs=[io.String.Output(display_name="style_file")],
        )

    @classmethod
    def execute(cls, painting: Any, photos: str, name: str, recipe: str, steps: int) -> io.NodeOutput:
        if os.path.basename(name) != name or name in ("", ".", "..") or not name.isprintable():  # a stranger's workflow
            raise ValueError(f"the name {name!r} cannot be a file's: take letters, digits, - and _.")
        picture = to_photos(painting)[0]
        settings = repr((picture.shape, photos, name, recipe, steps)).encode()
        key = hashlib.sha256(picture.tobytes() + settings).hexdigest()[:16]
        style = data_path() / "comfyui" / key / f"{name}.onnx"
        if not style.is_file():
            style.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory() as folder:
                Image.fromarray(picture).save(Path(folder) / "painting.png")
                chosen = ["--steps", str(steps)] if steps else []
                chosen += [f"--config={recipe}", f"--name={name}", "--trainer.default_root_dir", folder]
                _fastnst("train", str(Path(folder) / "painting.png"), f"--photos={photos}", *chosen, *_more())
                network = Path(folder) / name / "version_0" / f"{name}.safetensors"
                _fastnst("export", str(network), "-o", str(style))
        return io.NodeOutput(str(style))


def _more() -> list[str]:
    """Further training options from the environment, for small machines and tests."""
    return os.environ.get("FASTNST_COMFYUI_TRAIN", "").split()


def _fastnst(*arguments: str) -> None:
    """Run a command in a process of its own: ComfyUI computes without gradients, which a training needs."""
    done = subprocess.run([sys.executable, "-m", "fastnst", *arguments], stderr=subprocess.PIPE)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason was given"]
        raise RuntimeError(lines[-1])
