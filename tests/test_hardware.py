"""The machine of a training, as a model file has it."""

from __future__ import annotations

import torch

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
