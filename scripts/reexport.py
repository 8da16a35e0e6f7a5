"""Write all model files that ship anew in today's format, and check that their pictures stay the same.

python scripts/reexport.py                    weights/*.onnx and weights/matting/*.onnx, in place
python scripts/reexport.py --out /tmp/new     elsewhere, to look first
python scripts/reexport.py --levels 40        where a change of the graph is meant to change pictures

Each file keeps its description. The licence of the weights, and N_eq from noise from the style's card, are added where
it has none. A file is replaced only if its new pictures, of a photo and of a pattern at several sizes, are the old ones
to `--levels`, and onnxruntime's CPU provider and OpenVINO (where it is installed) open it.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastnst.checkpoints import load_network
from fastnst.errors import FastNSTError, ModelError
from fastnst.images.decode import open_image
from fastnst.matting.export import export_matting_model
from fastnst.matting.exported import load_exported
from fastnst.runtime.engine.openvino import openvino_version
from fastnst.runtime.models.onnx_metadata import read_properties
from fastnst.runtime.models.style_model import StyleModel
from fastnst.runtime.portrait.matting_model import MattingModel
from fastnst.style_export import export_style_model, shaded_picture

ROOT = Path(__file__).resolve().parents[1]
_SIZES = ((256, 320), (203, 151), (16, 16))
_MATTING_SIZES = ((256, 320), (192, 192))
_ALPHA_LEVEL = 1 / 255


def reexport(source: Path, target: Path, licence: str) -> None:
    """Write a style or matting model file anew. Raises `FastNSTError`."""
    if is_matting(source):
        network, matting = load_exported(source)
        matting = replace(matting, licence=matting.licence or licence)
        export_matting_model(network, matting, target, precision=matting.precision)
        return
    style_network, metadata = load_network(source)
    metadata = replace(
        metadata,
        weights_licence=metadata.weights_licence or licence,
        lbfgs_equivalent=metadata.lbfgs_equivalent or equivalent_on_card(source.with_suffix(".md")),
    )
    export_style_model(style_network, metadata, target, precision=metadata.precision, trace=True)


def equivalent_on_card(card: Path) -> float | None:
    """N_eq from noise as a style's card has it; None where it does not, or only says that it is more."""
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    found = re.search(r"^\| N_eq from noise \| (\d+) iterations", text, re.MULTILINE)
    return float(found[1]) if found else None


def largest_difference(before: Path, after: Path) -> float:
    """By how many levels of 255 the two files' results differ at most."""
    if is_matting(before):
        old_alpha, new_alpha = MattingModel(before, "cpu")._engine.run, MattingModel(after, "cpu")._engine.run
        return max(_difference(old_alpha, new_alpha, image) / _ALPHA_LEVEL for image in pictures(_MATTING_SIZES))
    old, new = StyleModel(before, "cpu"), StyleModel(after, "cpu")
    return max(_difference(old, new, image) for image in pictures(_SIZES))


def _difference(old: Any, new: Any, image: NDArray[np.uint8]) -> float:
    return float(np.abs(old(image).astype(np.float64) - new(image)).max())


def pictures(sizes: tuple[tuple[int, int], ...]) -> Iterator[NDArray[np.uint8]]:
    """The portrait that ships and a pattern, uint8 `[1, H, W, 3]`, in each size."""
    photo = open_image(ROOT / "fastnst" / "sample.jpg")
    for height, width in sizes:
        yield np.asarray(photo.resize((width, height), Image.Resampling.LANCZOS))[None]
        yield shaded_picture(np.random.default_rng(0), 1, height, width)


def is_matting(path: Path) -> bool:
    """True if a model file finds people."""
    return read_properties(path).get("fastnst.kind") == "matting"


def check_description(before: Path, after: Path) -> None:
    """Raise `ModelError` if anything but the version, the licence of the weights and N_eq changed."""
    old, new = read_properties(before), read_properties(after)
    added = {"fastnst.fastnst_version", "fastnst.weights_licence", "fastnst.lbfgs_equivalent"}
    changed = [key for key in old if key not in added and old[key] != new.get(key)]
    if changed:
        raise ModelError(f"{before} would lose what it says of itself ({', '.join(changed)}).")


def renew(source: Path, target: Path, options: argparse.Namespace) -> str:
    """One file from `source` to `target`; what to say of it. Raises `FastNSTError`."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / source.name
        reexport(source, fresh, options.licence)
        check_description(source, fresh)
        levels = largest_difference(source, fresh)
        if levels > options.levels:
            raise ModelError(f"{source} gives other pictures: {levels:.1f} levels, {options.levels} are allowed.")
        report = f"{levels:.2f} levels on the CPU"
        if openvino_version() is not None and not is_matting(source):
            model = StyleModel(fresh, "openvino")  # which proves that it is within 40 dB of onnxruntime
            model(next(pictures(_SIZES)))
            report += f", OpenVINO takes it in {model.precision}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(fresh, target.with_name(f".{target.name}"))
        target.with_name(f".{target.name}").replace(target)
    if not is_matting(target) and StyleModel(target, "cpu").metadata.lbfgs_equivalent is None:
        report += "; no N_eq on its card"
    return report


def main(argv: list[str]) -> int:
    """0, or 1 if a file was left as it is; the reason is printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=ROOT / "weights", help="the folder (default: weights)")
    parser.add_argument("--out", type=Path, help="write here (default: in place)")
    parser.add_argument("--licence", default="MIT", help="of weights that have none (default: MIT)")
    parser.add_argument("--levels", type=float, default=1, help="by which pictures may differ (default: 1)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these files")
    options = parser.parse_args(argv)
    failures = 0
    for source in sorted([*options.weights.glob("*.onnx"), *options.weights.glob("matting/*.onnx")]):
        if options.only and source.stem not in options.only:
            continue
        place = source.relative_to(options.weights)
        try:
            report = renew(source, (options.out or options.weights) / place, options)
        except FastNSTError as error:
            failures += 1
            report = f"left as it is: {error}"
        sys.stdout.write(f"{place}: {report}\n")
        sys.stdout.flush()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
