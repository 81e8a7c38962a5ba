"""Test code and program in two address spaces: what works, what cannot be faked, and what runs in one and says so."""

import textwrap

import pytest

from burnish.core.errors import InputError
from burnish.core.records import CheckSpec, Task
from burnish.verifiers.base import Limits
from burnish.verifiers.python import PythonVerifier

PROGRAM = '''
from collections import Counter, deque, namedtuple
from dataclasses import dataclass
from enum import Enum, IntEnum
from fractions import Fraction

class Stack:
    """Last in, first out."""
    limit = 10
    def __init__(self, items=()): self.items = list(items)
    def push(self, item): self.items.append(item); return self
    def pop(self):
        if not self.items: raise Empty("nothing here", 7)
        return self.items.pop()
    @classmethod
    def of(cls, *items): return cls(items)
    @property
    def size(self): return len(self.items)
    def __len__(self): return len(self.items)
    def __iter__(self): return iter(self.items)
    def __getitem__(self, place): return self.items[place]
    def __setitem__(self, place, item): self.items[place] = item
    def __contains__(self, item): return item in self.items
    def __repr__(self): return f"Stack({self.items})"
    def __eq__(self, other): return isinstance(other, Stack) and self.items == other.items
    def __lt__(self, other): return len(self) < len(other)
    def __add__(self, other): return Stack(self.items + list(other))
    def __enter__(self): return self
    def __exit__(self, *problem): self.items.clear()

class Empty(IndexError):
    def __init__(self, text, code):
        super().__init__(text)
        self.code = code

class Numbers(list):
    def total(self): return sum(self)

Pair = namedtuple("Pair", "left right")
class Colour(Enum): RED, BLUE = 1, 2
class Level(IntEnum): LOW, HIGH = 1, 2
@dataclass
class Point:
    x: int
    y: int = 0

LIMITS = [1, 2]
def entry(x=1): return x
def count_to(n): yield from range(n)
def for_ever():
    n = 0
    while True: n += 1; yield n
def apply(function, items): return [function(item) for item in items]
def sort(items): items.sort()
def add_one(items): items.append(1); return items
def deepen(items, table=None): items[0].append(9); items.append([3]); (table or {})["seen"] = {1}
def walk(node):
    values = []
    while node is not None: values.append(node.value); node = node.next
    return values
def reverse(node):
    before = None
    while node: node.next, before, node = before, node, node.next
    return before
def raises(error): raise error
def adder(n): return lambda x: x + n
def read(file): return file.read().upper()
def numbers(): return Numbers([1, 2])

'''

