import pytest

from burnish.core.errors import InputError
from burnish.evaluation import Evaluation, Standing, TaskResult, compare

NOTHING = Standing(samples=1, unscored=0, passed=0, pass_at_k=(), failing_before=0, refined=0, regressions=0, hidden_gap=None)


def evaluation(**passed):
    """Ten decided samples per task; `passed` gives the passing answers per task, None for a task that was not judged."""
    rows = tuple(
        TaskResult(
            task_id=name,
            group_id="g",
            first_scored=10,
            first_passed=0,
            scored=0 if count is None else 10,
            passed=count or 0,
            tokens=0,
            judge_s=0,
        )
        for name, count in passed.items()
    )
    costs = dict.fromkeys(["tokens_per_solved", "judge_s_per_solved", "truncation_share", "invalid_share"])
    return Evaluation(tasks=len(rows), unfinished=0, rounds=(NOTHING,), answers=NOTHING, solved=0, statuses={}, per_task=rows, **costs)


def test_gains_are_per_task_whatever_the_order():
    result = compare(evaluation(a=1, b=5, c=9), evaluation(c=8, b=7, a=3))
    assert result.tasks == 3
    assert [result.before.value, result.after.value, result.gain.value] == pytest.approx([0.5, 0.6, 0.1])
    assert (result.improved, result.worsened, result.left_out) == (2, 1, 0)
    assert result.gain.low < result.gain.value < result.gain.high
    assert result.gain.high - result.gain.low < result.before.high - result.before.low, "pairing is narrower"


def test_an_even_gain_has_no_width():
    gain = compare(evaluation(a=0, b=5), evaluation(a=3, b=8)).gain
    assert [gain.value, gain.low, gain.high] == pytest.approx([0.3] * 3)


def test_tasks_of_one_side_are_left_out_and_counted():
    result = compare(evaluation(a=1, b=2, c=None), evaluation(a=2, c=5, d=5))
    assert (result.tasks, result.left_out) == (1, 3)
    with pytest.raises(InputError, match="No task was measured in both"):
        compare(evaluation(a=1), evaluation(b=1))


def test_first_answers_can_be_compared_instead():
    result = compare(evaluation(a=5), evaluation(a=9), which="first")
    assert (result.before.value, result.gain.value) == (0.0, 0.0)
