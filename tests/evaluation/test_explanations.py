"""What explanations are worth: by hand-made runs. How the fresh model is really asked is in tests/recipes/test_refinement.py."""

import msgspec
import pytest
import torch
from tests.curation.conftest import Run

from burnish.core.records import Episode
from burnish.evaluation import evaluate
from burnish.evaluation.explanations import explained_problems, similarity, usefulness
from burnish.signals.ledex import Scale
from burnish.signals.repairs import ask_repair

RIGHT, WRONG, OTHER = "def f(x): return 1", "def f(x): return 0", "def f(x): return -1"
DIRECTIONS = {"Off by one.": 0.0, "One too few.": 0.6, "Bad luck.": 1.2}
SCALE = Scale(0.0, 1.0, "test")


def embed(texts):
    angles = torch.tensor([DIRECTIONS[text] for text in texts])
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def block(code, prose=""):
    return f"{prose}\n\n```python\n{code}\n```"


@pytest.fixture
def runs(tmp_path):
    """`runs(name)`: a run of two tasks to write into."""
    opened = []

    def make(name, tasks=("t", "u")):
        opened.append(Run(tmp_path / name, tasks=tasks))
        return opened[-1]

    yield make
    for run in opened:
        run.store.close()


def wrong(run, name, code=WRONG, of="t"):
    run.attempt(name, block(code), visible="fail", hidden="fail", of=of)


def test_explanations_are_compared_with_verified_ones_of_the_same_wrong_program_or_else_the_task(runs):
    run, known = runs("run"), runs("known")
    wrong(known, "w")
    known.attempt("r", block(RIGHT, "Off by one."), parent="w")
    known.attempt("failed", block(WRONG, "Bad luck."), visible="fail", hidden="fail", parent="w")
    wrong(run, "w")
    run.attempt("a", block(WRONG, "One too few."), visible="fail", hidden="fail", parent="w")
    wrong(run, "v", OTHER)
    run.attempt("b", block(WRONG, "Bad luck."), visible="fail", hidden="fail", parent="v")
    run.attempt("mute", block(WRONG), visible="fail", hidden="fail", parent="v")
    wrong(run, "x", of="u")
    run.attempt("c", block(WRONG, "Bad luck."), visible="fail", hidden="fail", parent="x", of="u")
    found = similarity(run.store, [run.store, known.store], embed, scale=SCALE)
    assert (found.explanations, found.compared, found.same_program, found.tasks) == (3, 2, 1, 1)
    cosines = torch.tensor([0.6, 1.2]).cos()
    assert found.mean.value == pytest.approx(cosines.mean().item(), abs=1e-6)
    assert found.reward.value == pytest.approx((10 * cosines - 5).mean().item(), abs=1e-5)


def test_an_explanation_is_no_proof_of_itself(runs):
    run = runs("run")
    wrong(run, "w")
    run.attempt("r", block(RIGHT, "Off by one."), parent="w")
    assert similarity(run.store, [run.store], embed).compared == 0
    assert similarity(run.store, [run.store], embed).mean is None


def test_a_repair_of_a_right_program_explains_nothing(runs):
    run = runs("run")
    run.attempt("w", block(RIGHT))
    run.attempt("r", block(RIGHT, "Off by one."), parent="w")
    assert similarity(run.store, [run.store], embed).explanations == 0


def explained_run(run):
    for task in ("t", "u"):
        for number in range(3):
            wrong(run, f"{task}{number}", f"def f(x): return {number + 5}", of=task)
            run.attempt(f"{task}{number}r", block(RIGHT, f"{task} is wrong {number}."), parent=f"{task}{number}", of=task)


def test_problems_come_from_all_tasks_in_turn_with_an_explanation_of_another_task(runs):
    run = runs("run")
    explained_run(run)
    problems = explained_problems(run.store, most=4)
    assert [problem.meta["repair_of"] for problem in problems] == ["t", "u", "t", "u"]
    for problem in problems:
        task = problem.meta["repair_of"]
        assert problem.context["explanation"].startswith(f"{task} is wrong")
        assert not problem.context["other"].startswith(f"{task} is wrong")
        assert "HIDDEN" not in f"{[ask_repair(problem.public(), told=name) for name in ('', 'explanation', 'other')]}"
    assert [problem.id for problem in explained_problems(run.store, most=4)] == [problem.id for problem in problems]


def test_one_task_alone_has_no_other_explanation(runs):
    run = runs("run")
    wrong(run, "w")
    run.attempt("r", block(RIGHT, "Off by one."), parent="w")
    assert explained_problems(run.store) == []


def arm(folder, problems, outcomes):
    """The evaluation of a run over the problems, one sample each."""
    run = Run(folder, tasks=())
    run.tasks = {problem.id: problem for problem in problems}
    run.store.add_tasks(problems)
    for problem, outcome in zip(problems, outcomes, strict=True):
        name = f"{problem.id}#0"
        run.attempt(f"{name}/0", block(RIGHT), visible=outcome, hidden=outcome, of=problem.id)
        attempt = run.store.attempt(f"{name}/0")
        run.store.add_episode(Episode(id=name, task_id=problem.id, index=0, status="done", answer=attempt.id))
    with run.store:
        return evaluate(run.store)


def test_usefulness_is_paired_by_the_task_that_the_programs_were_written_for(runs, tmp_path):
    run = runs("run")
    explained_run(run)
    problems = explained_problems(run.store, most=4)
    passes = {"nothing": "ffff", "told": "ppfp", "other": "pfff"}  # tasks t, u, t, u
    outcomes = {name: [{"f": "fail", "p": "pass"}[one] for one in letters] for name, letters in passes.items()}
    found = usefulness(*(arm(tmp_path / name, problems, each) for name, each in outcomes.items()), problems)
    assert (found.problems, found.tasks) == (4, 2)
    assert [found.nothing.value, found.explanation.value, found.other.value] == [0, 0.75, 0.25]
    assert (found.gain.value, found.gain.low, found.gain.high) == (0.75, 0.5, 1.0)
    assert found.over_other.value == 0.5
    assert found.by_task == {"t": (0, 0.5, 0.5), "u": (0, 1, 0)}
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found
