"""`make zoo`: make every style of configs/styles from its painting, measure it, and ship it if it passes the gates.

Each style is trained, exported, compared and described by the commands that users have. What is finished is kept in
the work folder and not made again; an interrupted training goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from families import generation, init_file, of_shard
from fastnst.errors import ConfigError, FastNSTError, suggest
from fastnst.images.decode import open_image
from fastnst.metrics.artifacts import dark_and_light_share
from fastnst.metrics.comparison_report import equivalent_from_noise, read_report
from fastnst.metrics.equivalent_iterations import equivalents_in_words
from fastnst.output_files import write_atomically
from fastnst.recipes import read_recipe
from fastnst.runtime import StyleModel
from fastnst.sample import sample_photo
from gates import EQUIVALENT_ON_CPU, EQUIVALENT_ON_GPU, LARGEST_ZOO, failed_gates
from zoo_commands import ROOT, RefusedError, newest, run

_OF_THE_RUN = ("steps", "checkpoint_every", "data", "trainer", "guards")
_EQUIVALENTS = ("N_eq from noise", "N_eq from the photo")


@dataclass
class Made:
    """One line of the summary."""

    name: str
    figures: dict[str, str] = field(default_factory=dict)
    outcome: str = "ships"


class Style:
    """One style on its way from a recipe to `weights/`.

    Args:
        recipe: its YAML.
        options: of the command line.
    """

    def __init__(self, recipe: Path, options: argparse.Namespace) -> None:
        self.recipe, self.options, self.name = recipe, options, recipe.stem
        self.folder: Path = options.work / self.name
        self.network = self.folder / f"{self.name}.safetensors"
        self.model = self.folder / f"{self.name}.onnx"
        self.report = self.folder / "report" / "report.json"
        self.paintings: list[str] = []
        self.perceptual = ["--perceptual-weights", options.perceptual_weights] if options.perceptual_weights else []

    def prepare(self) -> None:
        """Check the recipe, its paintings, and that the work folder is of them. Raises `ConfigError`."""
        settings = read_recipe(self.recipe)
        files = settings.get("painting") or []
        self.paintings = [str(self.options.paintings / file) for file in ([files] if isinstance(files, str) else files)]
        if not self.paintings:
            raise ConfigError(f"{self.recipe} names no painting.")
        if settings.get("name") != self.name:
            raise ConfigError(f"{self.recipe} names its style '{settings.get('name')}': it must be '{self.name}'.")
        if missing := [painting for painting in self.paintings if not Path(painting).is_file()]:
            raise ConfigError(f"the painting {missing[0]} does not exist.")
        self._check_recipe(settings)

    def make(self) -> dict[str, str]:
        """Everything that is not made yet; the figures for the summary. Raises `RefusedError`, `FastNSTError`."""
        self.prepare()
        if not self.is_trained:
            self._train(self.paintings)
        if not self.model.is_file():
            run("export", self.name, self.network, "-o", self.model, "--weights-licence", "MIT")
        if not self.report.is_file():
            what = ["--photos", self.options.held_out, "--painting", *self.paintings, "-o", self.report.parent]
            how = [*self.perceptual, *shlex.split(self.options.compare), "--overwrite"]
            run("compare", self.name, self.model, *what, *how)
        n_eq = equivalent_from_noise(read_report(self.report, self.name))
        if n_eq is not None and StyleModel(self.model, "cpu").metadata.lbfgs_equivalent is None:
            run("export", self.name, self.model, "-o", self.model, "--report", self.report, "--overwrite")
        notes = self.recipe.with_suffix(".md")
        strip = ["--photo", self.options.photo or sample_photo(), "--painting", self.paintings[0]]
        strip += ["--notes", notes] if notes.is_file() else []
        run("card", self.name, self.model, "--report", self.report, *strip, "--overwrite")
        return self._figures()

    def ship(self) -> None:
        """Copy the model, its card and its strip. Raises `RefusedError` with the gates that it does not pass."""
        others = [path for path in self.options.weights.glob("*.onnx") if path.name != self.model.name]
        painting = np.asarray(open_image(self.paintings[0], max_size=512))
        reasons = failed_gates(
            json.loads(self.report.read_text()),
            on_gpu=StyleModel(self.model, "cpu").metadata.hardware.startswith("GPU"),
            blobs_of_painting=dark_and_light_share(painting),
            least_equivalent=self.options.least_equivalent,
        )
        if sum(path.stat().st_size for path in [*others, self.model]) > LARGEST_ZOO:
            reasons.append(f"all styles together would be larger than {LARGEST_ZOO / 1e6:.0f} MB")
        if reasons:
            raise RefusedError("; ".join(reasons))
        for path in (self.model, self.model.with_suffix(".md"), self.model.with_suffix(".jpg")):
            with write_atomically(self.options.weights / path.name, overwrite=True) as partial:
                shutil.copyfile(path, partial)

    def _check_recipe(self, settings: dict[str, Any]) -> None:
        """Check that the folder holds what this recipe, these paintings, photos and perceptual network made."""
        init = settings.get("init")
        inputs = {
            "recipe": settings,
            "init": hashlib.sha256(init_file(init).read_bytes()).hexdigest() if init else None,
            "options": self.options.train,
            "compare": self.options.compare,
            "perceptual": [str(part) for part in self.perceptual],
            "photos": str(self.options.photos.resolve()),
            "held_out": str(self.options.held_out.resolve()),
            "paintings": [hashlib.sha256(Path(painting).read_bytes()).hexdigest() for painting in self.paintings],
        }
        text = yaml.safe_dump(inputs)
        kept = self.folder / "recipe.yaml"
        if kept.is_file() and kept.read_text(encoding="utf-8") != text:
            raise ConfigError(
                f"{self.folder} was made from another recipe, painting, perceptual network or photos: remove it, or"
                " give another WORK folder."
            )
        with write_atomically(kept, overwrite=True) as partial:
            partial.write_text(text, encoding="utf-8")

    @property
    def is_trained(self) -> bool:
        """Whether its network is there."""
        return self.network.is_file()

    def shared_settings(self) -> dict[str, Any]:
        """The part of its recipe that a run of several styles has once for all."""
        return {key: value for key, value in read_recipe(self.recipe).items() if key in _OF_THE_RUN}

    def _train(self, paintings: list[str]) -> None:
        runs = self.folder / "runs"
        arguments = ["--config", self.recipe, "--painting", *paintings, "--photos", self.options.photos]
        arguments += ["--data.val_photos", self.options.held_out, "--trainer.default_root_dir", runs, *self.perceptual]
        latest = newest(runs, "checkpoints/last.ckpt")
        resume = ["--ckpt_path", latest] if latest else []
        run("train", self.name, "fit", *arguments, *shlex.split(self.options.train), *resume)
        trained = newest(runs, f"{self.name}.safetensors")
        if trained is None:
            raise RefusedError("its training left no network")
        with write_atomically(self.network) as partial:
            shutil.copyfile(trained, partial)

    def _figures(self) -> dict[str, str]:
        report = json.loads(self.report.read_text())
        measures, photo = report["measures"]["network"], report["measures"]["photo"]
        equivalents = {f"N_eq from {start}": shown for start, shown in equivalents_in_words(report).items()}
        return equivalents | {
            "time ratio": f"{report['time_ratio']:.0f}",
            "grid": f"{measures['grid'] / photo['grid']:.2f}",
            "border": f"{measures['border'] / photo['border']:.2f}",
            "blobs": f"{measures['blobs']:.3f}",
            "MB": f"{self.model.stat().st_size / 1e6:.2f}",
        }


def train_together(styles: list[Style], options: argparse.Namespace) -> None:
    """Train those that have no network yet in as few runs as their recipes allow, interrupted ones on from where they
    were. Styles that others go on from must be there. Raises `RefusedError`, `FastNSTError`."""
    groups: dict[str, list[Style]] = {}
    for style in styles:
        try:
            style.prepare()
        except FastNSTError:
            continue  # told when its own turn comes
        if not style.is_trained:
            groups.setdefault(yaml.safe_dump(style.shared_settings()), []).append(style)
    for text, group in groups.items():
        names = "+".join(style.name for style in group)
        work = options.work / "together" / hashlib.sha256((text + names).encode()).hexdigest()[:12]
        work.mkdir(parents=True, exist_ok=True)
        (work / "run.yaml").write_text(text, encoding="utf-8")
        arguments = ["--config", work / "run.yaml", "--styles", *(style.recipe for style in group)]
        arguments += [
            "--paintings",
            options.paintings,
            "--photos",
            options.photos,
            "--data.val_photos",
            options.held_out,
        ]
        arguments += ["--trainer.default_root_dir", work / "runs", *group[0].perceptual, *shlex.split(options.train)]
        latest = newest(work / "runs", "checkpoints/last.ckpt")
        run("train", names, *arguments, *(["--ckpt_path", latest] if latest else []))
        for style in group:
            trained = newest(work / "runs", f"{style.name}.safetensors")
            if trained is None:
                raise RefusedError("its training left no network")
            with write_atomically(style.network) as partial:
                shutil.copyfile(trained, partial)


def table(made: list[Made]) -> str:
    """The summary, one line a style."""
    columns = ["style", *_EQUIVALENTS, "time ratio", "grid", "border", "blobs", "MB", ""]
    rows = [columns]
    for one in made:
        rows.append([one.name, *(one.figures.get(column, "-") for column in columns[1:-1]), one.outcome])
    widths = [max(len(row[column]) for row in rows) for column in range(len(columns) - 1)]
    return "".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip() + "\n"
        for row in rows
    )


def contemporaries(style: Style, styles: list[Style]) -> list[Style]:
    """The styles that go on from as many others as this one, itself among them."""
    known = {one.name: one.recipe for one in styles}
    return [one for one in styles if generation(one.name, known) == generation(style.name, known)]


def build_parser() -> argparse.ArgumentParser:
    """The script's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--paintings", type=Path, required=True, help="the folder with the paintings of the recipes")
    parser.add_argument("--photos", type=Path, required=True, help="training photos, or a folder with train/ and val/")
    parser.add_argument("--held-out", type=Path, help="photos to measure on (default: PHOTOS/val)")
    parser.add_argument("--styles", nargs="+", metavar="NAME", help="only these (default: all)")
    parser.add_argument("--shard", metavar="K/N", help="only this share of them, for arrays of jobs on a cluster")
    parser.add_argument("--together", action="store_true", help="train styles in one run where their recipes allow it")
    parser.add_argument("--photo", type=Path, help="for the strips (default: a public-domain portrait)")
    parser.add_argument("--perceptual-weights", help="a local weights file for the perceptual network")
    parser.add_argument("--recipes", type=Path, default=ROOT / "configs" / "styles")
    parser.add_argument("--work", type=Path, default=Path("runs/zoo"), help="what is finished (default: runs/zoo)")
    parser.add_argument("--weights", type=Path, default=ROOT / "weights", help="where styles ship to")
    parser.add_argument(
        "--least-equivalent", type=float, help=f"ship from this N_eq on, not from {EQUIVALENT_ON_CPU} (CPU) or"
        f" {EQUIVALENT_ON_GPU} (GPU): what was looked at and pleases may ship with less; its card says how much it has",
    )  # fmt: skip
    parser.add_argument("--train", default="", help="more options for each training, in one text")
    parser.add_argument("--compare", default="--steps 200 --count 10", help="options for each comparison, in one text")
    return parser


