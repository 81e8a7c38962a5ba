"""Every check in the documentation passes a right program and no other, and every kind is documented."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from burnish.core.records import CheckSpec, Task
from burnish.verifiers._comparators import COMPARATORS
from burnish.verifiers._python_plan import KINDS
from burnish.verifiers.python import PythonVerifier

PAGE = (Path(__file__).parents[2] / "docs" / "checks.md").read_text()
CHECKS = [msgspec.convert(json.loads(block), CheckSpec) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
STACK = """\
class MinStack:
    def __init__(self): self.items = []
    def push(self, item): self.items.append(item)
    def pop(self): return self.items.pop()
    def getMin(self): return min(self.items)
"""
ADD = "def add(a, b):\n    return a + b\n"
PROGRAMS = {
    "add": ADD,
    "empty": "def first(items):\n    if not items: raise ValueError\n    return items[0]\n",
    "in_place": "def sort(items):\n    items.sort()\n",
    "iterator": "def count(n):\n    yield from range(n)\n",
    "stack": STACK,
    "lists": STACK,
    "asserts": ADD,
    "loop": ADD,
    "sum": "print(sum(map(int, input().split())))\n",
    "mean": "numbers = list(map(int, input().split()))\nprint(sum(numbers) / len(numbers))\n",
    "any_order": "print(*reversed(input().split()))\n",
}


@pytest.fixture(scope="module")
def verifier():
    verifier = PythonVerifier(workers=1)
    yield verifier
    verifier.close()


def name_of(program: str) -> str:
    found = re.match(r"(?:def|class) (\w+)", program)
    return found.group(1) if found else ""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_an_example_passes_a_right_program_and_no_other(verifier, check):
    name = name_of(PROGRAMS[check.id])
    task = Task(id=check.id, group_id=check.id, kind="python", prompt="", context={"entry_point": name}, checks=(check,))
    assert verifier.verify(task, PROGRAMS[check.id]).status == "pass"
    for wrong in (f"def {name}(*args, **kwargs):\n    return 7\n" if name else "print(7)\n", "1 / 0\n"):
        assert verifier.verify(task, wrong).status == "fail"


def test_every_kind_and_every_comparator_is_documented():
    rows = set(re.findall(r"^\| `(\w+)`", PAGE, re.MULTILINE))
    assert {*KINDS, *COMPARATORS} <= rows
    assert {check.kind for check in CHECKS} == set(KINDS)
    assert [check.id for check in CHECKS] == list(PROGRAMS)
