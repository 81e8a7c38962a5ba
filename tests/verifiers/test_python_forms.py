"""Forms of checks of Python programs: sequences of method calls, changed arguments, returned iterators, comparators."""

import pytest

from burnish.core.errors import InputError
from burnish.core.records import CheckSpec, Task
from burnish.verifiers.base import Limits
from burnish.verifiers.python import PythonVerifier

STACK = """\
class MinStack:
    def __init__(self, *items):
        self.items = list(items)
    def push(self, item):
        self.items.append(item)
        return self
    def pop(self):
        return self.items.pop()
    def getMin(self):
        return min(self.items)
    def mean(self):
        return sum(self.items) / len(self.items)
"""


def make(*checks, entry_point="f", hidden=()):
    specs = tuple(CheckSpec(id=f"c{n}", kind=kind, data=data, hidden=n in hidden) for n, (kind, data) in enumerate(checks))
    return Task(id="t", group_id="g", kind="python", prompt="", context={"entry_point": entry_point}, checks=specs)


def call(args, **more):
    return "call", {"args": args, **more}


def steps(*rows, **more):
    return "sequence", {"steps": [["MinStack", "()"], *map(list, rows)], **more}


def operations(names, arguments, expected, **more):
    return "sequence", {"operations": names, "arguments": arguments, "expected": expected, **more}


@pytest.fixture(scope="module")
def verifier():
    verifier = PythonVerifier(workers=1)
    yield verifier
    verifier.close()


def outcomes(verifier, task, source, **more):
    return [check.outcome for check in verifier.verify(task, source, **more).checks]


GOOD = make(
    steps(("push", "(3,)"), ("push", "(1,)"), ("getMin", "()", "1"), ("pop", "()", "1"), ("getMin", "()", "3")),
    steps(("pop", "()", {"raises": "IndexError"}), ("push", "(0.1,)"), ("push", "(0.5,)"), ("mean", "()", "0.3"), tolerance=1e-9),
    steps(("push", "()", {"kwargs": "{'item': 2}"}), ("pop", "()", {"expected": "2.001", "tolerance": 0.01})),
    operations(["MinStack", "pop", "getMin"], "[[3, 1], [], []]", "[None, 1, 3]"),
    ("sequence", {"steps": [["MinStack", "(2, 1)"], ["getMin", "()", "1"]]}),
    ("sequence", {"steps": [["MinStack", "()", {"kwargs": "{'no': 1}", "raises": "TypeError"}]]}),
    entry_point="MinStack",
)


def test_a_right_class_passes_and_every_sequence_has_its_own_object(verifier):
    assert verifier.verify(GOOD, STACK).status == "pass"


@pytest.mark.parametrize(
    "wrong", ["MinStack = lambda *items: None", "class MinStack: pass", "def MinStack(): return 1", STACK.replace("min(", "max(")]
)
def test_a_wrong_class_fails(verifier, wrong):
    assert "fail" not in verifier.verify(GOOD, STACK).status
    assert verifier.verify(GOOD, wrong).status == "fail"


def test_the_diagnostic_names_the_step_and_the_counterexample_shows_the_way_to_it(verifier):
    source = STACK.replace("min(self.items)", "self.items[0]")
    check = verifier.verify(GOOD, source).checks[0]
    assert check.outcome == "fail"
    assert check.diagnostics[0].message == "step 4, getMin: returned 3, expected 1"
    assert check.counterexample.input == "x = MinStack(); x.push(3); x.push(1); x.getMin()"
    assert (check.counterexample.expected, check.counterexample.actual) == ("1", "3")


def test_an_exception_in_a_step_is_a_crash_with_its_place(verifier):
    source = STACK.replace("min(self.items)", "self.item")
    check = verifier.verify(GOOD, source).checks[0]
    assert check.outcome == "crash"
    assert check.diagnostics[0].message.startswith("step 4, getMin: AttributeError")
    span = check.diagnostics[0].span
    assert source[span.start : span.end] == "self.item"


