"""The records: derived status and score (verifier contract, section 2), the visible/hidden wall, round trips."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.records import PRECEDENCE, UNSCORED, Check, CheckSpec, Diagnostic, TamperFlag, Task, TokenRecord, Verdict

OUTCOMES = ["pass", "fail", "timeout", "crash", "skip", "unknown", "error"]


def checks(*outcomes, weights=None):
    weights = weights or [1.0] * len(outcomes)
    return [Check(id=str(i), kind="test", outcome=o, weight=w) for i, (o, w) in enumerate(zip(outcomes, weights, strict=True))]


def test_no_checks_is_unknown_and_never_passes():
    verdict = Verdict.of([])
    assert (verdict.status, verdict.score, verdict.coverage, verdict.complete) == ("unknown", None, 0.0, False)
    assert not verdict.passed


def test_only_optional_checks_is_unknown():
    assert Verdict.of([Check(id="a", kind="style", outcome="pass", required=False)]).status == "unknown"


def test_the_contract_s_worked_example():
    verdict = Verdict.of(checks("pass", "fail", "unknown", "pass", "error", weights=[2, 1, 1, 1, 1]))
    assert verdict.status == "fail"
    assert verdict.score == pytest.approx(0.75)
    assert verdict.coverage == pytest.approx(2 / 3)


@pytest.mark.parametrize("outcomes", [("pass", "unknown"), ("pass", "error"), ("pass", "skip")])
def test_an_undecided_check_forbids_a_pass(outcomes):
    verdict = Verdict.of(checks(*outcomes))
    assert not verdict.passed
    assert verdict.score is None


def test_an_infrastructure_fault_has_no_score():
    assert Verdict.of(checks("error")).score is None
    assert not Verdict.of(checks("error")).scored


def test_invalid_and_tampered_score_zero_even_if_every_check_passed():
    assert Verdict.of(checks("pass"), invalid=[Diagnostic(code="x", message="y")]).score == 0
    tampered = Verdict.of(checks("pass"), tamper=[TamperFlag(code="forged_verdict", evidence="…")])
    assert (tampered.status, tampered.score) == ("tampered", 0)


def test_a_soft_flag_does_not_change_the_status():
    assert Verdict.of(checks("pass"), tamper=[TamperFlag(code="spray", evidence="…", hard=False)]).passed


def test_a_skipped_check_makes_the_verdict_incomplete():
    assert not Verdict.of(checks("fail", "skip")).complete
    assert Verdict.of(checks("fail", "pass")).complete


@given(st.lists(st.sampled_from(OUTCOMES), max_size=8), st.booleans(), st.booleans())
def test_status_and_score_laws(outcomes, invalid, tampered):
    diagnostics = [Diagnostic(code="x", message="y")] if invalid else []
    flags = [TamperFlag(code="x", evidence="y")] if tampered else []
    verdict = Verdict.of(checks(*outcomes), invalid=diagnostics, tamper=flags)
    assert verdict.status in PRECEDENCE
    assert (verdict.score is None) == (verdict.status in UNSCORED)
    assert verdict.score is None or 0 <= verdict.score <= 1
    assert verdict.passed == (bool(outcomes) and set(outcomes) == {"pass"} and not invalid and not tampered)
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == verdict
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(verdict), type=Verdict) == verdict


@given(st.lists(st.sampled_from(OUTCOMES), max_size=5), st.sampled_from(OUTCOMES))
def test_adding_a_check_never_turns_a_verdict_into_a_pass(outcomes, extra):
    before, after = Verdict.of(checks(*outcomes)), Verdict.of(checks(*outcomes, extra))
    assert not after.passed or before.passed or not outcomes


@given(st.lists(st.sampled_from(OUTCOMES), max_size=4), st.lists(st.sampled_from(OUTCOMES), max_size=4))
def test_merging_equals_judging_all_checks_at_once(one, other):
    merged = Verdict.of(checks(*one)).merge(Verdict.of(checks(*other)))
    together = Verdict.of(checks(*one, *other))
    assert (merged.status, merged.score, merged.coverage) == (together.status, together.score, together.coverage)


def test_merging_keeps_invalid():
    invalid = Verdict.of([], invalid=[Diagnostic(code="syntax", message="bad")])
    merged = invalid.merge(Verdict.of(checks("pass")))
    assert merged.status == "invalid"
    assert merged.diagnostics == invalid.diagnostics


def test_the_public_task_has_no_hidden_checks_and_no_references():
    specs = (CheckSpec(id="a", kind="call", data={}), CheckSpec(id="b", kind="call", data={"args": "(7,)"}, hidden=True))
    public = Task(id="t", group_id="g", kind="python", prompt="p", checks=specs, refs=("def f(): ...",)).public()
    assert [check.id for check in public.checks] == ["a"]
    assert b"(7,)" not in msgspec.json.encode(public)
    assert public.refs == ()


def test_token_records_refuse_what_cannot_be_true():
    with pytest.raises(ValueError, match="must match"):
        TokenRecord(ids=(1, 2, 3), sampled=((1, 3),), logprobs=(-0.5,))
    with pytest.raises(ValueError, match="leave the"):
        TokenRecord(ids=(1, 2), sampled=((1, 3),), logprobs=(-0.5, -0.1))
    assert TokenRecord(ids=(), sampled=(), logprobs=()).ids == ()
    assert TokenRecord(ids=(1, 2), sampled=((1, 2),), logprobs=()).logprobs == ()  # the engine does not tell
