"""The parser of the training commands: keys that were renamed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fastnst.commands import train
from fastnst.errors import ConfigError
from fastnst.trainer.training_parser import check_training_recipe


@pytest.mark.parametrize(
    ("former", "today"),
    [
        ({"guards": {"returns": 5}}, {"guards": {"max_rollbacks": 5}}),
        ({"guards": {"returns": 5, "max_rollbacks": 1}}, {"guards": {"max_rollbacks": 1}}),
        (
            {"model": {"weave_weight": 2000.0, "temporal": 1.0, "objective": {"style_weight": 8.0}}},
            {"model": {"objective": {"style_weight": 8.0, "periodicity_weight": 2000.0, "temporal_weight": 1.0}}},
        ),
        ({"model": {"weave_weight": 2.0, "objective": None}}, {"model": {"objective": {"periodicity_weight": 2.0}}}),
        (
            {"model": {"first_judge": {"name": "slim", "share": 0.7}}},
            {"model": {"warmup_perceptual": {"name": "slim", "share": 0.7}}},
        ),
    ],
)
def test_recipes_of_version_0_2_are_read(former: dict[str, Any], today: dict[str, Any]) -> None:
    check_training_recipe(former, Path("old.yaml"))
    assert former == today


def test_a_former_option_names_the_one_of_today() -> None:
    with pytest.raises(ConfigError, match=r"^guards\.returns is guards\.max_rollbacks now\.$"):
        train.main(["--painting", "a.png", "--photos", "photos", "--guards.returns", "5"])
