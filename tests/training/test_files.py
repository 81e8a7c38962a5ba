"""Training files: what they say, what overrides change, and what is refused."""

from __future__ import annotations

import pytest

from burnish.core.errors import InputError
from burnish.models import PathTags
from burnish.training.config import Stage
from burnish.training.files import read_plan
from burnish.training.rollouts import Paths

TEXT = b"""
out = "runs/x"
examples = "e.jsonl"
[train]
learning_rate = 1e-5
rl_options = { epsilon_high = 0.28 }
[[train.stages]]
steps = 5
mix = { rl = 0.0 }
[[train.stages]]
controller = "sasr"
"""


def test_every_setting_can_be_written() -> None:
    plan = read_plan(TEXT)
    assert (plan.out, plan.examples, plan.model) == ("runs/x", "e.jsonl", "embedded")
    assert plan.train.rl_options == {"epsilon_high": 0.28}
    assert plan.train.stages == (Stage(steps=5, mix={"rl": 0.0}), Stage(controller="sasr"))


def test_overrides_take_toml_values_and_bare_words() -> None:
    plan = read_plan(TEXT, ["train.rl_options.epsilon_high=0.3", "train.rl_loss=mine.losses:best", "out=runs/y", "train.lora=8"])
    assert plan.train.rl_options == {"epsilon_high": 0.3}
    assert (plan.train.rl_loss, plan.out, plan.train.lora) == ("mine.losses:best", "runs/y", 8)


def test_paths_are_a_table_with_its_own_keys() -> None:
    assert read_plan(TEXT, ["paths.count=3", "paths.tags.open_block=<Fork>"]).paths == Paths(count=3, tags=PathTags(open_block="<Fork>"))
    with pytest.raises(InputError, match="number"):
        read_plan(TEXT, ["paths.number=3"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.lerning_rate=1", "no setting train.lerning_rate"),
        ("modle=x", "modle"),
        ("train.steps=many", "Expected `int | null`, got `str`"),
        ("train.group_size=1", "at least 2 completions"),
        ("train.steps", "write key=value|Write key=value"),
        ("out.x=1", "'out' is a value"),
    ],
)
def test_what_cannot_be_used_is_said(override, message) -> None:
    with pytest.raises(InputError, match=message):
        read_plan(TEXT, [override])


def test_text_that_is_no_toml() -> None:
    with pytest.raises(InputError, match="no TOML"):
        read_plan(b"out = ")
