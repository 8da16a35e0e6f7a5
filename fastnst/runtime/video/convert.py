"""A clip from beginning to end: what is made, where it lies until it is whole, what an interruption leaves."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from fastnst.errors import ClipError, OutputError
from fastnst.output_files import write_atomically
from fastnst.runtime.video._pyav import import_av, reason
from fastnst.runtime.video.animation_files import is_whole
from fastnst.runtime.video.animation_writer import AnimationSink
from fastnst.runtime.video.companions import companions
from fastnst.runtime.video.encoders import Encoder, choose_encoder
from fastnst.runtime.video.frame_marks import Settings
from fastnst.runtime.video.image_sequence import FolderSink, FolderSource, clear_torn_frames, finished_frames
from fastnst.runtime.video.join import describe_piece
from fastnst.runtime.video.muxer import assemble, end_of
from fastnst.runtime.video.pipeline import Pipeline, Run, Work
from fastnst.runtime.video.reader import VideoSource
from fastnst.runtime.video.segments import (
    PartWriter,
    existing_parts,
    part_packets,
    part_path,
    take_up,
)
from fastnst.runtime.video.target import Target, alone, kind_of, partial_animation
from fastnst.runtime.video.types import Frame, Sink, Source

Report = Callable[[int, float], None]


@dataclass
class Result:
    """The result of a conversion: new frames, frames of earlier runs, times, and sentences worth showing."""

    run: Run
    earlier: int
    encoder: str
    notes: list[str]


def convert_clip(source: Source, work: Work, target: Target, progress: Report | None = None) -> Result:
    """Make the clip. `progress` is called with finished frames and seconds.

    One run at a time makes an output. Raises the `FastNSTError` of whichever stage failed, or KeyboardInterrupt; what
    is finished is then kept beside the output in a file that plays (`left_over` finds it).
    """
    makers = {"folder": _to_folder, "animation": _to_animation, "video": _to_video}
    with alone(target.output):
        return makers[kind_of(target, Path(source.name))](source, work, target, progress)


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
        if writer.frames:
            parts = [*parts, writer.path]
            _check_part(writer)
    except BaseException:
        _keep(target.output, others, json.dumps(settings))
        raise
    if writer.laid_on_white:
        notes.append("videos have no transparency, so it lies on white: name a .webp, .apng or .gif, or a folder.")
    if not parts:
        raise ClipError(f"{source.name} gave no frame: nothing was written.")
    comment = describe_piece(source, settings) if isinstance(source, VideoSource) and source.is_cut else None
    with write_atomically(target.output, overwrite=target.overwrite) as partial:
        notes += assemble(parts, partial, others, comment)
    for path in parts:
        path.unlink()
    return Result(run, frames, encoder.name, [*notes, *source.warnings])


def _check_part(writer: PartWriter) -> None:
    """Raise `OutputError` unless all frames can be read back: a full disk may report nothing."""
    found = sum(1 for _ in part_packets(writer.path))
    if found != writer.frames:
        raise OutputError(f"{writer.path} cannot be written: {found} of its {writer.frames} frames reached the disk.")


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
            others, _ = companions(others.path, parts[0].suffix, others.offset, others.start_cut, stop)
        with write_atomically(parts[0], overwrite=True) as joined:
            assemble(parts, joined, others, comment)
        for path in parts[1:]:
            path.unlink()
    except (OSError, OutputError, av.error.FFmpegError):
        return  # the failure that brought us here is what the user must read


def _to_animation(source: Source, work: Work, target: Target, progress: Report | None) -> Result:
    partial = partial_animation(target.output)
    sink = AnimationSink(partial, source.info)
    try:
        run = _flow(source, work, sink, None, progress)
        if sink.frames and not is_whole(partial):
            raise OutputError(f"{partial} cannot be written: its end did not reach the disk.")
    except BaseException:
        if partial.suffix.lower() != ".gif" and os.path.exists(partial) and not is_whole(partial):
            partial.unlink()  # a GIF plays without its end, the others do not
        raise
    if not sink.frames:
        raise ClipError(f"{source.name} gave no frame: nothing was written.")
    try:
        partial.replace(os.path.realpath(target.output))
    except OSError as error:
        raise OutputError(f"{target.output} cannot be written ({reason(error)}).") from error
    return Result(run, 0, target.output.suffix.lower()[1:], source.warnings)


def _to_folder(source: Source, work: Work, target: Target, progress: Report | None) -> Result:
    settings: Settings = json.loads(json.dumps({**target.settings, "format": target.frames}))
    finished, last = 0, None
    if target.resume:
        names = source.names if isinstance(source, FolderSource) else None
        finished = finished_frames(target.output, target.frames, names, settings)
        clear_torn_frames(target.output, target.frames)
        last = (finished - 1 if finished else None) if names is not None else _time_of(source, finished)
    sink = FolderSink(
        target.output,
        target.frames,
        overwrite=target.overwrite or target.resume,  # what is there is ours: frames after a gap are made again
        first=finished,
        settings=settings,
    )
    run = _flow(source, work, sink, last, progress)
    if not run.items and not finished:
        raise ClipError(f"{source.name} gave no frame: nothing was written.")
    return Result(run, finished, target.frames, source.warnings)


def _flow(source: Source, work: Work, sink: Sink, last: int | None, progress: Report | None) -> Run:
    """Run the pipeline and close the sink, whatever happens; the first failure counts."""
    shown = 0.0
    before = -1 if last is None else last
    warmed_up = 0

    def write(frame: Frame) -> None:
        nonlocal shown, warmed_up
        if frame.time <= before:  # was wanted for what it leaves behind in the stages
            warmed_up += 1
            return
        sink.add(frame)
        shown = float((frame.time + (frame.duration or 0)) * source.info.time_base)

    pipeline = Pipeline(source.frames(last, work.warm_up), work.stages, write)
    try:
        run = pipeline.run((lambda done: progress(done - warmed_up, shown)) if progress else None)
    except BaseException:
        if not pipeline.stuck:
            with contextlib.suppress(OutputError):  # the first failure is the one to report
                sink.close()
        raise
    sink.close()
    return replace(run, items=run.items - warmed_up)


def _fingerprint(source: Source, target: Target, encoder: Encoder) -> Settings:
    """The settings that the encoded pictures depend on, as JSON gives them back."""
    av = import_av()
    own = {
        **target.settings,
        "size": f"{source.info.width}×{source.info.height}",
        "codec": target.codec,
        "crf": target.crf,
        "encoder": encoder.name,
        "libavcodec": ".".join(map(str, av.library_versions["libavcodec"])),
    }
    result: Settings = json.loads(json.dumps(own))
    return result


def _time_of(source: Source, count: int) -> int | None:
    """The time of frame number `count`, counted from one; frames are looked at, as their times may be irregular."""
    last = None
    if count:
        for number, frame in enumerate(source.frames(), 1):
            last = frame.time
            if number == count:
                break
    return last
