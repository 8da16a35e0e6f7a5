"""Restyle clips from Python. No torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from fastnst.commands import video
from fastnst.commands.options.engine import EngineOptions
from fastnst.commands.options.portrait import MattingOptions
from fastnst.commands.options.video import ClipOptions
from fastnst.runtime.finishing import RestyleOptions
from fastnst.runtime.models.style_spec import choose
from fastnst.runtime.portrait.compositor import PortraitOptions
from fastnst.runtime.stylizer import check_max_size


@dataclass(frozen=True)
class RestyledVideo:
    """The result of `restyle_video`.

    Attributes:
        path: the clip, or the folder of frames.
        frames: how many were restyled in this run.
        seconds: how long that took.
        notes: sentences worth showing: streams that the container cannot hold, clips without people.
    """

    path: Path
    frames: int
    seconds: float
    notes: tuple[str, ...]


def restyle_video(
    source: str | Path,
    output: str | Path,
    style: str | Path,
    *,
    strength: float = 1.0,
    preserve_color: bool = False,
    stroke: float = 1.0,
    smooth: bool = False,
    portrait: str | None = None,
    background: str | None = None,
    max_size: int | None = None,
    start: float | None = None,
    end: float | None = None,
    fps: float | None = None,
    codec: str = "h264",
    crf: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    provider: str = "auto",
    threads: int | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> RestyledVideo:
    """Restyle a video, an animated picture or a folder of frames; sound, subtitles and exact times are kept.

    Args:
        source: the clip, or a folder of pictures.
        output: .mp4, .m4v, .mov, .mkv, .webm (codec av1), an animation (.gif, .webp, .apng), or a folder for frames.
        style: a name, a style model file (.onnx), or a mix: `a:0.7,b:0.3`.
        strength, preserve_color, stroke: as for `Stylizer`.
        smooth: calm what flickers where nothing moves.
        portrait: `person` or `background`: restyle only that.
        background: with a portrait, what stands behind people: `keep`, `#rrggbb`, `blur`, a file, or `style:NAME`.
        max_size: reduce to this long side in pixels first.
        start, end: seconds of the source.
        fps: rate of a folder of frames (25 if None).
        codec, crf: `h264`, `hevc` or `av1`, and its constant quality (0 is the best).
        resume: go on with what an interrupted run left.
        progress: called with the frames that are finished and their seconds, now and then.

    Raises `FastNSTError`; what is finished is then kept beside the output, in a file that plays.
    """
    from fastnst.runtime.video.convert import convert_clip

    clip = ClipOptions(codec, crf, None, _exact(start), _exact(end), _exact(fps), resume, smooth)
    job = video.ClipJob(
        Path(source), Path(output), clip, None if max_size is None else check_max_size(max_size), overwrite
    )
    asked = None if portrait is None else PortraitOptions(portrait, background)
    if asked is not None:
        asked.validate()
    restyling = RestyleOptions(strength, preserve_color, stroke, smooth)
    ready = video.prepare(job, choose(style), restyling, EngineOptions(provider, threads), asked, MattingOptions())
    made = convert_clip(ready.source, ready.work, ready.target, progress)
    return RestyledVideo(ready.target.output, made.run.items, made.run.seconds, tuple(made.notes))


def _exact(value: float | None) -> Fraction | None:
    """A number as it was written: 29.97 is 2997/100, not its nearest binary fraction."""
    return None if value is None else Fraction(str(value))
