"""Page-locked memory, which a graphics card reads and writes by itself, twice as fast as through the driver's copies.

Arrays made here look like others. Their memory is kept and used again when nobody holds them any more.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections import defaultdict
from types import ModuleType
from typing import Any

import numpy as np

from fastnst.array_types import UInt8Image

_PORTABLE = 1  # cudaHostAllocPortable: for all CUDA contexts of the process
_DEVICE_TO_HOST = 2  # cudaMemcpyDeviceToHost
_MAX_SPARE_BUFFERS = 4  # of one size


class PageLockedMemory:
    """Hands out page-locked arrays.

    Args:
        runtime: CUDA's runtime library.
    """

    def __init__(self, runtime: ctypes.CDLL) -> None:
        self._runtime = runtime
        self._spare: dict[int, list[int]] = defaultdict(list)
        self._lock = threading.Lock()

    def array(self, shape: tuple[int, ...]) -> UInt8Image:
        """An uninitialized uint8 array; ordinary memory if the system grants no more of the locked kind."""
        size = int(np.prod(shape))
        with self._lock:
            address = self._spare[size].pop() if self._spare[size] else self._allocate(size)
        if not address:
            return np.empty(shape, np.uint8)
        return np.asarray(_Lease(self, address, shape))

    def fetched(self, address: int, shape: tuple[int, ...]) -> UInt8Image:
        """Bytes of the device at this address, as an array. Raises `RuntimeError` if the device fails."""
        found = self.array(shape)
        target, source = ctypes.c_void_p(found.ctypes.data), ctypes.c_void_p(address)
        failed = self._runtime.cudaMemcpy(target, source, ctypes.c_size_t(found.nbytes), _DEVICE_TO_HOST)
        if failed:
            raise RuntimeError(f"CUDA failure {failed} when a result was copied to the host")
        return found

    def give_back(self, address: int, size: int) -> None:
        """Keep memory for the next array of its size, or free it."""
        with self._lock:
            if len(self._spare[size]) < _MAX_SPARE_BUFFERS:
                self._spare[size].append(address)
                return
        self._runtime.cudaFreeHost(ctypes.c_void_p(address))

    def _allocate(self, size: int) -> int:
        pointer = ctypes.c_void_p()
        failed = self._runtime.cudaHostAlloc(ctypes.byref(pointer), ctypes.c_size_t(size), ctypes.c_uint(_PORTABLE))
        return 0 if failed else pointer.value or 0


class _Lease:
    """Memory while an array lies in it; numpy holds this object as long as any view of the array lives."""

    def __init__(self, memory: PageLockedMemory, address: int, shape: tuple[int, ...]) -> None:
        self._memory, self._address, self._size = memory, address, int(np.prod(shape))
        self.__array_interface__: dict[str, Any] = {
            "data": (address, False), "shape": shape, "typestr": "|u1", "version": 3,
        }  # fmt: skip

    def __del__(self) -> None:
        self._memory.give_back(self._address, self._size)


def page_locked_memory(ort: ModuleType) -> PageLockedMemory | None:
    """That of the CUDA runtime which onnxruntime uses; None where it is not found."""
    version = cuda_major(ort)
    name = f"cudart64_{version}.dll" if sys.platform == "win32" else f"libcudart.so.{version}"
    try:
        runtime = ctypes.CDLL(name)  # found by its name, since onnxruntime has loaded it
        return PageLockedMemory(runtime) if hasattr(runtime, "cudaHostAlloc") else None
    except OSError:
        return None


def cuda_major(ort: ModuleType) -> str:
    """The CUDA version that the installed onnxruntime was built for: `12`, `13`, …"""
    return str(getattr(ort, "cuda_version", None) or "13").partition(".")[0]
