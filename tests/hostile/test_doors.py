"""The doors that all commands share: what is said, paths, interrupts, and models that want other files."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

import fastnst
from fastnst import cli
from fastnst.errors import ModelError, OutputError
from fastnst.input_files import expanded
from fastnst.runtime.engine.self_contained import check_self_contained
from fastnst.standard_streams import print_result
from tests.hostile.models import model_bytes

SOURCES = sorted(Path(fastnst.__file__).parent.rglob("*.py"))
PYTHON = [sys.executable, "-m", "fastnst"]


class Full:
    """A stream on a full disk."""

    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None: ...


def with_external_initializer() -> onnx.ModelProto:
    model = onnx.load_from_string(model_bytes())
    model.graph.initializer.append(external_tensor())
    return model


def with_external_attribute() -> onnx.ModelProto:
    model = onnx.load_from_string(model_bytes())
    model.graph.node.append(helper.make_node("Constant", [], ["unused"], value=external_tensor()))
    return model


def with_external_branch() -> onnx.ModelProto:
    """The tensor lies in a graph within an attribute of a node of a function."""
    branch = helper.make_graph([], "branch", [], [], [external_tensor()])
    node = helper.make_node("If", ["condition"], [], then_branch=branch, else_branch=branch)
    model = onnx.load_from_string(model_bytes())
    model.functions.append(
        helper.make_function("own", "inner", ["condition"], [], [node], [helper.make_opsetid("", 18)])
    )
    return model


def with_compiled_engine() -> onnx.ModelProto:
    model = onnx.load_from_string(model_bytes())
    node = helper.make_node("EPContext", [], ["unused"], domain="com.microsoft", ep_cache_context="/x.engine")
    model.graph.node.append(node)
    return model


def external_tensor() -> TensorProto:
    tensor = TensorProto(name="outside", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../secret"
    return tensor


@pytest.mark.parametrize(
    "make", [with_external_initializer, with_external_attribute, with_external_branch, with_compiled_engine]
)
def test_models_that_want_other_files_are_not_opened(make, tmp_path, capsys, monkeypatch):
    path = tmp_path / "style.onnx"
    path.write_bytes(make().SerializeToString())
    with pytest.raises(ModelError, match="one file that holds all of itself"):
        check_self_contained(path)
    monkeypatch.chdir(tmp_path)
    photo = str(fastnst.sample_photo())
    assert cli.main(["stylize", photo, "--style", str(path), "-o", "out.png", "--provider", "cpu"]) == 2
    assert "one file that holds all of itself" in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()


def test_models_that_are_whole_are_opened(tmp_path):
    path = tmp_path / "style.onnx"
    path.write_bytes(model_bytes())
    check_self_contained(path)


@pytest.mark.parametrize("cut", [0, 1, 7, 30])
def test_what_is_no_message_is_no_model(cut, tmp_path):
    path = tmp_path / "style.onnx"
    path.write_bytes(model_bytes()[:-1][: -cut or None] if cut else b"\xff" * 40)
    with pytest.raises(ModelError, match="not an ONNX model"):
        check_self_contained(path)


def test_paths_are_asked_in_ways_that_take_any_text():
    """`Path.is_file` and its kind raise for a name that is too long, `Path.expanduser` for a user that there is not."""
    raising = {"is_file", "is_dir", "exists", "expanduser", "is_symlink"}
    found = [
        f"{path.name}:{node.lineno} .{node.func.attr}()"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in raising
        and not node.args
    ]
    assert found == []


def test_an_unknown_user_stays_as_it_is():
    assert expanded("~nosuchuser/x") == Path("~nosuchuser/x")
    assert expanded("~/x") == Path.home() / "x"


@pytest.mark.parametrize("name", ["x" * 300, "~nosuchuser/x", "a\udce9", "a\0b"])
@pytest.mark.parametrize("option", ["--style", "--background", "--matte", "--matting-model", "photo"])
def test_impossible_names_end_in_a_sentence(name, option, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    argv = {"photo": str(fastnst.sample_photo()), "--style": "the_kiss", "-o": "out.png", option: name}
    if option in ("--background", "--matte", "--matting-model"):
        argv["--portrait"] = "person"
    photo = argv.pop("photo")
    rest = [part for pair in argv.items() for part in pair]
    code = cli.main(["stylize", photo, *rest, "--provider", "cpu"])
    said = capsys.readouterr()
    assert (code, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert list(tmp_path.iterdir()) == []


def test_what_is_said_cannot_steer_a_terminal(capsys):
    print_result("a\x1b]0;own\x07b\nsecond\n")
    assert capsys.readouterr().out == "a\\x1b]0;own\\x07b\nsecond\n"


def test_full_standard_output_is_told(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr("fastnst.standard_streams.discard", lambda _descriptor: None)
    with pytest.raises(OutputError, match="No space left"):
        print_result("results")


def test_errors_of_the_system_are_sentences(monkeypatch, capsys):
    def fail(*_arguments: object) -> int:
        raise PermissionError(13, "Permission denied", "/some\x1bwhere")

    monkeypatch.setattr("fastnst.commands.styles.main", fail)
    assert cli.main(["styles"]) == 2
    assert capsys.readouterr().err == "fastnst: /some\\x1bwhere cannot be read or written (Permission denied).\n"


def test_faults_of_ours_are_told_in_full(monkeypatch):
    def fail(*_arguments: object) -> int:
        raise KeyError("ours")

    monkeypatch.setattr("fastnst.commands.styles.main", fail)
    with pytest.raises(KeyError):
        cli.main(["styles"])


INTERRUPTED_IMPORT = """
import signal, sys
from fastnst import cli
from fastnst.commands import styles
from fastnst.errors import MissingDependencyError

