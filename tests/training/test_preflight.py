"""Preflight: a sound setup passes, and each seeded fault is found by the check that is there for it, and by no other."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import msgspec
import pytest
import torch

from burnish.core.errors import InputError
from burnish.core.records import CheckSpec, Message, Task
from burnish.objectives.base import Advantage, Loss
from burnish.signals.rewards import all_passed
from burnish.training._optimizer import MasterAdamW
from burnish.training.config import TrainConfig
from burnish.training.preflight import Setup, preflight
from burnish.training.preflight.base import Shape, Warned, functions
from burnish.training.preflight.environment import activation_bytes, cache_bytes, check_shape, training_bytes
from burnish.training.preflight.sampling import judge_parity
from burnish.training.rollouts import RolloutSource
from burnish.training.trainer import train
from burnish.verifiers.python import python

HERE = __name__
CONFIG = {"learning_rate": 1e-2, "micro_tokens": 128, "batch_size": 4, "warmup": 0}

mean_of_means = Loss(name="mean_of_means", function=lambda batch, _: -batch.logp / batch.mask.sum() * 20)
unseeded = Loss(name="unseeded", function=lambda batch, _: -batch.logp * (1 + 1e-6 * random.random()))
standing_still = Loss(name="standing_still", function=lambda batch, _: batch.logp * 1e-6 + 1.0)
raw_reward = Advantage(name="raw_reward", function=lambda batch, _: batch.reward.nan_to_num())


@pytest.fixture
def rollouts() -> RolloutSource:
    """One task with a reference, judged by the real jail."""
    check = CheckSpec(id="c", kind="assert", data={"code": "assert double(2) == 4"}, hidden=True)
    task = Task(
        id="double",
        group_id="double",
        kind="python",
        prompt="Write double(x).",
        checks=(check,),
        refs=("def double(x): return 2 * x",),
        context={"entry_point": "double"},
    )
    return RolloutSource(
        verifier=python,
        tasks=[task],
        messages=lambda task: (Message(role="user", content="say a"),),
        extract=lambda task, text: text,
        reward=all_passed,
    )


@pytest.fixture
def setup(make_policy, examples, rollouts) -> Setup:
    return Setup(policy=make_policy(), config=CONFIG, examples=examples[:4], validation=examples[4:], rollouts=rollouts)


def changed(setup: Setup, **fields) -> Setup:
    return dataclasses.replace(setup, **fields)


def outcomes(setup: Setup) -> dict[str, str]:
    return {check.id: check.outcome for check in preflight(setup)}


def test_a_sound_setup_passes(setup) -> None:
    assert set(functions()) == {f"P{number:02}" for number in range(1, 21)}
    checks = preflight(setup)
    assert {check.id: check.diagnostics[0].message for check in checks if check.outcome not in ("pass", "skip")} == {}
    assert {check.id for check in checks if check.outcome == "skip"} == {"P16", "P17"}  # one process; see test_ranks
    assert {check.id for check in checks if check.diagnostics[0].severity == "warn"} == set()


class Renderer:
    """The policy's renderer with one method replaced."""

    def __init__(self, renderer, **methods) -> None:
        self._renderer, self._methods = renderer, methods

    def __getattr__(self, name):
        return self._methods.get(name) or getattr(self._renderer, name)


class Engine:
    """The policy with another renderer or another way to write."""

    def __init__(self, policy, renderer=None, spoil=None) -> None:
        self._policy, self._spoil = policy, spoil
        self.renderer = renderer or policy.renderer

    def __getattr__(self, name):
        return getattr(self._policy, name)

    async def generate(self, request):
        return self._spoil(await self._policy.generate(request), request)


class Gullible:
    """Judges without a jail: what claims to be right is right."""

    def __getattr__(self, name):
        return getattr(python, name)

    def verify(self, task, artefact, **options):
        return python.verify(task, artefact if task.id == "double" else "def f(): return 1", **options)


def louder(completion, request):
    """Log-probabilities that are not those of the sampling temperature."""
    return msgspec.structs.replace(completion, logprobs=tuple(value * 2 - 0.5 for value in completion.logprobs))


def endless(completion, request):
    """Ignores a small limit."""
    if request.sampling.max_tokens != 4:
        return completion
    return msgspec.structs.replace(completion, ids=completion.ids * 3, logprobs=completion.logprobs * 3)


def learns_prompt(setup):
    """The prompt's last tokens are learned too."""
    inner = setup.policy.renderer

    def supervised(messages):
        ids, (start, end) = inner.supervised(messages)
        return ids, (start if messages[0].content == "say a" and messages[1].content == "a b" else start - 2, end)

    return changed(setup, policy=Engine(setup.policy, Renderer(inner, supervised=supervised), lambda completion, _: completion))


def never_stops(setup):
    """The end of the turn is left out of what is learned."""
    inner = setup.policy.renderer

    def supervised(messages):
        ids, (start, end) = inner.supervised(messages)
        return ids[: end - 1], (start, end - 1)

    return changed(setup, policy=Engine(setup.policy, Renderer(inner, supervised=supervised), lambda completion, _: completion))


def with_adapter(setup, tmp_path):
    """A policy that has learned something in an adapter already: its reference is another model."""
    train(setup.policy, tmp_path, TrainConfig(**CONFIG | {"lora": 4, "steps": 8, "learning_rate": 0.1}), examples=setup.examples)
    return changed(setup, config={**CONFIG, "lora": 4})


