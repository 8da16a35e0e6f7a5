"""A clip from beginning to end: what is made, where it lies until it is whole, what an interruption leaves."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from fastnst.errors import ConfigError, OutputError
from fastnst.images.formats import READABLE
from fastnst.output_files import check_output, write_atomically
from fastnst.runtime.video._pyav import import_av
from fastnst.runtime.video.encoders import Encoder, choose_encoder
from fastnst.runtime.video.gif_writer import GifSink
from fastnst.runtime.video.image_sequence import FolderSink
from fastnst.runtime.video.muxer import FORMATS, assemble, companions, end_of
from fastnst.runtime.video.pipeline import Pipeline, Run, Work
from fastnst.runtime.video.reader import VideoSource
from fastnst.runtime.video.segments import PartWriter, existing_parts, part_path, take_up
from fastnst.runtime.video.types import Frame, Sink, Source

Report = Callable[[int, float], None]


@dataclass(frozen=True)
class Target:
    """Where a clip goes and how it is encoded.

    Attributes:
        output: a video file, a .gif, or a folder for frames.
        codec, crf, encoder: see `encoders.choose_encoder`.
        settings: what the pictures depend on; work that was begun with other settings is not gone on with.
        overwrite: replace what is there.
        resume: go on with what an interrupted run left.
        frames: the suffix of pictures in a folder.
    """

    output: Path
    codec: str = "h264"
    crf: int | None = None
    encoder: str = "auto"
    settings: dict[str, Any] = field(default_factory=dict)
    overwrite: bool = False
    resume: bool = False
    frames: str = ".png"


@dataclass
class Result:
    """What was made: new frames, frames of earlier runs, times, and sentences worth showing."""

    run: Run
    earlier: int
    encoder: str
    notes: list[str]


def convert_clip(source: Source, work: Work, target: Target, progress: Report | None = None) -> Result:
    """Make the clip. `progress` is called with finished frames and seconds.

    Raises the `FastNSTError` of whichever stage failed, or KeyboardInterrupt; what is finished is then kept beside
    the output in a file that plays (`left_over` finds it).
    """
    kind = check_target(target)
    if kind == "folder":
        return _to_folder(source, work, target, progress)
    if kind == "gif":
        return _to_gif(source, work, target, progress)
    return _to_video(source, work, target, progress)


def left_over(output: Path) -> Path | None:
    """What an interrupted run left that plays."""
    gif = output.with_name(f"{output.stem}.partial.gif")
    candidates = [*existing_parts(output), *([gif] if output.suffix.lower() == ".gif" else [])]
    return next((path for path in candidates if path.exists()), None)


def check_target(target: Target) -> str:
    """`video`, `gif` or `folder`; raises `OutputError` for a place where nothing may be written."""
    suffix = target.output.suffix.lower()
    if suffix in FORMATS:
        if (suffix == ".webm" and target.codec != "av1") or (suffix == ".mov" and target.codec == "av1"):
            raise ConfigError(f"{suffix} cannot hold {target.codec}: name an .mp4 or .mkv instead of {target.output}.")
        check_output(target.output, overwrite=target.overwrite)
        left = left_over(target.output)
        if left and not (target.resume or target.overwrite):
            raise OutputError(f"{left} is left from an interrupted run: pass --resume to go on, or --overwrite.")
        return "video"
    if suffix == ".gif":
        if target.resume:
            raise ConfigError("a GIF is made in one go: leave --resume out.")
        check_output(target.output, overwrite=target.overwrite)
        return "gif"
    if target.output.is_file() or (suffix and not target.output.is_dir()):
        known = ", ".join((*FORMATS, ".gif"))
        raise OutputError(f"{target.output} has no suffix that a clip can be written in: use {known}, or a folder.")
    if _pictures_in(target.output) and not (target.overwrite or target.resume):
        raise OutputError(f"{target.output} holds pictures already: pass --resume to go on or --overwrite to replace.")
    return "folder"


def _to_video(source: Source, work: Work, target: Target, progress: Report | None) -> Result:
    encoder = choose_encoder(source.info, target.codec, target.crf, target.encoder)
    settings = _fingerprint(source, target, encoder)
    if target.resume:
        earlier = take_up(target.output, settings, source.info.time_base)
        parts, last, frames = earlier.parts, earlier.last, earlier.frames
    else:
        for path in existing_parts(target.output):
            path.unlink()
        parts, last, frames = [], None, 0
    notes: list[str] = []
    others = None
    if isinstance(source, VideoSource):
        others, notes = companions(
            Path(source.name), target.output.suffix.lower(), source.offset, source.start_cut, source.end
        )
    if encoder.pixel_format == "yuv444p":
        notes.append(
            f"{source.info.width}×{source.info.height} is odd, so the colours are not subsampled (4:4:4), which some"
            " players refuse: --max-size makes the sides even."
        )
    writer = PartWriter(part_path(target.output, len(parts) + 1), source.info, encoder, settings)
    try:
        run = _flow(source, work, writer, last, progress)
    except BaseException:
        _keep(target.output, others, json.dumps(settings))
        raise
    if writer.frames:
        parts = [*parts, writer.path]
    if not parts:
        raise OutputError(f"{source.name} gave no frame: nothing was written.")
    with write_atomically(target.output, overwrite=target.overwrite) as partial:
        assemble(parts, partial, others)
    for path in parts:
        path.unlink()
    return Result(run, frames, encoder.name, [*notes, *source.warnings])


def _keep(output: Path, others: Any, comment: str) -> None:
    """Join what an interrupted run leaves into one file with sound; if that fails, the parts play by themselves."""
    av = import_av()
    try:
        parts = existing_parts(output)
        end = end_of(parts) if parts else Fraction(0)
        if not end:
            for path in parts:
                path.unlink()
            return
        if others is not None:
            stop = end if others.end is None else min(end, others.end)
            others, _ = companions(others.path, ".mp4", others.offset, others.start_cut, stop)
        with write_atomically(parts[0], overwrite=True) as joined:
            assemble(parts, joined, others, comment)
        for path in parts[1:]:
            path.unlink()
    except (OSError, OutputError, av.error.FFmpegError):
        return  # the failure that brought us here is what the user must read


def _to_gif(source: Source, work: Work, target: Target, progress: Report | None) -> Result:
    partial = target.output.with_name(f"{target.output.stem}.partial.gif")
    sink = GifSink(partial, source.info)
    run = _flow(source, work, sink, None, progress)
    if not sink.frames:
        raise OutputError(f"{source.name} gave no frame: nothing was written.")
    partial.replace(target.output)
    return Result(run, 0, "gif", source.warnings)


def _to_folder(source: Source, work: Work, target: Target, progress: Report | None) -> Result:
    finished = 0
    last = None
    if target.resume:
        finished = len(_pictures_in(target.output))
        last = _time_of(source, finished)
    sink = FolderSink(target.output, target.frames, overwrite=target.overwrite, first=finished)
    run = _flow(source, work, sink, last, progress)
    return Result(run, finished, target.frames, source.warnings)


def _flow(source: Source, work: Work, sink: Sink, last: int | None, progress: Report | None) -> Run:
    """Run the pipeline and close the sink, whatever happens; the first failure counts."""
    shown = 0.0

    def write(frame: Frame) -> None:
        nonlocal shown
        sink.add(frame)
        shown = float((frame.time + (frame.duration or 0)) * source.info.time_base)

    pipeline = Pipeline(source.frames(last), work.stages, write)
    try:
        run = pipeline.run((lambda done: progress(done, shown)) if progress else None)
    except BaseException:
        if not pipeline.stuck:
            with contextlib.suppress(OutputError):  # the first failure is the one to tell
                sink.close()
        raise
    sink.close()
    return run


def _fingerprint(source: Source, target: Target, encoder: Encoder) -> dict[str, Any]:
    """What the encoded pictures depend on, as JSON gives it back."""
    av = import_av()
    own = {
        **target.settings,
        "size": f"{source.info.width}×{source.info.height}",
        "codec": target.codec,
        "crf": target.crf,
        "encoder": encoder.name,
        "libavcodec": ".".join(map(str, av.library_versions["libavcodec"])),
    }
    result: dict[str, Any] = json.loads(json.dumps(own))
    return result


def _pictures_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.iterdir()) if path.suffix.lower() in READABLE and path.name[0] != "."]


def _time_of(source: Source, count: int) -> int | None:
    """The time of frame number `count`, counted from one; frames are looked at, as their times may be irregular."""
    last = None
    if count:
        for number, frame in enumerate(source.frames(), 1):
            last = frame.time
            if number == count:
                break
    return last