def fail(*_arguments):
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt as interrupt:
        raise {error}("a module in C gave up") from interrupt

styles.main = fail
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(cli.main(["styles"]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info < (3, 11), reason="PYTHONSAFEPATH came with Python 3.11")
def test_workers_import_nothing_of_the_folder_they_start_in(negative_model, tmp_path):
    script = tmp_path / "bin" / "script.py"  # as pip's own: with its folder in the path, not the current one
    folder = tmp_path / "strangers"
    (folder / "in").mkdir(parents=True)
    script.parent.mkdir()
    root = str(Path(fastnst.__file__).parents[1])
    script.write_text(
        f"import sys\nsys.path.insert(1, {root!r})\nfrom fastnst.cli import entry_point\n"
        "if __name__ == '__main__':\n    entry_point()\n"
    )
    for name in ("multiprocessing", "socket", "numpy"):
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    for name in ("a", "b"):
        (folder / "in" / f"{name}.jpg").write_bytes(fastnst.sample_photo().read_bytes())
    argv = ["batch", "in", "-o", "out", "--style", str(negative_model), "--provider", "cpu", "--workers", "2"]
    unset = ("PYTHONPATH", "PYTHONSAFEPATH")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        [sys.executable, str(script), *argv], cwd=folder, env=environment, capture_output=True, timeout=300
    )
    assert not (tmp_path / "ran").exists()
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("error", ["ImportError", "MissingDependencyError"])
def test_an_interrupt_that_an_import_turned_into_something_else(error):
    """In a process of its own: it is interrupted for real."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT.format(error=error)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 130
    assert done.stderr == "fastnst: interrupted; what was finished is kept.\n"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("times", [1, 2])
def test_interrupts_end_with_130_and_a_line(times, tmp_path):
    argv = [*PYTHON, "styles", "--sheet", str(tmp_path / "out.png"), "--provider", "cpu"]
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.7)
    for _ in range(times):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    _, said = process.communicate(timeout=60)
    # A second signal may meet an interpreter that is taking itself down and has no handlers left: for a shell 130 too.
    assert process.returncode in ((130,) if times == 1 else (130, -signal.SIGINT))
    assert said == "fastnst: interrupted; what was finished is kept.\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_stop_nothing(closed, tmp_path):
    command = f'exec "$0" -m fastnst stylize "$1" --style the_kiss --max-size 32 -o out.png --provider cpu {closed}'
    environment = {**os.environ, "PYTHONPATH": str(Path(fastnst.__file__).parents[1])}
    argv = ["sh", "-c", command, sys.executable, str(fastnst.sample_photo())]
    assert subprocess.run(argv, cwd=tmp_path, env=environment, timeout=120).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max-size = " + "9" * 6000, "is not TOML"),
        ("max-size = 0x" + "f" * 5000, "holds a whole number of 20,000 bits"),
        ("max-size = " + "[" * 50_000, "is not TOML"),
        ('"\\u001b]0;own\\u0007" = 1', "own"),
    ],
)
def test_defaults_that_are_none(text, said, tmp_path, capsys, monkeypatch):
    (tmp_path / "config.toml").write_text(f"[stylize]\n{text}\n")
    monkeypatch.setenv("FASTNST_CONFIG", str(tmp_path / "config.toml"))
    assert cli.main(["stylize", "photo.jpg", "-o", "out.png", "--style", "the_kiss"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert "\x1b" not in lines[0]
