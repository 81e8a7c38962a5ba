"""The first wrong input is made smaller, as far as the reference can say what is due."""

import pytest

from burnish.core.errors import InputError
from burnish.core.records import CheckSpec, Task
from burnish.verifiers.base import Limits
from burnish.verifiers.python import PythonVerifier

LARGEST = "def f(xs):\n    best = xs[0]\n    for x in xs:\n        best = max(best, x)\n    return best\n"
FROM_ZERO = LARGEST.replace("xs[0]", "0")


def make(*checks, reference=LARGEST, hidden=False):
    specs = tuple(CheckSpec(id=f"c{n}", kind=kind, data=data, hidden=hidden) for n, (kind, data) in enumerate(checks))
    refs = (reference,) if reference else ()
    return Task(id="t", group_id="g", kind="python", prompt="", context={"entry_point": "f"}, checks=specs, refs=refs)


def call(args, expected, **more):
    return "call", {"args": args, "expected": expected, **more}


NEGATIVE = call("([-93, -17, -254, -31],)", "-17")


@pytest.fixture(scope="module")
def verifier():
    verifier = PythonVerifier(workers=1, minimize=200)
    yield verifier
    verifier.close()


def example(verifier, task, source, **more):
    return verifier.verify(task, source, **more).first_failure.counterexample


def test_the_input_shrinks_as_long_as_the_program_is_wrong(verifier):
    check = verifier.verify(make(NEGATIVE), FROM_ZERO).first_failure
    shown = check.counterexample
    assert (shown.input, shown.expected, shown.actual) == ("f([-1])", "-1", "0")
    assert shown.minimized
    assert shown.validated
    assert check.outcome == "fail"
    assert check.diagnostics[0].message == "returned 0, expected -1"


def test_tables_shrink_too_and_only_the_first_failure(verifier):
    table = ("check_function", {"code": "def check(f):\n    assert f([1, 2]) == 2\n    assert f([-40, -30]) == -30"})
    checks = verifier.verify(make(table, NEGATIVE), FROM_ZERO).checks
    assert [check.counterexample.input for check in checks] == ["f([-1])", "f([-93, -17, -254, -31])"]
    assert [check.counterexample.minimized for check in checks] == [True, False]


def test_an_exception_stays_the_same_exception_with_its_place(verifier):
    source = "def f(xs):\n    if len(xs) > 2: return xs[9]\n    raise KeyError\n"
    check = verifier.verify(make(NEGATIVE), source).first_failure
    assert (check.outcome, check.counterexample.input, check.counterexample.expected) == ("crash", "f([0, 0, 0])", "0")
    assert check.diagnostics[0].code == "python.exception.IndexError"
    assert check.diagnostics[0].span.line == 2


def test_a_changed_argument_shrinks_with_what_is_due(verifier):
    check = call("([3, 1, 2, 7],)", "None", mutates="([1, 2, 3, 7],)")
    shown = example(verifier, make(check, reference="def f(xs):\n    xs.sort()\n"), "def f(xs):\n    pass\n")
    assert (shown.input, shown.minimized) == ("f([1, 0])", True)
    assert shown.expected == "None and arguments ([0, 1],)"


@pytest.mark.parametrize(
    "reference",
    [
        None,
        "def f(xs):\n    return 5\n",
        "def f(xs):\n    if xs != [-93, -17, -254, -31]: raise ValueError\n    return -17\n",
        "def f(xs):\n    return -17 if xs == [-93, -17, -254, -31] else object()\n",
        "def f(xs):\n    return -17 if xs == [-93, -17, -254, -31] else [object()]\n",
        "def g(xs): ...",
        "def f(",
        "import os\ndef f(xs):\n    os._exit(0)\n",
    ],
)
def test_what_the_reference_does_not_answer_is_not_minimised(verifier, reference):
    shown = example(verifier, make(NEGATIVE, reference=reference), FROM_ZERO)
    assert (shown.input, shown.minimized) == ("f([-93, -17, -254, -31])", False)


@pytest.mark.parametrize(
    ("check", "source"),
    [
        (("call", {"args": "([],)", "raises": "IndexError"}), "def f(xs): return 0"),
        (NEGATIVE, "def f(xs):\n    while True: pass\n"),
        (NEGATIVE, "import os\ndef f(xs):\n    os._exit(3)\n"),
    ],
)
def test_other_failures_stay_as_they_are_or_remain_failures(verifier, check, source):
    plain = PythonVerifier(workers=1)
    expected = plain.verify(make(check), source, limits=Limits(wall_s=0.5))
    plain.close()
    verdict = verifier.verify(make(check), source, limits=Limits(wall_s=0.5))
    assert (verdict.status, verdict.checks[0].outcome) == (expected.status, expected.checks[0].outcome)


def test_a_program_that_stalls_on_smaller_inputs_costs_one_time_limit(verifier):
    source = "def f(xs):\n    while len(xs) < 4: pass\n    return 0\n"
    verdict = verifier.verify(make(NEGATIVE), source, limits=Limits(wall_s=0.5))
    assert verdict.status == "fail"
    assert verdict.cost.wall_s < 10


def test_hidden_counterexamples_stay_hidden(verifier):
    check = verifier.verify(make(NEGATIVE, hidden=True), FROM_ZERO).first_failure
    assert check.hidden
    assert check.counterexample.minimized
    assert {note.visibility for note in check.diagnostics} == {"eval"}


def test_it_is_off_by_default_and_bounded():
    for minimize, expected in ((0, "f([-93, -17, -254, -31])"), (1, "f([-93, -17, -254, -31])")):
        verifier = PythonVerifier(workers=1, minimize=minimize)
        assert example(verifier, make(NEGATIVE), FROM_ZERO).input == expected
        verifier.close()
    with pytest.raises(InputError, match="minimize"):
        PythonVerifier(minimize=-1)
