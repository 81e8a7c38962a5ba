"""The tracing seat: which blocks, which values, and hostile programs that want to break it. The real jail."""

import pytest

from burnish.sandbox import Bounds, Program, Sandbox, Trace
from burnish.sandbox.inside import wire
from burnish.sandbox.inside.tracer import MOST_LINES, MOST_VALUES, VALUE, blocks_of, shown
from burnish.sandbox.pool import STANDARD_MODULES

BOUNDS = Bounds(wall_s=5, cpu_s=4, memory_mb=256, processes=8, output_bytes=50_000)
SHORT = Bounds(wall_s=0.6, cpu_s=0.5, memory_mb=256, processes=8, output_bytes=50_000)
GCD = """
def gcd(a, b):
    print("start", a)
    while b:
        r = a % b
        a, b = b, r
    return a
"""


@pytest.fixture(scope="module")
def sandbox():
    sandbox = Sandbox(workers=1, preload=(*STANDARD_MODULES, "ast"))
    yield sandbox
    sandbox.close()


@pytest.fixture
def call(sandbox):
    """`call(source, *args)` traces one call of the last function that the source defines and gives the run."""

    def go(source, *args, bounds=BOUNDS, **more):
        entry = source.rsplit("def ", 1)[1].partition("(")[0]
        job = Trace(program=Program(source=source, entry_point=entry), inputs=[("call", ((), args, {}))], **more)
        return sandbox.run(job, bounds)

    return go


def steps(run):
    kind, _, _, _, total, rows = run.guest[1]
    return kind, total, rows


def test_values_at_the_end_of_every_block(call):
    run = call(GCD, 12, 18)
    kind, total, rows = steps(run)
    assert (kind, run.guest[1][1], total) == ("value", 6, 9)
    assert [row[2:4] for row in rows[:4]] == [(3, 3), (4, 4), (5, 6), (4, 4)]
    assert rows[2] == ("gcd", 1, 5, 6, [("a", "18"), ("b", "12"), ("r", "12")], "")
    assert rows[-1] == ("gcd", 1, 7, 7, [("a", "6"), ("b", "0"), ("r", "0")], "returns 6")
    assert run.output == b"start 12\n"


def test_a_whole_program_is_traced_too(sandbox):
    source = "n = int(input())\nfor i in range(n):\n    print(i)\n"
    run = sandbox.run(Trace(program=Program(source=source), stdin="2\n"), BOUNDS)
    assert run.output == b"0\n1\n"
    assert [row[2] for row in steps(run)[2]] == [1, 2, 3, 2, 3, 2]


def test_test_code_drives_the_program_and_is_not_traced_itself(sandbox):
    checks = [("assert", "assert gcd(4, 6) == 2"), ("check", "def check(f):\n    assert f(1, 1) == 5")]
    run = sandbox.run(Trace(program=Program(source=GCD, entry_point="gcd"), inputs=checks), BOUNDS)
    assert [frame[0] for frame in run.guest[1:]] == ["value", "raised"]
    assert {row[0] for frame in run.guest[1:] for row in frame[5]} == {"gcd"}


def test_nested_calls_have_a_depth_and_what_is_raised_is_noted(call):
    source = (
        "def inner(x):\n    return 1 // x\ndef outer(x):\n    try:\n        return inner(x)\n"
        "    except ZeroDivisionError:\n        return None\n"
    )
    _, _, rows = steps(call(source, 0))
    assert [(row[0], row[1], row[5]) for row in rows] == [
        ("outer", 1, ""),
        ("inner", 2, "raises ZeroDivisionError"),
        ("outer", 1, ""),
        ("outer", 1, ""),
        ("outer", 1, "returns None"),
    ]


def test_of_many_blocks_the_first_and_the_last_are_kept(call):
    kind, total, rows = steps(call("def f(n):\n    for i in range(n):\n        n += i\n    return n\n", 100, most=10))
    assert (kind, total, len(rows)) == ("value", 202, 10)
    assert rows[4][4] == [("n", "101"), ("i", "2")]
    assert rows[-1][5] == "returns 5050"


def test_an_endless_loop_is_cut_after_so_many_lines(call):
    kind, total, rows = steps(call("def f():\n    i = 0\n    while True:\n        i += 1\n"))
    assert kind == "stopped"
    assert 0.9 * MOST_LINES < total <= MOST_LINES
    assert int(dict(rows[-1][4])["i"]) > 0.4 * MOST_LINES


BLOCKS = """a = 1
b = (2,
     3)
if a:
    b = 1
    c = 2
elif b:
    c = 3
else:
    c = 4
for x in b:
    y = x
    while y: y -= 1
try:
    z = 1
except ValueError:
    z = 2
finally:
    w = 3
def f():
    return 1
with open(x) as g:
    pass
match a:
    case 1:
        v = 1
"""


