import msgspec
import pytest

from burnish.core.errors import InputError
from burnish.core.records import Attempt, Check, CheckSpec, Cost, Diagnostic, Episode, Task, Verdict
from burnish.evaluation import Evaluation, evaluate
from burnish.store.runs import RunStore


def verdict(outcome, *, hidden=False, wall_s=0.5):
    checks = [Check(id="h" if hidden else "v", kind="call", outcome=outcome, hidden=hidden)]
    return Verdict.of(checks, cost=Cost(wall_s=wall_s))


def task(name="t"):
    checks = (CheckSpec(id="v", kind="call", data={}), CheckSpec(id="h", kind="call", data={}, hidden=True))
    return Task(id=name, group_id=f"group of {name}", kind="python", prompt="p", checks=checks)


class Run:
    """Writes episodes by the outcomes of their attempts: `(round, visible, hidden)`."""

    def __init__(self, folder, tasks=("t",)):
        self.store = RunStore.create(folder, {})
        self.store.add_tasks(map(task, tasks))
        self.count = 0

    def episode(self, *outcomes, of="t", status="done", answer=-1, stop="eos"):
        name = f"{of}#{self.count}"
        self.count += 1
        ids = [f"{name}/{index}" for index in range(len(outcomes))]
        for attempt_id, (round, visible, hidden) in zip(ids, outcomes, strict=True):
            op, cost = ("refine" if round else "sample"), Cost(tokens_out=10)
            made = Attempt(
                id=attempt_id, task_id=of, op=op, messages=(), text="", episode_id=name, round=round, cost=cost, stop_reason=stop
            )
            self.store.add_attempt(made)
            for view, outcome in (("visible", visible), ("hidden", hidden)):
                if outcome:
                    self.store.add_verdict(attempt_id, view, verdict(outcome, hidden=view == "hidden"))
        handed = ids[answer] if ids and answer is not None else None
        self.store.add_episode(Episode(id=name, task_id=of, index=self.count, status=status, answer=handed))


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "run", tasks=("t", "u"))
    yield run
    run.store.close()


PASSED, FAILED, MISLEADING = (0, "pass", "pass"), (0, "fail", "fail"), (0, "pass", "fail")
FIXED, STILL = (1, "pass", "pass"), (1, "fail", "fail")


def pass_at(standing, k=1):
    return next(p.value for p in standing.pass_at_k if p.k == k)


def test_the_example_of_ledex(tmp_path):
    """n=10, c=3; each of the 7 failures is refined once, 2 succeed."""
    run = Run(tmp_path)
    for _ in range(3):
        run.episode(PASSED)
    for number in range(7):
        run.episode(FAILED, FIXED if number < 2 else STILL)
    result = evaluate(run.store, ks=(1, 5))
    before, after = result.rounds
    assert [pass_at(before), pass_at(after)] == pytest.approx([0.3, 0.5])
    assert [pass_at(before, 5), pass_at(after, 5)] == pytest.approx([0.9167, 0.99603], abs=5e-5)
    assert after.refinement_rate == pytest.approx(2 / 7)
    assert before.refinement_rate == 0.0
    assert (after.rate.value, after.rate.low, after.rate.high) == (pytest.approx(2 / 7), *[pytest.approx(2 / 7)] * 2)  # one task: no width
    assert result.answers == after
    assert (result.solved, result.per_task[0].first_passed, result.per_task[0].passed) == (1, 3, 5)
    assert result.tokens_per_solved == 170
    assert result.judge_s_per_solved == pytest.approx(17 * 2 * 0.5)
    run.store.close()


def test_runs_without_tasks_or_samples_are_input_errors(tmp_path, run):
    with RunStore.create(tmp_path / "empty", {}) as store, pytest.raises(InputError, match="holds no tasks"):
        evaluate(store)
    with pytest.raises(InputError, match="no finished sample of its 2 tasks"):
        evaluate(run.store)
    run.episode(FAILED, status="error")
    with pytest.raises(InputError, match="no finished sample"):
        evaluate(run.store)


@pytest.mark.parametrize("ks", [(), (0,), (1, 3)])
def test_a_k_without_enough_samples_is_an_input_error(run, ks):
    run.episode(PASSED)
    run.episode(PASSED)
    with pytest.raises(InputError, match="k from 1 to 2"):
        evaluate(run.store, ks=ks)


def test_infrastructure_errors_are_in_no_denominator(run):
    run.episode(PASSED)
    run.episode((0, "pass", "error"))
    run.episode((0, "pass", None))
    run.episode((0, "fail", "error"))
    run.episode((0, "error", "error"), of="u")
    run.episode(PASSED, of="u", status="error")
    result = evaluate(run.store)
    assert (result.answers.samples, result.answers.unscored, result.answers.passed) == (5, 3, 1)
    assert result.answers.unscored_share == 0.6
    assert pass_at(result.answers) == 0.5, "a certain failure counts although another check could not be judged"
    assert result.answers.pass_at_k[0].tasks == 1, "a task of which nothing was judged is left out, not failed"
    assert result.unfinished == 1
    assert result.statuses == {"error": 2, "pass": 1, "unknown": 1, "fail": 1}


