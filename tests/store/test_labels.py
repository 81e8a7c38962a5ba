import pytest

from burnish.core.records import Check, CheckSpec, Diagnostic, TamperFlag, Task, Verdict
from burnish.store.labels import label_of


def verdict(outcome, hidden=False):
    return Verdict.of([Check(id="h" if hidden else "v", kind="call", outcome=outcome, hidden=hidden)])


def task(visible=True, hidden=True):
    checks = [CheckSpec(id="v", kind="call", data={})] * visible + [CheckSpec(id="h", kind="call", data={}, hidden=True)] * hidden
    return Task(id="t", group_id="g", kind="python", prompt="p", checks=tuple(checks))


@pytest.mark.parametrize(
    ("visible", "hidden", "status"),
    [
        ("pass", "pass", "pass"),
        ("pass", "fail", "fail"),
        ("fail", "pass", "fail"),
        ("pass", "timeout", "timeout"),
        ("pass", "error", "error"),
        ("fail", "error", "fail"),
        ("pass", "skip", "unknown"),
        ("pass", None, "unknown"),
        (None, "pass", "unknown"),
        ("fail", None, "fail"),
        (None, None, "unknown"),
    ],
)
def test_both_parts_decide(visible, hidden, status):
    parts = (visible and verdict(visible), hidden and verdict(hidden, hidden=True))
    assert label_of(task(), *parts).status == status


@pytest.mark.parametrize("status", ["unknown", "unsupported", "error"])
def test_a_part_that_the_judge_could_not_judge_never_becomes_a_pass(status):
    empty = Verdict(status=status, score=None, coverage=0.0, complete=False)
    label = label_of(task(), verdict("pass"), empty)
    assert label.status == ("error" if status == "error" else "unknown")
    assert not label.scored


def test_only_the_parts_that_a_task_has_are_needed():
    assert label_of(task(hidden=False), verdict("pass"), None).passed
    assert label_of(task(hidden=False), verdict("pass"), Verdict.of(())).passed
    assert label_of(task(visible=False), Verdict.of(()), verdict("pass", hidden=True)).passed
    assert label_of(task(visible=False, hidden=False), verdict("pass"), verdict("pass")).status == "unknown"


def test_an_overall_verdict_is_the_label_unless_there_is_nothing_to_check():
    assert label_of(task(), verdict("pass"), verdict("pass"), verdict("fail")).status == "fail"
    assert label_of(task(visible=False, hidden=False), None, None, verdict("pass")).status == "unknown"


def test_invalid_and_tampered_win():
    invalid = Verdict.of((), invalid=[Diagnostic(code="syntax", message="bad")])
    tampered = Verdict.of([Check(id="h", kind="call", outcome="pass")], tamper=[TamperFlag(code="exit", evidence="os._exit")])
    assert label_of(task(), invalid, None).status == "invalid"
    assert label_of(task(), verdict("pass"), tampered).status == "tampered"
    assert label_of(task(), verdict("pass"), tampered).score == 0.0