FAULTS = {
    "P01": lambda s: changed(s, requirements=["torch>=99"]),
    "P02": lambda s: changed(s, config={**CONFIG, "lerning_rate": 1e-3}),
    "P03": lambda s: changed(s, shape=Shape(world=8, tensor=3)),
    "P04": lambda s: changed(s, memory=1 << 16),
    "P05": lambda s: changed(s, attention="flash_attention_2"),
    "P06": lambda s: changed(s, validation=s.examples[:1]),
    "P07": never_stops,
    "P08": learns_prompt,
    "P09": lambda s: changed(s, rollouts=dataclasses.replace(s.rollouts, reward=lambda verdict: 1.0)),
    "P10": lambda s: changed(s, rollouts=dataclasses.replace(s.rollouts, verifier=Gullible())),
    "P11": lambda s: changed(s, policy=Engine(s.policy, spoil=louder)),
    "P12": lambda s: changed(s, config={**CONFIG, "sft_loss": f"{HERE}:mean_of_means"}),
    "P13": lambda s: changed(s, config={**CONFIG, "sft_loss": f"{HERE}:standing_still"}),
    "P15": lambda s: changed(s, config={**CONFIG, "sft_loss": f"{HERE}:unseeded"}),
    "P19": lambda s: changed(s, config={**CONFIG, "advantage": f"{HERE}:raw_reward"}),
    "P20": lambda s: changed(s, policy=Engine(s.policy, spoil=endless)),
}


READ = {
    **dict.fromkeys(("P12", "P13", "P14", "P15"), lambda s: (s.policy.model, s.policy.renderer, s.config, s.examples)),
    "P10": lambda s: (s.rollouts.verifier,),
}
"""What the slow checks read. Where a fault leaves all of it alone, they find what they found in the sound setup: nothing."""


def failed(setup: Setup, sound: Setup) -> set[str]:
    """Ids of the checks that fail."""
    same = {name for name, read in READ.items() if all(a is b for a, b in zip(read(setup), read(sound), strict=True))}
    return {check.id for check in preflight(setup, only=sorted(set(functions()) - same)) if check.outcome == "fail"}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_by_its_own_check(setup, fault) -> None:
    found = failed(FAULTS[fault](setup), setup)
    assert found - ({"P14"} if fault == "P15" else set()) == {fault}  # what is drawn without a seed may spoil a resumed run too


def test_a_dropped_optimiser_state_is_found(setup, monkeypatch) -> None:
    whole = MasterAdamW.state
    monkeypatch.setattr(MasterAdamW, "state", lambda self: {n: t for n, t in whole(self).items() if n.endswith("|master")})
    assert failed(setup, changed(setup, config=dict(CONFIG))) == {"P14"}


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
def test_a_policy_that_is_not_its_reference_is_found(setup, tmp_path) -> None:
    assert failed(with_adapter(setup, tmp_path), setup) == {"P18"}


def test_judged_answers_are_data_too(setup, examples) -> None:
    judged = [msgspec.structs.replace(example, meta={"desirable": True}) for example in examples]
    alone = changed(setup, examples=(), validation=(), rollouts=None, judged=judged, config={**CONFIG, "preference_loss": "kto"})
    (check,) = preflight(alone, only=["P06"])
    assert (check.outcome, check.diagnostics[0].message) == ("pass", "6 judged, labelled or recorded answers")
    (check,) = preflight(changed(alone, judged=examples), only=["P06"])
    assert check.outcome == "fail"
    assert "meta['desirable'] must be true or false" in check.diagnostics[0].message


def test_a_check_may_be_run_alone(setup) -> None:
    assert [check.id for check in preflight(setup, only=["P03", "P09"])] == ["P03", "P09"]
    with pytest.raises(InputError, match="no check 'P21'"):
        preflight(setup, only=["P21"])


def test_numbers_of_the_specification() -> None:
    shape = Shape(world=8, tensor=2, micro=4, accumulation=8)
    assert shape.batch == 128
    check_shape(dataclasses.replace(shape, global_batch=128))
    with pytest.raises(InputError, match="world = 8 is not a multiple"):
        check_shape(dataclasses.replace(shape, tensor=3))
    assert training_bytes(7e9) / 2**30 == pytest.approx(104.31, abs=0.005)
    assert training_bytes(135e6) / 2**30 == pytest.approx(2.012, abs=0.001)
    assert activation_bytes(2048, 1, 4096, 32, 32) / 2**30 == pytest.approx(28.5)
    assert cache_bytes(32, 8, 128, 8192, 8) / 2**30 == pytest.approx(8.0)
    with pytest.raises(Warned, match=r"mean \|difference\| 0\.0233, largest ratio 1\.0513"):
        judge_parity([-1, -2, -0.5], [-1.02, -1.95, -0.5])


def test_nothing_is_changed(setup) -> None:
    before = {name: tensor.clone() for name, tensor in setup.policy.model.state_dict().items()}
    preflight(setup, only=["P12", "P13", "P14", "P15"])
    assert all(torch.equal(tensor, before[name]) for name, tensor in setup.policy.model.state_dict().items())
    assert not any(Path(".").glob("step-*"))
