"""The machine of a training, as a model file has it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fastnst import hardware
from fastnst.hardware import describe_hardware


def test_a_cpu_has_a_name_and_threads() -> None:
    kind, *name, threads = describe_hardware(torch.device("cpu")).split(", ")
    assert kind == "CPU"
    assert ", ".join(name).strip()
    assert "(R)" not in ", ".join(name)
    assert int(threads.split()[0]) == torch.get_num_threads()
    assert describe_hardware(torch.device("cpu"), 2).startswith("CPU, 2 × ")


def test_another_accelerator_is_a_gpu() -> None:
    assert describe_hardware(torch.device("mps")) == "GPU, MPS"


def test_a_containers_limit_bounds_the_free_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As cgroup v2 tells it; what only caches files can be had."""
    device = torch.device("cpu")
    monkeypatch.setattr(hardware, "_CONTAINER", tmp_path / "none")
    unlimited = hardware.available_bytes(device)
    assert unlimited is None or unlimited > 10_000
    (tmp_path / "memory.max").write_text("9000\n")
    (tmp_path / "memory.current").write_text("7000\n")
    (tmp_path / "memory.stat").write_text("anon 5000\ninactive_file 1500\nactive_file 500\n")
    monkeypatch.setattr(hardware, "_CONTAINER", tmp_path)
    assert hardware.available_bytes(device) == 3500
    (tmp_path / "memory.max").write_text("max\n")
    assert (hardware.available_bytes(device) is None) == (unlimited is None)
    assert hardware.available_bytes(device) != 3500
