"""LeDex's direction on a tiny model: imitation raises the refinement rate from chance, and without feedback it falls back to it."""

import asyncio

import pytest
from tests.operators import OPERATORS, program, task

from burnish.core.records import Sampling
from burnish.curation.ledex import ledex
from burnish.evaluation import evaluate
from burnish.models import load
from burnish.runs import SolveConfig, solve
from burnish.signals.feedback import feedback
from burnish.signals.repairs import repair_task
from burnish.store.runs import RunStore
from burnish.training.config import TrainConfig
from burnish.training.trainer import train
from burnish.verifiers.python import python

TRAINING = TrainConfig(learning_rate=3e-3, epochs=40, batch_size=8, warmup=5, micro_tokens=4096, save_every=10_000, extendable=False)


def problems(told=True):
    """Every wrong operator of every task, with what its failing test says, or only that it fails."""
    for meant in OPERATORS:
        for wrong in OPERATORS:
            if wrong != meant:
                failure = feedback(python.verify(task(meant).public(), program(wrong))) if told else "The code fails."
                yield repair_task(task(meant), f"{meant} not {wrong}", program(wrong), failure)


def refinement_rate(policy, folder, told=True):
    config = SolveConfig(
        strategy="explained_repair", options={"explain": True}, samples=4, sampling=Sampling(temperature=1.0, max_tokens=48)
    )
    with RunStore.create(folder, {}) as store:
        asyncio.run(solve(list(problems(told)), policy, python, store, config))
        return evaluate(store)


@pytest.fixture(scope="module")
def trained(collected, pupil, tmp_path_factory):
    """The rate before; then the trained policy."""
    folder = tmp_path_factory.mktemp("direction")
    policy = load(str(pupil), needs=["training"])
    before = refinement_rate(policy, folder / "before")
    with RunStore.open(collected) as store:
        examples = ledex(store, kinds="bc", per_task=9, per_wrong=1)
    train(policy, folder / "sft", TRAINING, examples=examples)
    yield before, policy, folder
    asyncio.run(policy.aclose())


def test_imitation_raises_the_refinement_rate_from_chance(trained):
    """By chance one of three other operators is right; a random model does not even write a program."""
    before, policy, folder = trained
    after = refinement_rate(policy, folder / "after")
    assert before.answers.pass_at_k[0].value < 0.05
    assert after.answers.pass_at_k[0].value > 0.8


def test_without_feedback_it_falls_back_to_chance(trained):
    _, policy, folder = trained
    blind = refinement_rate(policy, folder / "blind", told=False)
    assert blind.answers.pass_at_k[0].value < 0.5


def test_the_explanation_names_the_operator_that_the_repair_takes(trained):
    _, policy, folder = trained
    refinement_rate(policy, folder / "explained")
    with RunStore.open(folder / "explained") as store:
        labels = store.labels()
        named = [
            any(f"must be {name}." in one.text and OPERATORS[name] in one.artefacts.get("code", "") for name in OPERATORS)
            for one in store.attempts()
        ]
        right = [f"must be {one.task_id.split()[0]}." in one.text for one in store.attempts() if labels[one.id].passed]
    assert sum(named) / len(named) > 0.8
    assert sum(right) / len(right) > 0.9
