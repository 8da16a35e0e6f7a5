"""Mixes of styles: what is asked for, how it is put together, and that it works wherever a style does."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst import cli
from fastnst.errors import ConfigError, ModelError, StyleNotFoundError
from fastnst.images.decode import open_image
from fastnst.runtime import Stylizer
from fastnst.runtime.imaging.blending import mixed
from fastnst.runtime.models.style_spec import choose, choose_movement
from tests.style_models import write_gallery, write_style


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gallery(tmp_path_factory.mktemp("styles") / "gallery")


@pytest.fixture(autouse=True)
def _only_our_styles(gallery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastnst.runtime.models.catalog.style_folders", lambda: [gallery])


@pytest.mark.parametrize(
    ("text", "names", "weights", "name"),
    [
        ("wave", ["wave"], [1], "wave"),
        ("wave:0.7,sunrise:0.3", ["wave", "sunrise"], [0.7, 0.3], "wave-70_sunrise-30"),
        ("wave:6, sunrise:2", ["wave", "sunrise"], [0.75, 0.25], "wave-75_sunrise-25"),
        ("wave,sunrise", ["wave", "sunrise"], [0.5, 0.5], "wave-50_sunrise-50"),
        ("wave:1,sunrise:2,wave:1", ["wave", "sunrise"], [0.5, 0.5], "wave-50_sunrise-50"),
        ("wave,wave", ["wave"], [1], "wave"),
    ],
)
def test_what_a_style_may_be(text: str, names: list[str], weights: list[float], name: str) -> None:
    choice = choose(text)
    assert [path.stem for path in choice.paths] == names
    assert choice.weights == pytest.approx(weights)
    assert choice.name == name


def test_files_mix_with_names_and_may_have_commas_and_colons(tmp_path: Path) -> None:
    odd = write_style(tmp_path / "a,b:3.onnx")
    assert choose(str(odd)).paths == (odd,)
    own = write_style(tmp_path / "own.onnx")
    assert choose(f"{own}:1,wave:1").paths[0] == own
    assert choose(f"wave,{own}").paths[1] == own


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("wave:0.7,sunrize:0.3", StyleNotFoundError, "unknown style 'sunrize'. Did you mean 'sunrise'"),
        ("wave:0.7,sunrise", ConfigError, "only some of its styles a weight"),
        ("wave:0,sunrise:1", ConfigError, "the weight of wave must be a positive number, not '0'"),
        ("wave:-1,sunrise:1", ConfigError, "must be a positive number, not '-1'"),
        ("wave:nan,sunrise:1", ConfigError, "must be a positive number, not 'nan'"),
        ("wave:much,sunrise:1", ConfigError, "must be a positive number, not 'much'"),
        ("wave:0.7", ConfigError, "take --style wave with --strength 0.7"),
        ("wave,", ConfigError, "has a part without a style"),
        (":1,wave:1", ConfigError, "has a part without a style"),
        (",", ConfigError, "has a part without a style"),
        ("wave:1e308,sunrise:1e308", ConfigError, "too large"),
        ("~nobody-here/a,wave", StyleNotFoundError, "unknown style '~nobody-here/a'"),
    ],
)
def test_mixes_that_mean_nothing(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        choose(text)


def test_a_mix_may_be_longer_than_a_file_name() -> None:
    assert len(choose(",".join(["wave", "sunrise"] * 40)).paths) == 2


def test_a_movement_is_its_style_or_all_of_them_in_equal_parts() -> None:
    assert choose_movement("ukiyo").name == "wave"
    mix = choose_movement("IMPRESSIONISM")  # and not Post-Impressionism, of which it is a part
    assert [path.stem for path in mix.paths] == ["lilies", "sunrise"]
    assert mix.weights == pytest.approx((0.5, 0.5))
    assert mix.name == "impressionism"
    assert len(choose_movement("impress").paths) == 3
    with pytest.raises(ConfigError, match=r"no style has the movement 'Cubizm'\. There is: Impressionism, Post-"):
        choose_movement("Cubizm")
    with pytest.raises(ConfigError, match="Did you mean 'Impressionism'"):
        choose_movement("Impresionism")
    with pytest.raises(ConfigError, match="no style has the movement ''"):
        choose_movement("")


def test_variants_of_one_painting_are_one_style_of_its_movement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, painting in (("night", "ab"), ("night_portrait", "ab"), ("sunflowers", "cd")):
        write_style(tmp_path / f"{name}.onnx", movement="Post-Impressionism", painting_sha256=painting)
    monkeypatch.setattr("fastnst.runtime.models.catalog.style_folders", lambda: [tmp_path])
    assert [path.stem for path in choose_movement("post").paths] == ["night", "sunflowers"]


def test_flat_colours_are_averaged_and_equal_pictures_stay() -> None:
    flat = [np.full((40, 50, 3), level, np.uint8) for level in (200, 100)]
    assert np.array_equal(mixed(flat, (0.7, 0.3)), np.full((40, 50, 3), 170))
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    assert np.abs(mixed([noise, noise, noise], (0.2, 0.3, 0.5)).astype(int) - noise).max() <= 1


@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.8, 0.2), (0.25, 0.25, 0.25, 0.25)])
def test_unrelated_strokes_keep_their_contrast_where_an_average_loses_it(weights: tuple[float, ...]) -> None:
    """The variance of an average of unrelated textures is Σ w² σ²; wanted is the mean deviation, Σ w σ."""
    random = np.random.default_rng(1)
    textures = [random.normal(128, 20, (120, 160, 1)) for _ in weights]
    pictures = [np.rint(texture.clip(0, 255)).repeat(3, axis=2).astype(np.uint8) for texture in textures]
    average = sum(weight * picture for weight, picture in zip(weights, pictures, strict=True))
    wanted = sum(weight * picture.std() for weight, picture in zip(weights, pictures, strict=True))
    assert np.std(average) / wanted == pytest.approx(np.linalg.norm(weights), abs=0.02)
    assert mixed(pictures, weights).std() / wanted == pytest.approx(1, abs=0.07)


def test_outlines_that_the_styles_share_get_no_halo() -> None:
    """Two styles draw the same edge with other strokes around it: the average's edge is neither over- nor undershot."""
    random = np.random.default_rng(2)
    edge = np.where(np.arange(160) < 80, 60.0, 190.0)[None, :, None]
    pictures = [np.rint(edge + random.normal(0, 4, (96, 160, 3))).astype(np.uint8) for _ in range(2)]
    columns = mixed(pictures, (0.5, 0.5)).mean(axis=(0, 2))
    assert np.abs(columns[:80] - 60).max() < 4
    assert np.abs(columns[80:] - 190).max() < 4


