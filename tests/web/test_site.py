"""What the page consists of: half-precision copies, thumbnails, an export."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst.cli import main
from fastnst.errors import ConfigError
from fastnst.runtime.models.catalog import available_styles
from fastnst.web.site import build_site
from tests.style_models import write_style


def test_thumbnails_show_the_painting() -> None:
    site = build_site()
    with Image.open(io.BytesIO(site["styles/the_scream.jpg"].read())) as thumbnail:
        assert thumbnail.size == (192, 192)
        corners = np.asarray(thumbnail)[[3, 3, -4, -4], [3, -4, 3, -4]]
    assert (corners.min(-1) < 235).all()  # no white of the strip around it


def test_own_styles_and_light_ones(tmp_path: Path) -> None:
    for name in ("mine", "mine-s", "alone-s"):
        write_style(tmp_path / f"{name}.onnx", title=name)
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    site = build_site(tmp_path)
    styles = {style["name"]: style for style in json.loads(site["styles.json"].read())["styles"]}
    assert sorted(styles) == ["alone-s", "mine"]
    assert styles["mine"]["light"]["file"] == "styles/mine-s.onnx"
    assert "light" not in styles["alone-s"]
    assert "thumbnail" not in styles["mine"]


def test_odd_names_and_strips(tmp_path: Path) -> None:
    for name in ("a#b", "a\nb"):
        write_style(tmp_path / f"{name}.onnx", title=name)
    strip = Image.new("RGB", (1012, 372), "white")
    strip.putpixel((500, 100), (0, 0, 0))
    strip.save(tmp_path / "a#b.jpg", quality=100)
    site = build_site(tmp_path)
    (style,) = json.loads(site["styles.json"].read())["styles"]
    assert (style["file"], style["thumbnail"]) == ("styles/a%23b.onnx", "styles/a%23b.jpg")
    assert {"styles/a#b.onnx", "styles/a#b.jpg"} <= set(site)


def test_a_full_disk_leaves_no_half_of_a_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "styles").mkdir()
    write_style(tmp_path / "styles" / "mine.onnx", title="mine")
    written = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.suffix == ".onnx":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return written(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(["web", "--export", str(tmp_path / "site"), "--styles", str(tmp_path / "styles")]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["styles"]


def test_no_style_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no style in"):
        build_site(tmp_path)
    with pytest.raises(ConfigError, match="is not a folder"):
        build_site(tmp_path / "nowhere")


def test_export_writes_what_the_server_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    styles = tmp_path / "styles"
    styles.mkdir()
    shutil.copy(available_styles()["great_wave"], styles)
    out = tmp_path / "site"
    assert main(["web", "--export", str(out), "--styles", str(styles)]) == 0
    assert "files" in capsys.readouterr().out
    site = build_site(styles)
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == set(site)
    assert (out / "styles/great_wave.onnx").read_bytes() == site["styles/great_wave.onnx"].read()
    text = (out / "index.html").read_text(encoding="utf-8")
    assert 'src="/' not in text
    assert 'href="/' not in text
    assert "__VERSION__" not in (out / "sw.js").read_text(encoding="utf-8")
    assert main(["web", "--export", str(out), "--styles", str(styles)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert main(["web", "--export", str(out), "--styles", str(styles), "--overwrite"]) == 0


def test_vendored_files_are_the_pinned_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import runpy

    script = Path(__file__).resolve().parents[2] / "scripts" / "vendor_ort.py"
    vendor = runpy.run_path(str(script))["main"]
    assert vendor(["--check"]) == 0
    assert "1.30.0" in capsys.readouterr().out
    foreign = tmp_path / "foreign.tgz"
    foreign.write_bytes(b"no archive")
    assert vendor(["--archive", str(foreign)]) == 2
    assert "npm pack" in capsys.readouterr().err


def test_vendoring_says_where_else_the_package_can_be_had(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import runpy

    script = Path(__file__).resolve().parents[2] / "scripts" / "vendor_ort.py"
    monkeypatch.setenv("FASTNST_MIRROR", str(tmp_path))
    assert runpy.run_path(str(script))["main"]([]) == 2
    assert "cannot be downloaded" in (told := capsys.readouterr().err)
    assert "npm pack onnxruntime-web" in told
