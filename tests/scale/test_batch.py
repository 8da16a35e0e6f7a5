"""Batches: every source, the manifest, going on after a kill, nothing lost and nothing made twice."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fastnst import cli
from fastnst.errors import ConfigError
from fastnst.runtime.finishing import RestyleOptions
from fastnst.scale import BatchOptions, stylize_dataset
from fastnst.scale.worker import output_name
from tests.scale.pictures import check_results, level, picture, write_pictures


@pytest.fixture
def options(negative_model: Path) -> BatchOptions:
    return BatchOptions(str(negative_model), provider="cpu", workers=1)


def manifest(folder: Path) -> list[dict]:
    return pq.read_table(folder / "_fastnst" / "manifest.parquet").to_pylist()


def test_a_folder_with_broken_pictures(tmp_path: Path, options: BatchOptions) -> None:
    write_pictures(tmp_path / "in", 30, broken=(7, 20))
    summary = stylize_dataset(tmp_path / "in", tmp_path / "out", options)
    assert (summary.made, summary.kept, summary.failed) == (28, 0, 2)
    check_results(tmp_path / "out", 30, broken=(7, 20))
    lines = {Path(line["path"]).stem: line for line in manifest(tmp_path / "out")}
    assert len(lines) == 30
    assert "damaged or cut short" in lines["000007"]["error"] or "not a picture" in lines["000007"]["error"]
    assert lines["000008"]["size"] == (tmp_path / "out" / "000" / "000008.png").stat().st_size
    assert not [path for path in (tmp_path / "out" / "_fastnst").iterdir() if path.name.startswith("part")]


def test_what_is_intact_is_kept_and_the_rest_is_made(tmp_path: Path, options: BatchOptions) -> None:
    write_pictures(tmp_path / "in", 10, broken=(3,))
    stylize_dataset(tmp_path / "in", tmp_path / "out", options)
    results = sorted((tmp_path / "out").rglob("*.png"))
    results[0].unlink()
    results[1].write_bytes(b"cut")
    times = {path: path.stat().st_mtime_ns for path in results[2:]}
    write_pictures(tmp_path / "in", 12)  # number 3 is good now, and two are new
    summary = stylize_dataset(tmp_path / "in", tmp_path / "out", options)
    assert (summary.made, summary.kept, summary.failed) == (5, 7, 0)
    check_results(tmp_path / "out", 12)
    assert all(path.stat().st_mtime_ns == before for path, before in times.items())


def test_other_settings_are_not_mixed(tmp_path: Path, options: BatchOptions, negative_model: Path) -> None:
    write_pictures(tmp_path / "in", 3)
    stylize_dataset(tmp_path / "in", tmp_path / "out", options)
    other = BatchOptions(str(negative_model), RestyleOptions(strength=0.0), provider="cpu", workers=1)
    with pytest.raises(ConfigError, match="holds results of other settings"):
        stylize_dataset(tmp_path / "in", tmp_path / "out", other)
    check_results(tmp_path / "out", 3)
    assert stylize_dataset(tmp_path / "in", tmp_path / "out", other, overwrite=True).made == 3
    with Image.open(tmp_path / "out" / "000" / "000001.png") as image:
        assert image.getpixel((0, 0)) == (level(1),) * 3


def test_tables_shards_and_lists(tmp_path: Path, options: BatchOptions) -> None:
    source = tmp_path / "in"
    source.mkdir()
    images = [{"bytes": picture(1), "path": "one.png"}, {"bytes": picture(2), "path": None}, None]
    pq.write_table(pa.table({"caption": ["a", "b", "c"], "picture": images}), source / "table.parquet")
    with tarfile.open(source / "shard.tar", "w") as shard:
        for name, content in (("a/3.png", picture(3)), ("a/3.txt", b"text"), ("../4.png", picture(4))):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            shard.addfile(info, io.BytesIO(content))
    (tmp_path / "5.png").write_bytes(picture(5))
    (tmp_path / "list.txt").write_text(f"# ours\n5.png\n{tmp_path}/gone.png\n\n")
    summary = stylize_dataset([source, tmp_path / "list.txt"], tmp_path / "out", options)
    assert (summary.made, summary.failed) == (5, 2)
    made = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.png"))
    assert made == ["5.png", "shard/4.png", "shard/a/3.png", "table/00000000_one.png", "table/00000001.png"]
    assert not (tmp_path / "4.png").exists()
    errors = sorted(line["error"] for line in manifest(tmp_path / "out") if line["error"])
    assert "cannot be read" in errors[0]
    assert "this row holds no picture" in errors[1]


def test_addresses_of_fsspec(tmp_path: Path, options: BatchOptions) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    for number in range(4):
        memory.pipe_file(f"/in/{number:06d}.png", picture(number))
    summary = stylize_dataset("memory://in", "memory://out", options)
    assert summary.made == 4
    content = memory.cat_file("/out/000002.png")
    assert Image.open(io.BytesIO(content)).getpixel((0, 0)) == (255 - level(2),) * 3
    assert stylize_dataset("memory://in", "memory://out", options).kept == 4
    with pytest.raises(ConfigError, match="Protocol not known"):
        stylize_dataset("nothing://in", tmp_path / "out", options)


def test_two_processes_give_the_same(tmp_path: Path, negative_model: Path) -> None:
    write_pictures(tmp_path / "in", 20)
    options = BatchOptions(str(negative_model), provider="cpu", workers=2, threads=1)
    assert stylize_dataset(tmp_path / "in", tmp_path / "out", options).made == 20
    check_results(tmp_path / "out", 20)


def test_names_never_collide_or_leave_the_folder() -> None:
    assert output_name("a/b.jpg", None) == "a/b.jpg"
    assert output_name("a/b.png", "jpg") == "a/b.png.jpg"
    assert output_name("a/b.gif", None) == "a/b.gif.png"
    assert output_name("../../etc/a.png", None) == "etc/a.png"
    assert output_name("C:\\x\\..\\a.png", None) == "C_/x/a.png"
    long = output_name("x" * 300 + ".png", "jpg")
    assert len(long.encode()) <= 255
    assert long != output_name("x" * 301 + ".png", "jpg")


def test_the_command_line(tmp_path: Path, negative_model: Path, capsys) -> None:
    write_pictures(tmp_path / "in", 5, broken=(2,))
    arguments = ["batch", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--style", str(negative_model)]
    assert cli.main([*arguments, "--provider", "cpu", "--workers", "1"]) == 1
    assert "4 pictures made, 1 failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["{tmp}/none", "-o", "{tmp}/out"], "does not exist"),
        (["{tmp}/empty", "-o", "{tmp}/out"], "no pictures were found"),
        (["{tmp}/in", "-o", "{tmp}/in/out"], "lies inside the input"),
        (["{tmp}/in", "-o", "{tmp}/out", "--engine", "rey"], "Did you mean 'ray'?"),
        (["{tmp}/in", "-o", "{tmp}/out", "--format", "exe"], "unknown format 'exe'"),
        (["{tmp}/in", "-o", "{tmp}/out", "--workers", "0"], "workers must be between"),
        (["{tmp}/in", "-o", "{tmp}/out", "--strength", "2"], "strength must be between"),
        (["{tmp}/text.parquet", "-o", "{tmp}/out"], "1 failed"),
    ],
)
def test_what_means_nothing(tmp_path: Path, negative_model: Path, capsys, arguments: list[str], reason: str) -> None:
    write_pictures(tmp_path / "in", 1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.parquet").write_text("text")
    given = [text.format(tmp=tmp_path) for text in arguments]
    code = cli.main(["batch", *given, "--style", str(negative_model), "--provider", "cpu"])
    output = capsys.readouterr()
    assert code in (1, 2)
    assert reason in output.err + output.out


def memory_of_group(group: int) -> int:
    """Resident bytes of all processes of a group."""
    total = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getpgid(int(entry.name)) == group:
                    total += int((entry / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            except (OSError, ProcessLookupError):
                continue  # it has ended
    return total


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="memory is read from /proc")
def test_ten_thousand_pictures_with_a_kill_in_the_middle(tmp_path: Path, negative_model: Path) -> None:
    """Every picture once, none lost, memory flat."""
    broken = tuple(range(50, 10_000, 100))
    write_pictures(tmp_path / "in", 10_000, broken=broken)
    command = [sys.executable, "-m", "fastnst", "batch", str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    command += ["--style", str(negative_model), "--provider", "cpu", "--workers", "2", "--threads", "1"]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 300
    while sum(1 for _ in (tmp_path / "out").rglob("*.png")) < 3000:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    first = len(list((tmp_path / "out").rglob("*.png")))
    again = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    held = []
    while again.poll() is None:
        assert time.monotonic() < until + 300
        held.append(memory_of_group(again.pid))
        time.sleep(0.2)
    assert again.returncode == 1  # some are broken
    third = len(held) // 3
    assert max(held[-third:]) < 1.2 * max(held[third : 2 * third])
    check_results(tmp_path / "out", 10_000, broken=broken)
    lines = manifest(tmp_path / "out")
    assert len(lines) == len({line["path"] for line in lines}) == 10_000
    assert sum(bool(line["error"]) for line in lines) == len(broken)
    assert first < 9_900
