"""A reply that is a part of a file is judged as the whole file, every way a verifier can be asked."""

import asyncio

from burnish.core.records import CheckSpec, Task
from burnish.runs._in_file import InFile
from burnish.verifiers.base import Tracer, Verifier
from burnish.verifiers.python import python

FILE = "def rate():\n    return 2\n\n\ndef tax(price):\n    return price - rate()\n"
CHECK = CheckSpec(id="v", kind="call", data={"args": "(3,)", "expected": "6"})
TASK = Task(id="t", group_id="t", kind="python", prompt="", context={"entry_point": "tax"}, checks=(CHECK,))
RIGHT = "def tax(price):\n    return price * rate()\n"
CRASH = "def tax(price):\n    return price / 0\n"


def test_a_part_is_judged_inside_the_file_however_it_is_asked():
    judge = InFile(python, FILE)
    assert isinstance(judge, Verifier)
    assert isinstance(judge, Tracer)
    assert judge.verify(TASK, RIGHT).passed
    assert asyncio.run(judge.averify(TASK, RIGHT)).passed
    assert [verdict.status for verdict in judge.verify_batch([(TASK, RIGHT), (TASK, FILE), (TASK, "")])] == ["pass", "fail", "invalid"]


def test_places_are_told_only_where_they_are_those_of_the_reply():
    judge = InFile(python, FILE)
    part, whole = (judge.verify(TASK, reply).checks[0].diagnostics[0] for reply in (CRASH, f"def rate():\n    return 2\n{CRASH}"))
    assert "ZeroDivisionError" in part.message
    assert part.span is None
    assert whole.span.line == 4


def test_only_a_whole_file_is_traced():
    judge = InFile(python, FILE)
    assert asyncio.run(judge.atrace(TASK, RIGHT, "v")) is None
    assert asyncio.run(judge.atrace(TASK, FILE, "v")).steps
