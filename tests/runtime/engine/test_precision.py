"""Reduced precision on GPUs: what is measured, refused, kept, and for which card."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from fastnst.runtime import StyleModel, available_styles
from fastnst.runtime.engine.cuda import attempts
from tests.runtime.engine.fake_ort import FakeOrt, train_anew


def test_a_verdict_belongs_to_a_card_and_its_driver(ort: FakeOrt, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastnst.runtime.engine.cuda.gpu_name", lambda: "one card, driver 1")
    assert StyleModel(model, "tensorrt").precision == "f16"
    ort.errors = lambda session: 9 if session.options.get("trt_fp16_enable") else 0
    assert StyleModel(model, "tensorrt").precision == "f16"  # as judged before
    monkeypatch.setattr("fastnst.runtime.engine.cuda.gpu_name", lambda: "one card, driver 2")
    assert StyleModel(model, "tensorrt").precision == "tf32"


def test_precision_below_40_db_is_refused(ort: FakeOrt, model: Path, caplog: pytest.LogCaptureFixture) -> None:
    ort.errors = lambda session: 9 if session.options.get("trt_fp16_enable") else 0
    with caplog.at_level(logging.WARNING):
        assert StyleModel(model, "tensorrt").precision == "tf32"
    assert [record.message for record in caplog.records] == [
        "f16 is not precise enough for negative.onnx on tensorrt: another one is used."
    ]
    train_anew(model, 1)  # verdicts are kept by the file
    ort.errors = lambda session: 9 if session.options and "use_tf32" not in session.options else 0
    assert StyleModel(model, "cuda").precision == "f32"
    train_anew(model, 2)
    ort.errors = lambda session: 1 if session.options else 0
    assert StyleModel(model, "tensorrt").precision == "f16"


def test_a_half_copy_beside_the_model_is_taken_if_it_is_precise(ort: FakeOrt, model: Path) -> None:
    half = model.with_suffix(".fp16.onnx")
    half.write_bytes(b"half of it")
    assert [way.precision for way in attempts(model, "cuda")] == ["f16", "tf32", "f32"]
    assert StyleModel(model, "cuda").precision == "f16"
    assert ort.opened[-1].path == half
    half.write_bytes(b"a bad half")
    ort.errors = lambda session: 20 if session.path == half else 0
    assert StyleModel(model, "cuda").precision == "tf32"
    assert ort.opened[-1].path == model


def test_a_half_copy_is_judged_against_the_model_that_it_lies_beside(ort: FakeOrt, model: Path) -> None:
    half = model.with_suffix(".fp16.onnx")
    half.write_bytes(b"half of it")
    assert StyleModel(model, "cuda").precision == "f16"
    train_anew(model, 3)
    ort.errors = lambda session: 20 if session.path == half else 0
    assert StyleModel(model, "cuda").precision == "tf32"


def test_a_damaged_half_copy_is_left_out_with_one_line(
    ort: FakeOrt, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    half = model.with_suffix(".fp16.onnx")
    half.write_bytes(b"half of")
    ort.broken = lambda session: "cut short" if session.path == half else None
    with caplog.at_level(logging.WARNING):
        assert StyleModel(model, "cuda").precision == "tf32"
    assert [record.message for record in caplog.records] == ["negative.fp16.onnx is not used: cut short."]


def test_half_copies_are_no_styles(negative_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one.onnx", "one.fp16.onnx"):
        (tmp_path / name).write_bytes(negative_model.read_bytes())
    monkeypatch.setenv("FASTNST_STYLES", str(tmp_path))
    assert "one" in available_styles()
    assert "one.fp16" not in available_styles()


def test_engines_are_cached_by_precision(ort: FakeOrt, model: Path, tmp_path: Path) -> None:
    folders = [dict(way.providers)["tensorrt"]["trt_engine_cache_path"] for way in attempts(model, "tensorrt")]
    assert len(set(folders)) == 3
    assert all(Path(folder).is_dir() for folder in folders)
    train_anew(model, 3)
    assert folders[0] != dict(attempts(model, "tensorrt")[0].providers)["tensorrt"]["trt_engine_cache_path"]


def test_auto_goes_on_where_the_cache_cannot_be_written(
    ort: FakeOrt, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("fastnst.runtime.engine.cuda.cache_path", lambda: tmp_path / "file" / "cache")
    assert StyleModel(model).provider == "cuda"
