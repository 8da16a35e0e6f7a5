"""`fastnst train-predictor`: learn to guess a painting's style before the first step."""

from __future__ import annotations

import logging
import sys

from fastnst.commands.options.settings import SettingsParser, read_settings, settings_parser
from fastnst.input_files import expanded
from fastnst.output_files import check_output, locked_output
from fastnst.start.predictor_config import PredictorConfig
from fastnst.start.predictor_training import PredictorTraining

log = logging.getLogger(__name__)


def build_parser(prog: str) -> SettingsParser:
    """The command's options: those of `PredictorConfig`."""
    description = "Learn to guess, from what slim sees of a painting, the affines that give the start its style."
    return settings_parser(prog, description, PredictorConfig, "overwrite", "replace an existing file")


def main(argv: list[str], prog: str = "fastnst train-predictor") -> int:
    """Run the command; raises `FastNSTError` for what a user can get wrong, `KeyboardInterrupt` after Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    config, overwrite = read_settings(build_parser(prog), argv, PredictorConfig, "overwrite")
    check_output(expanded(config.output), overwrite=overwrite)
    with locked_output(expanded(config.output)):
        training = PredictorTraining(config)
        log.info(
            "%d paintings, %d styles drawn from them, %d photos; %.0f seconds of preparation.",
            *(len(training.paintings.paths), config.draws, config.photo_count, training.elapsed()),
        )
        for record in training.run():
            log.info("step %d: objective %.3f; %.0f s", record["step"], record["objective"], record["seconds"])
    for name, (before, *_, after) in training.tested.items():
        log.info("left out: %s, objective %.3f with the start's own affines, %.3f as guessed", name, before, after)
    log.info("Saved %s", training.file)
    return 0
