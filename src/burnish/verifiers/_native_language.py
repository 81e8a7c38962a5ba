"""What the judge must know of a compiled language: how its compiler is called, and what its messages mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from burnish.core.records import Diagnostic
from burnish.sandbox.jobs import Command

PROGRAM = "program"
"""File name of the built program."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a task wants its programs: arguments of the compiler, and whether the built program reserves more memory than it uses."""

    arguments: tuple[str, ...] = ()
    reserves_memory: bool = False


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What is handed to the compiler: files, arguments, standard input, and the mark by which failed assertions can be told."""

    files: Mapping[str, bytes]
    arguments: tuple[str, ...]
    stdin: str = ""
    mark: str = ""


Tool = Callable[[Command], tuple[int, str, str]]
"""Runs a tool of the language in the jail. Returns exit code (not 0 also for a signal), standard output and standard error."""


class Language(Protocol):
    """A compiled language, as the judge sees it. Nothing here runs outside the jail."""

    @property
    def id(self) -> str:
        """`Task.kind` of its tasks; the first part of its diagnostics' codes."""
        ...

    @property
    def compiler(self) -> str:
        """The name of its compiler's program."""
        ...

    @property
    def install(self) -> str:
        """How to get the compiler."""
        ...

    def options(self, context: Mapping[str, Any]) -> Options:
        """Read the options of a task. Raises `ValueError`."""
        ...

    def program(self, artefact: str, options: Options) -> Unit:
        """Build the artefact alone; it must appear as `PROGRAM`."""
        ...

    def tests(self, artefact: str, tests: str, options: Options, tool: Tool) -> Unit:
        """Build the artefact with test code and send the secret of `Command` back once the tests have returned."""
        ...

    def parses(self, artefact: str, options: Options) -> Unit:
        """Only read the artefact, without building anything: tells its own errors from those of tests."""
        ...

    def errors(self, text: str, artefact: str) -> list[Diagnostic]:
        """What the compiler complains about, in order; places are those in the artefact. Raises `SandboxError` if it was killed."""
        ...

    def fault(self, text: str, artefact: str, binary: bytes, tool: Tool) -> Diagnostic | None:
        """The report of a run-time checker (a sanitizer) in the program's standard error, if there is one."""
        ...
