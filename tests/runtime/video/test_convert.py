"""`fastnst stylize CLIP`: what goes in comes out, restyled, with its times, sound and size."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from fastnst import cli
from fastnst.runtime.temporal import Smoother
from tests.runtime.clips import NTSC, make_clip, pictures, probe


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips") / "in.mp4")


def stylize(capsys, model: Path, source: Path, output: Path, *options: object) -> tuple[int, str, str]:
    arguments = ["stylize", source, "--style", model, "-o", output, "--provider", "cpu", *options]
    code = cli.main([str(argument) for argument in arguments])
    return code, *capsys.readouterr()


CLIPS: dict[str, dict] = {
    "in.mp4": {},
    "hevc.mp4": {"codec": "libx265"},
    "mpeg4.mp4": {"codec": "mpeg4", "rate": Fraction(25)},
    "av1.mp4": {"codec": "libsvtav1"},
    "variable.mp4": {"variable": True},
    "ten_bits.mp4": {"pixels": "yuv420p10le"},
    "full_range.mp4": {"pixels": "yuvj420p"},
    "odd.mp4": {"size": (107, 59), "pixels": "yuv444p"},
    "mpeg4.avi": {"codec": "mpeg4", "sound": "mp2"},
}


@pytest.mark.parametrize("name", CLIPS)
def test_size_rate_times_and_sound_are_kept(capsys, negative_model: Path, tmp_path: Path, name: str) -> None:
    source = make_clip(tmp_path / name, **CLIPS[name])
    code, out, _ = stylize(capsys, negative_model, source, tmp_path / "out.mp4", "--crf", 10)
    assert code == 0
    assert "24 frames" in out
    before, after = probe(source), probe(tmp_path / "out.mp4")
    assert (after.codec, after.size) == ("h264", before.size)
    assert after.rate == before.rate or name == "variable.mp4"  # of uneven times MP4 knows a rough mean only
    assert after.times == before.times
    assert after.packets["audio"] == before.packets["audio"]
    assert np.abs(pictures(tmp_path / "out.mp4") - (255 - pictures(source))).mean() < 4
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "out.mp4"])


def test_matroska_s_milliseconds_become_exact_times(capsys, negative_model: Path, tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.webm", codec="libvpx-vp9", sound="libopus")
    assert stylize(capsys, negative_model, source, tmp_path / "out.mp4")[0] == 0
    after = probe(tmp_path / "out.mp4")
    assert after.rate == NTSC
    assert after.times["video"] == [index / NTSC for index in range(24)]
    assert after.packets["audio"] == probe(source).packets["audio"]


def test_a_transport_stream_begins_at_zero_and_stays_in_step(capsys, negative_model: Path, tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.ts")
    assert stylize(capsys, negative_model, source, tmp_path / "out.mp4")[0] == 0
    before, after = probe(source), probe(tmp_path / "out.mp4")
    shifts = {
        float(a - b) for kind in ("video", "audio") for a, b in zip(before.times[kind], after.times[kind], strict=True)
    }
    assert max(shifts) - min(shifts) < 1e-4
    assert after.times["audio"][0] == 0


@pytest.mark.parametrize(
    ("codec", "suffix", "size"),
    [("hevc", ".mkv", (96, 64)), ("hevc", ".mov", (107, 59)), ("av1", ".mp4", (107, 59)), ("av1", ".webm", (96, 64))],
)
def test_codecs_and_containers(capsys, negative_model: Path, tmp_path: Path, codec, suffix, size) -> None:
    odd = size[0] % 2 == 1
    source = make_clip(
        tmp_path / ("in.webm" if suffix == ".webm" else "in.mp4"),
        size=size,
        codec="libvpx-vp9" if suffix == ".webm" else "libx264",
        pixels="yuv444p" if odd else "yuv420p",
        sound="libopus" if suffix == ".webm" else "aac",
    )
    output = tmp_path / f"out{suffix}"
    code, _, err = stylize(capsys, negative_model, source, output, "--codec", codec)
    assert code == 0
    assert ("107×59 is odd" in err) == (odd and codec == "hevc")
    after = probe(output)
    assert (after.codec, after.size, after.rate) == (codec, size, NTSC)
    assert [round(time * NTSC) for time in after.times["video"]] == list(range(24))


def test_a_cut_is_exact(capsys, negative_model: Path, clip: Path, tmp_path: Path) -> None:
    options = ["--start", "0.2002", "--end", "0:00.5"]
    assert stylize(capsys, negative_model, clip, tmp_path / "out.mp4", "--crf", 5, *options)[0] == 0
    after = probe(tmp_path / "out.mp4")
    assert after.times["video"] == [index / NTSC for index in range(9)]  # frames 6 to 14
    assert -0.03 < after.times["audio"][0] < 0.03
    assert after.times["audio"][-1] < 0.3
    assert np.abs(pictures(tmp_path / "out.mp4") - (255 - pictures(clip)[6:15])).mean() < 3


def test_what_a_container_cannot_take_is_reported(capsys, negative_model: Path, tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mkv", subtitles="subrip")
    code, _, err = stylize(capsys, negative_model, source, tmp_path / "out.mp4")
    assert code == 0
    assert "subtitle stream was left out: .mp4 cannot hold it" in err
    assert set(probe(tmp_path / "out.mp4").times) == {"video", "audio"}
    assert stylize(capsys, negative_model, source, tmp_path / "out.mkv")[0] == 0
    assert probe(tmp_path / "out.mkv").packets["subtitle"] == [b"hello"]


def test_pyav_is_named_where_it_is_missing(
    capsys, monkeypatch, negative_model: Path, clip: Path, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    code, _, err = stylize(capsys, negative_model, clip, tmp_path / "out.mp4")
    assert code == 2
    assert 'pip install "fastnst[video]"' in err


def test_neither_torch_nor_pyav_nor_opencv_is_imported_early() -> None:
    modules = (
        "fastnst.commands.stylize, fastnst.commands.camera, fastnst.commands.matte, fastnst.runtime.video.convert,"
        " fastnst.runtime.video.stages, fastnst.runtime.camera.session"
    )
    script = f"import sys, {modules}; print(sorted({{'torch', 'av', 'cv2', 'onnxruntime'}} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_gif_in_and_out(capsys, negative_model: Path, clip: Path, tmp_path: Path) -> None:
    assert stylize(capsys, negative_model, clip, tmp_path / "a.gif")[0] == 0
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.n_frames, gif.size, gif.info["loop"]) == (24, (96, 64), 0)
        gif.seek(5)
        assert np.abs(np.asarray(gif.convert("RGB"), int) - (255 - pictures(clip)[5])).mean() < 8
    assert stylize(capsys, negative_model, tmp_path / "a.gif", tmp_path / "b.gif")[0] == 0
    assert probe(tmp_path / "b.gif").times == probe(tmp_path / "a.gif").times
    assert stylize(capsys, negative_model, tmp_path / "a.gif", tmp_path / "out.mp4")[0] == 0
    assert probe(tmp_path / "out.mp4").times == probe(tmp_path / "a.gif").times


BAD = {
    "missing": (["{tmp}/missing.mp4"], "does not exist"),
    "text": (["{tmp}/text.mp4"], "is not a clip"),
    "empty": (["{tmp}/empty.mp4"], "is empty (0 bytes)"),
    "header only": (["{tmp}/header.mp4"], "is not a clip, or it is damaged"),
    "sound only": (["{tmp}/sound.m4a"], "has no moving pictures: it holds audio only"),
    "same file": (["{clip}", "-o", "{clip}", "--overwrite"], "is both input and output"),
    "exists": (["{clip}", "-o", "{tmp}/text.mp4"], "exists already: pass --overwrite"),
    "unknown suffix": (["{clip}", "-o", "{tmp}/out.xyz"], "has no suffix that a clip can be written in"),
    "picture": (["{clip}", "-o", "{tmp}/out.png"], "is a picture: name a clip"),
    "photo to clip": (["{tmp}/photo.jpg"], "is a photo"),
    "no folder": (["{clip}", "-o", "{tmp}/text.mp4/out.mp4"], "cannot be written"),
    "empty folder": (["{tmp}/nothing"], "no pictures found"),
    "two clips": (["{clip}", "{clip}"], "one at a time"),
    "codec": (["{clip}", "--codec", "h265"], "unknown codec 'h265'. Did you mean"),
    "crf": (["{clip}", "--crf", "99"], "crf must be between 0 and 51 for h264, not 99"),
    "encoder": (["{clip}", "--encoder", "gpu"], "unknown encoder 'gpu'"),
    "webm": (["{clip}", "-o", "{tmp}/out.webm"], ".webm cannot hold h264"),
    "start": (["{clip}", "--start", "soon"], "start must be a time such as"),
    "late start": (["{clip}", "--start", "9"], "leaves nothing of it"),
    "end": (["{clip}", "--start", "2", "--end", "1"], "must be later than start"),
    "fps": (["{clip}", "--fps", "12"], "is for a folder of frames"),
    "batch": (["{clip}", "--batch", "0"], "batch must be between"),
    "strength": (["{clip}", "--strength", "7"], "between 0 and 1"),
    "style": (["{clip}", "--style", "stary_night"], "unknown style"),
    "clip option": (["{tmp}/photo.jpg", "-o", "{tmp}/o.png", "--crf", "3"], "--crf is for clips"),
    "tiny": (["{tmp}/tiny.mp4"], "too small"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence(
    capsys, negative_model: Path, clip: Path, photo_file: Path, tmp_path: Path, case
) -> None:
    (tmp_path / "text.mp4").write_text("no clip " * 50)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "nothing").mkdir()
    (tmp_path / "header.mp4").write_bytes(clip.read_bytes()[:200])
    if case == "sound only":
        with av.open(str(clip)) as source, av.open(str(tmp_path / "sound.m4a"), "w", format="mp4") as sound:
            copy = sound.add_stream_from_template(source.streams.audio[0])
            for packet in source.demux(audio=0):
                if packet.dts is not None:
                    packet.stream = copy
                    sound.mux(packet)
    if case == "tiny":
        make_clip(tmp_path / "tiny.mp4", size=(12, 12), frames=2, sound=None)
    given = [argument.format(tmp=tmp_path, clip=clip) for argument in BAD[case][0]]
    if "--style" not in given:
        given += ["--style", str(negative_model)]
    if "-o" not in given:
        given += ["-o", str(tmp_path / "out.mp4")]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    code = cli.main(["stylize", *given, "--provider", "cpu"])
    err = capsys.readouterr().err
    assert code == 2
    assert BAD[case][1] in err
    assert len(err.strip().splitlines()) == 1
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind here")
def test_a_read_only_folder_is_reported_at_once(capsys, negative_model: Path, clip: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    code, _, err = stylize(capsys, negative_model, clip, locked / "out.mp4")
    assert code == 2
    assert "cannot be written (Permission denied)" in err


def test_damage_in_the_middle_is_survived_and_told(capsys, negative_model: Path, tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mkv", frames=90, sound=None)
    content = bytearray(source.read_bytes())
    source.write_bytes(content[: len(content) * 2 // 3])
    code, _, err = stylize(capsys, negative_model, source, tmp_path / "cut.mp4")
    assert code == 0
    assert "cut short" in err
    assert 20 < len(probe(tmp_path / "cut.mp4").times["video"]) < 90


def test_strength_and_batches_change_nothing_else(capsys, negative_model: Path, clip: Path, tmp_path: Path) -> None:
    assert stylize(capsys, negative_model, clip, tmp_path / "a.mp4", "--strength", 0.5, "--crf", 5)[0] == 0
    assert np.abs(pictures(tmp_path / "a.mp4") - 127).mean() < 2  # half of a picture and half of its negative
    assert stylize(capsys, negative_model, clip, tmp_path / "b.mp4", "--batch", 5, "--crf", 5)[0] == 0
    assert stylize(capsys, negative_model, clip, tmp_path / "c.mp4", "--crf", 5)[0] == 0
    assert probe(tmp_path / "b.mp4").times == probe(tmp_path / "c.mp4").times
    assert np.abs(pictures(tmp_path / "b.mp4") - pictures(tmp_path / "c.mp4")).mean() < 1


def test_smoothing_calms_noise_and_leaves_motion_alone() -> None:
    random = np.random.default_rng(0)
    smoother, plain, calm = Smoother(), [], []
    still = np.full((64, 96, 3), 90, np.uint8)
    for index in range(40):
        photo = still.copy()
        photo[24:40, 2 * index : 2 * index + 16] = 250  # moves
        stylized = np.clip(photo + random.normal(0, 12, photo.shape), 0, 255).astype(np.uint8)
        shown = smoother(photo, stylized)
        assert np.array_equal(shown[24:40, 2 * index : 2 * index + 16], stylized[24:40, 2 * index : 2 * index + 16])
        plain.append(stylized[:8].astype(int))
        calm.append(shown[:8].astype(int))
    flicker = [np.abs(np.diff(np.stack(frames[10:]), axis=0)).mean() for frames in (plain, calm)]
    assert flicker[1] < 0.3 * flicker[0]
    assert abs(np.stack(calm[10:]).mean() - 90) < 2
    cut = np.full((64, 96, 3), 10, np.uint8)
    assert np.array_equal(smoother(cut, cut), cut)
