"""The stand-in for onnxruntime in its place, and a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastnst.runtime.engine import cuda, providers
from fastnst.runtime.engine.session import warn_once
from tests.runtime.engine.fake_ort import FakeOrt, train_anew


@pytest.fixture
def ort(monkeypatch: pytest.MonkeyPatch) -> FakeOrt:
    fake = FakeOrt()
    monkeypatch.setattr(providers, "import_onnxruntime", lambda: fake)
    monkeypatch.setattr(providers, "_plausible", lambda _: ["tensorrt", "cuda"])
    monkeypatch.setattr(cuda, "page_locked_memory", lambda _: None)  # torch may have brought the real library
    warn_once.cache_clear()
    return fake


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return train_anew(tmp_path / "negative.onnx", 0)
