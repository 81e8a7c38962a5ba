"""What every verifier is tried with: one `Case` each. `test_conformance.py` holds the trials.

A new verifier joins by one entry in `CASES`; a trial that makes no sense for it is a reason to talk about the contract.
"""

from collections.abc import Callable
from dataclasses import dataclass

from burnish.core.records import CheckSpec, Task
from burnish.verifiers.base import Verifier
from burnish.verifiers.python import PythonVerifier


@dataclass(frozen=True)
class Case:
    """A verifier, a task with visible and hidden checks, and artefacts of every sort.

    `bad` is decided wrong by a visible check and by a hidden one, `invalid` can never be used, `endless` never ends, `slow` is
    good and takes about a second. `secret` stands in every hidden check and nowhere else.
    """

    make: Callable[[], Verifier]
    task: Task
    good: str
    bad: str
    invalid: tuple[str, ...]
    endless: str
    slow: str
    secret: str


def _python(kinds: dict[str, dict[str, str]], secret: str, hidden: dict[str, dict[str, str]], **context: str) -> Task:
    checks = [CheckSpec(id=f"v-{kind}", kind=kind, data=data) for kind, data in kinds.items()]
    checks += [CheckSpec(id=f"h-{kind}", kind=kind, data=data, hidden=True) for kind, data in hidden.items()]
    assert all(secret in str(check.data) for check in checks if check.hidden)
    return Task(id="t", group_id="g", kind="python", prompt="", context=context, checks=tuple(checks))


CASES = {
    "python functions": Case(
        make=lambda: PythonVerifier(workers=2),
        task=_python(
            {"call": {"args": "(1, 2)", "expected": "3"}, "assert": {"code": "for n in [1, 2]:\n    assert add(n, n) == 2 * n"}},
            "987654",
            {
                "call": {"args": "(987654, 0)", "expected": "987654"},
                "check_function": {"code": "def check(candidate):\n    for n in [987654]:\n        assert candidate(n, 1) == n + 1"},
            },
            entry_point="add",
        ),
        good="def add(a, b):\n    return a + b\n",
        bad="def add(a, b):\n    return a - b - 1\n",
        invalid=("", " \n\t", "def add(a, b):\n    return a +* b\n", "\0", "Sure! Here is the code.", "def sub(a, b): return a - b\n"),
        endless="def add(a, b):\n    while True: pass\n",
        slow="import time\ntime.sleep(0.5)\ndef add(a, b):\n    return a + b\n",
        secret="987654",
    ),
    "python programs": Case(
        make=lambda: PythonVerifier(workers=2),
        task=_python({"stdio": {"stdin": "2", "stdout": "4"}}, "987654", {"stdio": {"stdin": "987654", "stdout": "1975308"}}),
        good="print(2 * int(input()))",
        bad="print(1 + int(input()))",
        invalid=("", "print(2 *", "\0", "Sure! Here is the code."),
        endless="while True: pass",
        slow="import time\ntime.sleep(0.5)\nprint(2 * int(input()))",
        secret="987654",
    ),
}
