"""Judges pytest files that a model wrote: they must pass on right programs and catch wrong ones.

The tests run under the real pytest in a jail; the program they test runs in a second process of that jail, where they can
only call it. A wrong program is caught if a test that passes on the right ones fails on it, and if its own side saw it
answer otherwise than they do. Facts only: which tests fail where, the share of wrong programs caught, tests that catch none.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from collections.abc import Sequence

import msgspec

from burnish.core.records import Diagnostic, Provenance, SourceSpan, Task, Verdict
from burnish.core.seeds import content_hash
from burnish.sandbox.exchange import Cancel
from burnish.sandbox.jobs import Bounds
from burnish.sandbox.pool import STANDARD_MODULES, Sandbox
from burnish.verifiers._pooled import Pooled
from burnish.verifiers._tests_judge import SuiteJudge
from burnish.verifiers._tests_plan import plan, suite_task
from burnish.verifiers.base import Limits, ToolReport

__all__ = ["PythonTestsVerifier", "python_tests", "suite_task"]

PYTEST_PARTS = ("_pytest", "pluggy", "iniconfig", "packaging", "pygments")
"""What pytest is made of; which of them are needed depends on its version."""


class PythonTestsVerifier(Pooled):
    """The verifier of `Task.kind == "python_tests"`. Its limits are those of one run of the whole file against one program."""

    id = "python_tests"
    version = "1"

    def __init__(self, *, workers: int | None = None, level: str | None = None, packages: Sequence[str] = ()) -> None:
        needed = ("pytest", *(name for name in PYTEST_PARTS if importlib.util.find_spec(name)), *packages)
        self._packages = needed
        self.sandbox = Sandbox(workers=workers, level=level, preload=(*STANDARD_MODULES, "pytest"), packages=needed)

    def doctor(self) -> Sequence[ToolReport]:
        """Whether pytest is here."""
        version = _pytest_version()
        install = "" if version else "pip install 'burnish[judge-tests]'"
        return [ToolReport(name="pytest", found=bool(version), optional=True, version=version, detail="judges test files", install=install)]

    def verify(self, task: Task, artefact: str, *, limits: Limits = Limits(), first_fail: bool = False) -> Verdict:
        """Judge a test file. Raises `InputError` for malformed checks and `Unavailable` without pytest or a jail."""
        return self._judge(task, artefact, limits, first_fail, Cancel(), self.sandbox.workers)

    def _judge(self, task: Task, artefact: str, limits: Limits, first_fail: bool, cancel: Cancel, width: int = 1) -> Verdict:
        asked = plan(task)
        provenance = Provenance(
            verifier=self.id,
            version=self.version,
            artefact_hash=content_hash(artefact),
            isolation="separate",
            tools={"python": platform.python_version(), "pytest": _pytest_version(), "sandbox": self.sandbox.level},
        )
        if not artefact.strip():
            return Verdict.of((), invalid=[_EMPTY], provenance=provenance)
        judge = SuiteJudge(self.sandbox, artefact, asked, Bounds(**msgspec.structs.asdict(limits)), first_fail, cancel, width)
        found = judge.judge()
        return Verdict.of(
            found.checks,
            invalid=found.invalid,
            diagnostics=found.remarks,
            tamper=found.tamper,
            features=found.features,
            cost=found.cost,
            provenance=provenance,
        )


def _pytest_version() -> str:
    return importlib.metadata.version("pytest") if importlib.util.find_spec("pytest") else ""


_EMPTY = Diagnostic(code="tests.empty", message="there is no code", span=SourceSpan(start=0, end=0, line=1, col=0, end_line=1, end_col=0))

python_tests = PythonTestsVerifier()
"""The shared instance that `find("verifier", "python_tests")` returns."""
