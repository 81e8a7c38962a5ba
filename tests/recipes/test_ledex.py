"""The recipe on a tiny model and a collected run: every stage runs, stops in the middle and goes on; what it finds is written down."""

import asyncio
import contextlib
import json
import shutil

import msgspec
import pytest
import torch
from tests.operators import OPERATORS, embed, held_out, program, reply, task, tasks

from burnish.cli.main import main
from burnish.core.errors import InputError
from burnish.core.records import Verdict
from burnish.curation._problems import repair_problems
from burnish.models import load
from burnish.models.base import Request
from burnish.models.scripted import scripted
from burnish.recipes._ledex_config import Collect, Grpo, LedexConfig, Ppo, Rewards, Sft
from burnish.recipes._ledex_records import LedexResult
from burnish.recipes._protocol import Protocol
from burnish.recipes._repair_credit import RepairCredit
from burnish.recipes.base import silent
from burnish.recipes.ledex import ledex
from burnish.runs import SolveConfig, solve
from burnish.signals.ledex import Scale
from burnish.signals.repairs import ask_repair
from burnish.store.jsonl import read_records, write_records
from burnish.store.runs import RunStore
from burnish.training.journal import learned
from burnish.training.rollouts import Rollout
from burnish.verifiers.base import view
from burnish.verifiers.python import python