def test_a_long_history_is_bounded(verifier):
    rows = [("push", f"({n},)") for n in range(300)]
    task = make(steps(*rows, ("getMin", "()", "1")), entry_point="MinStack")
    shown = verifier.verify(task, STACK).checks[0].counterexample.input
    assert shown.startswith("x = MinStack(); … 2")
    assert shown.endswith("x.push(298); x.push(299); x.getMin()")
    assert len(shown) < 700


def test_a_result_that_nobody_asked_for_is_not_compared_but_none_is(verifier):
    chained = make(operations(["MinStack", "push"], "[[], [1]]", "[None, None]"), entry_point="MinStack")
    assert outcomes(verifier, chained, STACK) == ["fail"]
    assert outcomes(verifier, chained, STACK.replace("        return self\n", "")) == ["pass"]


def test_a_class_cannot_fool_a_sequence(verifier):
    liar = "class Any:\n    def __eq__(self, other): return True\n"
    liar += "class MinStack:\n    def __getattr__(self, name): return lambda *a, **k: Any()\n"
    verdict = verifier.verify(make(steps(("push", "(1,)"), ("pop", "()", "1")), entry_point="MinStack"), liar)
    assert verdict.status == "tampered"
    leaver = STACK.replace("return min(self.items)", "import os; os._exit(0)")
    assert verifier.verify(GOOD, leaver).status == "tampered"
    sleeper = STACK.replace("return min(self.items)", "while True: pass")
    task = make(steps(("getMin", "()", "1")), steps(("push", "(1,)"), ("pop", "()", "1")), entry_point="MinStack")
    assert outcomes(verifier, task, sleeper, limits=Limits(wall_s=0.4)) == ["timeout", "pass"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "list of steps"),
        ({"steps": []}, "entry point"),
        ({"steps": [["push", "(1,)"]]}, "entry point"),
        ({"steps": [["MinStack", "()"]]}, "every program would pass"),
        ({"steps": [["MinStack", "()", "None"], ["pop", "()", "1"]]}, "cannot be compared"),
        ({"steps": [["MinStack", "()"], ["pop"]]}, "step 2"),
        ({"steps": [["MinStack", "()"], ["pop", "1", "1"]]}, "step 2, pop: .*tuple"),
        ({"steps": [["MinStack", "()"], ["pop", "()", {"expect": "1"}]]}, "other keys: expected"),
        ({"steps": [["MinStack", "()"], ["pop", "()", {"expected": "1", "raises": "E"}]]}, "exactly one"),
        ({"operations": ["MinStack", "pop"], "arguments": "[[]]", "expected": "[None, 1]"}, "one length"),
        ({"operations": ["MinStack", "pop"], "arguments": "[[], 1]", "expected": "[None, 1]"}, "one list of arguments"),
        ({"operations": ["MinStack", "pop"], "arguments": "[[], []]", "expected": "(None, 1)"}, "a list such as"),
    ],
)
def test_malformed_sequences_teach(verifier, data, words):
    with pytest.raises(InputError, match=words):
        verifier.verify(make(("sequence", data), entry_point="MinStack"), STACK)


def test_arguments_that_must_change(verifier):
    task = make(call("([3, 1, 2],)", mutates="([1, 2, 3],)"), call("([3, 1], 7)", mutates="([1, 3], 7)", expected="None"))
    assert outcomes(verifier, task, "def f(x, y=0):\n    x.sort()\n") == ["pass", "pass"]
    assert outcomes(verifier, task, "def f(x, y=0):\n    x.sort()\n    return x\n") == ["pass", "fail"]
    verdict = verifier.verify(task, "def f(x, y=0):\n    return sorted(x)\n")
    assert [check.outcome for check in verdict.checks] == ["fail", "fail"]
    assert verdict.checks[0].diagnostics[0].code == "python.wrong_arguments"
    assert verdict.checks[0].counterexample.input == "f([3, 1, 2])"
    assert verdict.checks[0].counterexample.expected == "arguments ([1, 2, 3],)"
    assert verdict.checks[0].counterexample.actual == "arguments ([3, 1, 2],)"


