"""What reinforcement learning sampled is in the run store, with what each token was trained with."""

from __future__ import annotations

import pytest

from burnish.store.runs import RunStore
from burnish.training.config import TrainConfig
from burnish.training.journal import learned, record_rollouts
from burnish.training.trainer import train

CONFIG = TrainConfig(steps=2, tasks_per_step=2, group_size=3, max_tokens=6, learning_rate=1e-3, schedule="constant")


@pytest.fixture
def seen(make_policy, source, tmp_path):
    """`(step, rollouts)` of a short run."""
    found = []
    train(make_policy(), tmp_path / "rl", CONFIG, rollouts=source, on_rollouts=lambda step, rollouts: found.append((step, rollouts)))
    return found


def test_every_sampled_token_comes_with_its_advantage_and_the_trainers_logprob(seen) -> None:
    assert [step for step, _ in seen] == [1, 2]
    trained = 0
    for _, rollouts in seen:
        assert len(rollouts) == 6
        for rollout in rollouts:
            assert (rollout.reward is None) == (rollout.advantage == ())
            if rollout.trainer:
                trained += 1
                assert len(rollout.trainer) == len(rollout.advantage) == len(rollout.tokens.logprobs)
                assert rollout.trainer == pytest.approx(rollout.tokens.logprobs, abs=1e-4)
            else:
                assert not any(rollout.advantage)
    assert trained


def test_a_run_holds_what_was_sampled(seen, source, tmp_path) -> None:
    with RunStore.create(tmp_path / "run", {}) as store:
        for step, rollouts in seen:
            record_rollouts(store, source, step, rollouts, policy="tiny")
        attempts = list(store.attempts())
        known = learned(store)
        assert len(attempts) == len(known) == 12
        first, rollout = attempts[0], seen[0][1][0]
        assert first.id == f"step-000001/{rollout.task_id}#0"
        assert (first.tokens, first.text, first.policy) == (rollout.tokens, rollout.text, "tiny")
        assert first.sampling.seed != attempts[1].sampling.seed
        assert store.label(first.id).status == rollout.verdict.status
        assert known[first.id].advantage == pytest.approx(rollout.advantage)
        assert (known[first.id].step, known[first.id].reward) == (1, rollout.reward)
        step, again = seen[0]
        record_rollouts(store, source, step, again, policy="tiny")
        assert len(list(store.attempts())) == 12
        record_rollouts(store, source, step, seen[1][1], policy="tiny")  # redone, and it came out differently
        assert len(list(store.attempts())) == 18


def test_a_source_with_credit_is_kept_with_it(seen, source, tmp_path) -> None:
    import dataclasses

    credited = dataclasses.replace(source, credit=lambda rollout: ((0,), (0.5,)))
    with RunStore.create(tmp_path / "run", {}) as store:
        record_rollouts(store, credited, 1, seen[0][1], policy="tiny")
        assert {one.credit for one in learned(store).values()} <= {((0, 0.5),), ()}
        assert any(one.credit for one in learned(store).values())
