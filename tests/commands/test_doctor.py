"""Report on one screen of what the machine can do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import fastnst
from fastnst import cli
from fastnst.commands import doctor


def test_engines_are_tried_and_what_is_missing_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, negative_model: Path
) -> None:
    monkeypatch.setattr(doctor, "available_styles", lambda: {"negative": negative_model})
    assert cli.main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    engines = {engine["name"]: engine for engine in found["engines"]}
    assert list(engines) == ["cpu", "cuda", "tensorrt", "openvino"]
    assert engines["cpu"]["precision"] == "f32"
    assert engines["cpu"]["milliseconds"] > 0
    assert engines["cuda"]["reason"].startswith("cannot be used") or engines["cuda"]["psnr"] >= 40
    assert found["default_engine"] in engines
    assert found["fastnst"] == fastnst.__version__
    assert {"train", "video"} <= {extra["name"] for extra in found["extras"] if extra["version"]}
    assert found["problems"] == []


def test_one_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    found = doctor.Checkup(
        fastnst="1.0",
        python="3.11, python",
        system="Linux",
        cpu="A CPU",
        cores=2,
        gpus=[],
        engines=[doctor.EngineCheck("cpu", "1.31", "f32", 10.4), doctor.EngineCheck("cuda", reason="no GPU.")],
        default_engine="cpu",
        extras=[doctor.Extra("heic", "photos", "", 'pip install "fastnst[heic]"')],
        styles=10,
        recipes=3,
        folders={"cache": "/c"},
        problems=[],
    )
    text = doctor.report(found)
    assert " → cpu       1.31       f32, 10 ms\n" in text
    assert "   cuda      -          no GPU.\n" in text
    assert 'photos: pip install "fastnst[heic]"' in text
    assert "All is well." in text
    assert len(text.splitlines()) <= 40
    assert "Problem: the disk is gone." in doctor.report(replace(found, problems=["the disk is gone"]))


def test_nothing_to_restyle_with_is_a_problem(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "available_styles", dict)
    assert cli.main(["doctor"]) == 1
    assert "Problem: nothing can be restyled: no style is installed." in capsys.readouterr().out
