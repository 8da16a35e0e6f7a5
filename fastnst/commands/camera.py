"""`fastnst camera [--camera N|URL|FILE] --style A --style B`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from fastnst.commands.options.engine import EngineOptions, add_engine_options, read_engine_options
from fastnst.commands.options.parser import Parser
from fastnst.commands.options.portrait import (
    MattingOptions,
    add_portrait_options,
    open_portrait,
    read_matting_options,
    read_portrait_options,
)
from fastnst.commands.options.style import (
    StyleRequest,
    add_smooth_option,
    add_style_options,
    read_restyle_options,
    read_style_request,
)
from fastnst.errors import ConfigError
from fastnst.runtime.camera.capture import Camera
from fastnst.runtime.camera.controls import HELP, Controls
from fastnst.runtime.camera.outputs import Headless, VirtualCamera, Window
from fastnst.runtime.camera.session import Live, LiveOptions, MattingThread
from fastnst.runtime.portrait.compositor import PortraitOptions
from fastnst.runtime.stylizer import Stylizer, check_max_size
from fastnst.standard_streams import print_message, print_result

_CAMERA = (
    "a number, an RTSP or HTTP address, or a video file that is played again and again as if it were a camera"
    " (default: the first camera)"
)


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(prog=prog, description="Restyle the camera, live.", epilog=f"Keys: {HELP}.")
    parser.add_argument("--camera", metavar="N|URL|FILE", help=_CAMERA)
    add_style_options(parser)
    parser.add_argument("--max-size", type=int, default=640, help="reduce to this long side in pixels (default: 640)")
    add_smooth_option(parser)
    parser.add_argument("--mirror", action="store_true", help="show the picture as a mirror does")
    parser.add_argument("--no-overlay", action="store_true", help="no text on the picture")
    parser.add_argument("--record", action="store_true", help="record from the beginning")
    parser.add_argument("--virtual-camera", action="store_true", help="send the picture to Zoom, OBS and browsers too")
    parser.add_argument("--folder", type=Path, default=Path(), help="for snapshots and recordings (default: here)")
    parser.add_argument("--headless", action="store_true", help="no window")
    parser.add_argument("--frames", type=int, metavar="N", help="end after N pictures")
    parser.add_argument("--stats", action="store_true", help="report fps, latency and drops every 10 s and at the end")
    add_engine_options(parser)
    add_portrait_options(parser)
    return parser


@dataclass(frozen=True)
class CameraOptions:
    """The options of `fastnst camera`.

    Attributes:
        camera: a device number, an address or a file; None is the first camera.
        live: what does not change while the camera runs.
        controls: what the keys change, as it is at first.
        headless: show no window.
        virtual: send the picture to other programs.
        stats: report rates and latencies.
    """

    camera: str | None
    style: StyleRequest
    live: LiveOptions
    controls: Controls
    engine: EngineOptions
    portrait: PortraitOptions | None
    matting: MattingOptions
    headless: bool = False
    virtual: bool = False
    stats: bool = False


def read_options(arguments: argparse.Namespace) -> CameraOptions:
    """The parsed options, checked as far as that needs no camera; raises `ConfigError`."""
    restyling = read_restyle_options(arguments)
    if arguments.frames is not None and arguments.frames < 1:
        raise ConfigError(f"frames must be at least 1, not {arguments.frames}.")
    if os.path.isfile(arguments.folder):
        raise ConfigError(f"{arguments.folder} is a file: --folder names a folder.")
    return CameraOptions(
        arguments.camera,
        read_style_request(arguments),
        LiveOptions(
            check_max_size(arguments.max_size), arguments.frames, arguments.folder, restyling.stroke, restyling.smooth
        ),
        Controls(
            strength=restyling.strength,
            preserve_color=restyling.preserve_color,
            mirror=arguments.mirror,
            information=not (arguments.no_overlay or arguments.headless),
            recording=arguments.record,
        ),
        read_engine_options(arguments),
        read_portrait_options(arguments),
        read_matting_options(arguments),
        arguments.headless,
        arguments.virtual_camera,
        arguments.stats,
    )


def main(argv: list[str], prog: str = "fastnst camera") -> int:
    """Run the command until the key q, `--frames` or Ctrl-C."""
    logging.basicConfig(format="fastnst: %(message)s", stream=sys.stderr)
    options = read_options(build_parser(prog).parse_args(argv))
    engine = options.engine
    styles = options.style.all()
    # A background in another style follows the keys too; `live` is there before the first picture.
    portrait = open_portrait(options.portrait, options.matting, engine, lambda: live.restyling, video=True)
    camera = Camera(options.camera, max_size=options.live.max_size)
    screen = Headless() if options.headless else Window()
    virtual = VirtualCamera(camera.rate) if options.virtual else None
    people = MattingThread(portrait) if portrait else None
    stylizers = [Stylizer(style, engine.provider, engine.threads) for style in styles]
    report = _print_message if options.stats else None
    live = Live(camera, stylizers, screen, options.live, options.controls, virtual, report, people)
    try:
        with camera:
            live.run()
    except KeyboardInterrupt:
        if not options.stats:
            raise
    finally:
        screen.close()
        if virtual:
            virtual.close()
        if people:
            people.close()
    if options.stats:
        print_result(f"{live.stats.summary(1 / camera.rate)}\n")
    return 0


def _print_message(line: str) -> None:
    print_message(line)
