"""Traces of Python programs: of the first wrong answer, for every kind of check, bounded; and what may never be in one."""

import asyncio
import os

import pytest
from tests.sandbox.processes import children, kill

from burnish.core.errors import InputError
from burnish.core.records import CheckSpec, Task
from burnish.store.verdicts import VerdictCache
from burnish.verifiers.base import Limits, Tracer
from burnish.verifiers.c import c
from burnish.verifiers.cached import CachedVerifier
from burnish.verifiers.python import python

WRONG = "def double(n):\n    result = n * 2\n    if n > 2:\n        result += 1\n    return result\n"
LIMITS = Limits(wall_s=4.0, cpu_s=0.8)


def traced(source, kind, data, entry="double", limits=LIMITS):
    task = Task(id="t", group_id="t", kind="python", prompt="", checks=(CheckSpec(id="v", kind=kind, data=data),))
    task = type(task)(**{**{name: getattr(task, name) for name in task.__struct_fields__}, "context": {"entry_point": entry}})
    return asyncio.run(python.atrace(task, source, "v", limits=limits))


def test_of_several_asserted_calls_the_first_wrong_one_is_traced():
    found = traced(WRONG, "assert", {"code": "assert double(1) == 2\nassert double(3) == 6\nassert double(4) == 8"})
    assert found.input == "double(3)", found
    assert [(step.first, step.last) for step in found.steps] == [(2, 3), (4, 4), (5, 5)]
    assert found.steps[0].values == (("n", "3"), ("result", "6"))
    assert found.steps[2].note == "returns 7"
    assert (found.total, found.ending) == (3, "")


def test_a_right_program_is_traced_on_the_last_call():
    found = traced(WRONG, "assert", {"code": "assert double(1) == 2\nassert double(2) == 4"})
    assert found.input == "double(2)", found


def test_a_sequence_of_calls_is_traced_at_its_wrong_step():
    methods = "    def __init__(self):\n        self.items = []\n    def put(self, x):\n        self.items.append(x)\n        return 0\n"
    found = traced(f"class Box:\n{methods}", "sequence", {"steps": [["Box", "()"], ["put", "(7,)", "1"]]}, "Box")
    assert found.input == "x = Box(); x.put(7)"
    assert found.steps[-1].values == (("self", "Box(items=[7])"), ("x", "7"))


def test_test_code_and_whole_programs():
    found = traced(WRONG, "check_function", {"code": "def check(f):\n    for n in [0, 1, 2, 3, 4]:\n        assert f(n) == 2 * n"})
    assert found.ending.startswith("AssertionError")
    assert found.steps[-1].note == "returns 7"
    found = traced("print(int(input()) + 1)\n", "stdio", {"stdin": "4\n", "stdout": "8\n"}, "")
    assert found.output == "5\n"


def test_what_ended_it_is_told():
    call = {"args": "(1,)", "expected": "2"}
    assert traced("def double(n):\n    return n / 0\n", "call", call).ending == "ZeroDivisionError: division by zero"
    assert "limit" in traced("def double(n):\n    return sum(range(10**12))\n", "call", call).ending
    assert "too many lines" in traced("def double(n):\n    while True:\n        n += 1\n", "call", call).ending
    assert traced("def double(n) return", "call", call).ending == "the program could not be loaded"
    assert traced("import os\ndef double(n):\n    os._exit(0)\n", "call", call).ending == "the program spoiled its own trace"
    assert "too much" in traced("def double(n):\n    while True:\n        print('x' * 10**5)\n", "call", call).ending


def test_a_forged_trace_is_dropped_and_a_plausible_one_cleaned():
    forge = """
import gc
def double(n):
    for thing in gc.get_objects():
        if type(thing).__name__ == "_Steps":
            thing._first.append(ROW)
            thing._total = 10**6
    return 0
"""
    call = {"args": "(1,)", "expected": "2"}
    assert traced(forge.replace("ROW", "('f', 1)"), "call", call).steps == ()
    found = traced(forge.replace("ROW", "('f', 1, 1, 1, [('n', '\\u202eevil')], 'x' * 9000)"), "call", call)
    texts = [text for step in found.steps for text in (step.note, *(value for _, value in step.values))]
    assert not any("\u202e" in text for text in texts)
    assert max(map(len, texts)) <= 500


def test_an_unknown_check_is_named():
    with pytest.raises(InputError, match="no check 'v2'"):
        asyncio.run(python.atrace(Task(id="t", group_id="t", kind="python", prompt=""), "x = 1", "v2"))


def test_who_can_trace(tmp_path):
    assert isinstance(python, Tracer)
    assert not isinstance(c, Tracer)
    cached = CachedVerifier(c, VerdictCache(tmp_path / "verdicts"))
    assert asyncio.run(cached.atrace(Task(id="t", group_id="t", kind="c", prompt=""), "", "v")) is None


def test_a_seat_that_was_killed_from_outside_is_no_ending_of_the_program():
    call = {"args": "(3,)", "expected": "6"}
    assert traced(WRONG, "call", call).total == 3
    for warden in children(os.getpid()):
        for nursery in children(warden)[1:]:
            for seat in children(nursery):
                kill(seat)
    assert traced(WRONG, "call", call).total == 3