_CASES = """
# methods and properties
s = Stack()
s.push(1).push(2)
assert len(s) == 2 and s.size == 2 and s.items == [1, 2] and s.pop() == 2
# containers
s = Stack([1, 2])
s[0] = 5
assert list(s) == [5, 2] and s[0:1] == [5] and 2 in s and 7 not in s and s and not Stack()
# text
assert repr(Stack([1])) == str(Stack([1])) == f'{Stack([1])}' == 'Stack([1])' and Stack().__doc__ == 'Last in, first out.'
# operators
assert Stack([1]) + [2] == Stack([1, 2]) and Stack([1]) != Stack([2]) and max(Stack([1]), Stack([1, 2])).size == 2
# classes
assert isinstance(Stack(), Stack) and type(Stack()) is Stack and Stack.of(3)[0] == 3 and not callable(Stack())
# attributes
s, Stack.limit = Stack(), 3
assert s.limit == 3 and hasattr(s, 'push') and not hasattr(s, 'no')
s.limit = 4
assert Stack.limit == 3
# contexts
with Stack([1]) as s:
    assert s.size == 1
assert s.items == []
# own exceptions
try: Stack().pop()
except Empty as e: assert (str(e), e.code, e.args) == ('nothing here', 7, ('nothing here',))
else: assert 0
# their bases
try: Stack().pop()
except IndexError as e: assert isinstance(e, Empty) and issubclass(Empty, LookupError)
else: assert 0
# built-in exceptions
try: raises(KeyError('k', 2))
except KeyError as e: assert e.args == ('k', 2)
else: assert 0
# generators
g = count_to(3)
assert next(g) == 0 and list(g) == [1, 2] and next(g, 'end') == 'end'
# lazily
import itertools
assert list(itertools.islice(for_ever(), 3)) == [1, 2, 3]
# callbacks
seen = []
assert apply(lambda x: x * 2, [1, 2]) == [2, 4]
apply(seen.append, [1, 2])
assert seen == [1, 2]
# callbacks that raise
class Own(Exception): pass
def f(x): raise Own(x)
try: apply(f, [1])
except Own as e: assert e.args == (1,)
else: assert 0
# callbacks that call
assert apply(lambda x: entry(x) + 1, [1, 2]) == [2, 3]
# objects of the tests
class Node:
    def __init__(self, value, next=None): self.value, self.next = value, next
n = Node(1, Node(2))
assert walk(n) == [1, 2]
r = reverse(n)
assert r.value == 2 and r.next is n and n.next is None
# files in memory
import io
assert read(io.StringIO('ab')) == 'AB'
# changed arguments
a = [3, 1]
b = a
sort(a)
assert b == [1, 3] and add_one(a) is b and b == [1, 3, 1]
# changed parts
a, t = [[1]], {'old': 0}
inner = a[0]
deepen(a, table=t)
assert a == [[1, 9], [3]] and inner is a[0] and t == {'old': 0, 'seen': {1}}
# shared parts
row = [0]
a = [row, row]
deepen(a)
assert a == [[0, 9], [0], [3]]
# named tuples
p = Pair(1, 2)
assert p == (1, 2) and p.left == 1 and p._replace(left=3) == (3, 2) and isinstance(p, tuple) and entry(p) == p
# enumerations
assert Colour.RED is Colour(1) is Colour['RED'] and Colour.RED != Colour.BLUE and [c.name for c in Colour] == ['RED', 'BLUE']
# numbers with names
assert Level.LOW == 1 and Level.LOW < Level.HIGH and entry(Level.HIGH).name == 'HIGH'
# data classes
p = Point(1)
p.x = 5
assert p == Point(5) and repr(p) == 'Point(x=5, y=0)' and vars(p) == {'x': 5, 'y': 0}
# standard values
import collections, decimal, fractions, datetime
values = [collections.Counter('aab'), collections.deque([1], 3), collections.defaultdict(list), collections.OrderedDict(a=1)]
values += [fractions.Fraction(1, 3), decimal.Decimal('0.1'), datetime.date(2020, 1, 2), datetime.timedelta(1), ValueError, slice(1)]
assert entry(values) == values and [type(value) for value in entry(values)] == [type(value) for value in values]
# subclasses of lists
n = numbers()
assert n == [1, 2] and n.total() == 3 and n[0] == 1
# closures
assert adder(3)(4) == 7 and entry(entry)(5) == 5
# values of the module
assert LIMITS == [1, 2] and entry() == 1
# helpers of the tests
import math
def twice(x): return 2 * x
assert entry(math.floor(2.5)) == twice(1) == len(apply(twice, numbers()))
assert entry([twice(n) for n in count_to(3)]) == [0, 2, 4]
# large arguments and answers
rows = [0] * 300_000
assert len(entry(rows)) == 300_000 and entry('x' * 900_000) == 'x' * 900_000
assert apply(len, [rows[:9000]]) == [9000]
# the module
import solution
from solution import entry as e
assert solution.entry(2) == e(2) == 2
solution.Stack = 5
assert solution.Stack == 5
# copies
import copy
s = Stack([1])
t = copy.deepcopy(s)
t.push(2)
assert s.items == [1] and t.items == [1, 2]
# what functions tell
assert entry.__name__ == 'entry' and entry.__code__.co_argcount == 1 and entry.__defaults__ == (1,)
# keys
s = {Colour.RED: 1, entry: 2}
assert s[Colour.RED] == 1 and s[entry] == 2
try: hash(Point(1))
except TypeError: pass
else: assert 0
"""
WORKS = dict(part.split("\n", 1) for part in _CASES.split("\n# ")[1:])
"""Test code by what it is about; all of it holds for `PROGRAM`."""


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
