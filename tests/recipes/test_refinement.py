"""LeDex's evaluation as a command and a function: a scripted model whose skill is known, the real judge."""

import json

import pytest
from tests.operators import OPERATORS, meant_by, reply, task

from burnish import api
from burnish.cli.main import main
from burnish.core.errors import InputError
from burnish.models.scripted import scripted
from burnish.recipes._protocol import folder_of
from burnish.store.jsonl import write_records
from burnish.store.runs import RunStore


def wrong_for(name):
    return [*OPERATORS][([*OPERATORS].index(name) + 1) % 4]


def pupil(messages, seed):
    """Always answers `plus`; repairs by the failing test, but only what should be `minus`; explanations are always right."""
    if len(messages) == 1:
        return reply("plus")
    meant = meant_by(messages[-1].content)
    explained = "First explain" in messages[-1].content
    code = meant if meant == "minus" else wrong_for(meant)
    text = reply(code, explained)
    return text.replace(f"must be {code}", f"must be {meant}")


def helper(messages, seed):
    """A fresh model that does what an explanation says, and else writes `plus`."""
    told = [name for name in OPERATORS if f"must be {name}." in messages[-1].content]
    return reply(told[0] if told else "plus")


@pytest.fixture
def four(tmp_path):
    file = tmp_path / "four.jsonl"
    write_records(file, [task(name) for name in OPERATORS])
    return file


def measured(four, folder, model=None, fresh=None, **settings):
    options = {"samples": 2, "problems": 6, "draws": 1, "embed": "tests.operators:embed", "low": 0.0, "high": 1.0, **settings}
    model, fresh = model or scripted(pupil, name="pupil"), fresh or scripted(helper, name="helper")
    return api.refinement([str(four)], folder, model=model, fresh=fresh, **options)


def test_the_protocol(four, tmp_path):
    """Of 4 tasks one is solved at once; of the 3 x 2 failing samples those of `minus` are repaired."""
    result = measured(four, tmp_path / "out", rounds=2)
    for form, evaluation in result.evaluations[str(four)].items():
        first, once, twice = evaluation.rounds
        assert [one.pass_at_k[0].value for one in (first, once, twice)] == [0.25, 0.5, 0.5], form
        assert (once.refined, once.failing_before, once.rate.value) == (2, 6, pytest.approx(1 / 3))
        assert (once.samples, twice.regressions) == (8, 0)
        assert [one.k for one in first.pass_at_k] == [1, 2]
    worth = result.explained[str(four)]
    assert worth.similarity.explanations == 6 + 4  # the two rounds of what stays wrong
    assert worth.similarity.compared == 2  # only `minus` has verified ones
    use = worth.usefulness
    assert (use.problems, use.tasks) == (6, 3)
    assert (use.nothing.value, use.explanation.value) == (0, 1)
    assert use.other.value < 0.01
    assert use.gain.value == use.over_other.value == 1
    assert json.loads((tmp_path / "out" / "result.json").read_text())["model"] == "pupil"


def test_what_is_finished_is_not_asked_again(four, tmp_path):
    whole = measured(four, tmp_path / "out")
    with pytest.raises(InputError, match="--resume"):
        measured(four, tmp_path / "out")
    mute = {name: scripted([], name=name) for name in ("pupil", "helper")}
    again = measured(four, tmp_path / "out", mute["pupil"], mute["helper"], resume=True)
    assert (again.evaluations, again.explained) == (whole.evaluations, whole.explained)
    with pytest.raises(InputError, match="was started differently"):
        measured(four, tmp_path / "out", resume=True, samples=3)


def test_only_repairing_needs_no_encoder_and_explains_nothing(four, tmp_path):
    result = measured(four, tmp_path / "out", formats=("repair",), embed="there.is.no:encoder")
    assert result.explained == {}
    with RunStore.open(tmp_path / "out" / folder_of("model", str(four), "repair")) as store:
        assert not any("First explain" in attempt.messages[-1].content for attempt in store.attempts())


def test_a_single_failing_task_has_no_other_explanation_to_compare_with(tmp_path):
    write_records(tmp_path / "one.jsonl", [task("plus"), task("over")])
    result = measured(tmp_path / "one.jsonl", tmp_path / "out", fresh=scripted([], name="never asked"))
    assert result.explained[str(tmp_path / "one.jsonl")].usefulness is None


def test_from_the_command_line(four, tmp_path, tiny_model, capsys):
    """A random model under its own name; told nothing it can use."""
    command = ["refinement", "--model", tiny_model, "--fresh", tiny_model, "--tasks", four, "--out", tmp_path / "out"]
    command += ["--formats", "repair", "--samples", 1, "--max-tokens", 8]
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in command])
    assert not stopped.value.code
    shown = capsys.readouterr().out
    assert "asked to" in shown
    assert "after round 1" in shown
    assert json.loads((tmp_path / "out" / "result.json").read_text())["protocol"]["formats"] == ["repair"]


@pytest.mark.parametrize(("settings", "message"), [({"tasks": ()}, "tasks and formats must not be empty"), ({"rounds": 0}, "at least 1")])
def test_a_protocol_that_measures_nothing_is_refused(tmp_path, settings, message):
    tasks = settings.pop("tasks", ("humaneval",))
    with pytest.raises(InputError, match=message):
        api.refinement(tasks, tmp_path / "out", **settings)


def test_explanations_are_not_measured_where_nobody_wants_to_know(four, tmp_path):
    result = measured(four, tmp_path / "out", problems=0, embed="there.is.no:encoder")
    assert (result.explained, list(result.evaluations[str(four)])) == ({}, ["repair", "explain"])
