"""Names of processor and graphics card, for which a verdict on precision or a training's description holds."""

from __future__ import annotations

import ctypes
import functools
import platform
import sys
from pathlib import Path

_NVML_SUCCESS = 0
_TEXT_LENGTH = 96


@functools.cache
def cpu_name() -> str:
    """The processor's name as far as the system reports it, without trademarks."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2]
                break
    except OSError:
        pass  # no Linux
    for mark in ("(R)", "(TM)", "(r)", "(tm)"):
        name = name.replace(mark, "")
    return " ".join(name.split())


@functools.cache
def gpu_name() -> str:
    """The NVIDIA cards and their driver, as `NVIDIA H100 80GB HBM3, driver 580.65.06`; `unknown` without a driver.

    Asked of NVML, the library beside the driver, as nvidia-smi does.
    """
    try:
        nvml = ctypes.CDLL("nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1")
        if nvml.nvmlInit_v2() != _NVML_SUCCESS:
            return "unknown"
        try:
            return f"{', '.join(_card_names(nvml))}, driver {_driver(nvml)}"
        finally:
            nvml.nvmlShutdown()
    except (OSError, AttributeError):  # no driver, or one from before these calls
        return "unknown"


def _card_names(nvml: ctypes.CDLL) -> list[str]:
    """One name for each model of card, since the order is not that of CUDA."""
    count, card, text = ctypes.c_uint(), ctypes.c_void_p(), ctypes.create_string_buffer(_TEXT_LENGTH)
    nvml.nvmlDeviceGetCount_v2(ctypes.byref(count))
    names = set()
    for index in range(count.value):
        if nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(card)) == _NVML_SUCCESS:
            nvml.nvmlDeviceGetName(card, text, ctypes.c_uint(_TEXT_LENGTH))
            names.add(text.value.decode(errors="replace"))
    return sorted(names)


def _driver(nvml: ctypes.CDLL) -> str:
    text = ctypes.create_string_buffer(_TEXT_LENGTH)
    nvml.nvmlSystemGetDriverVersion(text, ctypes.c_uint(_TEXT_LENGTH))
    return text.value.decode(errors="replace")
