"""Test code and program in two address spaces: what works, what cannot be faked, and what runs in one and says so."""

import runpy
import textwrap
from pathlib import Path

import pytest

from burnish.core.errors import InputError
from burnish.core.records import CheckSpec, Task
from burnish.verifiers.base import Limits
from burnish.verifiers.python import PythonVerifier

CASES = runpy.run_path(str(Path(__file__).parent / "isolation_cases.py"))
PROGRAM, WORKS = CASES["PROGRAM"], CASES["WORKS"]


def task(text, entry_point="entry", hidden=False):
    code = text if text.startswith("METADATA") else f"def check(candidate):\n{textwrap.indent(text, '    ')}"
    spec = CheckSpec(id="c", kind="check_function", data={"code": code}, hidden=hidden)
    return Task(id="t", group_id="g", kind="python", prompt="", context={"entry_point": entry_point}, checks=(spec,))


@pytest.fixture(scope="module")
def verifier():
    verifier = PythonVerifier(workers=1)
    yield verifier
    verifier.close()


@pytest.fixture(scope="module")
def shared():
    verifier = PythonVerifier(workers=1, isolation="shared")
    yield verifier
    verifier.close()


@pytest.mark.parametrize("text", WORKS.values(), ids=WORKS)
def test_test_code_uses_objects_of_the_program(verifier, text):
    verdict = verifier.verify(task(text), PROGRAM)
    assert verdict.status == "pass", verdict
    assert verdict.provenance.isolation == "separate"
    assert verdict.diagnostics == ()


@pytest.mark.parametrize("name", sorted(WORKS.keys() - {"changed parts", "shared parts"}))
def test_in_one_address_space_the_same_test_code_works(shared, name):
    verdict = shared.verify(task(WORKS[name]), PROGRAM)
    assert verdict.status == "pass", verdict
    assert verdict.provenance.isolation == "shared"
    assert (verdict.diagnostics[0].code, verdict.diagnostics[0].severity) == ("python.shared", "info")
    assert "asked for" in verdict.diagnostics[0].message


@pytest.mark.parametrize("name", sorted(WORKS.keys() - {"what functions tell"}))
def test_a_wrong_program_fails_the_same_test_code(verifier, name):
    wrong = "def entry(x=1): return None\n"
    assert verifier.verify(task(WORKS[name]), wrong).status in ("fail", "error")


