"""One reader and one naming rule for mattes, wherever they are used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst.errors import ConfigError, ImageError
from fastnst.runtime.portrait.matte_files import MatteFolder, fit_matte, open_matte, read_matte
from tests.matting_models import disc, scene

TRUTH = disc(60, 80, soft=6)
LEVELS = np.rint(TRUTH * 255).astype(np.uint8)


def grey(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(LEVELS).save(path)
    return path


def cut_out(path: Path, colour: str = "white") -> Path:
    """A cut-out whose transparent pixels have a colour, which must not count."""
    pixels = Image.composite(Image.fromarray(scene(TRUTH)), Image.new("RGB", (80, 60), colour), Image.fromarray(LEVELS))
    pixels.putalpha(Image.fromarray(LEVELS))
    pixels.save(path)
    return path


@pytest.mark.parametrize("colour", ["white", "black", "red"])
@pytest.mark.parametrize("suffix", [".png", ".webp", ".tiff"])
def test_a_cutout_is_read_by_its_alpha(tmp_path: Path, colour: str, suffix: str) -> None:
    found = np.asarray(open_matte(cut_out(tmp_path / f"m{suffix}", colour)))
    assert np.abs(found.astype(int) - LEVELS).max() <= 1


def test_grey_files_of_every_kind(tmp_path: Path) -> None:
    Image.fromarray(LEVELS).convert("RGB").save(tmp_path / "rgb.png")
    Image.fromarray(LEVELS).save(tmp_path / "grey.jpg", quality=95)
    Image.fromarray(LEVELS).convert("RGB").save(tmp_path / "rgb.jpg", quality=90)
    Image.fromarray(LEVELS.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    Image.fromarray(LEVELS).convert("P").save(tmp_path / "palette.png")
    for path in tmp_path.iterdir():
        matte = open_matte(path)
        assert matte.mode == "L"
        assert np.abs(np.asarray(matte, float) - LEVELS).mean() < 1.5, path
    Image.fromarray(LEVELS > 127).save(tmp_path / "one_bit.png")
    assert np.array_equal(np.asarray(open_matte(tmp_path / "one_bit.png")) > 127, LEVELS > 127)


def test_a_colour_picture_is_not_a_matte(tmp_path: Path) -> None:
    Image.fromarray(scene(TRUTH)).save(tmp_path / "photo.png")
    with pytest.raises(ImageError, match="is a colour picture, not a matte"):
        open_matte(tmp_path / "photo.png")


def test_sizes_must_agree(tmp_path: Path) -> None:
    path = grey(tmp_path / "m.png")
    assert np.array_equal(read_matte(path, (80, 60)), LEVELS / np.float32(255))
    assert read_matte(path, (40, 30), max_size=40).shape == (30, 40)
    with pytest.raises(ImageError, match="has 80×60 pixels, its photo 60×80"):
        read_matte(path, (60, 80))


@pytest.mark.parametrize(("size", "fits"), [((53, 40), True), ((160, 120), True), ((40, 53), False), ((80, 55), False)])
def test_a_matte_follows_its_photos_size(tmp_path: Path, size: tuple[int, int], fits: bool) -> None:
    path = grey(tmp_path / "m.png")
    if not fits:
        with pytest.raises(ImageError, match="they must agree"):
            fit_matte(path, size)
        return
    found = fit_matte(path, size)
    assert found.shape == size[::-1]
    assert abs(found.mean() - TRUTH.mean()) < 0.01


@pytest.mark.parametrize(
    ("matte", "photo"),
    [
        ("a.png", "photos/a.jpg"),
        ("a_alpha.png", "photos/a.jpg"),
        ("a.webp", "a.png"),
        ("a_cutout.png", "photos/a.jpg"),
        ("a_png_alpha.png", "photos/a.png"),
        ("sub/a_alpha.png", "photos/sub/a.jpg"),
        ("a.png", "photos/sub/a.jpg"),
        ("a.b.png", "a.b.jpg"),
    ],
)
def test_names(tmp_path: Path, matte: str, photo: str) -> None:
    path = grey(tmp_path / matte)
    assert MatteFolder(tmp_path).find(Path(photo)) == path


@pytest.mark.parametrize(
    ("matte", "photo"), [("b.png", "a.jpg"), ("a_mask.png", "a.jpg"), ("one/a.png", "photos/two/a.jpg")]
)
def test_names_of_other_photos(tmp_path: Path, matte: str, photo: str) -> None:
    grey(tmp_path / matte)
    mattes = MatteFolder(tmp_path)
    assert mattes.find(Path(photo)) is None
    with pytest.raises(ConfigError, match=r"has a photo's name: the matte of NAME\.jpg is NAME\.png"):
        mattes.pairs([Path(photo)])


@pytest.mark.parametrize("names", [("a.png", "a.jpg"), ("a.png", "a_alpha.png"), ("sub/a.png", "sub/a.webp")])
def test_two_mattes_of_one_name_are_an_error(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        grey(tmp_path / name)
    with pytest.raises(ConfigError, match=r"a\.tif has 2 mattes, .* and .*: keep one of them"):
        MatteFolder(tmp_path).find(Path("photos/sub/a.tif"))


def test_a_matte_for_two_photos_is_an_error(tmp_path: Path) -> None:
    grey(tmp_path / "a.png")
    with pytest.raises(ConfigError, match=r"a\.jpg and .*a\.png have one matte"):
        MatteFolder(tmp_path).pairs([Path("x/a.jpg"), Path("x/a.png")])
    # As `fastnst matte` names them, each has its own.
    grey(tmp_path / "a_png_alpha.png")
    pairs = MatteFolder(tmp_path).pairs([Path("x/a.jpg"), Path("x/a.png")])
    assert [matte.name for _, matte in pairs] == ["a.png", "a_png_alpha.png"]


def test_a_matte_goes_before_a_cutout_and_the_nearest_before_others(tmp_path: Path) -> None:
    for name in ("a_alpha.png", "a_cutout.png", "sub/a.png"):
        grey(tmp_path / name)
    mattes = MatteFolder(tmp_path)
    assert mattes.find(Path("photos/a.jpg")) == tmp_path / "a_alpha.png"
    assert mattes.find(Path("photos/sub/a.jpg")) == tmp_path / "sub" / "a.png"


def test_folders_without_mattes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere does not exist"):
        MatteFolder(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="holds no mattes: fastnst matte PHOTOS"):
        MatteFolder(tmp_path)
