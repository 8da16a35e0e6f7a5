"""Strokes of another size: what the style sees, and how sharp and clean it comes back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst import cli
from fastnst.errors import ConfigError, ImageError
from fastnst.images.decode import open_image
from fastnst.runtime import Stylizer
from fastnst.runtime.imaging.upsampling import enlarged_sharply
from fastnst.runtime.stroke_size import at_stroke
from tests.conftest import gradient
from tests.style_models import write_style

STARRY_NIGHT = Path(__file__).parents[2] / "weights" / "starry_night.onnx"


def sharpness(pixels: np.ndarray) -> float:
    """The variance of luma's Laplacian."""
    luma = np.asarray(Image.fromarray(pixels).convert("L"), np.float32)
    inner = luma[1:-1, 1:-1]
    return float((4 * inner - luma[:-2, 1:-1] - luma[2:, 1:-1] - luma[1:-1, :-2] - luma[1:-1, 2:]).var())


def bilinear(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))


@pytest.fixture(scope="module")
def restyled(photo: Image.Image) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A real photo, the same at half the size, and the latter restyled by the style that ships."""
    pixels = np.asarray(photo.crop((100, 120, 420, 440)))
    small = np.asarray(Image.fromarray(pixels).reduce(2))
    return pixels, small, Stylizer(STARRY_NIGHT, "cpu", 1).model(small[None])[0]


@pytest.mark.parametrize(("stroke", "seen"), [(0.5, (200, 122)), (0.8, (125, 76)), (1, (100, 61)), (2, (50, 30))])
def test_the_style_sees_the_picture_at_another_scale(stroke: float, seen: tuple[int, int]) -> None:
    sizes = []

    def leave(images: np.ndarray) -> np.ndarray:
        sizes.append((images.shape[2], images.shape[1]))
        return images

    photos = np.stack([gradient(61, 100), 255 - gradient(61, 100)])
    result = at_stroke(leave, photos, stroke)
    assert sizes == [seen]
    assert (result.shape, result.dtype) == (photos.shape, np.uint8)


def test_an_enlarged_picture_is_much_sharper_than_plain_enlarging(restyled) -> None:
    photo, small, result = restyled
    sharp = enlarged_sharply(result, small, photo)
    plain = bilinear(result, (320, 320))
    assert sharpness(sharp) > 4 * sharpness(plain)
    # The same picture all the same: reduced again it is what the style made.
    again = np.asarray(Image.fromarray(sharp).reduce(2), float)
    error = np.sqrt(np.square(again - result).mean())
    assert error < 0.7 * np.std(result - np.mean(result, axis=(0, 1)))
    assert np.abs(again.mean(axis=(0, 1)) - result.mean(axis=(0, 1))).max() < 2


def test_the_photos_edges_come_back_at_their_place(photo: Image.Image) -> None:
    """A style that only darkens: the photo darkened is the truth, and much nearer than by plain enlarging."""
    pixels = np.asarray(photo.crop((100, 120, 420, 440)))
    small = np.asarray(Image.fromarray(pixels).reduce(2))
    truth = pixels * 0.6
    errors = [
        np.abs(made - truth).mean()
        for made in (
            enlarged_sharply(np.rint(small * 0.6).astype(np.uint8), small, pixels),
            bilinear(small, (320, 320)) * 0.6,
        )
    ]
    assert errors[0] < 0.6 * errors[1]


@pytest.mark.parametrize("stroke", [0.5, 0.7, 1.3, 2.0])
@pytest.mark.parametrize("angle", [0.0, 0.35])
def test_edges_get_no_halo(stroke: float, angle: float) -> None:
    y, x = np.mgrid[0:96, 0:128]
    edge = np.where(x * np.cos(angle) + y * np.sin(angle) < 60, 50, 200).astype(np.uint8)
    photos = np.repeat(edge[None, ..., None], 3, axis=3)
    result = at_stroke(lambda images: images, photos, stroke)[0].astype(int)
    assert result.min() >= 50 - 8
    assert result.max() <= 200 + 8
    assert np.abs(result - photos[0])[12:-12, 12:-12].mean() < 3


def test_a_flat_picture_stays_flat() -> None:
    photos = np.full((1, 40, 60, 3), (10, 120, 240), np.uint8)
    for stroke in (0.5, 0.9, 1.1, 2):
        assert np.abs(at_stroke(lambda images: images, photos, stroke).astype(int) - photos).max() <= 1


def test_bands_of_a_large_picture_fit_together(restyled, monkeypatch: pytest.MonkeyPatch) -> None:
    photo, small, result = restyled
    whole = enlarged_sharply(result, small, photo[:-1])  # an odd height: rows of the two do not meet
    monkeypatch.setattr("fastnst.runtime.imaging.upsampling._BAND_PIXELS", 320 * 50)
    assert np.abs(enlarged_sharply(result, small, photo[:-1]).astype(int) - whole).max() <= 1


@pytest.mark.parametrize("stroke", [0, 0.49, 2.01, -1, float("nan"), float("inf")])
def test_strokes_out_of_range_are_refused(negative_model: Path, stroke: float) -> None:
    with pytest.raises(ConfigError, match=r"stroke must be between 0\.5 and 2, not"):
        Stylizer(negative_model, "cpu")(Image.new("RGB", (40, 40)), stroke=stroke)


def test_pictures_that_would_become_too_small_are_refused(negative_model: Path) -> None:
    with pytest.raises(ImageError, match=r"40×30 pixels is too small for strokes 2 times as broad.*at least 32"):
        Stylizer(negative_model, "cpu")(Image.new("RGB", (40, 30)), stroke=2)


def test_strokes_go_with_size_strength_colours_and_mixes(photo: Image.Image, negative_model: Path, tmp_path) -> None:
    same = write_style(tmp_path / "same.onnx")
    small = photo.resize((130, 153))
    for stroke in (0.5, 2.0):
        one = Stylizer(negative_model, "cpu")
        assert one(small, stroke=stroke, max_size=100).size == (85, 100)
        half = np.asarray(one(small, stroke=stroke, strength=0.5), float)
        assert abs(half.mean() - 127.5) < 1.5
        kept = one(small, stroke=stroke, preserve_color=True).convert("YCbCr").getchannel(1)
        assert np.abs(np.asarray(kept, float) - np.asarray(small.convert("YCbCr").getchannel(1), float)).mean() < 8
        mix = np.asarray(Stylizer(f"{negative_model}:1,{same}:1", "cpu")(small, stroke=stroke), float)
        assert abs(mix.mean() - 127.5) < 1.5


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_photos_and_clips_take_strokes(capsys, negative_model: Path, photo_file: Path, tmp_path: Path) -> None:
    arguments = ["--style", negative_model, "--provider", "cpu"]
    out = tmp_path / "out.png"
    assert run(capsys, "stylize", photo_file, *arguments, "--stroke", "2", "-o", out)[0] == 0
    expected = Stylizer(negative_model, "cpu")(photo_file, stroke=2)
    assert np.array_equal(np.asarray(open_image(out)), np.asarray(expected))
    frames = tmp_path / "frames"
    frames.mkdir()
    open_image(photo_file).save(frames / "1.png")
    arguments = [frames, *arguments, "--fps", "10", "-o", tmp_path / "made", "--stroke", "0.5"]
    assert run(capsys, "stylize", *arguments)[0] == 0
    made = open_image(next((tmp_path / "made").iterdir()))
    assert np.array_equal(np.asarray(made), np.asarray(Stylizer(negative_model, "cpu")(photo_file, stroke=0.5)))


@pytest.mark.parametrize("command", ["stylize", "camera"])
@pytest.mark.parametrize("stroke", ["0.4", "3", "nan"])
def test_a_stroke_out_of_range_is_one_sentence(
    capsys, negative_model: Path, photo_file: Path, tmp_path: Path, command: str, stroke: str
) -> None:
    rest = [photo_file, "-o", tmp_path / "out.png"] if command == "stylize" else ["--headless"]
    code, _, err = run(capsys, command, *rest, "--style", negative_model, "--stroke", stroke)
    assert code == 2
    assert "stroke must be between 0.5 and 2" in err
    assert len(err.strip().splitlines()) == 1


def test_the_camera_takes_mixes_and_strokes(capsys, negative_model: Path, tmp_path: Path) -> None:
    from tests.runtime.clips import make_clip

    same, clip = write_style(tmp_path / "same.onnx"), make_clip(tmp_path / "clip.mp4", frames=6, sound=None)
    styles = ["--style", f"{negative_model}:1,{same}:3", "--style", same, "--stroke", "1.5", "--provider", "cpu"]
    code, out, err = run(capsys, "camera", "--camera", clip, *styles, "--headless", "--frames", "3", "--stats")
    assert code == 0, err
    assert "3 shown" in out