# each is judged by the check beside it; none of them is right
FAKES = {
    "equal to what it likes": (
        "assert solve(2) == 4",
        "class A:\n    def __eq__(self, o): return type(o) is int\ndef solve(n): return A()",
    ),
    "a class in place of the function": (
        "assert solve(2) == 4",
        "class solve:\n    def __init__(self, n): pass\n    def __eq__(self, o): return type(o) is int",
    ),
    "near every number": ("assert abs(solve(2) - 4.0) < 1e-6", "class A:\n    def __sub__(self, o): return 0\ndef solve(n): return A()"),
    "near, from the right": (
        "assert abs(4.0 - solve(2)) < 1e-6",
        "class A:\n    def __rsub__(self, o): return 0\ndef solve(n): return A()",
    ),
    "a class near every number": (
        "assert abs(solve(2) - 4.0) < 1e-6",
        "class solve:\n    def __init__(self, n): pass\n    def __sub__(self, o): return 0",
    ),
    "a number near every number": (
        "assert abs(solve(2) - 4.0) < 1e-6",
        "class A(int):\n    def __sub__(self, o): return 0\ndef solve(n): return A(9)",
    ),
    "less than all": (
        "assert 3 < solve(2) <= 4",
        "class A:\n    def __gt__(self, o): return True\n    __le__ = __gt__\ndef solve(n): return A()",
    ),
    "contains all": ("assert 4 in solve(2)", "class A:\n    def __contains__(self, o): return True\ndef solve(n): return A()"),
    "contains all and is empty": (
        "assert 4 in solve(2)",
        "class A(list):\n    def __contains__(self, o): return True\ndef solve(n): return A()",
    ),
    "starts with anything": (
        "assert solve(2).startswith('4')",
        "class A:\n    def startswith(self, o): return True\ndef solve(n): return A()",
    ),
    "starts with anything, by a function": (
        "assert solve(2).startswith('4')",
        "class A: pass\ndef solve(n):\n    a = A(); a.startswith = lambda o: True; return a",
    ),
    "finds anything": ("assert solve(2).index(4) == 0", "class A(list):\n    def index(self, o): return 0\ndef solve(n): return A()"),
    "equal answers": ("assert solve(2) == solve(-2)", "class A:\n    def __eq__(self, o): return type(o) is A\ndef solve(n): return A()"),
    "a text with its own equality": (
        "assert solve(2) == '4'",
        "class A(str):\n    def __eq__(self, o): return type(o) is str\ndef solve(n): return A()",
    ),
    "a tuple with its own equality": (
        "assert solve(2) == (4,)",
        "class A(tuple):\n    def __eq__(self, o): return True\ndef solve(n): return A()",
    ),
    "reads the tests through a callback": (
        "answer = 4\nassert solve(lambda x: answer) == 4",
        "def solve(f):\n    return f.__closure__[0].cell_contents",
    ),
    "rewrites the tests through a callback": (
        "def right(x): return x == 4\nsolve(right)\nassert right(5)",
        "def solve(f):\n    f.__code__ = (lambda x: True).__code__",
    ),
    "replaces a method of an object of the tests": (
        "class Box:\n    def right(self): return False\nbox = Box()\ntry: solve(box)\nexcept AttributeError: pass\nassert box.right()",
        "def solve(box): box.right = lambda: True",
    ),
    "replaces a method of a class of the tests": (
        "class Box:\n    def right(self): return False\ntry: solve(Box)\nexcept AttributeError: pass\nassert Box().right()",
        "def solve(box): box.right = lambda self: True",
    ),
    "swallows failed assertions": (
        "with solve(2) as answer:\n    assert answer == 4",
        "class A:\n    def __enter__(self): return 0\n    def __exit__(self, *e): return True\ndef solve(n): return A()",
    ),
    "odd things to show": (
        "assert solve(2) == 4",
        "import os\nclass A:\n    first = True\n"
        "    def __hash__(self):\n        if not A.first: os._exit(0)\n"
        "        A.first = False; return 1\n"
        "    def __eq__(self, o): return o is self\ndef solve(n): return {A()}",
    ),
    "an exception with a giant name": ("assert solve(2) == 4", "def solve(n): raise type('A' * 2_000_000, (ValueError,), {})"),
    "an answer of giant size": ("assert solve(2) == 4", "def solve(n): return 'x' * 5_000_000"),
    "ends between two calls": (
        "solve(2)\nimport time; time.sleep(0.3)\ntry: solve(2)\nexcept OSError: pass",
        "import os, threading\ndef solve(n): threading.Timer(0.05, lambda: os._exit(0)).start()",
    ),
    "a capital name that the tests set themselves": (
        "assert abs(solve(2) - 4.0) < 1e-6",
        "class METADATA: pass\nclass A:\n    def __sub__(self, o): return 0\ndef solve(n): return A()",
    ),
}


@pytest.mark.parametrize("name", FAKES)
def test_an_object_is_not_its_own_judge(verifier, name):
    text, source = FAKES[name]
    code = f"METADATA = {{}}\ndef check(candidate):\n{textwrap.indent(text, '    ')}\n    METADATA"
    verdict = verifier.verify(task(code, entry_point="solve"), source)
    assert verdict.status in ("fail", "tampered"), verdict
    assert verdict.provenance.isolation == "separate"


@pytest.mark.parametrize(
    "text", sorted({text for text, _ in FAKES.values() if text.startswith("assert") and "4" in text and "'" not in text})
)
def test_plain_answers_pass_where_fakes_fail(verifier, text):
    four = "(4,)" if "(4,)" in text else "[4]" if " in " in text or "index" in text else "4"
    assert verifier.verify(task(text, entry_point="solve"), f"def solve(n): return {four}").status == "pass"


def test_where_classes_are_tested_what_an_object_says_of_a_plain_value_stays_open(verifier):
    source = (
        "class Length:\n    def __init__(self, n): self.n = n\n    def __sub__(self, o): return 0\n    def half(self): return Length(9)\n"
        "    def __eq__(self, o): return self.n == o\ndef entry(): pass\n"
    )
    verdict = verifier.verify(task("assert abs(Length(4).half() - 2) < 1e-6"), source)
    assert verdict.status == "unknown"
    assert verdict.checks[0].diagnostics[0].code == "python.undecided"
    assert verifier.verify(task("try: assert abs(Length(4).half() - 2) < 1e-6\nexcept BaseException: pass"), source).status == "unknown"
    assert verifier.verify(task("assert Length(4).half() == 9"), source).status == "fail"
    assert verifier.verify(task("assert Length(4) - 2 == 0 and Length(4) == 4"), source).status == "pass"


def test_an_object_that_claims_to_equal_anything_is_flagged(verifier):
    source = "class Any:\n    def __eq__(self, o): return True\ndef entry(): return Any()\n"
    for text in ("assert candidate() == 3", "assert Any() == Any()"):
        assert [flag.code for flag in verifier.verify(task(text), source).tamper] == ["equality_override"]