def test_tiles_of_a_mix_fit_together(photo: Image.Image) -> None:
    pixels = np.asarray(photo)[:160, :200]
    pictures = [pixels, 255 - pixels[::-1]]
    whole, part = mixed(pictures, (0.6, 0.4)), mixed([picture[:, :120] for picture in pictures], (0.6, 0.4))
    assert np.abs(whole[:, :96].astype(int) - part[:, :96]).max() <= 1


def test_a_mix_runs_like_one_style(photo_file: Path) -> None:
    stylizer = Stylizer("lilies:1,sunrise:3", "cpu")
    assert stylizer.metadata.title == "Water Lilies 25 % + Impression, Sunrise 75 %"
    assert stylizer.metadata.artist == "Claude Monet"
    assert (stylizer.model.provider, stylizer.model.precision) == ("cpu", "f32")
    flat = np.full((2, 20, 30, 3), 40, np.uint8)
    assert np.array_equal(stylizer.model(flat), np.full((2, 20, 30, 3), 0.75 * 40 + 0.25 * 215 + 0.25, int))
    photo = open_image(photo_file)
    plain = np.asarray(Stylizer("wave,wave", "cpu")(photo))
    assert np.array_equal(plain, np.asarray(photo))  # one style by name twice is that style


def test_trained_and_other_styles_mix_at_any_size_and_count(gallery: Path, photo: Image.Image) -> None:
    shipped = Path(__file__).parents[2] / "weights" / "starry_night.onnx"
    pixels = np.asarray(photo.resize((77, 90)))
    photos = np.stack([pixels, pixels[::-1]])
    made = Stylizer(f"{shipped}:3,lilies:1", "cpu", 1).model(photos)
    alone = [Stylizer(path, "cpu", 1).model(photos) for path in (shipped, gallery / "lilies.onnx")]
    assert np.array_equal(made[1], mixed([pictures[1] for pictures in alone], (0.75, 0.25)))
    assert made.shape == photos.shape


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_photos_folders_and_backgrounds_take_mixes(capsys, photo_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["stylize", photo_file, "--style", "wave", "lilies:0.3,wave:0.7", "-o", out, "--provider", "cpu"]
    code, report, _ = run(capsys, *arguments)
    assert (code, "2 pictures" in report) == (0, True)
    assert sorted(path.name for path in out.iterdir()) == ["photo_lilies-30_wave-70.jpg", "photo_wave.jpg"]
    arguments = ["stylize", photo_file.parent, "--movement", "impressionism", "-o", tmp_path / "movement"]
    assert run(capsys, *arguments, "--provider", "cpu")[0] == 0
    assert (tmp_path / "movement" / "photo_impressionism.jpg").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of the arguments --style --movement is required"),
        (["--style", "wave", "--movement", "cubism"], "not allowed with argument --style"),
        (["--movement", "cubism"], "no style has the movement 'cubism'"),
        (["--style", "wave:1,waves:1"], "Did you mean 'wave'"),
        (["--style", "C:\\styles\\missing.onnx"], "missing.onnx does not exist"),
    ],
)
def test_wrong_styles_are_one_sentence(capsys, photo_file: Path, tmp_path: Path, arguments, message: str) -> None:
    code, _, err = run(capsys, "stylize", photo_file, *arguments, "-o", tmp_path / "out.png")
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_clips_take_mixes_and_movements(capsys, tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for index in range(2):
        Image.new("RGB", (32, 32), (40, 40, 40 + index)).save(frames / f"{index}.png")
    for number, style in enumerate((["--style", "lilies:1,sunrise:3"], ["--movement", "impressionism"])):
        made = tmp_path / f"made{number}"
        code, _, err = run(capsys, "stylize", frames, "--fps", "10", *style, "-o", made, "--provider", "cpu")
        assert code == 0, err
    levels = [
        np.asarray(open_image(next(iter(sorted((tmp_path / name).iterdir())))))[5, 5, 0] for name in ("made0", "made1")
    ]
    assert np.abs(np.subtract(levels, (83.75, 127.5)).astype(float)).max() <= 1
    given = ("stylize", frames, "--fps", "10", "--style", "wave", "-o", tmp_path / "x", "--tile", "2")
    assert run(capsys, *given)[::2] == (2, "fastnst: --tile is for photos: reduce a clip with --max-size.\n")
    code, _, err = run(capsys, "stylize", frames, "--fps", "10", "--style", "wave", "lilies", "-o", tmp_path / "x")
    assert code == 2
    assert "a clip is restyled with one style" in err


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_text("no model")
    with pytest.raises(ModelError, match=r"bad\.onnx"):
        Stylizer(f"wave:1,{tmp_path / 'bad.onnx'}:1", "cpu")


def test_descriptions_are_read_without_opening_the_model(gallery: Path, tmp_path: Path) -> None:
    from fastnst.runtime.models.onnx_metadata import read_description
    from fastnst.runtime.models.style_model import StyleModel

    shipped = Path(__file__).parents[2] / "weights" / "starry_night.onnx"
    for path in (*gallery.glob("*.onnx"), shipped):
        assert read_description(path) == StyleModel(path, "cpu").metadata
    whole = (gallery / "wave.onnx").read_bytes()
    broken = tmp_path / "cut.onnx"
    for length in itertools.chain(range(1, 40), (len(whole) // 2, len(whole) - 1)):
        broken.write_bytes(whole[:length])
        with pytest.raises(ModelError):
            read_description(broken)
