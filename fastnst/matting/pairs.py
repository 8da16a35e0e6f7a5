"""Photos of people with their mattes, and how a pair becomes a training sample.

Data sets for segmentation show full figures in front of their own background, with hard masks. Samples are made from
them so that a network for portraits can learn: cropped to an upper body as often as not, the mask's outline softened,
the person often put before another photo, both lit and blurred differently.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from fastnst.errors import ConfigError, ImageError
from fastnst.images.decode import open_image, open_picture
from fastnst.images.folders import find_images

_UPPER_BODY = 0.6  # share of the samples that show a head to half a figure
_OTHER_BACKGROUND = 0.6  # share before another photo
_WHOLE_FIGURE = 0.3  # share of these that show all of the pair's picture, reduced
_SMALLEST_FIGURE = 0.4  # its height, of the sample's
_SECOND_PERSON = 0.12  # share of these whose background is another portrait
_NOBODY = 0.22  # share without a person: a network that seldom sees none takes whatever stands out for one
_SMALLEST_CROP = 72  # pixels of the source; below it a crop is only blur
_BILINEAR = Image.Resampling.BILINEAR


class PortraitPairs:
    """`<folder>/image/<name>` and `<folder>/matte/<name>`, whatever their suffixes.

    Raises `ConfigError` if a folder is missing or no name is in both.
    """

    def __init__(self, folder: Path) -> None:
        for part in ("image", "matte"):
            if not (folder / part).is_dir():
                raise ConfigError(f"{folder} has no folder '{part}': portraits are pairs in image/ and matte/.")
        mattes = {path.stem: path for path in find_images([folder / "matte"])}
        images = find_images([folder / "image"])
        self.pairs = [(path, mattes[path.stem]) for path in images if path.stem in mattes]
        if not self.pairs:
            raise ConfigError(f"no picture in {folder / 'image'} has a matte of the same name in {folder / 'matte'}.")

    def __len__(self) -> int:
        return len(self.pairs)

    def open(self, index: int) -> tuple[Image.Image, Image.Image]:
        """RGB photo and L matte of one size. Raises `ImageError` if one cannot be read or their sizes differ."""
        image_path, matte_path = self.pairs[index]
        image, matte = open_image(image_path), open_matte(matte_path)
        if image.size != matte.size:
            raise ImageError(
                f"{matte_path} has {matte.width}×{matte.height} pixels, its photo {image.width}×{image.height}."
            )
        return image, matte


def open_matte(path: Path) -> Image.Image:
    """A matte file as mode L: grey values, or the alpha channel of a cut-out."""
    picture = open_picture(path)
    return picture.alpha if picture.alpha is not None else picture.rgb.convert("L")


def crop_pair(
    image: Image.Image, matte: Image.Image, size: int, generator: np.random.Generator
) -> tuple[Image.Image, Image.Image]:
    """A square of the pair around the person, scaled to `size`, mirrored half of the time."""
    box = random_square(np.asarray(matte), generator)
    image, matte = (each.resize((size, size), _BILINEAR, box=box) for each in (image, matte))
    if generator.random() < 0.5:
        image, matte = (each.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for each in (image, matte))
    return image, matte


def reduce_pair(
    image: Image.Image, matte: Image.Image, size: int, generator: np.random.Generator
) -> tuple[Image.Image, Image.Image]:
    """The whole pair somewhere on an empty square of `size`: figures too tall for a square of their own picture."""
    height = round(size * generator.uniform(_SMALLEST_FIGURE, 1))
    width = max(1, round(image.width * height / image.height))
    leftmost = -0.2 * width
    left = round(generator.uniform(leftmost, max(leftmost, size - 0.8 * width)))
    top = round(generator.uniform(0, size - height))
    placed = Image.new("RGB", (size, size)), Image.new("L", (size, size))
    mirrored = generator.random() < 0.5
    for canvas, part in zip(placed, (image, matte), strict=True):
        reduced = part.resize((width, height), _BILINEAR)
        canvas.paste(reduced.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else reduced, (left, top))
    return placed


def random_square(matte: np.ndarray, generator: np.random.Generator) -> tuple[float, float, float, float]:
    """A square (left, top, right, bottom) inside the picture: an upper body, or the figure with some surroundings."""
    height, width = matte.shape
    rows, columns = (np.flatnonzero((matte > 127).any(axis=axis)) for axis in (1, 0))
    limit = min(height, width)
    if not len(rows):
        side = limit * generator.uniform(0.6, 1)
        return _placed(width / 2, generator.uniform(0, height), side, width, height)
    top, tall, wide = rows[0], rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    if generator.random() < _UPPER_BODY:
        head = np.flatnonzero((matte[top : top + max(1, tall // 6)] > 127).any(axis=0))
        side = tall * generator.uniform(0.2, 0.85)
        side = max(side, 1.1 * len(head), _SMALLEST_CROP)
        middle = head.mean() + side * generator.uniform(-0.22, 0.22)
        centre = top + side * generator.uniform(0.15, 0.48)
    else:
        side = max(tall, wide) * generator.uniform(0.8, 1.8)
        middle = columns.mean() + side * generator.uniform(-0.3, 0.3)
        # A square of a tall picture cannot hold a standing figure: rather the head's end of it than the feet's.
        centre = min(rows.mean(), top + 0.5 * min(side, limit)) + side * generator.uniform(-0.2, 0.2)
    return _placed(middle, centre, min(max(side, min(limit, _SMALLEST_CROP)), limit), width, height)


def _placed(x: float, y: float, side: float, width: int, height: int) -> tuple[float, float, float, float]:
    left, top = min(max(x - side / 2, 0), width - side), min(max(y - side / 2, 0), height - side)
    return left, top, left + side, top + side


def soften(matte: Image.Image, generator: np.random.Generator, *, tighten: float) -> np.ndarray:
    """A hard, jagged mask as an alpha with a soft outline, float `[H, W]`; `tighten` moves it inwards (0 … 0.3)."""
    radius = generator.uniform(0.8, 2.2)
    blurred = np.asarray(matte.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255
    slope = generator.uniform(1.0, 2.0)
    return np.clip((blurred - 0.5 - tighten / 2) * slope * (1 + tighten) + 0.5, 0, 1)


def clean_foreground(image: Image.Image, matte: Image.Image) -> np.ndarray:
    """The person's colours carried outwards over the outline, float `[H, W, 3]`, so that no old background shows."""
    inside = matte.filter(ImageFilter.MinFilter(3))
    inner = np.asarray(inside, np.float32)[..., None] / 255
    blur = ImageFilter.GaussianBlur(3)
    covered = np.asarray(inside.filter(blur), np.float32)[..., None] / 255
    colours = Image.composite(image, Image.new("RGB", image.size), inside)
    spread = np.asarray(colours.filter(blur), np.float32) / np.maximum(covered, 1 / 255)
    own: np.ndarray = inner * np.asarray(image, np.float32) + (1 - inner) * np.minimum(spread, 255)
    return own