def test_a_failed_comparison_says_why(verifier):
    verdict = verifier.verify(task("for n in [2]: assert candidate(n) == 4"), "class Four: pass\ndef entry(n): return Four()\n")
    assert "equal to no plain data" in verdict.checks[0].counterexample.actual
    assert verdict.checks[0].counterexample.input == "entry(2)"


def test_the_last_question_is_shown_as_it_was_asked(verifier):
    assert verifier.verify(task("a = [2, 1]\nsort(a)\nassert a == [2, 1]"), PROGRAM).checks[0].counterexample.input == "sort([2, 1])"
    assert verifier.verify(task("assert Stack([1]).pop() == 2"), PROGRAM).checks[0].counterexample.input == "Stack.pop()"
    verdict = verifier.verify(task("Stack().pop()"), PROGRAM)
    assert verdict.checks[0].outcome == "crash"
    assert verdict.checks[0].counterexample.actual == "raised Empty: nothing here"
    assert verdict.checks[0].diagnostics[0].span.line == 13


def test_arguments_that_cannot_be_sent_stay_open_and_never_lead_to_the_weaker_mode(verifier):
    verdict = verifier.verify(task("a = []\na.append(a)\ncandidate(a)"), PROGRAM)
    assert (verdict.status, verdict.provenance.isolation) == ("unknown", "separate")
    source = "def entry(n):\n    value = []\n    for _ in range(90): value = [value]\n    return value\n"
    deep = "value = candidate(1)\nfor _ in range(50): value = [value]\ncandidate(value)\nassert 0"
    assert verifier.verify(task(deep), source).status == "unknown"
    assert verifier.verify(task("class Sub(Stack): pass\nassert Sub().size == 0"), PROGRAM).status == "unknown"


NEEDS_ONE = {
    "source": ("import inspect\nassert 'return' in inspect.getsource(candidate)", "looks at"),
    "signature": ("from inspect import signature\nassert list(signature(candidate).parameters) == ['x']", "looks at"),
    "output": (
        "import io, contextlib\nout = io.StringIO()\nwith contextlib.redirect_stdout(out):\n    tell()\nassert out.getvalue() == '5\\n'",
        "replaces",
    ),
    "input": ("import io, sys\nsys.stdin = io.StringIO('7')\nassert ask() == 7", "replaces"),
    "seed": ("import random\nrandom.seed(1)\na = dice()\nrandom.seed(1)\nassert a == dice()", "state"),
    "async": ("import asyncio as a\nassert a.run(soon()) == 3", "concurrently"),
}
NEEDY = (
    "import random\ndef entry(x): return x\ndef tell(): print(5)\ndef ask(): return int(input())\n"
    "def dice(): return random.random()\nasync def soon(): return 3\n"
)


@pytest.mark.parametrize("name", NEEDS_ONE)
def test_what_needs_one_address_space_gets_it_and_says_why(verifier, name):
    text, reason = NEEDS_ONE[name]
    verdict = verifier.verify(task(text, hidden=True), NEEDY)
    assert verdict.status == "pass", verdict
    assert verdict.provenance.isolation == "shared"
    assert reason in verdict.diagnostics[0].message
    assert verdict.diagnostics[0].visibility == "eval"


@pytest.mark.parametrize(
    "text",
    [
        "seed, signal, gc, stdout = 3, [1], 2, 'x'\nsignal.append(seed)\nassert entry(seed) == seed",
        "class Page:\n    def seed(self): return 1\nassert entry(Page().seed()) == 1",
        "import random\nassert entry(random.Random(3).random()) < 1",
    ],
)
def test_names_of_the_tests_own_need_nothing(verifier, text):
    verdict = verifier.verify(task(text), NEEDY)
    assert (verdict.status, verdict.provenance.isolation) == ("pass", "separate")


def test_strict_refuses_what_needs_one_address_space():
    strict = PythonVerifier(workers=1, isolation="strict")
    verdict = strict.verify(task(NEEDS_ONE["source"][0]), NEEDY)
    assert (verdict.status, verdict.provenance.isolation) == ("unknown", "separate")
    assert "strict" in verdict.checks[0].diagnostics[0].message
    assert strict.verify(task("assert candidate(1) == 1"), NEEDY).status == "pass"
    strict.close()


def test_checks_of_both_kinds_stay_in_order(verifier):
    texts = ["for n in [1]: assert entry(n) == n", "import inspect\nassert inspect.isfunction(entry)", "for n in [1]: assert entry(n) == 2"]
    specs = tuple(CheckSpec(id=f"c{n}", kind="assert", data={"code": text}) for n, text in enumerate(texts))
    verdict = verifier.verify(Task(id="t", group_id="g", kind="python", prompt="", context={"entry_point": "entry"}, checks=specs), NEEDY)
    assert [check.outcome for check in verdict.checks] == ["pass", "pass", "fail"]
    assert verdict.diagnostics[0].message.count("c1") == 1
    assert "c0" not in verdict.diagnostics[0].message


