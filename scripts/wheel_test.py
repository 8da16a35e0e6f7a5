"""`make wheel-test`: the package as a stranger gets it, used outside of the checkout.

Two installations, since torch takes minutes to install:
- light: a fresh environment with the wheel and its `cpu` and `video` extras. No torch, no compiler, no checkout.
- training: the wheel alone in a folder of its own, put before everything else for the interpreter that runs this script
  and has the `train` extra's packages. What is imported is the wheel's, which is checked; only its dependencies are not
  installed anew.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

_TINY_TRAINING = [
    "--data.image_size", "64", "--data.workers", "0", "--model.style_size", "96",
    "--trainer.accelerator", "cpu", "--trainer.val_check_interval", "2",
]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--only", choices=("light", "training"), help="one of the two installations")
    options = parser.parse_args()
    wheel = options.wheel.resolve()
    for name, test in (("light", light), ("training", training)):
        if options.only in (None, name):
            with tempfile.TemporaryDirectory(prefix="fastnst-wheel-") as folder:
                test(wheel, Path(folder))
            sys.stdout.write(f"{wheel.name}: {name} works\n")
    return 0


def light(wheel: Path, folder: Path) -> None:
    """Restyle, list, and be shown what training needs, in a fresh environment."""
    venv.create(folder / "env", with_pip=True)
    bin_folder = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
    python, fastnst = bin_folder / "python", bin_folder / "fastnst"
    run(folder, python, "-m", "pip", "install", "--quiet", f"{wheel}[cpu,video]")
    outside(folder, [python], folder / "env")
    expect("starry_night", run(folder, fastnst, "styles"))
    photo = run(folder, python, "-c", "import fastnst; print(fastnst.sample_photo())").strip()
    run(folder, fastnst, "stylize", photo, "--style", "starry_night", "-o", "out.jpg")
    run(folder, fastnst, "matte", photo, "-o", "alpha.png")
    for made in ("out.jpg", "alpha.png"):
        if not (folder / made).stat().st_size > 1000:
            sys.exit(f"{made} is empty")
    expect('pip install "fastnst[train]"', run(folder, fastnst, "train", photo, code=2))
    expect("False", run(folder, python, "-c", "import importlib.util as i; print(i.find_spec('torch') is not None)"))


def training(wheel: Path, folder: Path) -> None:
    """Train two steps by a recipe's name, export, restyle, optimize two steps."""
    site = folder / "site"
    run(folder, sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, wheel)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    fastnst = [sys.executable, "-m", "fastnst"]
    outside(folder, [sys.executable], site, environment)
    code = (
        "import fastnst, pathlib\nfrom PIL import Image\nphoto = Image.open(fastnst.sample_photo())\n"
        "pathlib.Path('photos').mkdir()\n"
        "for n in range(6): photo.crop((20 * n, 20 * n, 20 * n + 200, 20 * n + 160)).save(f'photos/{n}.jpg')\n"
        "photo.rotate(180).save('painting.jpg')"
    )
    run(folder, sys.executable, "-c", code, environment=environment)
    arguments = [
        "painting.jpg",
        "--photos",
        "photos",
        "--config",
        "quickstart",
        "--steps",
        "2",
        "--name",
        "tiny",
        *_TINY_TRAINING,
    ]
    run(folder, *fastnst, "train", *arguments, environment=environment)
    network = "runs/tiny/version_0/tiny.safetensors"
    expect("agree in", run(folder, *fastnst, "export", network, "-o", "tiny.onnx", environment=environment))
    run(folder, *fastnst, "stylize", "photos/0.jpg", "--style", "tiny.onnx", "-o", "out.jpg", environment=environment)
    arguments = ["photos/0.jpg", "--style", "painting.jpg", "-o", "slow.jpg", "--config", "reference/gatys_adam"]
    arguments += ["--perceptual", "slim", "--steps", "2", "--size", "96"]
    expect("2 steps", run(folder, *fastnst, "optimize", *arguments, environment=environment))


def outside(folder: Path, python: list[Path | str], place: Path, environment: dict[str, str] | None = None) -> None:
    """End unless `fastnst` is imported from below `place`."""
    found = run(folder, *python, "-c", "import fastnst; print(fastnst.__file__)", environment=environment).strip()
    if place.resolve() not in Path(found).resolve().parents:
        sys.exit(f"the tests would run {found}, which is not the wheel's")


def run(folder: Path, *command: object, code: int = 0, environment: dict[str, str] | None = None) -> str:
    """The command's output; ends with it unless the exit code is as expected."""
    done = subprocess.run([str(part) for part in command], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode != code:
        sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def expect(text: str, output: str) -> None:
    """End unless the text is in the output."""
    if text not in output:
        sys.exit(f"'{text}' is missing in:\n{output}")


if __name__ == "__main__":
    sys.exit(main())
