"""Settings that the pictures of a clip depend on: work that was begun with other settings is not gone on with."""

from __future__ import annotations

import os
from dataclasses import asdict, fields
from pathlib import Path

from fastnst.commands.options.video import ClipOptions
from fastnst.input_files import expanded, sha256_of
from fastnst.runtime.finishing import RestyleOptions
from fastnst.runtime.models.style_spec import StyleChoice, choose
from fastnst.runtime.portrait.compositor import STYLE_PREFIX, Portrait, PortraitOptions

Settings = dict[str, object]


def clip_settings(source: Path, clip: ClipOptions, max_size: int | None) -> Settings:
    """The clip itself and what is taken of it."""
    size = source.stat().st_size if os.path.isfile(source) else None
    times = {name: None if (value := getattr(clip, name)) is None else str(value) for name in ("start", "end", "fps")}
    return {"input": source.name, "bytes": size, "max_size": max_size, **times}


def restyle_settings(style: StyleChoice, options: RestyleOptions) -> Settings:
    """The style by its files' content, and the options of the restyling."""
    return {"style": _style_content(style), **asdict(options)}


def portrait_settings(portrait: Portrait | None) -> Settings:
    """A portrait's options, files by their content; all None without one."""
    if portrait is None:
        return dict.fromkeys(("portrait", *[field.name for field in fields(PortraitOptions)][1:], "matting"))
    settings = asdict(portrait.options)
    background = portrait.options.background
    if portrait.restyle is not None and background is not None:
        settings["background"] = STYLE_PREFIX + _style_content(choose(background.removeprefix(STYLE_PREFIX)))
    elif background is not None and background not in ("keep", "blur") and not background.startswith("#"):
        settings["background"] = _content(expanded(background))
    matting = _content(portrait.matting.path) if portrait.matting else None
    return {"portrait": settings.pop("mode"), **settings, "matting": matting}


def _style_content(style: StyleChoice) -> str:
    if len(style.paths) == 1:
        return _content(style.paths[0])
    return ", ".join(f"{_content(path)} {weight:.4f}" for path, weight in zip(style.paths, style.weights, strict=True))


def _content(file: Path) -> str:
    """A file's name and a digest of its content."""
    return f"{file.name} {sha256_of(file)[:16]}"
