"""The real onnxruntime-gpu on stub CUDA libraries; skipped, with the reason, where they cannot be had."""

from __future__ import annotations

import pytest

from tests.gpu import stub_cuda


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = stub_cuda.missing()
    for item in items:
        if reason and "tests/gpu/" in item.nodeid:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> stub_cuda.StubCuda:
    """The stub libraries, compiled and loaded once."""
    return stub_cuda.build(tmp_path_factory.mktemp("cuda") / "stubs")


@pytest.fixture
def cuda(stubs: stub_cuda.StubCuda, monkeypatch: pytest.MonkeyPatch) -> stub_cuda.StubCuda:
    """The stubs with nothing failing; onnxruntime does not look for the real libraries."""
    import onnxruntime

    from fastnst.runtime.engine.machine import gpu_name
    from fastnst.runtime.engine.session import warn_once

    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    warn_once.cache_clear()
    gpu_name.cache_clear()
    for call in ("device", "malloc", "up", "down", "capture", "captured", "replay", "synchronize", "lock"):
        stubs.fail(call, -1)
    return stubs
