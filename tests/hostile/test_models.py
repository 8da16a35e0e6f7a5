"""Whatever a model file is or says, there is a picture that keeps the contract, or one harmless sentence."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fastnst import cli
from fastnst.errors import ModelError
from fastnst.printable import MAX_LINE_CHARACTERS, printable
from fastnst.runtime import StyleModel
from fastnst.runtime.engine.session import warn_once
from fastnst.runtime.models.description import MAX_TEXT_CHARACTERS, DescriptionError, fields_of, read_json
from fastnst.runtime.models.metadata import MattingMetadata, StyleMetadata
from fastnst.runtime.models.onnx_metadata import read_description
from tests.hostile.models import GOOD, broken_promises, damaged, model_bytes, raw_property, write
from tests.matting_models import write_ours

PROMISES = dict(broken_promises())
FIELDS = sorted(StyleMetadata.__dataclass_fields__)
BAD_VALUES = {
    "list": "[1]", "text": '"x"', "null": "null", "number": "7.5", "bool": "true", "nan": "NaN",
    "infinity": "-Infinity",
    "broken": "{", "deep": "[" * 20_000 + "]" * 20_000, "digits": "9" * 6_000, "wide": json.dumps([0] * 6_000),
    "objects": '{"a":' * 40 + "1" + "}" * 40, "surrogate": '{"a": "\\udce9"}', "long": "x" * 30_000,
}  # fmt: skip

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(np.arange(40 * 24 * 3, dtype=np.uint8).reshape(24, 40, 3)).save(path)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """The exit code and what stands on stderr."""
    code = cli.main([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    assert "\x07" not in shown.out + shown.err
    return code, shown.err


def outcome(call: Callable[..., Any], *arguments: object) -> tuple[Any, str]:
    """The result of a call, or None and the sentence of its `ModelError`."""
    try:
        return call(*arguments), ""
    except ModelError as error:
        return None, str(error)


@pytest.mark.parametrize("name", PROMISES)
@pytest.mark.parametrize("provider", ["cpu", "auto"])
def test_a_broken_promise_is_one_sentence(
    name: str, provider: str, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name.endswith("by zero") and tuple(map(int, ort.__version__.split(".")[:2])) < (1, 25):
        pytest.skip("onnxruntime before 1.25 ends the process there (SIGFPE); Python 3.10 has no later one")
    warn_once.cache_clear()
    model, out = write(tmp_path / "in.onnx", PROMISES[name]), tmp_path / "out.png"
    code, message = run(capsys, "stylize", photo, "--style", model, "-o", out, "--provider", provider)
    assert code == 2
    assert message.startswith("fastnst: ")
    assert message.count("\n") == 1
    assert len(message) < MAX_LINE_CHARACTERS
    assert not out.exists()


@pytest.mark.parametrize("how", ["mix", "strength", "bench", "card strip"])
def test_every_way_to_run_a_model_checks_its_results(
    how: str, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = write(tmp_path / "in.onnx", PROMISES["half the rows"]), tmp_path / "out.png"
    good = write(tmp_path / "good.onnx", model_bytes())
    stylize = ["stylize", photo, "-o", out, "--provider", "cpu"]
    arguments: list[object] = {
        "mix": [*stylize, "--style", f"{model}:1,{good}:1"],
        "strength": [*stylize, "--style", model, "--strength", "0.5"],
        "bench": ["bench", model, "--size", "64x48", "--seconds", "0.01", "--provider", "cpu"],
        "card strip": ["card", model, "-o", tmp_path / "c.md", "--photo", photo, "--painting", photo],
    }[how]
    code, message = run(capsys, *arguments)
    assert (code, message.count("\n")) == (2, 1)
    assert "does not do what it promises" in message


def test_mattes_are_checked_too(tmp_path: Path) -> None:
    from fastnst.runtime import MattingModel

    model = MattingModel(write_ours(tmp_path / "m.onnx", white=0), "cpu")  # red / 0 is not a number where red is 0
    with pytest.raises(ModelError, match="values that are not numbers"):
        model(np.zeros((64, 64, 3), np.uint8))


@pytest.mark.parametrize("kind", BAD_VALUES)
def test_descriptions_are_checked_field_by_field(kind: str, tmp_path: Path) -> None:
    for field in FIELDS:
        properties = GOOD | {f"fastnst.{field}": BAD_VALUES[kind]}
        path = write(tmp_path / "in.onnx", model_bytes(properties=properties))
        metadata, message = outcome(read_description, path)
        if metadata is None:
            assert 10 < len(message) < MAX_LINE_CHARACTERS + len(str(path))
            continue
        assert metadata == StyleMetadata.from_mapping({**metadata.__dict__})  # of the right types
        assert read_json(json.dumps(metadata.loss_weights)) == metadata.loss_weights


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from([f"fastnst.{field}" for field in FIELDS]), JSON, max_size=4))
def test_any_json_is_a_description_or_one_sentence(values: dict[str, Any]) -> None:
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    for kind in (StyleMetadata, MattingMetadata):
        metadata, message = outcome(kind.from_properties, {"fastnst.format_version": "1", "fastnst.kind": "", **texts})
        if metadata is None:
            assert 10 < len(message) < MAX_LINE_CHARACTERS
            continue
        assert kind.from_properties(metadata.to_properties()) == metadata
        assert metadata.name == printable(metadata.name, MAX_TEXT_CHARACTERS)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=900))
def test_nothing_printable_steers_a_terminal(text: str) -> None:
    shown = printable(text)
    assert len(shown) <= 10 * MAX_LINE_CHARACTERS
    assert all(character.isprintable() or character in "\u200c\u200d" for character in shown)
    assert printable("a sentence, as it is.") == "a sentence, as it is."


@pytest.mark.parametrize(
    "tail",
    [
        raw_property(b"fastnst.title", b"\xff\xfe\x80"),
        raw_property(b"fastnst.title", b"\xed\xb3\xa9"),
        raw_property(b"fastnst.name", b""),
        b"\xff" * 20,
        b"junk after the end",
        b"\x72\x7f",
    ],
)
def test_bad_bytes_in_descriptions_are_one_sentence(tail: bytes, tmp_path: Path) -> None:
    path = write(tmp_path / "in.onnx", model_bytes() + tail)
    with pytest.raises(ModelError):
        read_description(path)
    with pytest.raises(ModelError):
        StyleModel(path, "cpu")


def test_what_is_not_ours_in_a_file_costs_nothing(tmp_path: Path) -> None:
    foreign = raw_property(b"\xff\xfe", b"x") + raw_property(b"other", b"\xff" * 2_000_000)
    many = {f"extra{number}": "x" for number in range(3_000)}
    path = write(tmp_path / "in.onnx", model_bytes(properties=GOOD | many) + foreign)
    assert read_description(path).name == "good"


def test_texts_are_brought_to_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    wild = StyleMetadata(name="a\nb", title="\x1b[31mred\x07", artist="\x9b31m", movement="x\ty", licence="<b>|`*[")
    write(tmp_path / "wild.onnx", model_bytes(properties=wild.to_properties()))
    write(tmp_path / "long.onnx", model_bytes(properties=StyleMetadata(name="n" * MAX_TEXT_CHARACTERS).to_properties()))
    monkeypatch.setenv("FASTNST_STYLES", str(tmp_path))
    assert run(capsys, "styles") == (0, "")
    assert run(capsys, "card", tmp_path / "wild.onnx", "-o", tmp_path / "c.md", "--provider", "cpu") == (0, "")
    card = (tmp_path / "c.md").read_text()
    assert card.startswith("# a b\n")
    assert "\x1b" not in card
    assert "&lt;b>\\|\\`\\*\\[" in card


def test_newer_minor_versions_open_and_newer_major_ones_say_so(tmp_path: Path) -> None:
    newer = GOOD | {"fastnst.format_version": "1.7", "fastnst.something_new": "[1]"}
    assert StyleModel(write(tmp_path / "in.onnx", model_bytes(properties=newer)), "cpu").metadata.name == "good"
    for version in ("2", "2.1", "", "one", "\x1b[2J" + "9" * 5_000):
        path = write(tmp_path / "in.onnx", model_bytes(properties=GOOD | {"fastnst.format_version": version}))
        with pytest.raises(ModelError, match="format version is") as error:
            read_description(path)
        assert len(str(error.value)) < 300 + len(str(path))


def test_damaged_files_are_models_or_one_sentence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    image = np.zeros((1, 16, 16, 3), np.uint8)
    with caplog.at_level(logging.ERROR):
        for content in damaged(model_bytes(), 60):
            path = write(tmp_path / "in.onnx", content)
            result, message = outcome(lambda path=path: StyleModel(path, "cpu")(image))
            assert message.endswith(".") if result is None else result.shape == image.shape


def test_files_of_holes_are_no_models(tmp_path: Path) -> None:
    path = tmp_path / "style.onnx"
    with path.open("wb") as file:
        file.write(model_bytes())
        file.truncate(1 << 40)
    with pytest.raises(ModelError, match=r"1,048,576 MB, more than an ONNX model can have"):
        read_description(path)


def test_a_schema_says_where_and_why() -> None:
    with pytest.raises(DescriptionError, match="steps is x, not a whole number"):
        fields_of(StyleMetadata, {"steps": "x"})
    with pytest.raises(DescriptionError, match=r"loss_weights style_size is 1\.5, not a whole number"):
        fields_of(StyleMetadata, {"loss_weights": {"style_size": 1.5}})
    assert fields_of(StyleMetadata, {"loss_weights": {"new": [1]}, "unknown": 3}) == {"loss_weights": {"new": [1]}}
    assert fields_of(StyleMetadata, {"objective": [1], "training_seconds": 3}) == {"training_seconds": 3.0}
