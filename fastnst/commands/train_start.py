"""`fastnst train-start`: learn the network that every training begins from."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

from fastnst.commands.options.settings import SettingsParser, read_settings, settings_parser
from fastnst.errors import ConfigError, OutputError
from fastnst.input_files import expanded
from fastnst.output_files import check_output, locked_output
from fastnst.start.reptile import StartTraining
from fastnst.start.start_config import StartConfig

_LOG = "log.jsonl"
log = logging.getLogger(__name__)


def build_parser(prog: str) -> SettingsParser:
    """The command's options: those of `StartConfig`."""
    description = "Learn a network that belongs to no painting, from which every painting is few steps away."
    about = "go on from the state in --output, exactly"
    return settings_parser(prog, description, StartConfig, "resume", about)


def main(argv: list[str], prog: str = "fastnst train-start") -> int:
    """Run the command; raises `FastNSTError` for what a user can get wrong, `KeyboardInterrupt` after Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    config, resumes = read_settings(build_parser(prog), argv, StartConfig, "resume")
    if not config.output:
        raise ConfigError("--output is empty: name a folder.")
    check_output(expanded(config.output) / _LOG, overwrite=True)  # a pipe would be waited for
    training = StartTraining(config)
    with locked_output(training.folder):
        _run(training, resumes=resumes)
    return 0


def _run(training: StartTraining, *, resumes: bool) -> None:
    config = training.config
    if resumes:
        training.resume()
    elif os.path.exists(training.state_file):
        raise OutputError(
            f"{training.folder} holds a start already: go on with --resume, or give another folder with --output."
        )
    if training.done == config.tasks:
        log.info("All %d paintings of %s have been learned from: --tasks takes more.", training.done, training.folder)
        return
    log.info("%d paintings; painting %d of %d is next.", len(training.paintings.paths), training.done + 1, config.tasks)
    _follow(training, training.folder / _LOG)
    log.info("Saved %s; begin a training with --init %s", *(training.folder / "start.safetensors",) * 2)


def _follow(training: StartTraining, path: Path) -> None:
    before, begun = training.seconds, training.done
    for record in training.run():
        path.parent.mkdir(parents=True, exist_ok=True)  # not before: pictures that cannot be read leave nothing behind
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        left = (training.seconds - before) / (training.done - begun) * (training.config.tasks - training.done)
        log.info(
            "%d/%d %s: objective %.2f → %.2f; %.0f minutes left",
            *(training.done, training.config.tasks, record["painting"], record["first"], record["last"], left / 60),
        )
