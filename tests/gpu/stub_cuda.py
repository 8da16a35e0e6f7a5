"""Stub CUDA libraries, compiled here: enough for the real onnxruntime-gpu to open sessions on a GPU that is not there.

What runs where, copies, graphs and errors are then the real thing; pictures and times mean nothing. The names that the
libraries must have are read from onnxruntime's own CUDA provider. Needed: gcc, nm, and `driver_types.h`, which the
package nvidia-cuda-runtime brings.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

RUNTIME = Path(__file__).with_name("stub_runtime.c")
# Words that NVIDIA's headers put before declarations; this one file stands for the compiler's own.
_HOST_DEFINES = """
#define __device_builtin__
#define __cudart_builtin__
#define __device_builtin_texture_type__
#define __device_builtin_surface_type__
#define CUDARTAPI
#define __host__
#define __device__
#define __align__(n) __attribute__((aligned(n)))
#define __builtin_align__(n) __align__(n)
#define CUDA_DEPRECATED_ATTR
#define CUDART_DEVICE
"""
_NVML = """
#include <string.h>
int nvmlInit_v2(void){return 0;} int nvmlShutdown(void){return 0;}
int nvmlDeviceGetCount_v2(unsigned*n){*n=2;return 0;}
int nvmlDeviceGetHandleByIndex_v2(unsigned i,void**h){*h=(void*)1;return 0;}
int nvmlDeviceGetName(void*h,char*t,unsigned n){strncpy(t,"Stub H100",n);return 0;}
int nvmlSystemGetDriverVersion(char*t,unsigned n){strncpy(t,"999.1",n);return 0;}
"""
# cuDNN's graph interface: descriptors are empty, and every question about one has one answer, which is zero.
_CUDNN = """
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
int cudnnBackendCreateDescriptor(int kind, void **descriptor) { *descriptor = calloc(1, 64); return 0; }
int cudnnBackendGetAttribute(void *d, int name, int type, int64_t wanted, int64_t *count, void *values) {
  if (count) *count = 1;
  if (values && wanted > 0 && type != 15) memset(values, 0, type == 3 ? 8 : 4);  // 15: a descriptor, 3: 64 bits
  return 0;
}
"""
_HANDLES = ("cublasCreate_v2", "cublasLtCreate", "cudnnCreate")
# Whose symbols carry the library's name.
_VERSIONED = ("libcudart.so", "libcublas.so", "libcublasLt.so", "libcudnn.so", "libcufft.so.11")


class StubCuda:
    """The loaded stubs: how often something was called, and calls that fail."""

    def __init__(self, runtime: ctypes.CDLL) -> None:
        self._runtime = runtime
        runtime.stub_count.restype = ctypes.c_long

    def count(self, name: str) -> int:
        """Number of calls of `up`, `down`, `capture`, `replay`, …; see stub_runtime.c."""
        return int(self._runtime.stub_count(name.encode()))

    def fail(self, name: str, after: int = 0) -> None:
        """Let `name` fail after so many calls that still work; never with -1."""
        self._runtime.stub_fail(name.encode(), ctypes.c_long(after))


def missing() -> str | None:
    """Reason why the stubs cannot be built here; None if they can."""
    for tool in ("gcc", "nm"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    try:
        from onnxruntime.capi import build_and_package_info
    except ImportError:
        return "no onnxruntime is installed"
    if build_and_package_info.package_name != "onnxruntime-gpu":
        return "onnxruntime-gpu is not installed (make test-gpu installs it)"
    return None if _header_folder() else "driver_types.h is not installed (pip install nvidia-cuda-runtime)"


def build(folder: Path) -> StubCuda:
    """Compile the stubs into `folder` and load them before onnxruntime looks for the real ones."""
    import onnxruntime

    major = str(onnxruntime.cuda_version).partition(".")[0]
    provider = Path(onnxruntime.__file__).parent / "capi" / "libonnxruntime_providers_cuda.so"
    wanted = _wanted(provider)
    libraries = {
        f"libcudart.so.{major}": [name for name in wanted if name.startswith(("cuda", "__cuda"))],
        f"libcublas.so.{major}": [name for name in wanted if re.match("cublas(?!Lt)", name)],
        f"libcublasLt.so.{major}": [name for name in wanted if name.startswith("cublasLt")],
        "libcurand.so.10": [name for name in wanted if name.startswith("curand")],
        "libcuda.so.1": [name for name in wanted if re.match("cu(?!da|blas|rand|fft|dnn)", name)],
        # cuDNN's functions are looked up by name while it runs.
        "libcudnn.so.9": sorted(set(re.findall(r"cudnn[A-Z]\w+", provider.read_bytes().decode("latin-1")))),
        f"libcufft.so.{12 if major == '13' else 11}": [name for name in wanted if name.startswith("cufft")],
    }
    (folder / "crt").mkdir(parents=True)
    (folder / "crt" / "host_defines.h").write_text(_HOST_DEFINES)
    loaded = {}
    for library, names in libraries.items():
        written = "#include <stdlib.h>\n"
        if library.startswith("libcudart"):
            written = RUNTIME.read_text().replace("MAJOR", major)
        elif library.startswith("libcudnn"):
            written = _CUDNN
        source = written + "".join(_function(name, major) for name in names if not re.search(rf"\b{name}\(", written))
        loaded[library] = _compile(folder, library, source)
    _compile(folder, "libnvidia-ml.so.1", _NVML)
    return StubCuda(loaded[f"libcudart.so.{major}"])


def _wanted(provider: Path) -> list[str]:
    listed = subprocess.run(["nm", "-D", "--undefined-only", provider], capture_output=True, text=True, check=True)
    names = [line.split()[-1].partition("@")[0] for line in listed.stdout.splitlines()]
    return list(dict.fromkeys(name for name in names if re.match("(__)?cu", name)))


def _function(name: str, major: str) -> str:
    if name in _HANDLES:
        return f"int {name}(void **handle) {{ *handle = malloc(8); return 0; }}\n"
    if name == "cudnnGetVersion":
        return f"size_t {name}(void) {{ return 92400; }}\n"
    if name == "cudnnGetCudartVersion":
        return f"size_t {name}(void) {{ return {major}000; }}\n"
    if name.endswith(("String", "StatusName")):
        return f'const char *{name}(int error) {{ return "a stub"; }}\n'
    return f"long {name}(void) {{ return 0; }}\n"


def _compile(folder: Path, library: str, source: str) -> ctypes.CDLL:
    code, path = folder / f"{library}.c", folder / library
    code.write_text(source)
    command = ["gcc", "-shared", "-fPIC", "-w", "-O1", f"-I{folder}", f"-I{_header_folder()}"]
    if library.startswith(_VERSIONED):
        versions = folder / f"{library}.map"
        versions.write_text(f"{library} {{ global: *; }};")
        command.append(f"-Wl,--version-script={versions}")
    subprocess.run([*command, f"-Wl,-soname,{library}", "-o", path, code], check=True)
    return ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)  # whoever asks for this name later gets this one


def _header_folder() -> Path | None:
    packages = Path(sysconfig.get_paths()["purelib"])
    roots = {packages, *(Path(entry) for entry in sys.path if entry.endswith("site-packages"))}
    found = [header.parent for root in roots for header in root.glob("nvidia/*/include/driver_types.h")]
    return found[0] if found else None
