"""The options of photos and batches of them, which `stylize` and `matte` share."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from fastnst.errors import ConfigError
from fastnst.images.encode import PROFILES
from fastnst.runtime.stylizer import check_max_size


@dataclass(frozen=True)
class PhotoOptions:
    """The input photos and the place of the results.

    Attributes:
        inputs: photos, folders of photos, or one clip.
        output: a file for one picture or a clip, else a folder.
        max_size: reduce photos to this long side in pixels first.
        overwrite: replace existing files.
        skip_existing: leave existing files, and make only what is missing.
        allow_huge: take pictures that may be decompression bombs.
        profile: `srgb`, or `photo` for results in their photos' own colour profiles.
    """

    inputs: tuple[Path, ...]
    output: Path
    max_size: int | None = None
    overwrite: bool = False
    skip_existing: bool = False
    allow_huge: bool = False
    profile: str = "srgb"

    def check_for_clip(self) -> None:
        """Raise `ConfigError` for what was asked of photos only."""
        if self.skip_existing:
            raise ConfigError("--skip-existing is for photos: a clip that was begun goes on with --resume.")
        if self.profile != "srgb":
            raise ConfigError("--color-profile is for photos: leave it out.")


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Declare what goes in and where results go."""
    parser.add_argument("photos", nargs="+", type=Path, metavar="INPUT", help="photos, folders of photos, or a clip")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="OUT",
        help="a file for one picture or a clip, else a folder",
    )


def add_photo_options(parser: argparse.ArgumentParser) -> None:
    """Declare the rest."""
    parser.add_argument("--max-size", type=int, help="reduce photos to this long side in pixels first")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    parser.add_argument("--skip-existing", action="store_true", help="leave existing pictures; make what is missing")
    parser.add_argument("--allow-huge", action="store_true", help="take pictures above 179 megapixels")
    parser.add_argument(
        "--color-profile",
        metavar="WHICH",
        default="srgb",
        help="of results: srgb, or photo for the photo's own (default: srgb)",
    )


def read_photo_options(arguments: argparse.Namespace) -> PhotoOptions:
    """The parsed options; raises `ConfigError` for what means nothing."""
    if arguments.overwrite and arguments.skip_existing:
        raise ConfigError("--overwrite and --skip-existing say the opposite of existing pictures: give one of them.")
    if arguments.color_profile not in PROFILES:
        raise ConfigError(f"--color-profile must be srgb or photo, not '{arguments.color_profile}'.")
    return PhotoOptions(
        tuple(arguments.photos),
        arguments.output,
        None if arguments.max_size is None else check_max_size(arguments.max_size),
        arguments.overwrite,
        arguments.skip_existing,
        arguments.allow_huge,
        arguments.color_profile,
    )
