"""Feedback: what a model is told about a verdict, and what it is never told."""

import pytest

from burnish.core.records import Check, Counterexample, Diagnostic, SourceSpan, TamperFlag, Verdict
from burnish.signals.feedback import MAX_VALUE, feedback

EXAMPLE = Counterexample(input="f(2)", expected="4", actual="5")


def failed(outcome="fail", *, hidden=False, example=EXAMPLE, diagnostics=()):
    return Check(id="v1", kind="call", outcome=outcome, hidden=hidden, counterexample=example, diagnostics=diagnostics)


def test_a_wrong_value_is_told_with_input_expected_and_actual():
    assert feedback(Verdict.of([failed()])) == "The code fails this test:\nf(2) returned 5, but it should return 4."


def test_a_crash_names_the_exception_and_the_line():
    where = SourceSpan(start=0, end=1, line=2, col=0, end_line=2, end_col=1)
    crash = failed("crash", diagnostics=(Diagnostic(code="x", message="TypeError: bad operand", span=where),))
    assert "f(2) should return 4, but it fails with TypeError: bad operand (line 2 of the code)" in feedback(Verdict.of([crash]))


def test_a_time_out_says_so():
    assert "f(2) did not finish in time" in feedback(Verdict.of([failed("timeout")]))


def test_only_the_first_failures_are_told():
    other = Check(id="v2", kind="call", outcome="fail", counterexample=Counterexample(input="f(9)", expected="1", actual="0"))
    verdict = Verdict.of([failed(), other])
    assert "f(9)" not in feedback(verdict)
    assert "f(9)" in feedback(verdict, failures=2)


def test_hidden_checks_and_findings_for_others_are_never_told():
    secret = Diagnostic(code="x", message="SECRET", visibility="eval")
    assert "f(2)" not in feedback(Verdict.of([failed(hidden=True)]))
    assert "SECRET" not in feedback(Verdict.of([failed("crash", diagnostics=(secret,))]))
    assert "SECRET" not in feedback(Verdict.of([], invalid=[secret]))


def test_an_unusable_artefact_gets_its_error():
    assert "SyntaxError: x" in feedback(Verdict.of([], invalid=[Diagnostic(code="s", message="SyntaxError: x")]))


def test_a_tampered_verdict_does_not_reveal_the_detector():
    text = feedback(Verdict.of([failed()], tamper=[TamperFlag(code="forged_verdict", evidence="nonce")]))
    assert "forged" not in text
    assert "nonce" not in text


def test_long_values_are_cut():
    long = failed(example=Counterexample(input="f(0)", expected="1", actual="x" * 10_000))
    assert len(feedback(Verdict.of([long]))) < 2 * MAX_VALUE


@pytest.mark.parametrize("outcome", ["error", "unknown"])
def test_what_could_not_be_judged_blames_nobody(outcome):
    assert feedback(Verdict.of([failed(outcome, example=None)])) == "The code could not be judged."


def test_a_pass_says_so():
    assert feedback(Verdict.of([failed("pass", example=None)])) == "All visible tests pass."


def test_a_failed_assertion_is_told_as_one():
    example = Counterexample(input="f(2)", expected="assert f(2) == 4", actual="5")
    due = "so this does not hold: assert f(2) == 4"
    assert feedback(Verdict.of([failed(example=example)])) == f"The code fails this test:\nf(2) returned 5, {due}"
    crash = failed("crash", example=example, diagnostics=(Diagnostic(code="x", message="TypeError: no"),))
    assert feedback(Verdict.of([crash])) == f"The code fails this test:\nf(2) fails with TypeError: no, {due}"