def test_an_unknown_isolation_is_refused():
    with pytest.raises(InputError, match="separate, shared, strict"):
        PythonVerifier(isolation="none")


# one address space ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "flag"),
    [
        ("import os\ndef solve(n): os._exit(0)", "early_exit"),
        ("def solve(n): raise SystemExit", "early_exit"),
        ("class A:\n    def __eq__(self, o): return True\ndef solve(n): return A()", "equality_override"),
        ("def solve(n):\n    class A(int):\n        def __eq__(self, o): return True\n    return A()", "equality_override"),
        ("import builtins\nbuiltins.abs = lambda x: 0\ndef solve(n): return 0", "equality_override"),
        ("import builtins\ndef solve(n):\n    builtins.sum = lambda x: 4\n    return 0", "equality_override"),
        (
            "import gc, types\ndef solve(n):\n    for f in gc.get_objects():\n"
            "        if isinstance(f, types.FunctionType) and f.__name__ == 'check': f.__code__ = (lambda c: None).__code__\n    return 4",
            "test_edit",
        ),
        (
            "import os\nfor n in range(3, 64):\n    try: os.write(n, b'\\x0c\\0\\0\\0passedpassed')\n"
            "    except OSError: pass\ndef solve(n): return 0",
            "forged_verdict",
        ),
        (
            "import sys\nseat = sys._getframe(1).f_locals['seat']\n"
            "seat.send('passed', (1, '', False), 0, 0.1, [], b'x' * 16)\ndef solve(n): return 0",
            "forged_verdict",
        ),
    ],
)
def test_tampering_that_shows_is_flagged_in_one_address_space(shared, source, flag):
    verdict = shared.verify(task("for n in [2]:\n    assert solve(n) == 4", entry_point="solve"), source)
    assert verdict.status == "tampered", verdict
    assert flag in [found.code for found in verdict.tamper]


@pytest.mark.parametrize(
    ("text", "source", "status"),
    [
        ("for n in [2]: assert solve(n) == 4", "def solve(n): return 4", "pass"),
        ("for n in [2]: assert solve(n) == 4", "def solve(n): return 5", "fail"),
        ("for n in [2]: assert solve(n) == 4", "def solve(n): return 1 / 0", "fail"),
        ("assert solve(2) == 4", "def solve(n): return n + 2", "pass"),
        ("assert candidate(2) == 4", "class A(int):\n    def __eq__(self, o): return o == 4\ndef solve(n): return A()", "fail"),
        ("pass", "def solve(n): return 4", "unknown"),
        ("pass", "class solve: pass", "unknown"),
        ("undefined.thing()", "def solve(n): return 4", "error"),
        ("for n in [2]: assert solve(n) == 4", "def solve(n):\n    while True: pass", "timeout"),
        ("for n in [2]: assert solve(n) == 4", "def other(n): return 4", "invalid"),
        ("for n in [2]: assert solve(n) == 4", "def solve(n) return 4", "invalid"),
        ("import builtins\nbuiltins.input = lambda: '4'\nfor n in [2]: assert solve(n) == 4", "def solve(n): return int(input())", "pass"),
    ],
)
def test_verdicts_in_one_address_space(shared, text, source, status):
    verdict = shared.verify(task(text, entry_point="solve"), source, limits=Limits(wall_s=1))
    assert verdict.status == status, verdict
    assert verdict.provenance.isolation == "shared"


def test_calls_are_compared_as_plain_data_in_one_address_space(shared):
    specs = [
        {"args": "(1, 2)", "expected": "3"},
        {"args": "(1, 1)", "expected": "3"},
        {"args": "(1, None)", "raises": "TypeError"},
        {"args": "(1, 2)", "raises": "TypeError"},
        {"args": "(0.1, 0.2)", "expected": "0.3", "tolerance": 1e-9},
    ]
    checks = tuple(CheckSpec(id=f"c{n}", kind="call", data=data) for n, data in enumerate(specs))
    both = Task(id="t", group_id="g", kind="python", prompt="", context={"entry_point": "add"}, checks=checks)
    verdict = shared.verify(both, "def add(a, b): return a + b")
    assert [check.outcome for check in verdict.checks] == ["pass", "fail", "pass", "fail", "pass"]
    assert verdict.checks[1].counterexample.input == "add(1, 1)"
    assert verdict.checks[1].counterexample.actual == "2"
