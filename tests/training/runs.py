"""Tiny trainings with the perceptual network that ships."""

from __future__ import annotations

from pathlib import Path

from fastnst import cli


def arguments(materials: Path, out: Path, name: str, steps: int, *more: str) -> list[str]:
    return [
        "fit", "--painting", str(materials / "painting.jpg"), "--photos", str(materials / "photos"),
        "--perceptual", "slim",
        "--model.network.options", "{width: 32, blocks: 1}", "--model.style_size", "96",
        "--data.image_size", "64", "--data.batch_size", "2", "--data.workers", "0",
        "--trainer.default_root_dir", str(out), "--trainer.precision", "32-true", "--trainer.accelerator", "cpu",
        "--trainer.val_check_interval", "2", "--name", name, "--steps", str(steps), *more,
    ]  # fmt: skip


def train(materials: Path, out: Path, name: str, steps: int, *more: str) -> Path:
    assert cli.run("fastnst.commands.train", arguments(materials, out, name, steps, *more), "train.py") == 0
    return out / name / "version_0"
