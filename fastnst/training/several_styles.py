"""The LightningModule of several styles in one run: one batch of photos, one pass of the perceptual network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from jsonargparse import ArgumentParser
from torch import Tensor, nn

from fastnst.checkpoints import check_goes_on
from fastnst.errors import ConfigError
from fastnst.input_files import expanded
from fastnst.losses.objective import TOTAL, LossTerms, Objective
from fastnst.perceptual import sharing_perceptual_networks
from fastnst.recipes import find_recipe, merged, read_recipe
from fastnst.trainer.optimizers import build_joint_optimizer, rate_factor
from fastnst.trainer.option_groups import check_groups
from fastnst.trainer.run_files import check_run_name
from fastnst.trainer.training_parser import check_training_recipe
from fastnst.training.module import StyleTraining
from fastnst.training.recorded_step import RecordedStep
from fastnst.training.side_by_side import check_alike, measure_together

_GRADIENT_CLIP = 10.0  # of each style's gradient norm, as in the training of one
_NOT_THE_MODELS = {"steps", "checkpoint_every", "photos", "export", "trainer", "data", "guards"}


class StylesTraining(pl.LightningModule):
    """Train several style networks on the same photos.

    Each style has its own network, optimizer state, guard, previews and TensorBoard folder, and learns what its own
    training on these photos would teach it. Spared are, for all styles but one, the photos' decoding and the passes
    that read their content; and on a GPU thousands of launches a step, since all that the networks do is one CUDA graph
    and their optimizer moves all of them at once.

    Args:
        recipes: one a style, a .yaml file or the name of one that ships; of each `name`, `painting`, `init`,
            `perceptual` and `model` count.
        paintings: the folder that the recipes' paintings lie in.
        settings: settings of `StyleTraining` that win over those of all recipes, nested as in a recipe's `model`.
        perceptual_weights: a local weights file of the perceptual network.
        init: start all from this network instead of what their recipes name.
    """

    def __init__(
        self,
        recipes: list[str],
        paintings: str = ".",
        settings: dict[str, Any] | None = None,
        perceptual_weights: str | None = None,
        init: str | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.strict_loading = False  # a checkpoint holds the networks only
        if not recipes:
            raise ConfigError("no style was given: name recipes with --styles a.yaml b.yaml.")
        extra: dict[str, Any] = {"model": settings or {}}
        extra |= {"perceptual_weights": perceptual_weights} if perceptual_weights else {}
        extra |= {"init": init} if init else {}
        with sharing_perceptual_networks():
            trainings = [build_style(recipe, expanded(paintings), extra) for recipe in recipes]
        names = [training.style_name for training in trainings]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"two recipes are of a style {name}: each needs a name of its own.")
        self.styles = nn.ModuleList(trainings)
        self._check_alike()
        self.latest_totals: Tensor | None = None  # [styles], of the latest step
        self._steps: dict[bool, RecordedStep] = {}
        self._sums: list[list[tuple[int, dict[str, float]]]] = [[] for _ in trainings]

    @property
    def trainings(self) -> list[StyleTraining]:
        """The styles, each as its own training has it."""
        return [cast(StyleTraining, style) for style in self.styles]

    def setup(self, stage: str) -> None:
        """Choose the perceptual networks' precision. Raises `ConfigError` for several devices or mattes."""
        if self.trainer.world_size > 1:
            raise ConfigError("several styles are trained on one device: give --trainer.devices 1.")
        if getattr(cast(Any, self.trainer).datamodule, "mattes", None) is not None:
            raise ConfigError("portraits with mattes are trained one style at a time: leave out --styles.")
        for training in self.trainings:
            training.trainer = self.trainer  # whose steps and precision they read
            training.setup(stage)

    def on_fit_start(self) -> None:
        """Compute the style targets, where the perceptual networks now live."""
        for training in self.trainings:
            training.on_fit_start()

    def on_train_start(self) -> None:
        """Start the clocks."""
        for training in self.trainings:
            training.on_train_start()

    def training_step(self, photos: Tensor, _batch_index: int) -> None:
        """One batch uint8 `[N, 3, H, W]`: all networks move."""
        optimizer = cast(torch.optim.Optimizer, self.optimizers())
        found = self._step(photos)(photos)  # [styles, terms]
        for training in self.trainings:
            parameters = [one for one in training.network.parameters() if one.requires_grad]
            nn.utils.clip_grad_norm_(parameters, _GRADIENT_CLIP, foreach=True)
        optimizer.step()
        cast(Any, self.lr_schedulers()).step()
        self.latest_totals = found[:, -1]
        trainer = self.trainer
        if trainer.global_step % max(1, cast(Any, trainer).log_every_n_steps) == 0:
            self._log_terms(found)

    def validation_step(self, photos: Tensor, _batch_index: int) -> None:
        """The same objectives on held-out photos."""
        for sums, terms in zip(self._sums, self._measure(photos), strict=True):
            sums.append((len(photos), terms.floats()))

    def on_validation_epoch_end(self) -> None:
        """Keep each style's means, and log the mean of all."""
        for training, sums in zip(self.trainings, self._sums, strict=True):
            count = sum(number for number, _ in sums)
            names = [*training.objective.picture_terms]
            means = {name: sum(number * terms[name] for number, terms in sums) / count for name in names}
            weights = training.objective.config.weights
            training.validated = means | {TOTAL: sum(weights[name] * value for name, value in means.items())}
            sums.clear()
        totals = [training.validated[TOTAL] for training in self.trainings]
        self.log("val/total", sum(totals) / len(totals))

    def configure_optimizers(self) -> Any:
        """One optimizer, in which every network has groups of its own; one schedule."""
        trainings = self.trainings
        optimizer = build_joint_optimizer(
            trainings[0].optimizer, [(training.network, training.learning_rate) for training in trainings]
        )
        steps, first = self.trainer.max_steps, trainings[0]
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rate_factor(step, steps, first.warmup, first.final_rate)
        )
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def state_dict(self, *_args: Any, **_options: Any) -> dict[str, Any]:  # type: ignore[override]
        """The networks' weights only."""
        return {
            f"styles.{index}.{name}": tensor
            for index, training in enumerate(self.trainings)
            for name, tensor in training.state_dict().items()
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Describe the networks inside their checkpoint."""
        parts: dict[str, dict[str, Any]] = {}
        for training in self.trainings:
            training.on_save_checkpoint(parts.setdefault(training.style_name, {}))
        checkpoint["fastnst_styles"] = parts

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over what a resumed run has behind it. Raises `ConfigError` if it was of other styles."""
        parts = checkpoint.get("fastnst_styles", {})
        names = [training.style_name for training in self.trainings]
        if list(parts) != names:
            raise ConfigError(
                f"the checkpoint is of the styles {', '.join(parts) or 'of no such run'}, in this order, not of"
                f" {', '.join(names)}."
            )
        check_goes_on(checkpoint, self)
        for training in self.trainings:
            training.on_load_checkpoint(parts[training.style_name])

    def _check_alike(self) -> None:
        trainings = self.trainings
        check_alike([training.objective for training in trainings])
        if len({(one.optimizer, one.warmup, one.final_rate, one.warmup_perceptual) for one in trainings}) > 1:
            raise ConfigError(
                "styles that are trained together need the same optimizer, schedule and perceptual network of the"
                " beginning: give them with --model.settings."
            )
        warmups = [training.warmup_objective for training in trainings]
        check_alike([one for one in warmups if one is not None] or [trainings[0].objective])

    def _objectives(self) -> list[Objective]:
        return [training._current_objective() for training in self.trainings]

    def _measure(self, photos: Tensor) -> list[LossTerms]:
        """The terms of each style on a batch uint8 `[N, 3, H, W]`."""
        reduced = str(self.trainer.precision).startswith("bf16")
        networks = [training.network for training in self.trainings]
        seed = self.global_step if self.training else 0
        return measure_together(networks, self._objectives(), photos.float() / 255, seed=seed, reduced=reduced)

    def _step(self, photos: Tensor) -> RecordedStep:
        """The forward and backward pass with the objectives of this part of the training."""
        is_own = self._objectives()[0] is self.trainings[0].objective
        if is_own not in self._steps:
            self._steps.clear()  # the other's graph holds gigabytes
            parameters = [parameter for training in self.trainings for parameter in training.network.parameters()]
            draws = any(objective.draws for objective in self._objectives())
            self._steps[is_own] = RecordedStep(self._forward_and_backward, parameters, photos, records=not draws)
        return self._steps[is_own]

    def _forward_and_backward(self, photos: Tensor) -> Tensor:
        """Gradients of all styles, and their terms `[styles, terms]` with the total last."""
        measured = self._measure(photos)
        torch.stack([terms.total for terms in measured]).sum().backward()
        names, nothing = self._term_names(), torch.zeros((), device=photos.device)
        rows = [torch.stack([terms.parts.get(name, nothing) for name in names]) for terms in measured]
        totals = torch.stack([terms.total for terms in measured])
        return torch.cat([torch.stack(rows), totals[:, None]], 1).detach()

    def _term_names(self) -> list[str]:
        """The terms of all styles; not every style has every term."""
        return list(dict.fromkeys(name for one in self.trainings for name in one.objective.trained_terms))

    def _log_terms(self, found: Tensor) -> None:
        names = [*self._term_names(), TOTAL]
        self.log("train/total", found[:, -1].mean(), prog_bar=True)
        for training, terms in zip(self.trainings, found.tolist(), strict=True):
            own = {*training.objective.trained_terms, TOTAL}
            for name, value in ((name, value) for name, value in zip(names, terms, strict=True) if name in own):
                self.log(f"{training.style_name}/{name}", value)


def build_style(recipe: str, paintings: Path, extra: dict[str, Any]) -> StyleTraining:
    """A style's training as its recipe has it.

    Args:
        recipe: a .yaml file, or the name of one that ships.
        paintings: the folder of its paintings.
        extra: keys of a recipe that win over its own.

    Raises `ConfigError` for a recipe that a style cannot be trained by, and a missing painting.
    """
    name = recipe if os.path.isfile(recipe) or os.path.sep in recipe else f"styles/{recipe}"
    content = read_recipe(find_recipe(name))
    check_training_recipe(content, Path(recipe))
    content = merged(content, extra)
    title = content.get("name") or Path(recipe).stem
    if not isinstance(title, str):
        raise ConfigError(f"the recipe {recipe} must have a text as its name, not {str(title)[:80]!r}.")
    check_run_name(title)  # files are named after it
    found = [str(paintings / file) for file in content.get("painting") or []]
    model = merged(
        {"perceptual": {"name": content.get("perceptual", "vgg19"), "weights_file": content.get("perceptual_weights")}},
        content.get("model") or {},
    )
    model |= {"paintings": found, "name": title, "init": content.get("init")}
    unknown = set(content) - _NOT_THE_MODELS - {"base", "painting", "name", "init", "perceptual", "perceptual_weights"}
    if unknown - {"model"}:
        raise ConfigError(f"the recipe {recipe} has a key {sorted(unknown - {'model'})[0]} that no training knows.")
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(StyleTraining, "model")
    try:
        settings = parser.parse_object({"model": model})
        check_groups(parser, settings)
    except ConfigError as error:
        raise ConfigError(f"the recipe {recipe}: {error}") from error
    except Exception as error:  # jsonargparse's own types
        raise ConfigError(f"the recipe {recipe}: {' '.join(str(error).split())[:300]}") from error
    training = parser.instantiate(settings).model
    assert isinstance(training, StyleTraining)
    return training


def style_modules(module: pl.LightningModule) -> Sequence[StyleTraining]:
    """The styles of a training of one or of several."""
    return module.trainings if isinstance(module, StylesTraining) else [cast(StyleTraining, module)]
