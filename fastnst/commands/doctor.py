"""`fastnst doctor`: what this machine can do, why something is not used, and what to install for more."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import logging
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import fastnst
from fastnst.array_types import UInt8Image
from fastnst.cache import cache_path, config_path, data_path
from fastnst.commands.options.parser import Parser
from fastnst.errors import FastNSTError
from fastnst.images.decode import open_image
from fastnst.recipes import available_recipes
from fastnst.runtime.engine.machine import cpu_name
from fastnst.runtime.engine.precision import MIN_PSNR
from fastnst.runtime.engine.providers import PROVIDERS, usable_cores
from fastnst.runtime.models.catalog import available_styles
from fastnst.runtime.models.style_model import StyleModel
from fastnst.sample import sample_photo
from fastnst.standard_streams import print_result
from fastnst.user_config import config_file

_TIMED_SIZE = (640, 360)  # pixels that engines are timed at
_REPEATS = 5
_EQUAL_PSNR = 100.0  # dB: pictures that differ in nothing
# What each extra brings, by the package whose presence shows it.
_EXTRAS = {
    "heic": (("pillow-heif",), "photos of phones (HEIC)"),
    "raw": (("rawpy",), "photos as cameras store them (DNG, NEF, …)"),
    "tiff": (("tifffile",), "TIFFs of floats and of rare compressions"),
    "video": (("av",), "videos and GIFs"),
    "camera": (("opencv-python", "opencv-python-headless"), "the camera"),
    "virtualcam": (("pyvirtualcam",), "a virtual camera for calls"),
    "train": (("torch",), "training, optimizing, comparing, exporting"),
    "hub": (("huggingface-hub",), "putting styles on the hub"),
    "batch": (("pyarrow",), "a million pictures"),
    "ray": (("ray",), "a million pictures on a cluster"),
}
_ENGINE_PACKAGES = {
    "cpu": ("onnxruntime", "onnxruntime-gpu"),
    "openvino": ("openvino", "onnxruntime-ep-openvino"),
    "cuda": ("onnxruntime-gpu",),
    "tensorrt": ("tensorrt-cu13", "tensorrt-cu12", "tensorrt"),
}


@dataclass(frozen=True)
class EngineCheck:
    """One engine, tried.

    Attributes:
        name: as for --provider.
        version: of its package; empty if there is none.
        precision: what it computes in; empty if it does not work.
        milliseconds: for one picture of 640×360, the median.
        psnr: of its picture to the plain CPU's, dB, 100 where they are the same; None for the plain CPU.
        reason: why it is not used; empty if it works.
    """

    name: str
    version: str = ""
    precision: str = ""
    milliseconds: float | None = None
    psnr: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Extra:
    """One group of optional packages: what it is for, the version that is installed (or empty), and how to get it."""

    name: str
    brings: str
    version: str
    install: str


@dataclass(frozen=True)
class Checkup:
    """Everything that the command reports."""

    fastnst: str
    python: str
    system: str
    cpu: str
    cores: int
    gpus: list[str]
    engines: list[EngineCheck]
    default_engine: str
    extras: list[Extra]
    styles: int
    recipes: int
    folders: dict[str, str]
    problems: list[str]


def main(argv: list[str], prog: str = "fastnst doctor") -> int:
    """Run the command: 0, or 1 if restyling does not work here."""
    parser = Parser(prog=prog, description="Say what this machine can do, and what to install for more.")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    options: argparse.Namespace = parser.parse_args(argv)
    logging.getLogger("fastnst").setLevel(logging.ERROR)  # why an engine is left out stands in the table
    found = check_up()
    print_result(json.dumps(asdict(found), indent=2) if options.json else report(found))
    return 1 if found.problems else 0


def check_up() -> Checkup:
    """Look at everything, and try every engine on a picture."""
    styles = available_styles()
    engines, default_engine = check_engines(next(iter(styles.values()), None))
    problems = (
        []
        if default_engine
        else [f"nothing can be restyled: {engines[0].reason if engines else 'no style is installed'}"]
    )
    problems += [f"the folder {path} cannot be written to" for path in (cache_path(),) if not _is_writable(path)]
    config = config_file()
    return Checkup(
        fastnst=fastnst.__version__,
        python=f"{platform.python_version()}, {sys.executable}",
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        cpu=cpu_name(),
        cores=usable_cores(),
        gpus=nvidia_gpus(),
        engines=engines,
        default_engine=default_engine,
        extras=[_extra(name, *of) for name, of in _EXTRAS.items()],
        styles=len(styles),
        recipes=len(available_recipes()),
        folders={
            "downloads and verdicts": f"{cache_path()} ({_megabytes(cache_path())})",
            "installed styles": str(data_path()),
            "your defaults": f"{config or config_path()}{'' if config and os.path.exists(config) else ' (not there)'}",
        },
        problems=problems,
    )


def check_engines(style: Path | None) -> tuple[list[EngineCheck], str]:
    """Every engine tried with a style, and the one that `auto` takes; empty if none works."""
    if style is None:
        return [], ""
    photo = open_image(sample_photo()).resize(_TIMED_SIZE, Image.Resampling.LANCZOS)
    picture = np.asarray(photo)[None]
    checks: list[EngineCheck] = []
    exact: UInt8Image | None = None
    for name in PROVIDERS:
        if name != "auto":
            check, made = _check_engine(name, style, picture, exact)
            exact = made if name == "cpu" else exact
            checks.append(check)
    try:
        default_engine = StyleModel(style).provider
    except FastNSTError:
        default_engine = ""
    return checks, default_engine


def _check_engine(
    name: str, style: Path, picture: UInt8Image, exact: UInt8Image | None
) -> tuple[EngineCheck, UInt8Image | None]:
    version = _version(_ENGINE_PACKAGES[name])
    try:
        model = StyleModel(style, name)
        made = model(picture)
        times = []
        for _ in range(_REPEATS):
            started = time.perf_counter()
            model(picture)
            times.append(1e3 * (time.perf_counter() - started))
    except FastNSTError as error:
        return EngineCheck(name, version, reason=str(error).removeprefix(f"the provider '{name}' ")), None
    psnr = None if exact is None else _psnr(made, exact)
    reason = ""
    if made.std() < 1:
        reason = "its picture is one flat colour"
    elif psnr is not None and psnr < MIN_PSNR:
        reason = f"its picture is only {psnr:.0f} dB from the plain CPU's"
    return EngineCheck(name, version, model.precision, statistics.median(times), psnr, reason), made


def nvidia_gpus() -> list[str]:
    """Names and memory of the NVIDIA GPUs, as the driver's own tool reports them."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    asked = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def report(found: Checkup) -> str:
    """One screen."""
    lines = [
        f"fastnst {found.fastnst}   Python {found.python}",
        f"{found.system}   {found.cpu}, {found.cores} core{'s' if found.cores > 1 else ''}",
        f"GPUs: {'; '.join(found.gpus) or 'no NVIDIA GPU that its driver reports'}",
        "",
        f"Engines (one picture of {_TIMED_SIZE[0]}×{_TIMED_SIZE[1]}; picture checked against the plain CPU's)",
    ]
    for engine in found.engines:
        mark = "→" if engine.name == found.default_engine else " "
        text = engine.reason or f"{engine.precision}, {engine.milliseconds:.0f} ms"
        if engine.psnr is not None and not engine.reason:
            text += ", the same picture" if engine.psnr == _EQUAL_PSNR else f", {engine.psnr:.0f} dB"
        lines.append(f" {mark} {engine.name:9} {engine.version or '-':10} {text}")
    lines += ["", "Extras"]
    for extra in found.extras:
        text = extra.brings if extra.version else f"{extra.brings}: {extra.install}"
        lines.append(f"   {extra.name:10} {extra.version or '-':10} {text}")
    lines += ["", f"{found.styles} styles, {found.recipes} recipes"]
    lines += [f"{name}: {place}" for name, place in found.folders.items()]
    lines += ["", *(f"Problem: {problem}." for problem in found.problems)] if found.problems else ["", "All is well."]
    return "\n".join(lines) + "\n"


def _extra(name: str, packages: tuple[str, ...], brings: str) -> Extra:
    return Extra(name, brings, _version(packages), f'pip install "fastnst[{name}]"')


def _version(packages: Sequence[str]) -> str:
    """The version of the first of these packages that is installed, or an empty text."""
    for package in packages:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""


def _psnr(found: UInt8Image, exact: UInt8Image) -> float:
    error = float(np.mean((found.astype(np.float32) - exact.astype(np.float32)) ** 2))
    return _EQUAL_PSNR if error == 0 else min(_EQUAL_PSNR, 10 * float(np.log10(255**2 / error)))


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True


def _megabytes(folder: Path) -> str:
    size = (
        sum(path.stat().st_size for path in folder.rglob("*") if os.path.isfile(path)) if os.path.isdir(folder) else 0
    )
    return f"{size / 1e6:.0f} MB"