def test_arguments_that_must_stay_and_what_replaces_them(verifier):
    keep = make(call("([3, 1],)", expected="[1, 3]", mutates="([3, 1],)"))
    assert outcomes(verifier, keep, "def f(x):\n    return sorted(x)\n") == ["pass"]
    assert outcomes(verifier, keep, "def f(x):\n    x.sort()\n    return x\n") == ["fail"]
    near = make(call("([1.0],)", mutates="([0.3],)", tolerance=1e-9))
    assert outcomes(verifier, near, "def f(x):\n    x[0] = 0.1 + 0.2\n    return object()\n") == ["pass"]
    assert outcomes(verifier, near, "def f(x):\n    x[0] = type('E', (), {'__eq__': lambda a, b: True})()\n") == ["fail"]


def test_inputs_of_one_check_never_reach_another(verifier):
    task = make(*(call("([1],)", expected="2") for _ in range(3)))
    assert outcomes(verifier, task, "def f(x):\n    x.append(1)\n    return len(x)\n") == ["pass"] * 3


@pytest.mark.parametrize(
    "body",
    [
        "yield from (1, 2)",
        "return iter([1, 2])",
        "return map(int, '12')",
        "return range(1, 3)",
        "return {1: 0, 2: 0}.keys()",
        "import collections; return collections.deque([1, 2])",
    ],
)
def test_an_iterator_is_judged_only_where_the_check_says_so(verifier, body):
    task = make(call("()", expected="[1, 2]"), call("()", expected="[1, 2]", **{"as": "list"}))
    assert outcomes(verifier, task, f"def f():\n    {body}\n") == ["fail", "pass"]


def test_a_returned_iterator_may_raise_end_or_never_end(verifier):
    task = make(call("()", expected="[1]", **{"as": "list"}))
    assert outcomes(verifier, task, "def f():\n    yield 1\n    raise ValueError\n") == ["crash"]
    assert outcomes(verifier, task, "def f():\n    yield 1\n    yield 2\n") == ["fail"]
    assert outcomes(verifier, task, "def f():\n    while True: yield 1\n", limits=Limits(wall_s=1, memory_mb=100)) in (
        ["crash"],
        ["timeout"],
    )
    assert outcomes(verifier, task, "def f(): return None\n") == ["fail"]
    with pytest.raises(InputError, match="'list'"):
        verifier.verify(make(call("()", expected="[1]", **{"as": "tuple"})), "def f(): ...")


@pytest.mark.parametrize(
    ("body", "expected", "outcome"),
    [
        ("return True", "1", "fail"),
        ("return 1", "True", "fail"),
        ("return 1.0", "1", "pass"),
        ("return -0.0", "0.0", "pass"),
        ("return float('nan')", "nan", "pass"),
        ("return [float('nan'), -float('inf')]", "[nan, -inf]", "pass"),
        ("return {2, 1}", "{1, 2}", "pass"),
        ("return frozenset({1})", "{1}", "fail"),
        ("return {'b': 1, 'a': 2}", "{'a': 2, 'b': 1}", "pass"),
        ("from collections import namedtuple; return namedtuple('P', 'x y')(1, 2)", "(1, 2)", "pass"),
        ("from collections import Counter; return Counter('aab')", "{'a': 2, 'b': 1}", "pass"),
        ("from collections import deque; return deque([1])", "[1]", "fail"),
        ("import enum; return enum.IntEnum('E', 'a').a", "1", "pass"),
        ("return '\\ud800'", "'\\ud800'", "pass"),
        ("return 10 ** 5000", "1" + "0" * 5, "fail"),
        ("return 1 << (1 << 21)", "1", "fail"),
        ("x = []\n    for _ in range(200): x = [x]\n    return x", "[]", "fail"),
        ("x = []; x.append(x); return x", "[]", "fail"),
        ("return 'x' * 3000000", "'x'", "fail"),
        ("return ValueError('1')", "1", "fail"),
        ("raise ValueError(1)", "1", "crash"),
        ("return lambda: 1", "1", "fail"),
        ("return '１'", "'1'", "fail"),
        ("return 'a\\u200b'", "'a'", "fail"),
    ],
)
def test_what_a_value_is(verifier, body, expected, outcome):
    assert outcomes(verifier, make(call("()", expected=expected)), f"def f():\n    {body}\n") == [outcome]