EVERY_STEP = {"save_every": 1}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Two tasks of the same world under other names."""
    file = tmp_path_factory.mktemp("held-out") / "held-out.jsonl"
    write_records(file, held_out("plus", "over"))
    return file


@pytest.fixture
def config(pupil, collected, measured):
    """`config(**changes)`: small in everything."""

    def make(**changes):
        fields = {
            "model": str(pupil),
            "collected": str(collected),
            "sft": Sft(epochs=1, batch_size=16, trainer=EVERY_STEP),
            "rewards": Rewards(embed="tests.operators:embed", low=0.0, high=1.0),
            "ppo": Ppo(epochs=1, batch_size=6, critic_steps=1, steps=1, group_size=2, trainer=EVERY_STEP),
            "grpo": Grpo(steps=1, tasks_per_step=2, group_size=2),
            "measure": Protocol(tasks=(str(measured),), samples=1, max_tokens=16, formats=("explain",), problems=0),
        }
        return LedexConfig(**{**fields, **changes})

    return make


class Stop(Exception):
    """Somebody stops the recipe."""


def stopping(at, titles):
    """A `Stage` that stops the first stage whose title begins so: at its second step, or before it is noted as done."""

    @contextlib.contextmanager
    def stage(title):
        titles.append(title)
        calls = []

        def update(done, total, note):
            calls.append(done)
            if title.startswith(at) and len(calls) == 2:
                raise Stop

        yield update
        if title.startswith(at):
            raise Stop

    return stage


def found(result):
    """What must not depend on when it was computed."""
    rounds = {
        (model, form): [msgspec.structs.replace(standing) for standing in evaluation.rounds]
        for model, sets in result.evaluations.items()
        for forms in sets.values()
        for form, evaluation in forms.items()
    }
    return rounds, result.explained, result.gains, result.examples, result.left_out, result.notes


STAGES = ("base: measure", "sft: curate", "sft: learn", "rl: curate", "rl: learn", "explanations")
"""Beginnings of their titles; `collect` is left out, for the run is given."""


@pytest.mark.slow
def test_it_goes_on_wherever_it_was_stopped(config, tmp_path):
    chosen = config(measure=msgspec.structs.replace(config().measure, formats=("repair", "explain"), problems=2, draws=1))
    whole = ledex(tmp_path / "whole", chosen)
    for at in STAGES:
        titles = []
        with pytest.raises(Stop):
            ledex(tmp_path / "parts", chosen, resume=True, stage=stopping(at, titles))
        assert titles[-1].startswith(at)
    parts = ledex(tmp_path / "parts", chosen, resume=True)
    assert found(parts) == found(whole)
    with RunStore.open(tmp_path / "parts" / "train") as log:
        noted = [event["name"] for event in log.events("stage")]
    assert noted.count("measure-base") == len(STAGES) + 1  # where it was stopped its seconds count too
    ends = [load(one.checkpoint).model.state_dict() for one in (whole, parts)]
    assert all(torch.equal(tensor, ends[1][name]) for name, tensor in ends[0].items())
    assert whole.evaluations.keys() == {"base", "sft", "rl"}
    assert whole.explained["base"][chosen.measure.tasks[0]].usefulness.problems == 2
    again = msgspec.json.decode((tmp_path / "whole" / "result.json").read_bytes(), type=LedexResult)
    assert again == whole
    page = (tmp_path / "whole" / "report.html").read_text()
    headings = ("How like verified ones", "What the explanations are worth", "Learning by rewards", "A repair: ")
    assert all(words in page for words in ("Success refinement rate", *headings))
    assert "TRL" in page  # provenance
    with pytest.raises(InputError, match="--resume"):
        ledex(tmp_path / "whole", chosen)


def test_what_it_learns_from(config, collected, tmp_path):
    result = ledex(tmp_path / "run", config())
    with RunStore.open(collected) as store:
        labels, attempts = store.labels(), {attempt.id: attempt for attempt in store.attempts()}
    examples = list(read_records(tmp_path / "run" / "sft.jsonl", kind("Example")))
    assert {example.kind for example in examples} == {"ledex-a", "ledex-b", "ledex-c"}
    assert all(labels[example.attempts[-1]].passed for example in examples)
    recorded = list(read_records(tmp_path / "run" / "rl.jsonl", kind("Example")))
    outcomes = {labels[example.attempts[-1]].passed for example in recorded}
    assert outcomes == {True, False}  # failures teach too
    assert all(attempts[example.attempts[-1]].op == "refine" for example in recorded)
    assert result.examples["ledex-rewards"] == len(recorded)
    with RunStore.open(tmp_path / "run" / "train") as log:
        assert log.metrics("rl")
        assert not list(log.attempts())  # nothing was sampled: offline


def kind(name):
    from burnish.core import records

    return getattr(records, name)


@pytest.mark.parametrize("rl", ["ppo-online", "grpo"])
def test_fresh_repairs_are_rewarded_by_span(config, tmp_path, rl):
    ledex(tmp_path / "run", config(rl=rl))
    with RunStore.open(tmp_path / "run" / "train") as log:
        metrics = [values for _, values in log.metrics("rl")]
        assert all(-10 <= values["rl.reward_parts.credit"] <= 10 for values in metrics)
        attempts = {attempt.id: attempt for attempt in log.attempts()}
        credited = [one for one in learned(log).values() if one.credit]
    assert credited
    assert all(one.reward == 0 for one in credited)
    assert all("First explain" in attempt.messages[-1].content for attempt in attempts.values())
    assert not any("9, 3" in message.content for attempt in attempts.values() for message in attempt.messages)  # the hidden check


def test_without_rl_it_ends_with_imitation(config, tmp_path):
    result = ledex(tmp_path / "run", config(rl="none"))
    assert result.evaluations.keys() == {"base", "sft"}
    assert "/sft/" in result.checkpoint
    assert not (tmp_path / "run" / "rl.jsonl").exists()


def run_of(folder, replies):
    with RunStore.create(folder, {"kind": "solve"}) as store:
        options = {"answers": 4, "wrong": 1, "repairs": 2}
        asyncio.run(solve(tasks(), scripted(replies), python, store, SolveConfig(strategy="collect", options=options)))
    return str(folder)


def test_where_no_repair_was_verified_there_is_no_rl_and_the_result_says_so(config, tmp_path):
    never = run_of(tmp_path / "never", lambda messages, seed: reply([*OPERATORS][seed % 4]) if len(messages) == 1 else "I cannot.")
    result = ledex(tmp_path / "run", config(collected=never))
    assert result.notes == ("No repair of a wrong program was verified, so there was nothing to reward: no RL.",)
    assert result.notes[0] in (tmp_path / "run" / "report.html").read_text()
    assert result.evaluations.keys() == {"base", "sft"}


def test_where_nothing_was_verified_it_stops_with_advice(config, pupil, tmp_path):
    """A random model is never right, nor is its teacher: another model of this machine, one without a chat template."""
    file, teacher = tmp_path / "train.jsonl", tmp_path / "teacher"
    write_records(file, tasks())
    shutil.copytree(pupil, teacher, ignore=shutil.ignore_patterns("*.jinja"))
    alone = config(
        collected="",
        tasks=str(file),
        teacher=str(teacher),
        teacher_options={"chat_template": "plain"},
        collect=Collect(answers=1, wrong=1, repairs=1, max_tokens=8),
    )
    with pytest.raises(InputError, match=r"No example came out of .*collect.*Raise collect.answers or collect.repairs, or give a teacher"):
        ledex(tmp_path / "run", alone)
    with RunStore.open(tmp_path / "run" / "collect") as store:
        assert len(store.episodes()) == 4
        assert {(attempt.op, attempt.policy) for attempt in store.attempts()} == {("sample", pupil.name), ("refine", "teacher")}


def test_examples_of_measured_tasks_are_left_out_and_counted(config, tmp_path):
    """An evaluation task that is worded like the training tasks, at length."""
    file = tmp_path / "measured.jsonl"
    words = "Take the two numbers and give back what comes out of them."
    write_records(file, [msgspec.structs.replace(task("plus", "measured"), prompt=words)])
    same = [msgspec.structs.replace(one, prompt=f"{words} It is about {one.id}.") if one.id == "minus" else one for one in tasks()]
    from tests.operators import teach

    with RunStore.create(tmp_path / "collect", {"kind": "solve"}) as store:
        options = {"answers": 8, "wrong": 3, "repairs": 3}
        asyncio.run(solve(same, scripted(teach), python, store, SolveConfig(strategy="collect", options=options)))
    measure = msgspec.structs.replace(config().measure, tasks=(str(file),))
    result = ledex(tmp_path / "run", config(collected=str(tmp_path / "collect"), measure=measure, rl="none"))
    assert result.left_out > 0
    taught = {example.task_id for example in read_records(tmp_path / "run" / "sft.jsonl", kind("Example"))}
    assert taught == {"plus", "times", "over"}


class TestCredit:
    """The rewards of fresh repairs are those of the collected ones."""

    SCALE = Scale(0.0, 1.0, "test")

    @pytest.fixture
    def problem(self, collected):
        with RunStore.open(collected) as store:
            return next(one for one in repair_problems(store) if one.task.meta["repair_of"] == "plus")

    def rollout(self, policy, problem, text):
        prompt = tuple(policy.renderer.render(ask_repair(problem.task, explain=True)))
        completion = asyncio.run(policy.generate(Request(prompt_ids=prompt, messages=())))
        artefact = text[text.find("def") : text.rfind("\n```") + 1] if "def" in text else None
        verdict = python.verify(view(problem.task, "all"), artefact or "")
        return Rollout(
            task_id=problem.task.id,
            tokens=completion.record(prompt),
            text=completion.text,
            artefact=artefact,
            verdict=verdict,
            reward=0.0,
            stop_reason="eos",
            policy_version="0",
        )

    def paid(self, problem, text, **options):
        policy = scripted([text])
        credit = RepairCredit([problem], policy.renderer, embed, **{"scale": self.SCALE, "guarded": False, "explain": True, **options})
        return credit(self.rollout(policy, problem, text))

    def test_a_right_repair(self, problem):
        text = reply("plus", explained=True)
        ends, scores = self.paid(problem, text)
        assert ends == [text.index("```") - 1, len(text)]
        assert scores == pytest.approx([5, 5], abs=0.1)

    def test_a_wrong_one_with_a_right_explanation(self, problem):
        text = f"It must be plus.\n\n```python\n{program('minus')}\n```"
        _, (explanation, code) = self.paid(problem, text)
        assert (explanation, code < 0) == (pytest.approx(5, abs=0.1), True)
        assert max(self.paid(problem, text, guarded=True)[1]) == 0

    def test_one_that_does_not_explain(self, problem):
        ends, scores = self.paid(problem, reply("plus"))
        assert (len(ends), scores) == (1, [pytest.approx(0)])  # 5 for the code, -5 for what was left out
        assert self.paid(problem, reply("plus"), explain=False)[1] == [pytest.approx(5)]

    def test_what_was_not_decided_earns_nothing(self, problem):
        policy = scripted([reply("plus")])
        rollout = msgspec.structs.replace(self.rollout(policy, problem, reply("plus")), verdict=Verdict.of(()))
        assert RepairCredit([problem], policy.renderer, embed, scale=self.SCALE, guarded=False, explain=True)(rollout) == ((), ())


def run_command(*arguments):
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return stopped.value.code or 0


def test_from_the_command_line_by_name_or_file(pupil, collected, measured, tmp_path, capsys):
    file, out = tmp_path / "small.toml", tmp_path / "out"
    file.write_text(
        f'recipe = "ledex"\nmodel = "{pupil}"\ncollected = "{collected}"\nrl = "none"\n[sft]\nepochs = 1\n'
        f'[measure]\ntasks = ["{measured}"]\nsamples = 1\nmax_tokens = 16\nproblems = 0\nformats = ["repair"]\n'
    )
    assert run_command("train", file, f"out={out}", "sft.batch_size=16", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["config"]["sft"]["batch_size"] == 16
    words = [f"model={pupil}", f"collected={collected}", "rl=none", "sft.epochs=1", "sft.batch_size=16", f"measure.tasks=['{measured}']"]
    words += ["measure.samples=1", "measure.max_tokens=16", "measure.problems=0", "measure.formats=['repair']", f"out={out}"]
    assert run_command("train", "ledex", *words, "--resume") == 0  # the same settings, so the same run
    shown = " ".join(capsys.readouterr().out.split())
    assert f"sft, {measured}, repair: pass@1 0.000 [0.000, 0.000] → 0.000" in shown
    assert run_command("train", "ledx") == 1
    assert "no recipe named 'ledx'" in " ".join(capsys.readouterr().err.split())


def test_quick_is_for_recipes(tmp_path, capsys):
    (tmp_path / "plan.toml").write_text('examples = "e.jsonl"')
    assert run_command("train", tmp_path / "plan.toml", "--quick") == 1
    assert "--quick is for recipes" in " ".join(capsys.readouterr().err.split())


def test_silent_shows_nothing(capsys):
    with silent("a stage") as update:
        update(1, 2, "note")
    assert capsys.readouterr() == ("", "")
