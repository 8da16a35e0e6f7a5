"""Names and texts that a locale has no bytes for, or that are no UTF-8: one sentence says which, and what to set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import fastnst
from fastnst import cli
from fastnst.errors import ConfigError, FastNSTError, unencodable
from fastnst.recipes import with_bases
from fastnst.trainer.run_files import check_run_name, check_writable

# In another process: the encoding of names is settled when Python starts.
ASCII = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="locales of POSIX")
@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("painting: [café.png]\nname: cafe\n", "café.png' cannot be written in the encoding of this locale (ascii): "),
        (
            "painting: [painting.png]\nname: café\n",
            "'café' cannot be written in the encoding of this locale (ascii): ",
        ),
    ],
)
def test_recipes_in_utf8_under_a_locale_without_it(recipe: str, said: str, tmp_path: Path) -> None:
    for name in ("painting.png", "café.png"):
        Image.new("RGB", (64, 64), "teal").save(tmp_path / name)
    (tmp_path / "r.yaml").write_text(recipe, encoding="utf-8")
    before = sorted(os.listdir(tmp_path))
    argv = [
        sys.executable,
        "-m",
        "fastnst",
        "train",
        "--config",
        "r.yaml",
        "--photos",
        "sample",
        "--perceptual",
        "slim",
    ]
    environment = {**os.environ, **ASCII, "PYTHONPATH": str(Path(fastnst.__file__).parents[1])}
    done = subprocess.run(argv, capture_output=True, cwd=tmp_path, env=environment, timeout=120)
    assert done.returncode == 2
    lines = done.stderr.decode("utf-8", "backslashreplace").splitlines()
    assert len(lines) == 1
    assert said.replace("é", "?") in lines[0].replace("\\xe9", "?")
    assert sorted(os.listdir(tmp_path)) == before


def test_recipes_come_to_the_parser_in_ascii(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("name: café 🎨\n", encoding="utf-8")
    (argument,) = with_bases(["--config", str(tmp_path / "r.yaml")])
    assert argument.isascii()


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_what_has_no_bytes_is_one_sentence(
    encoding: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "x" * 5000 + ("é" if encoding == "ascii" else "\udce9")

    def fail(*_arguments: object) -> int:
        text.encode(encoding)
        return 0

    monkeypatch.setattr("fastnst.commands.styles.main", fail)
    assert cli.main(["styles"]) == 2
    said = capsys.readouterr().err
    assert len(said) < 300
    assert len(said.splitlines()) == 1
    assert ("PYTHONUTF8=1" in said) == (encoding == "ascii" or sys.getfilesystemencoding() != "utf-8")


def test_of_a_text_that_has_no_bytes_the_line_is_shown() -> None:
    with pytest.raises(UnicodeEncodeError) as caught:
        ("first: 1\n" * 40 + "title: caf\xe9\n" + "last: 2\n" * 40).encode("ascii")
    assert unencodable(caught.value).startswith("'title: caf\xe9' cannot be written")


def test_bytes_of_a_name_that_a_configuration_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(FastNSTError, match="not text in UTF-8: give it another name"):
        check_writable(tmp_path / "caf\udce9")
    with pytest.raises(ConfigError, match="cannot be a folder's"):
        check_run_name("caf\udce9")
    with pytest.raises(UnicodeEncodeError) as caught:
        "caf\udce9".encode()
    assert "'caf\udce9' is not text in UTF-8" in unencodable(caught.value)
