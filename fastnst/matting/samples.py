"""Training samples from pairs of photo and matte.

Data sets for segmentation show full figures in front of their own background, with hard masks. Samples are made from
them so that a network for portraits can learn: cropped to an upper body or a face, some of them lying on their side,
the mask's outline softened, the person often put before another photo or before clothes that nobody wears, both lit and
blurred differently.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from fastnst.array_types import FloatArray, UInt8Image
from fastnst.images.decode import open_image
from fastnst.matting.crops import find_head, random_square
from fastnst.matting.pairs import PortraitPairs

_OTHER_BACKGROUND_SHARE = 0.6  # share of the samples before another photo
_WHOLE_FIGURE_SHARE = 0.3  # share of these that show all of the pair's picture, reduced
_MIN_FIGURE_HEIGHT = 0.4  # its height, of the sample's
_SECOND_PERSON_SHARE = 0.12  # share of these whose background is another portrait
_CLOTHES_SHARE = 0.22  # share of these whose background has clothes in it that nobody wears
_MAX_CLOTHES = 5  # pieces of them
_EMPTY_SHARE = 0.22  # share without a person: a network that seldom sees none takes whatever stands out for one
_SIDEWAYS_SHARE = 0.15  # share turned by a quarter
_BILINEAR = Image.Resampling.BILINEAR


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
    height = round(size * generator.uniform(_MIN_FIGURE_HEIGHT, 1))
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


def soften(matte: Image.Image, generator: np.random.Generator, *, tighten: float) -> FloatArray:
    """A hard, jagged mask as an alpha with a soft outline, float `[H, W]`; `tighten` moves it inwards (0 … 0.3)."""
    radius = generator.uniform(0.8, 2.2)
    blurred = np.asarray(matte.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255
    slope = generator.uniform(1.0, 2.0)
    return np.clip((blurred - 0.5 - tighten / 2) * slope * (1 + tighten) + 0.5, 0, 1)


def clean_foreground(image: Image.Image, matte: Image.Image) -> FloatArray:
    """The person's colours carried outwards over the outline, float `[H, W, 3]`, so that no old background shows."""
    inside = matte.filter(ImageFilter.MinFilter(3))
    inner = np.asarray(inside, np.float32)[..., None] / 255
    blur = ImageFilter.GaussianBlur(3)
    covered = np.asarray(inside.filter(blur), np.float32)[..., None] / 255
    colours = Image.composite(image, Image.new("RGB", image.size), inside)
    spread = np.asarray(colours.filter(blur), np.float32) / np.maximum(covered, 1 / 255)
    own: FloatArray = inner * np.asarray(image, np.float32) + (1 - inner) * np.minimum(spread, 255)
    return own


