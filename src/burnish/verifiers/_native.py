"""Verifiers of compiled languages. A language is one file: a `Language`, and a `NativeVerifier` of it under the language's name.

Checks are `stdio` (a whole program; output is compared outside the jail) and `main` (test code with a `main` of its own, built
together with the artefact). In the latter tests and program share one address space, and the verdict says so.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

import msgspec

from burnish.core.errors import InputError, Unavailable
from burnish.core.records import CheckSpec, Diagnostic, Provenance, SourceSpan, Task, Verdict
from burnish.core.seeds import content_hash
from burnish.sandbox.inside.profiles import TOOLS_PATH
from burnish.sandbox.jobs import Bounds, Command
from burnish.sandbox.pool import Sandbox
from burnish.verifiers._pooled import Pooled
from burnish.verifiers._python_plan import COMPARATORS
from burnish.verifiers.base import Limits, ToolReport

VERSION = "1"
COMPILE_LIMITS = Limits(wall_s=20.0, cpu_s=20.0, memory_mb=1024, output_bytes=4 << 20, file_mb=32)
"""What one run of the compiler may use, unless a verifier is made with other limits."""
PROGRAM = "program"
"""File name of the built program."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a task wants its programs: arguments of the compiler, and what the built program needs when it runs."""

    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    reserves_memory: bool = False


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What is handed to the compiler: files, its arguments, and the mark by which failed assertions can be told."""

    files: Mapping[str, bytes]
    arguments: tuple[str, ...]
    mark: str = ""


Tool = Callable[[Command], tuple[int, str, str]]
"""Runs a tool of the language in the jail. Returns exit code (not 0 also for a signal), standard output and standard error."""


class Language(Protocol):
    """A compiled language, as the judge sees it. Nothing here runs outside the jail."""

    id: str
    """`Task.kind` of its tasks; the first part of its diagnostics' codes."""
    compiler: str
    install: str
    """How to get the compiler."""

    def options(self, context: Mapping[str, Any]) -> Options:
        """Read the options of a task. Raises `ValueError`."""
        ...

    def program(self, artefact: str, options: Options) -> Unit:
        """Build the artefact alone; the program must appear as `PROGRAM`."""
        ...

    def tests(self, artefact: str, tests: str, options: Options, tool: Tool) -> Unit:
        """Build the artefact with test code whose `main` sends the secret back once it has returned (see `Command`)."""
        ...

    def parses(self, artefact: str, options: Options) -> Unit:
        """Only read the artefact, without building anything: tells its own errors from those of tests."""
        ...

    def errors(self, text: str, artefact: str) -> list[Diagnostic]:
        """What the compiler complains about, in order; places are those in the artefact."""
        ...

    def fault(self, text: str, artefact: str, binary: bytes, tool: Tool) -> Diagnostic | None:
        """The report of a run-time checker (a sanitizer) in the program's standard error, if there is one."""
        ...


@dataclass(frozen=True)
class StdioCheck:
    """A check of a whole program: stdin to stdout."""

    spec: CheckSpec
    stdin: str
    stdout: str
    comparator: str


@dataclass(frozen=True)
class MainCheck:
    """A check that is test code with a `main`."""

    spec: CheckSpec
    code: str


Plan = StdioCheck | MainCheck


class NativeVerifier(Pooled):
    """The verifier of one compiled language. Its jails start when first needed, one per core unless `workers` says otherwise."""

    version = VERSION

    def __init__(
        self, language: Language, *, workers: int | None = None, level: str | None = None, compile_limits: Limits = COMPILE_LIMITS
    ) -> None:
        self.id, self.language, self._compile_limits = language.id, language, compile_limits
        self.sandbox = Sandbox(workers=workers, level=level, profile="tools", preload=())

    def doctor(self) -> Sequence[ToolReport]:
        """The compiler: there or not, its version, and how to get it."""
        path = _find(self.language.compiler)
        name = self.language.compiler
        if path is None:
            return [ToolReport(name=name, found=False, optional=True, detail=f"judges {self.id} tasks", install=self.language.install)]
        return [ToolReport(name=name, found=True, optional=True, version=_version(path), detail=f"judges {self.id} tasks")]

    def verify(self, task: Task, artefact: str, *, limits: Limits = Limits(), first_fail: bool = False) -> Verdict:
        """Judge `artefact`. Raises `InputError` for malformed checks and `Unavailable` without a compiler or a jail."""
        from burnish.verifiers._native_judge import Judge

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
        judge = Judge(self.sandbox, self.language, options, artefact, bounds, compile_bounds, first_fail)
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


def plan(task: Task) -> list[Plan]:
    """One plan per check, in order. Raises `InputError` naming the task and the check that cannot be read."""
    return [_plan_one(task, spec) for spec in task.checks]


def _plan_one(task: Task, spec: CheckSpec) -> Plan:
    where = f"task {task.id!r}, check {spec.id!r}"
    if spec.kind == "main":
        return MainCheck(spec, _text(spec, "code", where))
    if spec.kind != "stdio":
        raise InputError(f"{where}: unknown kind {spec.kind!r} for a task of kind {task.kind!r}. Known: main, stdio.")
    comparator = spec.data.get("comparator", "tokens")
    if comparator not in COMPARATORS:
        raise InputError(f"{where}: unknown comparator {comparator!r}. Known: {', '.join(sorted(COMPARATORS))}.")
    return StdioCheck(spec, _text(spec, "stdin", where), _text(spec, "stdout", where), comparator)


def _text(spec: CheckSpec, name: str, where: str) -> str:
    value = spec.data.get(name)
    if not isinstance(value, str):
        raise InputError(f"{where}: data[{name!r}] must be text, found {value!r}.")
    return value


def _find(tool: str) -> str | None:
    """Where the tool lies in the jail, which shows these folders as they are."""
    return shutil.which(tool, path=TOOLS_PATH)


@cache
def _version(path: str) -> str:
    shown = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    return shown.partition("\n")[0]


def _empty(language: str) -> Diagnostic:
    span = SourceSpan(start=0, end=0, line=1, col=0, end_line=1, end_col=0)
    return Diagnostic(code=f"{language}.empty", message="there is no code", span=span)


def _shared(language: str) -> Diagnostic:
    message = "test code with a main shares the program's address space: a program written against the judge could forge a pass"
    return Diagnostic(code=f"{language}.shared_isolation", message=message, severity="info", visibility="eval")
