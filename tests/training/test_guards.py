"""The guards of a training: what goes bad comes back, and what is well is left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from fastnst import cli
from fastnst.checkpoints import load_network
from fastnst.training.divergence_guard import Guards
from fastnst.training.module import StyleTraining
from fastnst.training.preview_metrics import Limits, PreviewEvaluator, PreviewMetrics
from fastnst.training.previews import Previews
from tests.training.runs import arguments, train

GOOD = PreviewMetrics(grid=1.0, border=1.0, blobs=0.0, objective=5.0)
BAD = PreviewMetrics(grid=1.0, border=1.0, blobs=0.4, objective=5.0)


def poison(monkeypatch: pytest.MonkeyPatch, *steps: int) -> None:
    """Make the network's pictures nan at these steps of the training."""
    original = StyleTraining.forward

    def poisoned(self: StyleTraining, photos: torch.Tensor) -> torch.Tensor:
        restyled = original(self, photos)
        return restyled * float("nan") if self.network.training and self.global_step in steps else restyled

    monkeypatch.setattr(StyleTraining, "forward", poisoned)


def seen(monkeypatch: pytest.MonkeyPatch, *metrics: PreviewMetrics) -> None:
    """Let the guards see these metrics, one after the other, and then the last one for ever."""
    remaining = list(metrics)
    monkeypatch.setattr(
        PreviewEvaluator, "measure", lambda _self: remaining.pop(0) if len(remaining) > 1 else remaining[0]
    )


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "fastnst.training.divergence_guard"]


