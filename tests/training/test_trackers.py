"""Numbers of a run in TensorBoard's files, through accelerate."""

from __future__ import annotations

import pytest

from burnish.core.errors import InputError
from burnish.training.config import TrainConfig
from burnish.training.trackers import tracked
from burnish.training.trainer import train

CONFIG = TrainConfig(steps=2, batch_size=4)


def test_every_number_of_a_step_is_logged(make_policy, examples, tmp_path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with tracked(["tensorboard"], str(tmp_path / "log"), CONFIG) as note:
        train(make_policy(), tmp_path / "run", CONFIG, examples=examples, on_step=note)
    events = EventAccumulator(str(tmp_path / "log" / "burnish"))
    events.Reload()
    assert [event.step for event in events.Scalars("sft.loss")] == [1, 2]


def test_an_unknown_tracker_is_named(tmp_path) -> None:
    with pytest.raises(InputError, match="Cannot log to tensorbored"), tracked(["tensorbored"], str(tmp_path), CONFIG):
        pass


def test_no_tracker_costs_nothing(tmp_path) -> None:
    with tracked([], str(tmp_path), CONFIG) as note:
        assert note(None) is None
    assert list(tmp_path.iterdir()) == []