def light(pixels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Another light: exposure, gamma, colour temperature and, often, a fall-off across the picture."""
    height, width = pixels.shape[:2]
    gain = generator.uniform(0.6, 1.35) * (1 + generator.uniform(-0.12, 0.12, 3))
    lit = (np.clip(pixels, 0, 255) / 255) ** generator.uniform(0.75, 1.35) * gain
    if generator.random() < 0.4:
        angle, depth = generator.uniform(0, 2 * np.pi), generator.uniform(0, 0.5)
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        lit = lit * (1 + depth * (x * np.cos(angle) + y * np.sin(angle)))[..., None]
    relit: np.ndarray = (np.clip(lit, 0, 1) * 255).astype(np.float32)
    return relit


def make_sample(
    pairs: PortraitPairs, backgrounds: list[Path], index: int, size: int, generator: np.random.Generator
) -> np.ndarray:
    """One sample: uint8 `[4, size, size]`, a photo's RGB and its alpha. Raises `ImageError` for unreadable files."""
    pair = pairs.open(index)
    before_another = bool(backgrounds) and generator.random() < _OTHER_BACKGROUND
    is_whole = before_another and generator.random() < _WHOLE_FIGURE
    image, matte = reduce_pair(*pair, size, generator) if is_whole else crop_pair(*pair, size, generator)
    if not before_another:
        pixels, alpha = np.asarray(image, np.float32), soften(matte, generator, tighten=0)
        if generator.random() < 0.5:
            pixels = light(pixels, generator)
    else:
        alpha = soften(matte, generator, tighten=generator.uniform(0, 0.25))
        if generator.random() < _NOBODY / _OTHER_BACKGROUND:
            alpha = np.zeros_like(alpha)
        behind, others = _background(pairs, backgrounds, size, generator)
        person = light(clean_foreground(image, matte), generator)
        pixels = alpha[..., None] * person + (1 - alpha[..., None]) * behind
        alpha = 1 - (1 - alpha) * (1 - others)
    photo = _photograph(pixels, generator)
    return np.concatenate((photo.transpose(2, 0, 1), np.rint(alpha * 255).astype(np.uint8)[None]))


def _background(
    pairs: PortraitPairs, backgrounds: list[Path], size: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """What stands behind the person, and the alpha of who is in it."""
    if generator.random() < _SECOND_PERSON:
        image, matte = crop_pair(*pairs.open(int(generator.integers(len(pairs)))), size, generator)
        return light(np.asarray(image, np.float32), generator), soften(matte, generator, tighten=0)
    photo = open_image(backgrounds[int(generator.integers(len(backgrounds)))])
    side = min(photo.size) * generator.uniform(0.4, 1)
    left, top = (generator.uniform(0, extent - side) for extent in photo.size)
    photo = photo.resize((size, size), _BILINEAR, box=(left, top, left + side, top + side))
    if generator.random() < 0.5:  # depth of field
        photo = photo.filter(ImageFilter.GaussianBlur(generator.uniform(0.5, 5)))
    return light(np.asarray(photo, np.float32), generator), np.zeros((size, size), np.float32)


def _photograph(pixels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """What cameras do to a scene, uint8: blur, saturation, noise, JPEG."""
    if generator.random() < 0.3:
        pixels = pixels + generator.normal(0, generator.uniform(1, 9), pixels.shape).astype(np.float32)
    photo = Image.fromarray(np.rint(np.clip(pixels, 0, 255)).astype(np.uint8))
    if generator.random() < 0.25:
        photo = photo.filter(ImageFilter.GaussianBlur(generator.uniform(0.3, 1.3)))
    photo = ImageEnhance.Color(photo).enhance(0.0 if generator.random() < 0.05 else generator.uniform(0.5, 1.4))
    photo = ImageEnhance.Contrast(photo).enhance(generator.uniform(0.75, 1.3))
    if generator.random() < 0.3:
        encoded = io.BytesIO()
        photo.save(encoded, "JPEG", quality=int(generator.integers(35, 92)))
        photo = Image.open(encoded, formats=("JPEG",))
    return np.asarray(photo.convert("RGB"))
