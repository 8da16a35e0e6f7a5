"""The reference commands, run as a user runs them."""

from __future__ import annotations

from pathlib import Path

from fastnst import cli


def run(capsys, inputs: Path, command: str, *arguments: object) -> tuple[int, str, str]:
    recipe = ["--config", inputs / "recipe.yaml", "--perceptual-weights", inputs / "alexnet.safetensors"]
    code = cli.main([command, *map(str, [*arguments, *recipe])])
    captured = capsys.readouterr()
    return code, captured.out, captured.err
