"""`fastnst camera [--camera N|URL|FILE] --style A --style B`."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from fastnst.commands.options.parser import Parser
from fastnst.commands.options.portrait import add_portrait_options, open_portrait
from fastnst.commands.options.style import add_style_options, check_style_options, chosen_styles
from fastnst.errors import ConfigError
from fastnst.runtime.camera.controls import HELP, Controls

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
    parser.add_argument("--smooth", action="store_true", help="calm what flickers where nothing moves")
    parser.add_argument("--mirror", action="store_true", help="show the picture as a mirror does")
    parser.add_argument("--no-overlay", action="store_true", help="no text on the picture")
    parser.add_argument("--record", action="store_true", help="record from the beginning")
    parser.add_argument("--virtual-camera", action="store_true", help="send the picture to Zoom, OBS and browsers too")
    parser.add_argument("--folder", type=Path, default=Path(), help="for snapshots and recordings (default: here)")
    parser.add_argument("--headless", action="store_true", help="no window")
    parser.add_argument("--frames", type=int, metavar="N", help="end after N pictures")
    parser.add_argument("--stats", action="store_true", help="tell fps, latency and drops every 10 s and at the end")
    parser.add_argument("--provider", default="auto", help="auto, cpu, openvino, cuda or tensorrt (default: auto)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all that may be used)")
    add_portrait_options(parser)
    return parser


def main(argv: list[str], prog: str = "fastnst camera") -> int:
    """Run the command until the key q, `--frames` or Ctrl-C."""
    logging.basicConfig(format="fastnst: %(message)s", stream=sys.stderr)
    options = build_parser(prog).parse_args(argv)
    _check(options)
    from fastnst.runtime.camera.capture import Camera
    from fastnst.runtime.camera.outputs import Headless, VirtualCamera, Window
    from fastnst.runtime.camera.session import Live, LiveOptions, LivePortrait
    from fastnst.runtime.stylizer import Stylizer

    styles = chosen_styles(options)
    # A background in another style follows the keys too; `live` is there before the first picture.
    portrait = open_portrait(options, video=True, look=lambda: (live.controls.strength, live.controls.preserve_color))
    camera = Camera(options.camera)
    screen = Headless() if options.headless else Window()
    virtual = VirtualCamera(camera.rate) if options.virtual_camera else None
    people = LivePortrait(portrait) if portrait else None
    stylizers = [Stylizer(style, options.provider, options.threads) for style in styles]
    live = Live(
        camera,
        stylizers,
        screen,
        LiveOptions(options.max_size, options.smooth, options.frames, options.folder, options.stroke),
        Controls(
            strength=options.strength,
            preserve_color=options.preserve_color,
            mirror=options.mirror,
            information=not (options.no_overlay or options.headless),
            recording=options.record,
        ),
        virtual,
        _tell if options.stats else None,
        people,
    )
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
        sys.stdout.write(f"{live.stats.summary(1 / camera.rate)}\n")
    return 0


def _tell(line: str) -> None:
    sys.stderr.write(f"fastnst: {line}\n")


def _check(options: argparse.Namespace) -> None:
    from fastnst.runtime.stylizer import check_max_size

    check_style_options(options)
    check_max_size(options.max_size)
    if options.frames is not None and options.frames < 1:
        raise ConfigError(f"frames must be at least 1, not {options.frames}.")
    if options.folder.is_file():
        raise ConfigError(f"{options.folder} is a file: --folder names a folder.")
