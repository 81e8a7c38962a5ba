"""The benchmark of hybrids on a tiny random model: every plan trains, the budget holds, nothing is done twice, the page is written."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from benchmarks._hybrids_plans import Ledger, arms
from benchmarks._hybrids_report import BASE, BASELINE, Outcome, result, verdict

from benchmarks import hybrids
from burnish.core.errors import InputError
from burnish.models.scripted import scripted
from burnish.signals.prompts import ask
from burnish.store.runs import RunStore
from burnish.text.code import fenced

SEED = 3
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def options(tmp_path_factory, tiny_model):
    """Small sizes, and examples: a random model solves nothing, so a script that knows the references has written the answers."""
    options = hybrids.Options(
        seeds=(SEED,),
        tokens=3500,
        sft_steps=2,
        train_tasks=5,
        test_tasks=2,
        collect=1,
        samples=1,
        max_tokens=400,
        model=str(tiny_model),
        out=tmp_path_factory.mktemp("hybrids") / "out",
    )
    tasks = hybrids._spread("first-functions:train", options.train_tasks)
    answers = {ask(task)[0].content: fenced(task.refs[0]) for task in tasks}
    author = scripted(lambda messages, seed: answers[messages[0].content])
    hybrids.sample(options, SEED, author, tasks, options.collect, options.out / f"seed-{SEED}" / "collect")
    hybrids.prepare(options, SEED)
    return replace(options, max_tokens=8)


@pytest.fixture(scope="module")
def ran(options):
    """The options of a whole run of all arms."""
    options = replace(options, write=options.out / "hybrids.md")
    hybrids.main(options)
    return options


def _outcomes(options):
    whole = json.loads((options.out / "result.json").read_text())
    return {name: arm["seeds"][str(SEED)] for name, arm in whole["arms"].items()}


def test_examples_have_the_log_probabilities_of_their_author_and_validation_has_tasks_of_its_own(options):
    data = hybrids.prepare(options, SEED)
    assert len(data.examples) == 4
    assert len(data.validation) == 1
    assert not {example.task_id for example in data.examples} & {example.task_id for example in data.validation}
    for example in data.examples:
        ((start, end),) = example.tokens.sampled
        assert len(example.tokens.logprobs) == end - start > 20
        assert all(logprob < 0 for logprob in example.tokens.logprobs)


def test_every_arm_spends_its_budget_to_the_nearest_step(ran):
    outcomes = _outcomes(ran)
    assert list(outcomes) == [BASE, *arms(ran.sft_steps)]
    for name, outcome in outcomes.items():
        spent = outcome["trained"] + outcome["generated"]
        if name == BASE:
            assert (spent, outcome["kl"], outcome["steps"]) == (0, None, {})
            continue
        with RunStore.open(ran.out) as log:
            steps = [values for _, values in log.metrics(f"seed {SEED}: {name}")]
        costs = [later - earlier for earlier, later in pairwise([0, *(step["spent"] for step in steps)])]
        assert sum(costs) == spent
        assert abs(spent - ran.tokens) <= max(costs) / 2 + max(costs[-1], 0), (name, costs)
        assert outcome["generated"] > 0
        assert outcome["steps"]["sft"] >= 1
        assert outcome["kl"] > 0
        read = sum(step["tokens"] for step in steps)
        assert outcome["trained"] == read or (name == "AMFT" and outcome["trained"] > read), name


def test_staged_arms_differ_only_in_what_they_say(ran):
    plans = arms(ran.sft_steps)
    staged = {name: _outcomes(ran)[name]["steps"] for name, plan in plans.items() if len(plan["stages"]) == 2}
    assert set(staged) == {BASELINE, "DFT → RL", "ASFT → RL", "IFT → RL", "PEAR → RL", "SFT → Klear"}
    assert {steps["sft"] for steps in staged.values()} == {2}
    assert all(steps["rl"] > 0 for steps in staged.values())
    kls = {_outcomes(ran)[name]["kl"] for name in staged if name != "SFT → Klear"}
    assert len(kls) == 5  # every supervised loss leads elsewhere


def test_what_is_finished_is_not_repeated_and_what_was_interrupted_is(ran, capsys):
    folder = ran.out / f"seed-{SEED}"
    kept, lost = folder / "sasr" / "outcome.json", folder / "amft" / "outcome.json"
    before, text = kept.stat().st_mtime_ns, lost.read_text()
    lost.unlink()
    hybrids.main(ran)
    assert kept.stat().st_mtime_ns == before
    again, first = json.loads(lost.read_text()), json.loads(text)
    assert (again["trained"], again["generated"], again["rates"]) == (first["trained"], first["generated"], first["rates"])
    assert f"| {BASELINE} | 0.000 [0.000, 0.000] |" in capsys.readouterr().out


def test_the_page_says_what_was_run(ran):
    text = Path(ran.write).read_text()
    for name in (BASE, *arms(ran.sft_steps)):
        assert f"| {name} | 0.000" in text
    assert "has 3500 tokens" in text
    assert "Not decided: DFT → RL, ASFT → RL" in text
    assert "{" not in text


def test_other_settings_and_unknown_arms_are_refused(ran):
    with pytest.raises(InputError, match="tokens: 3500 then, 7000 now"):
        hybrids.main(replace(ran, tokens=7000))
    with pytest.raises(InputError, match=r"no arm 'RAFT'. Known: base model, SFT → RL"):
        hybrids.main(replace(ran, arms=("RAFT",)))


@pytest.mark.parametrize(("spent", "last", "ends"), [(0, 0, False), (940, 100, False), (950, 100, True), (1200, 100, True)])
def test_a_run_ends_where_it_is_nearest_to_its_budget(spent, last, ends):
    assert Ledger(budget=1000, generated=spent, last=last).is_spent() is ends


def _outcome(rates):
    return Outcome(rates=rates, truncated=0.0, kl=0.1, trained=1, generated=1, steps={"sft": 1}, train_s=1.0, seconds=1.0)


def test_only_an_interval_apart_from_zero_decides():
    tasks = [f"t{number}" for number in range(20)]
    half = {task: float(number % 2) for number, task in enumerate(tasks)}
    found = {
        BASE: {0: _outcome(half)},
        BASELINE: {0: _outcome(half)},
        "up": {0: _outcome(dict.fromkeys(tasks, 1.0))},
        "down": {0: _outcome(dict.fromkeys(tasks, 0.0))},
        "same": {0: _outcome({**half, "t0": 1.0, "t1": 0.0})},
    }
    whole = result(found, {}, {0: 7}, "a machine")
    assert whole.arms["up"].difference.value == 0.5
    words = verdict(whole)
    assert words.startswith("Better than SFT → RL (interval above 0): up. Worse (interval below 0): down. Not decided: same.")
    assert "With 3 comparisons" in words


def test_a_difference_is_paired_by_task_and_seed():
    """A task that one side could not decide in a seed counts in neither side there."""
    one = {0: _outcome({"a": 1.0, "b": 0.0}), 1: _outcome({"a": 0.0})}
    other = {0: _outcome({"a": 0.0, "b": 0.0}), 1: _outcome({"a": 0.0, "b": 1.0})}
    whole = result({BASE: one, BASELINE: one, "x": other}, {}, {0: 1, 1: 1}, "")
    assert whole.arms["x"].difference.value == pytest.approx((-0.5 + 0.0) / 2)
