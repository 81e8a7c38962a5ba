"""Rewards: numbers for what was decided, None for what was not."""

import pytest

from burnish.core.records import Check, Diagnostic, TamperFlag, Verdict
from burnish.signals.rewards import all_passed, pass_rate, shaped


def verdict(*outcomes, **facts):
    return Verdict.of([Check(id=str(n), kind="t", outcome=o) for n, o in enumerate(outcomes)], **facts)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [(("pass", "pass"), (1, 1, 1)), (("pass", "fail"), (0, 0.5, 0.25)), (("fail",), (0, 0, 0)), (("timeout", "pass"), (0, 0.5, 0.25))],
)
def test_values(outcomes, expected):
    assert (all_passed(verdict(*outcomes)), pass_rate(verdict(*outcomes)), shaped(verdict(*outcomes))) == pytest.approx(expected)


@pytest.mark.parametrize("undecided", [verdict(), verdict("error"), verdict("pass", "unknown"), verdict("pass", unsupported=True)])
def test_what_was_not_decided_has_no_reward(undecided):
    assert all_passed(undecided) is pass_rate(undecided) is shaped(undecided) is None


@pytest.mark.parametrize("facts", [{"invalid": [Diagnostic(code="c", message="m")]}, {"tamper": [TamperFlag(code="c", evidence="e")]}])
def test_the_unusable_and_the_tampered_get_the_floor(facts):
    assert all_passed(verdict("pass", **facts)) == shaped(verdict("pass", **facts)) == 0
