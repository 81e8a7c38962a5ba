"""Verifiers of compiled languages. A language is one file: a `NativeVerifier` with its `Language`, and an object under its name.

Checks are `stdio` (a whole program; output is compared outside the jail) and `main` (test code with a `main` of its own, built
together with the artefact). In the latter tests and program share one address space, and the verdict says so.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache

import msgspec

from burnish.core.errors import InputError, Unavailable
from burnish.core.records import Diagnostic, Provenance, SourceSpan, Task, Verdict
from burnish.core.seeds import content_hash
from burnish.sandbox.exchange import Cancel
from burnish.sandbox.inside.profiles import TOOLS_PATH
from burnish.sandbox.jobs import Bounds
from burnish.sandbox.pool import Sandbox
from burnish.verifiers._native_judge import Judge
from burnish.verifiers._native_language import Language, Options
from burnish.verifiers._native_plan import MainCheck, plan
from burnish.verifiers._pooled import Pooled
from burnish.verifiers.base import Limits, ToolReport

VERSION = "1"
COMPILE_LIMITS = Limits(wall_s=20.0, cpu_s=20.0, memory_mb=1024, output_bytes=4 << 20, file_mb=32)
"""What one run of the compiler may use, unless a verifier is made with other limits."""


class NativeVerifier(Pooled):
    """The verifier of its `language`. Its jails start when first needed, one per core unless `workers` says otherwise."""

    version = VERSION
    language: Language

    def __init__(self, *, workers: int | None = None, level: str | None = None, compile_limits: Limits = COMPILE_LIMITS) -> None:
        self.id, self._compile_limits = self.language.id, compile_limits
        self.sandbox = Sandbox(workers=workers, level=level, profile="tools", preload=())

    def doctor(self) -> Sequence[ToolReport]:
        """The compiler: there or not, its version, and how to get it."""
        path = _find(self.language.compiler)
        name = self.language.compiler
        if path is None:
            return [ToolReport(name=name, found=False, optional=True, detail=f"judges {self.id} tasks", install=self.language.install)]
        return [ToolReport(name=name, found=True, optional=True, version=_version(path), detail=f"judges {self.id} tasks")]

    def configuration(self) -> Mapping[str, str]:
        """Interpreter and machine, level of the jail, the compiler with its version and limits."""
        path = _find(self.language.compiler)
        tool = f"{self.language.compiler} {_version(path) if path else ''}"
        return {**super().configuration(), "language": tool, "compile_limits": f"{self._compile_limits}"}

    def _judge(self, task: Task, artefact: str, limits: Limits, first_fail: bool, cancel: Cancel) -> Verdict:
        plans = plan(task)
        options = self._options(task)
        path = _find(self.language.compiler)
        if path is None:
            raise Unavailable(f"{self.id} tasks need {self.language.compiler}, which is not installed here. Mend: {self.language.install}.")
        is_shared = any(isinstance(check, MainCheck) for check in plans)
        provenance = Provenance(
            verifier=self.id,
            version=self.version,
            artefact_hash=content_hash(artefact),
            isolation="shared" if is_shared else "separate",
            tools={self.language.compiler: _version(path), "sandbox": self.sandbox.level},
        )
        if not artefact.strip():
            return Verdict.of((), invalid=[_empty(self.id)], provenance=provenance)
        bounds, compile_bounds = (Bounds(**msgspec.structs.asdict(chosen)) for chosen in (limits, self._compile_limits))
        judge = Judge(self.sandbox, self.language, options, artefact, bounds, compile_bounds, first_fail, cancel)
        found = judge.judge(plans)
        notes = [_shared(self.id)] if is_shared else []
        return Verdict.of(
            found.checks, invalid=found.invalid, diagnostics=notes, tamper=found.tamper, cost=found.cost, provenance=provenance
        )

    def _options(self, task: Task) -> Options:
        try:
            return self.language.options(task.context)
        except ValueError as error:
            raise InputError(f"task {task.id!r}: {error}") from None


def _find(tool: str) -> str | None:
    """Where the tool lies in the jail, which shows these folders as they are."""
    return shutil.which(tool, path=TOOLS_PATH)


@cache
def _version(path: str) -> str:
    shown = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"\d+(?:\.\d+)+", shown)
    return number[0] if number else "unknown"


def _empty(language: str) -> Diagnostic:
    span = SourceSpan(start=0, end=0, line=1, col=0, end_line=1, end_col=0)
    return Diagnostic(code=f"{language}.empty", message="there is no code", span=span)


def _shared(language: str) -> Diagnostic:
    message = "test code with a main shares the program's address space: a program written against the judge could forge a pass"
    return Diagnostic(code=f"{language}.shared_isolation", message=message, severity="info", visibility="eval")
