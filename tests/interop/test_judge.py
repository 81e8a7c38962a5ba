import asyncio

import pytest

from burnish.core.errors import InputError
from burnish.core.records import Check, Verdict
from burnish.interop.judge import ajudge, judge, task_of, task_text, told

RIGHT, WRONG = "```python\ndef add(a, b):\n    return a + b\n```", "```python\ndef add(a, b):\n    return a - b\n```"


def test_a_task_comes_back_without_its_references(add_task):
    task = add_task()
    assert "SECRET" not in task_text(task)
    assert task_of(task_text(task)).checks == task.checks
    with pytest.raises(InputError, match="This is no task"):
        task_of('{"id": 1}')
    with pytest.raises(InputError, match="burnish export"):
        task_of(None)


def test_replies_are_judged_in_order_by_all_checks(add_task):
    three = "```python\ndef add(a, b):\n    return 3\n```"
    verdicts = judge([add_task()] * 4, [RIGHT, "no program", WRONG, three])
    assert [verdict.status for verdict in verdicts] == ["pass", "invalid", "fail", "fail"]
    assert told(verdicts[3]) == "fail: 1 of 1 visible checks passed; 0 of 1 hidden checks passed."
    assert told(verdicts[2]).endswith(
        "0 of 1 hidden checks passed.\nThe code fails this test:\nadd(1, 2) returned -1, but it should return 3."
    )
    assert told(verdicts[1]).startswith("invalid: no check was judged.\nThe code cannot be used:")
    assert asyncio.run(ajudge(add_task(), WRONG)).status == "fail"
    assert asyncio.run(ajudge(add_task(), "no program")).status == "invalid"
    assert judge([], []) == []


def test_what_is_undecided_is_told():
    checks = [Check(id="v", kind="call", outcome="pass"), Check(id="w", kind="call", outcome="error")]
    assert told(Verdict.of(checks)) == "error: 1 of 2 visible checks passed, 1 undecided."