def light(pixels: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Another light: exposure, gamma, colour temperature and, often, a fall-off across the picture."""
    height, width = pixels.shape[:2]
    gain = generator.uniform(0.6, 1.35) * (1 + generator.uniform(-0.12, 0.12, 3))
    lit = (np.clip(pixels, 0, 255) / 255) ** generator.uniform(0.75, 1.35) * gain
    if generator.random() < 0.4:
        angle, depth = generator.uniform(0, 2 * np.pi), generator.uniform(0, 0.5)
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        lit = lit * (1 + depth * (x * np.cos(angle) + y * np.sin(angle)))[..., None]
    relit: FloatArray = (np.clip(lit, 0, 1) * 255).astype(np.float32)
    return relit


def make_sample(
    pairs: PortraitPairs, backgrounds: list[Path], index: int, size: int, generator: np.random.Generator
) -> UInt8Image:
    """One sample: uint8 `[4, size, size]`, a photo's RGB and its alpha. Raises `ImageError` for unreadable files."""
    pair = pairs.open(index)
    before_another = bool(backgrounds) and generator.random() < _OTHER_BACKGROUND_SHARE
    alpha: FloatArray
    pixels: FloatArray
    is_whole = before_another and generator.random() < _WHOLE_FIGURE_SHARE
    image, matte = reduce_pair(*pair, size, generator) if is_whole else crop_pair(*pair, size, generator)
    if not before_another:
        pixels, alpha = np.asarray(image, np.float32), soften(matte, generator, tighten=0)
        if generator.random() < 0.5:
            pixels = light(pixels, generator)
    else:
        alpha = soften(matte, generator, tighten=generator.uniform(0, 0.25))
        if generator.random() < _EMPTY_SHARE / _OTHER_BACKGROUND_SHARE:
            alpha = np.zeros((size, size), np.float32)
        behind, others = _background(pairs, backgrounds, size, generator)
        person = light(clean_foreground(image, matte), generator)
        pixels = alpha[..., None] * person + (1 - alpha[..., None]) * behind
        alpha = 1 - (1 - alpha) * (1 - others)
    photo = _photograph(pixels, generator)
    if generator.random() < _SIDEWAYS_SHARE:
        turns = int(generator.choice((1, 3)))
        photo, alpha = np.rot90(photo, turns), np.rot90(alpha, turns)
    return np.concatenate((photo.transpose(2, 0, 1), np.rint(alpha * 255).astype(np.uint8)[None]))


def _background(
    pairs: PortraitPairs, backgrounds: list[Path], size: int, generator: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """The picture behind the person, float `[H, W, 3]`, and the alpha of who is in it."""
    if generator.random() < _SECOND_PERSON_SHARE:
        image, matte = crop_pair(*pairs.open(int(generator.integers(len(pairs)))), size, generator)
        return light(np.asarray(image, np.float32), generator), soften(matte, generator, tighten=0)
    photo = open_image(backgrounds[int(generator.integers(len(backgrounds)))])
    side = min(photo.size) * generator.uniform(0.4, 1)
    left, top = (generator.uniform(0, extent - side) for extent in photo.size)
    photo = photo.resize((size, size), _BILINEAR, box=(left, top, left + side, top + side))
    if generator.random() < _CLOTHES_SHARE:
        hang_clothes(photo, pairs, generator)
    if generator.random() < 0.5:  # depth of field
        photo = photo.filter(ImageFilter.GaussianBlur(generator.uniform(0.5, 5)))
    return light(np.asarray(photo, np.float32), generator), np.zeros((size, size), np.float32)


def hang_clothes(photo: Image.Image, pairs: PortraitPairs, generator: np.random.Generator) -> None:
    """Put clothes that nobody wears into a background, in a row as on a rack or anywhere: figures without heads."""
    size = photo.width
    top = generator.uniform(-0.1, 0.5) * size
    left = generator.uniform(-0.2, 0.6) * size
    on_a_rack = generator.random() < 0.6
    for _ in range(int(generator.integers(1, _MAX_CLOTHES + 1))):
        piece = _garment(*pairs.open(int(generator.integers(len(pairs)))))
        if piece is None:
            continue
        cloth, shape = piece
        height = round(size * generator.uniform(0.3, 0.9))
        width = max(1, round(height * cloth.width / cloth.height * generator.uniform(0.5, 1.1)))
        if not on_a_rack:
            left, top = (generator.uniform(-0.2, 0.9) * size for _ in range(2))
        cloth, shape = (each.resize((width, height), _BILINEAR) for each in (cloth, shape))
        photo.paste(cloth, (round(left), round(top)), shape.filter(ImageFilter.GaussianBlur(0.8)))
        left += width * generator.uniform(0.4, 0.9)


def _garment(image: Image.Image, matte: Image.Image) -> tuple[Image.Image, Image.Image] | None:
    """The clothes of a standing figure between neck and knees, and the shape of it; None for other figures."""
    levels = np.asarray(matte)
    head = find_head(levels)
    rows, columns = (np.flatnonzero((levels > 127).any(axis=axis)) for axis in (1, 0))
    if head is None or len(rows) < 4 * head.size:
        return None
    neck, knees = round(head.y + 0.65 * head.size), round(rows[0] + 0.7 * len(rows))
    box = (int(columns[0]), neck, int(columns[-1]) + 1, knees)
    return image.crop(box), matte.crop(box)


def _photograph(pixels: FloatArray, generator: np.random.Generator) -> UInt8Image:
    """Apply what cameras do to a scene, uint8: blur, saturation, noise, JPEG."""
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
