"""LeDex's direction on a tiny model: imitation raises the refinement rate from chance, and without feedback it falls back to it."""

import asyncio

import pytest
from tests.operators import OPERATORS, program, task

from burnish.core.records import Sampling
from burnish.curation.ledex import ledex
from burnish.models import load
from burnish.runs import SolveConfig, solve
from burnish.signals.feedback import feedback
from burnish.signals.repairs import repair_task
from burnish.store.runs import RunStore
from burnish.training.config import TrainConfig
from burnish.training.trainer import train
from burnish.verifiers.python import python

TRAINING = TrainConfig(learning_rate=5e-3, epochs=36, batch_size=4, warmup=5, micro_tokens=4096, save_every=10_000, extendable=False)


def problems(told=True):
    """Every wrong operator of every task, with what its failing test says, or only that it fails."""
    for meant in OPERATORS:
        for wrong in OPERATORS:
            if wrong != meant:
                failure = feedback(python.verify(task(meant).public(), program(wrong))) if told else "The code fails."
                yield repair_task(task(meant), f"{meant} not {wrong}", program(wrong), failure)


def repaired(policy, folder, told=True):
    """The share of repairs that pass, and what each says: its task's operator, its text, its program, whether it passes."""
    sampling = Sampling(temperature=0.3, max_tokens=48)
    config = SolveConfig(strategy="explained_repair", options={"explain": True}, samples=2, sampling=sampling)
    with RunStore.create(folder, {}) as store:
        asyncio.run(solve(list(problems(told)), policy, python, store, config))
        labels = store.labels()
        said = [(one.task_id.split()[0], one.text, one.artefacts.get("code", ""), labels[one.id].passed) for one in store.attempts()]
    return sum(passed for *_, passed in said) / len(said), said


@pytest.fixture(scope="module")
def measured(collected, pupil, tmp_path_factory):
    """By name what was repaired: before and after training, and after it without feedback."""
    folder = tmp_path_factory.mktemp("direction")
    policy = load(str(pupil), needs=["training"])
    found = {"before": repaired(policy, folder / "before")}
    with RunStore.open(collected) as store:
        examples = ledex(store, kinds="c", per_task=9, per_wrong=1)
    train(policy, folder / "sft", TRAINING, examples=examples)
    found |= {"after": repaired(policy, folder / "after"), "blind": repaired(policy, folder / "blind", told=False)}
    asyncio.run(policy.aclose())
    return found


@pytest.mark.slow
def test_imitation_raises_the_refinement_rate_from_chance(measured):
    """By chance one of three other operators is right; a random model does not even write a program."""
    assert measured["before"][0] < 0.05
    assert measured["after"][0] > 0.7


@pytest.mark.slow
def test_without_feedback_it_falls_to_chance_or_below(measured):
    assert measured["blind"][0] < 0.45


@pytest.mark.slow
def test_the_explanation_names_the_operator_that_is_meant(measured):
    passing = [f"must be {meant}." in text for meant, text, _, passed in measured["after"][1] if passed]
    assert sum(passing) / len(passing) > 0.8
