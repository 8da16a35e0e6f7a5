"""`fastnst train-start`: learn the network that every training begins from."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

import jsonargparse

from fastnst.errors import ConfigError, OutputError
from fastnst.recipes import with_bases
from fastnst.start.reptile import StartConfig, StartTraining

log = logging.getLogger(__name__)


class StartParser(jsonargparse.ArgumentParser):
    """Ends with one sentence instead of a page of usage."""

    def error(self, message: str, ex: Exception | None = None) -> None:  # type: ignore[override]
        raise ConfigError(" ".join(message.split()).rstrip(".") + ".")


def build_parser(prog: str) -> jsonargparse.ArgumentParser:
    """The command's options: those of `StartConfig`."""
    parser = StartParser(
        prog=prog,
        description="Learn a network that belongs to no painting, from which every painting is few steps away.",
    )
    parser.add_argument("--config", action="config", help="a YAML file with these options")
    parser.add_argument("--base", type=str | None, default=None, help="in a YAML file: the file that it changes")
    parser.add_argument("--resume", action="store_true", help="go on from the state in --output, exactly")
    parser.add_class_arguments(StartConfig)
    return parser


def main(argv: list[str], prog: str = "fastnst train-start") -> int:
    """Run the command; raises `FastNSTError` for what a user can get wrong, `KeyboardInterrupt` after Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    parser = build_parser(prog)
    chosen = parser.parse_args(with_bases(argv))
    resumes = chosen.pop("resume")
    chosen.pop("base")
    chosen.pop("config")
    config = StartConfig(**vars(parser.instantiate(chosen)))
    training = StartTraining(config)
    if resumes:
        training.resume()
    elif os.path.exists(training.state_file):
        raise OutputError(
            f"{training.folder} holds a start already: go on with --resume, or give another folder with --output."
        )
    log.info("%d paintings; painting %d of %d is next.", len(training.paintings.paths), training.done + 1, config.tasks)
    training.folder.mkdir(parents=True, exist_ok=True)
    _follow(training, training.folder / "log.jsonl")
    log.info("Saved %s; begin a training with --init %s", *(training.folder / "start.safetensors",) * 2)
    return 0


def _follow(training: StartTraining, path: Path) -> None:
    before, begun = training.seconds, training.done
    with path.open("a", encoding="utf-8") as file:
        for record in training.run():
            file.write(json.dumps(record) + "\n")
            file.flush()
            left = (training.seconds - before) / (training.done - begun) * (training.config.tasks - training.done)
            log.info(
                "%d/%d %s: objective %.2f → %.2f; %.0f minutes left",
                *(training.done, training.config.tasks, record["painting"], record["first"], record["last"], left / 60),
            )