def chosen(options: argparse.Namespace) -> list[Path]:
    """The recipes to make, and the folders made explicit. Raises `ConfigError`."""
    known = {path.stem: path for path in sorted(options.recipes.glob("*.yaml"))}
    for name in options.styles or []:
        if name not in known:
            raise ConfigError(f"there is no recipe for the style '{name}'.{suggest(name, known)}")
    if options.held_out is None:
        if not ((options.photos / "train").is_dir() and (options.photos / "val").is_dir()):
            raise ConfigError(
                f"{options.photos} has no folders train and val: name photos to measure on with HELD_OUT=."
            )
        options.photos, options.held_out = options.photos / "train", options.photos / "val"
    names = list(options.styles or known)
    if options.shard:
        names = of_shard(names, known, options.shard)
    # What others go on from comes before them.
    return [known[name] for name in sorted(names, key=lambda name: generation(name, known))]


def main(argv: list[str]) -> int:
    """Make the zoo: 0, 1 if some styles were refused, 2 for what is wrong with the options."""
    options = build_parser().parse_args(argv)
    made: list[Made] = []
    try:
        styles = [Style(recipe, options) for recipe in chosen(options)]
        for style in styles:
            line = Made(style.name)
            made.append(line)
            try:
                if options.together:
                    train_together(contemporaries(style, styles), options)
                line.figures = style.make()
                style.ship()
            except (RefusedError, FastNSTError) as error:
                line.outcome = f"refused: {str(error).rstrip('.')}"
    except KeyboardInterrupt:
        made[-1].outcome = "interrupted"
        return 130
    finally:
        if made:
            sys.stdout.write(f"\n{table(made)}")
    return 1 if any(line.outcome != "ships" for line in made) else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except FastNSTError as problem:
        sys.stderr.write(f"fastnst: {problem}\n")
        sys.exit(2)
