"""This machine: its fastest precision, its memory, how it is called."""

from __future__ import annotations

import ctypes
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from fastnst.runtime.engine.machine import cpu_name

# glibc's mallopt parameters (malloc.h).
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_MAX = -4
_CONTAINER = Path("/sys/fs/cgroup")


def default_device() -> torch.device:
    """CUDA if a GPU is there, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def bf16_is_fast(device: torch.device) -> bool:
    """True if bfloat16 convolutions beat float32 on this device: GPUs from Ampere on, CPUs with AMX or AVX-512 BF16."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    return any(
        getattr(torch.cpu, probe, lambda: False)() for probe in ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    )


@contextmanager
def float32_products(*, tf32: bool) -> Iterator[None]:
    """How float32 convolutions and matrix products are computed on CUDA while the block runs.

    PyTorch rounds the factors of cuDNN's float32 convolutions to 11 bits by default (TF32), which is several times
    faster on GPUs from Ampere on, and those of matrix products not. Here both are exact, or, with `tf32`, both rounded.
    No effect on other devices.
    """
    # By the older of PyTorch's two ways of asking: other libraries use it, and refuse a mix of both.
    backends = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [backend.allow_tf32 for backend in backends]
    _allow_tf32(backends, [tf32] * len(backends))
    try:
        yield
    finally:
        _allow_tf32(backends, before)


def _allow_tf32(backends: Sequence[Any], allowed: Sequence[bool]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some versions of PyTorch advise the newer way
        for backend, value in zip(backends, allowed, strict=True):
            backend.allow_tf32 = value


def describe_hardware(device: torch.device, processes: int = 1) -> str:
    """The device of a training, for the model file: `GPU, NVIDIA H100` or `CPU, Intel Xeon, 2 threads`.

    With several processes, their number in front of the name.
    """
    times = f"{processes} × " if processes > 1 else ""
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"CPU, {times}{cpu_name()}, {threads} thread{'s' if threads > 1 else ''}"
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()
    return f"GPU, {times}{name}"


def available_bytes(device: torch.device) -> int | None:
    """Free memory of the device in bytes, or None where the system does not report it.

    For a GPU its own; for anything else the main memory, within what the container may use.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    amounts = [amount for amount in (_free_main_memory(), _left_to_container(_CONTAINER)) if amount is not None]
    return min(amounts, default=None)


def _free_main_memory() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _left_to_container(folder: Path) -> int | None:
    """What a container's limit leaves, files that are only cached not counted; None without a limit (cgroup v2)."""
    try:
        limit, used = (int((folder / name).read_text()) for name in ("memory.max", "memory.current"))
        lines = (folder / "memory.stat").read_text().splitlines()
        cached = sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
    except (OSError, ValueError):  # no cgroup v2, or no limit ("max")
        return None
    return max(0, limit - used + cached)


def keep_freed_memory() -> None:
    """Let glibc keep freed tensors for the next step instead of returning their pages to the system.

    By default every feature map is mapped afresh and its pages are faulted in and zeroed again at each step. Measured
    on two cores, this is a third of a training step. No effect on other systems than Linux with glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(_M_TOP_PAD, 64 << 20)
    except (OSError, AttributeError):
        return  # musl has no such knobs, and everything works without