def test_a_refinement_that_could_not_be_judged_is_not_in_the_refinement_rate(run):
    run.episode(FAILED, FIXED)
    run.episode(FAILED, (1, "pass", "error"))
    run.episode(FAILED, STILL)
    after = evaluate(run.store).rounds[1]
    assert (after.failing_before, after.refined, after.refinement_rate) == (2, 1, 0.5)


def test_an_episode_that_was_killed_is_no_sample(run):
    run.episode(PASSED)
    run.store.add_attempt(Attempt(id="x", task_id="u", op="sample", messages=(), text="", episode_id="killed"))
    result = evaluate(run.store)
    assert (result.answers.samples, result.unfinished) == (1, 1)


def test_attempts_without_an_episode_are_samples(run):
    run.store.add_attempt(Attempt(id="x", task_id="t", op="sample", messages=(), text=""))
    run.store.add_verdict("x", "all", Verdict.of([*verdict("pass").checks, *verdict("fail", hidden=True).checks]))
    result = evaluate(run.store)
    assert (result.answers.samples, result.answers.passed, result.answers.hidden_gap) == (1, 0, 1.0)


def test_a_sample_that_hands_in_nothing_fails(run):
    run.episode(status="budget")
    result = evaluate(run.store)
    assert (result.answers.passed, result.answers.unscored, pass_at(result.answers)) == (0, 0, 0.0)
    assert result.tokens_per_solved is None
    assert result.truncation_share is None


def test_after_a_round_a_sample_stands_at_its_first_visible_pass_else_at_its_last_attempt(run):
    run.episode(FAILED, STILL, (1, "pass", "fail"), (2, "pass", "pass"), answer=0)
    run.episode(FAILED, (2, "fail", "fail"), (1, "fail", "fail"), (3, "pass", "pass"))
    result = evaluate(run.store)
    assert [round.passed for round in result.rounds] == [0, 0, 0, 1]
    assert [round.hidden_gap for round in result.rounds] == [0.0, 0.5, 0.5, 0.5]
    assert result.answers.passed == 1
    assert result.answers.hidden_gap == 0.0


def test_the_order_of_asking_counts_not_that_of_finishing(run):
    outcomes = {"t#0/10": "pass", "t#0/2": "fail"}
    for name, hidden in outcomes.items():
        run.store.add_attempt(Attempt(id=name, task_id="t", op="sample", messages=(), text="", episode_id="t#0"))
        run.store.add_verdict(name, "visible", verdict("pass"))
        run.store.add_verdict(name, "hidden", verdict(hidden, hidden=True))
    run.store.add_episode(Episode(id="t#0", task_id="t", index=0, status="done", answer="t#0/10"))
    assert evaluate(run.store).rounds[0].passed == 0


def test_regressions_lose_hidden_checks_that_the_first_answer_passed(run):
    run.episode((0, "fail", "pass"), (1, "fail", "fail"))
    run.episode((0, "fail", "pass"), (1, "fail", "error"))
    run.episode((0, "fail", "fail"), (1, "fail", "pass"))
    result = evaluate(run.store)
    assert [round.regressions for round in result.rounds] == [0, 1]


def test_truncated_and_invalid_attempts_are_counted(run):
    run.episode(PASSED, stop="length")
    run.episode(PASSED)
    run.store.add_attempt(Attempt(id="x", task_id="t", op="sample", messages=(), text="", stop_reason="length"))
    run.store.add_verdict("x", "visible", Verdict.of((), invalid=[Diagnostic(code="syntax", message="bad")]))
    run.store.add_attempt(Attempt(id="y", task_id="u", op="sample", messages=(), text=""))
    result = evaluate(run.store)
    assert (result.truncation_share, result.invalid_share) == (0.5, 0.25)


def test_intervals_are_over_tasks_and_seeded(run):
    for _ in range(4):
        run.episode(PASSED)
        run.episode(FAILED, of="u")
    result = evaluate(run.store, ks=(1, 4), seed=1)
    assert result == evaluate(run.store, ks=(1, 4), seed=1)
    assert [(p.k, p.tasks, p.value, p.low, p.high) for p in result.answers.pass_at_k] == [(1, 2, 0.5, 0.0, 1.0), (4, 2, 0.5, 0.0, 1.0)]


def test_a_k_needs_k_decided_samples_of_a_task(run):
    run.episode(PASSED)
    run.episode(PASSED)
    run.episode(FAILED, of="u")
    result = evaluate(run.store, ks=(2,))
    assert [(p.k, p.tasks, p.value) for p in result.answers.pass_at_k] == [(2, 1, 1.0)]


def test_samples_of_an_unknown_task_are_an_input_error(run):
    run.episode(PASSED, of="stranger")
    with pytest.raises(InputError, match="'stranger', which it does not hold"):
        evaluate(run.store)


def test_an_evaluation_is_a_record(run):
    run.episode(FAILED, FIXED)
    result = evaluate(run.store)
    assert msgspec.json.decode(msgspec.json.encode(result), type=Evaluation) == result
