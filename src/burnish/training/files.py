"""A training run as a TOML file: what to learn from, where to write, and every setting of the trainer. Needs no torch.

model = "embedded"
out = "runs/mixed"
examples = "examples.jsonl"
tasks = "first-functions:train"

[train]
controller = "sasr"
learning_rate = 1e-5
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from burnish.core.errors import InputError
from burnish.core.records import Record
from burnish.training.config import TrainConfig
from burnish.training.rollouts import Paths


class TrainPlan(Record, forbid_unknown_fields=True):
    """What a training file says."""

    out: str
    """Folder for checkpoints and metrics."""
    model: str = "embedded"
    """`embedded`, a local model folder, or a hub name."""
    engine_options: dict[str, Any] = {}
    """Options of the engine, for example `{ dtype = "float32" }`. By default weights are bfloat16 where the hardware multiplies it."""
    examples: str = ""
    """JSONL file of examples for the stream `sft`."""
    tasks: str = ""
    """Task set or JSONL file of tasks for the stream `rl`. Their hidden checks are used: give training tasks."""
    recorded: str = ""
    """JSONL file of answers that were sampled before, with `meta["reward"]` or `meta["credit"]` (`burnish curate ledex_rewards`), for the
    stream `rl`, in place of tasks."""
    reward: str = "shaped"
    """Reward of the stream `rl`: a name or an import path."""
    credit: str = ""
    """Rewards inside of an answer, for the advantages `token_credit`, `step_credit`, `span_gae`: the checkpoint folder of a process
    reward model (line by line), or the import path of a function (`RolloutSource.credit`)."""
    paths: Paths | None = None
    """How the answers of the stream `rl` fork into parallel paths, for example `{ count = 2, tokens = 512 }`. None: they do not."""
    preferences: str = ""
    """JSONL file of examples for the stream `preference`, alternating better and worse."""
    judged: str = ""
    """JSONL file of examples for the stream `preference`, judged one by one in `meta["desirable"]` (loss `kto`)."""
    labelled: str = ""
    """JSONL file of examples with judged steps for the stream `value`."""
    validation: str = ""
    """JSONL file of examples that are only measured."""
    trackers: tuple[str, ...] = ()
    """Where to log beside the run store: `tensorboard`, `wandb`, or whatever else accelerate knows."""
    train: TrainConfig = TrainConfig()


def read_plan(text: bytes, overrides: Sequence[str] = ()) -> TrainPlan:
    """A plan from the text of a TOML file and `key=value` overrides, such as `train.steps=10`.

    Raises `InputError` for text that is no TOML, an unknown key, or a value of the wrong type or range.
    """
    values = values_of(text, overrides)
    values.setdefault("out", "runs/train")
    if unknown := sorted(set(values.get("train", {})) - set(TrainConfig.__struct_fields__)):
        raise InputError(f"There is no setting train.{unknown[0]}. Known: {', '.join(sorted(TrainConfig.__struct_fields__))}.")
    try:
        return msgspec.convert(values, TrainPlan)
    except msgspec.ValidationError as error:
        raise InputError(f"The training file cannot be used: {error}.") from None


def read_config(config: Mapping[str, Any]) -> TrainConfig:
    """Settings from a mapping, as a file holds them. Raises `InputError` for an unknown key, a wrong type or range."""
    if unknown := sorted(set(config) - set(TrainConfig.__struct_fields__)):
        raise InputError(f"There is no setting {unknown[0]!r}. Known: {', '.join(sorted(TrainConfig.__struct_fields__))}.")
    try:
        return msgspec.convert(dict(config), TrainConfig)
    except msgspec.ValidationError as error:
        raise InputError(f"The settings cannot be read: {error}.") from None


def values_of(text: bytes, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """What a TOML text says, with single values replaced by `key=value` overrides. Raises `InputError` for what is neither."""
    values = _toml(text.decode("utf-8", "replace"), "The training file")
    for override in overrides:
        _set(values, override)
    return values


def _set(values: dict[str, Any], override: str) -> None:
    path, mark, value = override.partition("=")
    *parents, name = path.strip().split(".")
    if not mark or not name:
        raise InputError(f"{override!r} is no override. Write key=value, for example train.learning_rate=1e-5.")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise InputError(f"{override!r}: {parent!r} is a value, not a table.")
    values[name] = _value(value.strip())


def _value(text: str) -> Any:
    """A TOML value; text that is none is taken as it stands, so that shells need no double quoting."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _toml(text: str, what: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{what} is no TOML: {error}.") from None