@pytest.mark.slow
def test_a_poisoned_batch_costs_one_step_and_half_of_the_rate(
    materials: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    poison(monkeypatch, 2)
    run = train(materials, tmp_path, "poisoned", 4)
    assert warnings_of(caplog) == [
        "Step 3: the objective became nan; back to step 2, with a peak learning rate of 0.001 from here on"
        " (rollback 1 of 3)."
    ]
    network, metadata = load_network(run / "poisoned.safetensors")
    assert all(torch.isfinite(parameter).all() for parameter in network.parameters())
    assert metadata.steps == 3  # of four, one was taken back
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["lr_schedulers"][0]["base_lrs"] == [0.001]


def test_a_poisoned_parameter_is_noticed_too(
    materials: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    original = StyleTraining.optimizer_step

    def broken(self: StyleTraining, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        if self.global_step == 1:
            next(self.network.parameters()).data[0] = float("inf")

    monkeypatch.setattr(StyleTraining, "optimizer_step", broken)
    run = train(materials, tmp_path, "broken", 3)
    assert "back to step 0" in warnings_of(caplog)[0]  # nothing was measured before
    assert all(torch.isfinite(tensor).all() for tensor in load_file(run / "broken.safetensors").values())


@pytest.mark.slow
def test_a_rate_that_is_far_too_high_is_noticed(
    materials: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = arguments(materials, tmp_path, "wild", 8, "--model.learning_rate", "3", "--model.warmup", "0")
    assert cli.run("fastnst.commands.train", options, "train.py") in (0, 2)  # three halvings may or may not be enough
    assert "far above its best" in warnings_of(caplog)[0]


@pytest.mark.slow
def test_a_normal_training_is_left_alone(materials: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = train(materials, tmp_path, "normal", 12, "--trainer.val_check_interval", "4")
    assert warnings_of(caplog) == []
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run))
    events.Reload()
    measures = {f"guards/{name}" for name in ("grid", "border", "blobs", "objective", "rollbacks")}
    assert measures <= set(events.Tags()["scalars"])
    assert len(events.Scalars("guards/blobs")) == 3
    assert load_network(run / "normal.safetensors")[1].steps == 12


def test_two_bad_validations_in_a_row_roll_back_and_one_does_not(
    materials: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen(monkeypatch, BAD, BAD, GOOD, BAD, GOOD, BAD, BAD, GOOD)
    options = ["--trainer.val_check_interval", "1", "--guards.warmup", "0.3"]  # the first two come too early to count
    train(materials, tmp_path, "looks", 8, *options)
    (message,) = warnings_of(caplog)
    assert message.startswith("Step 7: the share of blobs 0.4 is above 0.05 at 2 validations in a row; back to step 5")


def test_the_previews_show_what_the_guards_measure(
    materials: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture of a step is that of the network that was bad, not of what the guards made of it."""
    order: list[str] = []
    original = Previews.on_validation_end

    def drawn(self: Previews, *arguments: Any) -> None:
        order.append("previews")
        original(self, *arguments)

    monkeypatch.setattr(Previews, "on_validation_end", drawn)
    monkeypatch.setattr(PreviewEvaluator, "measure", lambda _self: order.append("metrics") or GOOD)
    train(materials, tmp_path, "order", 1, "--trainer.val_check_interval", "1")
    assert order == ["previews", "metrics"]


def test_an_exploding_objective_goes_back_at_once(
    materials: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    exploded = PreviewMetrics(grid=1.0, border=1.0, blobs=0.0, objective=16.0)
    seen(monkeypatch, GOOD, exploded, GOOD)
    train(materials, tmp_path, "explosion", 3, "--trainer.val_check_interval", "1")
    (message,) = warnings_of(caplog)
    assert message.startswith("Step 2: the objective 16 is far above its best, 5; back to step 1")


@pytest.mark.slow
@pytest.mark.parametrize("stop", [3, 4])
def test_a_resumed_run_remembers_its_rollbacks(
    materials: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, stop: int
) -> None:
    """Also where the checkpoint was written at a validation, before the metrics."""
    poison(monkeypatch, 2, 5)
    whole = train(materials, tmp_path, "whole", 8)
    assert "rollback 2 of 3" in warnings_of(caplog)[1]
    part = ["--trainer.limit_train_batches", str(stop), "--trainer.max_epochs", "1"]
    checkpoint = train(materials, tmp_path, "part", 8, *part) / "checkpoints" / "last.ckpt"
    caplog.clear()
    rest = train(materials, tmp_path, "rest", 8, "--ckpt_path", str(checkpoint))
    (message,) = warnings_of(caplog)
    assert "Step 6" in message
    assert "back to step 4, with a peak learning rate of 0.0005" in message
    found = load_file(rest / "rest.safetensors")
    for name, tensor in load_file(whole / "whole.safetensors").items():
        assert torch.equal(tensor, found[name]), name
    expected = load_network(whole / "whole.safetensors")[1]
    assert load_network(rest / "rest.safetensors")[1].steps == expected.steps == 5


@pytest.mark.parametrize(
    ("options", "often"), [(["--guards.max_rollbacks", "1"], 1), (["--guards.enabled", "false"], 0)]
)
def test_a_run_that_stays_bad_stops_and_keeps_what_was_good(
    materials: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    often: int,
) -> None:
    poison(monkeypatch, *range(2, 9))
    argv = arguments(materials, tmp_path, "bad", 8, "--checkpoint_every", "1", *options)
    assert cli.run("fastnst.commands.train", argv, "train.py") == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"the objective became nan at step {3 + often}" in message
    good = tmp_path / "bad" / "version_0" / "checkpoints" / "good.ckpt"
    if often:
        assert "after 1 rollback(s)" in message
        assert f"what was good at step 2 is kept; go on from it with --init {good}" in message
        assert "--model.learning_rate below 0.001" in message
    network, metadata = load_network(good)
    assert all(torch.isfinite(parameter).all() for parameter in network.parameters())
    assert metadata.steps == (2 if often else 0)


def test_limits_are_reported_in_words() -> None:
    limits = Limits()
    assert GOOD.excesses(limits) == []
    assert PreviewMetrics(grid=9.0, border=4.0, blobs=0.0, objective=1.0).excesses(limits) == [
        "grid energy 9 is above 8",
        "border energy 4 is above 3",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_rollbacks": -1}, "guards.max_rollbacks must be at least 0, not -1"),
        ({"rate_drop": 1.0}, "guards.rate_drop must be between 0 and 1"),
        ({"warmup": 2.0}, "guards.warmup must be between 0 and 1"),
        ({"limits": Limits(grid=0.5)}, "guards.limits.grid must be above 1, not 0.5"),
        ({"limits": Limits(blobs=0.0)}, "guards.limits.blobs must be above 0"),
    ],
)
def test_options_that_mean_nothing(options: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        Guards(**options)