def test_blocks_end_where_the_flow_may_turn():
    ranges = sorted({block[:2] for block in blocks_of(BLOCKS).values()})
    single = [(line, line) for line in (7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 26)]
    assert ranges == sorted([(1, 4), (5, 6), *(pair for pair in single if pair[0] not in (9, 16, 18)), (24, 25)])


def test_broken_source_has_no_blocks():
    assert blocks_of("def f(:") == {}
    assert blocks_of("(" * 5000) == {}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1, "a", None, (2,)], "[1, 'a', None, (2,)]"),
        ({"k": {1.5}}, "{'k': {1.5}}"),
        (list(range(100)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …]"),
        (1 << 500, "<int of 501 bits>"),
        (object(), "<object>"),
    ],
)
def test_values_are_shown_within_bounds(value, text):
    assert shown(value) == text


def test_an_object_is_shown_by_its_attributes_without_asking_it():
    class Node:
        def __init__(self, value, after=None):
            self.value, self.after = value, after

        def __repr__(self):
            raise AssertionError("asked")

    assert shown(Node(1, Node(2))) == "Node(value=1, after=Node(value=2, after=None))"
    loop = Node(3)
    loop.after = loop
    assert len(shown(loop)) <= VALUE


HOSTILE = {
    "repr_never_ends": "class A:\n    def __repr__(self):\n        while True: pass\ndef f():\n    a = A()\n    return 1\n",
    "property_for_dict": "class A:\n    @property\n    def __dict__(self): raise SystemExit\ndef f():\n    a = A()\n    return 1\n",
    "no_name": (
        "class M(type):\n    __name__ = property(lambda self: 1 / 0)\nclass A(metaclass=M): pass\ndef f():\n    a = A()\n    return 1\n"
    ),
    "huge_values": "def f():\n    a = [0] * 10**6\n    b = 'x' * 10**7\n    c = 1 << 10**6\n    return 1\n",
    "many_variables": "def f():\n    exec('\\n'.join(f'x{i} = {i}' for i in range(5000)))\n    return 1\n",
    "odd_global_names": (
        "globals()[5] = 1\nclass S(str):\n    def startswith(self, *a): raise ValueError\nglobals()[S('q')] = 2\ndef f():\n    return 1\n"
    ),
    "trace_off": "import sys\ndef f():\n    sys.settrace(None)\n    return 1\n",
    "own_tracer": "import sys\ndef f():\n    sys.settrace(lambda *a: 1 / 0)\n    return 1\n",
    "deep_recursion": (
        "def g(n):\n    return 1 + g(n + 1)\ndef f():\n    try:\n        g(0)\n    except RecursionError:\n        return 1\n"
    ),
    "stdout_gone": "import sys\ndef f():\n    sys.stdout = None\n    return 1\n",
    "stdout_closed": "import os\ndef f():\n    os.close(1)\n    return 1\n",
    "threads": "import threading\ndef f():\n    t = threading.Thread(target=lambda: None)\n    t.start()\n    t.join()\n    return 1\n",
    "patched_tracer": (
        "import sys\ndef f():\n    frame = sys._getframe()\n    while frame.f_back: frame = frame.f_back\n"
        "    frame.f_globals.clear()\n    return 1\n"
    ),
}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_program_is_survived_and_bounded(call, source):
    run = call(source)
    assert not run.malformed
    for frame in run.guest[1:]:
        if len(frame) == 6:
            assert all(len(row[4]) <= MOST_VALUES and all(len(value) <= VALUE for _, value in row[4]) for row in frame[5])
    assert steps(call(GCD, 12, 18))[1] == 9  # the next run is as ever


ENDLESS = {
    "a_call_without_lines": "def f():\n    return sum(range(10**12))\n",
    "catches_everything": (
        "def f():\n    while True:\n        try:\n            sum(range(10**9))\n        except BaseException:\n            pass\n"
    ),
    "sleeps": "import time\ndef f():\n    time.sleep(100)\n",
    "lines_in_another_thread": (
        "import threading\ndef g():\n    while True: pass\ndef f():\n    t = threading.Thread(target=g)\n    t.start()\n    t.join()\n"
    ),
}


@pytest.mark.parametrize("source", ENDLESS.values(), ids=ENDLESS.keys())
def test_what_never_ends_is_ended(call, source):
    run = call(source, bounds=SHORT)
    assert run.reason in (wire.WALL, wire.CPU) or run.guest[1][0] == "stopped"
    assert steps(call(GCD, 12, 18))[1] == 9


def test_output_is_cut_at_its_limit(call):
    run = call("def f():\n    while True:\n        print('x' * 1000)\n")
    assert run.output_exceeded
    assert len(run.output) == BOUNDS.output_bytes


def test_frames_of_the_program_itself_are_noticed_or_look_like_a_trace(call):
    forge = (
        "import os\ndef f():\n    for fd in range(3, 20):\n        try:\n"
        "            os.write(fd, b'\\x05\\0\\0\\0junk!' * 50)\n        except OSError:\n            pass\n"
        "    return 1\n"
    )
    assert call(forge).malformed
    assert steps(call(GCD, 12, 18))[1] == 9