def test_scalars_of_numpy_are_numbers():
    verifier = PythonVerifier(workers=1, packages=["numpy"])
    source = "import numpy\ndef f(kind):\n    return getattr(numpy, kind)(1)\n"
    kinds = {"int64": "1", "float32": "1.0", "float64": "1.0", "bool_": "True", "str_": "'1'"}
    task = make(
        *(call(f"({kind!r},)", expected=due) for kind, due in kinds.items()),
        call("('array',)", expected="1"),
        call("('ones',)", expected="[1]", **{"as": "list"}),
    )
    assert outcomes(verifier, task, source, limits=Limits(wall_s=20, cpu_s=20)) == ["pass"] * len(kinds) + ["fail", "pass"]
    verifier.close()


@pytest.mark.parametrize("trick", ["\u202e", "\u2066", "\u200b", "\ufeff", "\x1b[2J", "\x07", "\u0661", "\U000e0041", "\ufe0f"])
@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    return {!r}\n",
        "def f():\n    raise ValueError({!r})\n",
        "class X:\n    def __repr__(self): return {!r}\ndef f():\n    return X()\n",
        "def f():\n    raise type({!r}, (Exception,), {{}})\n",
    ],
)
def test_nothing_invisible_reaches_a_reader(verifier, source, trick):
    check = verifier.verify(make(call("()", expected="1")), source.format(f"<{trick}>")).checks[0]
    shown = "".join([check.diagnostics[0].message, check.diagnostics[0].code, check.counterexample.actual])
    assert trick not in shown
    assert trick.encode("unicode_escape").decode() in shown


def stdio(stdin, stdout, **more):
    return "stdio", {"stdin": stdin, **({} if stdout is None else {"stdout": stdout}), **more}


CHECKER = "def check(stdin, expected, actual):\n    return sum(map(int, actual.split())) == int(stdin), 'wrong sum'\n"


def test_outputs_are_judged_by_the_comparator_of_the_check(verifier):
    task = make(
        stdio("", "0.3 1", comparator="numeric"),
        stdio("", "0.30 1", comparator="numeric", tolerance=0),
        stdio("", "0.30000000000000004 1 ", comparator="lines"),
        stdio("", "YES", comparator="yes_no"),
        stdio("1", None, comparator="checker", checker=CHECKER),
        entry_point="",
    )
    verdict = verifier.verify(task, "print(0.1 + 0.2, 1)")
    assert [check.outcome for check in verdict.checks] == ["pass", "fail", "pass", "fail", "error"]
    assert verdict.checks[1].diagnostics[0].message.startswith("token 1 (line 1 of the output)")
    assert verdict.checks[4].diagnostics[0].code == "checker.error"
    assert verdict.checks[4].counterexample is None
    assert verifier.verify(make(stdio("5", None, comparator="checker", checker=CHECKER)), "print(2, 3)").passed
    failed = verifier.verify(make(stdio("5", None, comparator="checker", checker=CHECKER)), "print(2, 2)").checks[0]
    assert (failed.outcome, failed.diagnostics[0].message) == ("fail", "the checker rejects the output: wrong sum")


def test_what_a_checker_says_about_a_hidden_check_stays_hidden(verifier):
    task = make(stdio("5", None, comparator="checker", checker=CHECKER), hidden=(0,))
    assert verifier.verify(task, "print(2)").checks[0].diagnostics[0].visibility == "eval"
