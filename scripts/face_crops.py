"""What a style learns from to keep faces: crops of portraits with mattes of their heads, and photos without people.

    python scripts/face_crops.py PORTRAITS PHOTOS OUT
    fastnst train painting.jpg --config faces --init mine --photos OUT/image --data.mattes OUT/matte --name mine

PORTRAITS holds pairs, image/ and matte/ of the same base names; PHOTOS is a folder of any photos, of which those
without people are taken. The matte of a head is the uppermost part of its person's. OUT must not exist.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from fastnst.errors import ConfigError, FastNSTError, ImageError
from fastnst.images.decode import open_image
from fastnst.matting.crops import centred_square, random_square, uppermost
from fastnst.matting.pairs import PortraitPairs
from fastnst.output_folders import write_folder
from fastnst.runtime.portrait.matting_model import MattingModel, resolve_matting_model
from fastnst.trainer.photos import FolderSource

_LEAST_SIDE = 288  # pixels; smaller crops are enlarged
_NOBODY = 0.004  # share of the picture


def save_pair(out: Path, name: str, photo: Image.Image, matte: Image.Image) -> None:
    """One picture and its matte, under one name."""
    photo.save(out / "image" / f"{name}.jpg", quality=92)
    matte.save(out / "matte" / f"{name}.png")


def crop_portraits(pairs: PortraitPairs, out: Path) -> int:
    """A random square of each portrait, a face, an upper body or the figure; how many there are."""
    count = 0
    for number in range(len(pairs)):
        try:
            photo, matte = pairs.open(number)
        except ImageError as error:
            sys.stderr.write(f"left out: {error}\n")
            continue
        levels = np.asarray(matte)
        left, _, right, _ = centred_square(levels, upper=True)
        head = uppermost(levels, right - left)
        if not head.any():  # nobody is there
            continue
        box = random_square(levels, np.random.default_rng((0, number, 0)))
        side = max(_LEAST_SIDE, round(box[2] - box[0]))
        whole = (photo, Image.fromarray(head))
        crops = (each.resize((side, side), Image.Resampling.BICUBIC, box=box) for each in whole)
        save_pair(out, f"portrait-{number:05d}", *crops)
        count += 1
    return count


def take_photos_without_people(photos: list[Path], out: Path, limit: int) -> int:
    """Those of `limit` photos, drawn from these, in which our matting network finds nobody; how many there are."""
    model = MattingModel(resolve_matting_model("ours"))
    count = 0
    for number, path in enumerate(random.Random(0).sample(photos, min(limit, len(photos)))):
        try:
            photo = open_image(path)
            alpha = model.people(np.asarray(photo))
        except ImageError as error:
            sys.stderr.write(f"left out: {error}\n")
            continue
        if float(alpha.mean()) < _NOBODY:
            save_pair(out, f"photo-{number:05d}", photo, Image.new("L", photo.size))
            count += 1
    return count


def main(argv: list[str]) -> int:
    """0, or 2 with one sentence for what a user can mend."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--limit", type=int, default=1100, help="photos to look for people in (default: 1100)")
    options = parser.parse_args(argv)
    try:
        if os.path.lexists(options.out):
            raise ConfigError(f"{options.out} exists: name a folder that does not.")
        if options.limit < 1:
            raise ConfigError(f"--limit must be at least 1, not {options.limit}.")
        if not options.photos.is_dir():
            raise ConfigError(f"{options.photos} is not a folder.")
        pairs, photos = PortraitPairs(options.portraits), FolderSource(options.photos).paths
        with write_folder(options.out) as folder:
            for part in ("image", "matte"):
                (folder / part).mkdir()
            heads = crop_portraits(pairs, folder)
            others = take_photos_without_people(photos, folder, options.limit)
    except FastNSTError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{options.out}: heads of portraits: {heads}; photos without people: {others}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
