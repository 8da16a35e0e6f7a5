"""Conventions of every command: quiet and verbose, the user's own defaults, completion."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fastnst import cli
from fastnst.cache import cache_path, config_path, data_path
from fastnst.command_table import COMMANDS
from fastnst.commands import completion
from fastnst.commands.options.parser import Parser
from fastnst.errors import ConfigError


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_quiet_says_nothing_but_what_was_asked_for(
    capsys: pytest.CaptureFixture[str], negative_model: Path, photo_file: Path, tmp_path: Path
) -> None:
    argv = ["stylize", photo_file, "--style", negative_model, "--provider", "cpu", "-o"]
    assert run(capsys, *argv, tmp_path / "a.png", "--quiet") == (0, "", "")
    assert run(capsys, "-q", *argv, tmp_path / "b.png") == (0, "", "")
    assert (tmp_path / "b.png").is_file()
    assert "b.png" in run(capsys, *argv, tmp_path / "b.png", "--quiet")[2]  # errors are shown
    assert "--stroke" in run(capsys, "stylize", "--help", "--quiet")[1]
    assert "quickstart" in run(capsys, "completion", "bash", "--words", "recipes", "-q")[1]


def test_verbose_tells_where_an_error_comes_from(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    argv = ["stylize", tmp_path / "none.jpg", "--style", "starry_night", "-o", tmp_path / "out.png"]
    assert "Traceback" in run(capsys, "--verbose", *argv)[2]
    assert "Traceback" not in run(capsys, *argv)[2]


def test_an_option_is_not_taken_for_another_that_begins_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    argv = [
        "compare",
        "starry_night",
        "--photos",
        tmp_path,
        "--painting",
        "a.jpg",
        "-o",
        tmp_path / "r",
        "--perceptual",
    ]
    code, _, err = run(capsys, *argv, "slim")  # there is --perceptual-weights
    assert (code, err.count("\n")) == (2, 1)
    assert "unrecognized arguments: --perceptual slim" in err


def options(text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *argv: str) -> dict[str, object]:
    (tmp_path / "config.toml").write_text(text)
    monkeypatch.setenv("FASTNST_CONFIG", str(tmp_path / "config.toml"))
    parser = Parser(prog="fastnst stylize")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--style", action="append", nargs="+")
    which.add_argument("--movement")
    parser.add_argument("--max-size", type=int)
    parser.add_argument("--codec", choices=("h264", "av1"), default="h264")
    parser.add_argument("--overwrite", action="store_true")
    return vars(parser.parse_args(list(argv)))


def test_defaults_of_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = '[stylize]\nstyle = ["a", "b"]\nmax-size = 1600\ncodec = "av1"\noverwrite = true\n[matte]\nx = 1\n'
    assert options(text, monkeypatch, tmp_path) == {
        "style": [["a", "b"]],
        "movement": None,
        "max_size": 1600,
        "codec": "av1",
        "overwrite": True,
    }
    read = options(text, monkeypatch, tmp_path, "--style", "c", "--max-size", "5")
    assert (read["style"], read["max_size"]) == ([["c"]], 5)  # the command line wins
    for wrong, message in {
        "[stylise]\nx = 1": r"table 'stylise', which is not a command\. Did you mean 'stylize'",
        "[stylize]\nmax_sise = 1": r"max_sise is not an option of fastnst stylize\. Did you mean 'max-size'",
        "[stylize]\nmax-size = 'big'": "max-size: invalid int value: 'big'",
        "[stylize]\nmax-size = [1, 2]": r"max-size takes one value, not \[1, 2\]",
        "[stylize]\ncodec = []": r"codec takes one value, not \[\]",
        "[stylize]\ncodec = 'vp9'": "codec: invalid choice",
        "[stylize]\noverwrite = 1": "overwrite takes true or false, not 1",
        "stylize = 5": r"must have a table \[stylize\]",
        "[[[": "is not TOML",
    }.items():
        with pytest.raises(ConfigError, match=message):
            options(wrong, monkeypatch, tmp_path)
    monkeypatch.setenv("FASTNST_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(ConfigError, match="cannot be opened"):
        Parser(prog="fastnst stylize").parse_args([])


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of Linux")
def test_folders_are_the_platforms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("FASTNST_CACHE", "FASTNST_DATA", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own"))
    assert cache_path() == tmp_path / ".cache" / "fastnst"
    assert data_path() == tmp_path / ".local" / "share" / "fastnst"
    assert config_path() == tmp_path / "own" / "fastnst"


SHORT = {
    "stylize": [completion.Option("--style", "which"), completion.Option("--codec", "it's", ("h264", "av1"))],
    "styles": [completion.Option("--json", "")],
}


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes(tmp_path: Path) -> None:
    (tmp_path / "with space.jpg").touch()
    script = tmp_path / "fastnst.bash"
    script.write_text(completion.bash(SHORT))

    def complete(*words: str, names: str = "starry_night") -> list[str]:
        line = " ".join(f"'{word}'" for word in words)
        code = (
            f"source {script}; fastnst() {{ echo '{names}'; }}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1};"
            " _fastnst; printf '%s\\n' \"${COMPREPLY[@]}\""
        )
        done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
        return done.stdout.split("\n")[:-1]

    assert complete("fastnst", "styl") == ["stylize", "styles"]
    assert complete("fastnst", "stylize", "--co") == ["--codec"]
    assert complete("fastnst", "stylize", "--codec", "") == ["h264", "av1"]
    assert complete("fastnst", "stylize", "--style", "star") == ["starry_night"]
    assert complete("fastnst", "stylize", "wi") == ["with space.jpg"]
    named = tmp_path / "named"
    assert complete("fastnst", "stylize", "--style", "", names=f"$(touch {named})")[:1] == [f"$(touch {named})"]
    assert not named.exists()


@pytest.mark.slow
@pytest.mark.parametrize("shell", completion.SHELLS)
def test_all_commands_are_completed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, written, _ = run(capsys, "completion", shell)
    assert code == 0
    assert all(f"{command}" in written for command in COMMANDS)
    for command in set(COMMANDS) - {"completion"}:
        assert completion.options_of(command), command


def test_the_other_shells_and_the_commands_own_options() -> None:
    assert completion.zsh(SHORT).startswith("#compdef fastnst\n")
    lines = completion.fish(SHORT).splitlines()
    assert "complete -c fastnst -n '__fish_seen_subcommand_from stylize' -l codec -d 'it\\'s' -xa 'h264 av1'" in lines
    flags = [option.flag for option in completion.options_of("stylize")]
    assert {"--style", "--strength", "--quiet", "--verbose"} <= set(flags)


@pytest.mark.parametrize(
    "arguments",
    [
        ["stylize", "a.jpg", "--style", "starry_night", "-o", ""],
        ["stylize", "", "--style", "starry_night", "-o", "out.png"],
        ["triton", "starry_night", "-o", ""],
        ["web", "--export", ""],
        ["push", "starry_night", "--to", "me/night", "--write", ""],
        ["batch", "in", "--style", "starry_night", "-o", ""],
    ],
)
def test_an_empty_name_is_not_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert "name is empty" in err
    assert not any(tmp_path.iterdir())
