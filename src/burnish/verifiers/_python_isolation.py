"""Which checks are judged with program and tests in one address space, and how answers from there are read.

What decides is the text of the test code alone: nothing that a program does or returns can bring it into the weaker mode.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence, Set
from functools import lru_cache
from itertools import takewhile
from typing import Any, Literal, get_args

from burnish.core.errors import SandboxError
from burnish.core.records import TamperFlag
from burnish.sandbox.exchange import Cancel
from burnish.sandbox.jobs import Bounds, Program, Run, Shared
from burnish.sandbox.pool import Sandbox
from burnish.verifiers import _python_calls as answers
from burnish.verifiers import _python_report as report
from burnish.verifiers import _python_tables as tables
from burnish.verifiers._python_judge import Judge, _CodeFolder
from burnish.verifiers._python_plan import CallCheck, CodeCheck

Isolation = Literal["separate", "shared", "strict"]
"""`separate`: two address spaces wherever that is possible, `strict`: or no verdict, `shared`: one, where test code is run."""
ISOLATIONS: tuple[Isolation, ...] = get_args(Isolation)
_NEEDS = {
    "the test code looks at how the program is written": (
        *("inspect", "dis", "tokenize", "linecache", "GeneratorType", "FunctionType", "LambdaType", "MethodType", "CoroutineType"),
    ),
    "the test code replaces what the program reads, prints or calls": (
        *("stdin", "stdout", "stderr", "redirect_stdout", "redirect_stderr", "builtins", "__builtins__", "mock"),
        *("monkeypatch", "capsys", "__globals__"),
    ),
    "the test code changes the state of the process": (
        *("seed", "setstate", "setrecursionlimit", "environ", "putenv", "chdir", "getcontext", "setcontext", "localcontext"),
        *("settrace", "setprofile", "tracemalloc", "gc", "ctypes", "signal", "setlocale"),
    ),
    "the test code runs the program concurrently": ("asyncio", "threading", "multiprocessing", "concurrent", "await"),
}
_REASONS = {name: reason for reason, names in _NEEDS.items() for name in names}


@lru_cache(maxsize=1 << 12)
def needs_sharing(code: str) -> str:
    """Why test code has to run in the program's own address space, empty if it need not."""
    tree = tables.parsed(code)
    if tree is None:
        return ""
    nodes = list(ast.walk(tree))
    modules = {alias.asname or alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names = (name for node in nodes for name in _named(node, modules | sys.stdlib_module_names))
    return next((_REASONS[name] for name in names if name in _REASONS), "")


def _named(node: ast.AST, modules: Set[str]) -> list[str]:
    """Names in a node that stand for something outside the test code: imports, attributes of modules, fixtures."""
    match node:
        case ast.Import(names=aliases):
            return [part for alias in aliases for part in alias.name.split(".")]
        case ast.ImportFrom(module=module, names=aliases):
            return [*(module or "").split("."), *(alias.name for alias in aliases)]
        case ast.Attribute(value=ast.Name(id=module), attr=name) if module in modules:
            return [name]
        case ast.Attribute(attr=name) | ast.Name(id=name) if name.startswith("__"):
            return [name]
        case ast.Attribute(value=ast.Attribute(attr="random"), attr="seed"):
            return ["seed"]
        case ast.arg(arg="capsys" | "monkeypatch" as name):
            return [name]
        case ast.Await() | ast.AsyncFor() | ast.AsyncWith():
            return ["await"]
    return []


class IsolatingJudge(Judge):
    """A judge that puts program and tests into one address space when it is asked to, or when the test code needs that."""

    def __init__(self, sandbox: Sandbox, program: Program, bounds: Bounds, first_fail: bool, cancel: Cancel, isolation: Isolation) -> None:
        super().__init__(sandbox, program, bounds, first_fail, cancel)
        self._isolation = isolation

    def _calls(self, plans: list[CallCheck]) -> int:
        """Sequences and changed arguments are judged apart in any case."""
        plain = not any(call.way for plan in plans for call in plan.calls)
        return self._shared(plans, "asked for") if plain and self._isolation == "shared" else super()._calls(plans)

    def _codes(self, plans: list[CodeCheck]) -> int:
        if self._isolation == "shared":
            return self._shared(plans, "asked for")
        reason = needs_sharing(plans[0].code)
        alike = list(takewhile(lambda plan: needs_sharing(plan.code) == reason, plans))
        if not reason:
            return super()._codes(alike)
        if self._isolation == "strict":
            return self._fail_all(alike, "unknown", "python.undecided", f"{reason}, which needs one address space, and isolation is strict")
        return self._shared(alike, reason)

    def _shared(self, plans: Sequence[CallCheck | CodeCheck], reason: str) -> int:
        self.found.shared.update((plan.spec.id, reason) for plan in plans)
        job = Shared(program=self._program, drives=[(unit, *_content(plan)) for unit, plan in enumerate(plans)])
        try:
            run = self._run(job, lambda frame: self._first_fail and frame[0] in ("wrong", "failed"))
        except SandboxError as error:
            return self._infrastructure(plans, error)
        if self._not_loaded(plans, run):
            return len(plans)
        if run.malformed:
            return self._forged(plans, run.malformed)
        return self._fold(plans, run, job.nonce)

    def _fold(self, plans: Sequence[CallCheck | CodeCheck], run: Run, nonce: bytes) -> int:
        """Decide as many checks as the run allows; returns how many."""
        frames = run.guest[1:]
        if len(frames) > len(plans) or not all(_is_sealed(frame, index, plans[index], nonce) for index, frame in enumerate(frames)):
            return self._forged(plans, "a frame without its seal")
        for index, plan in enumerate(plans):
            if index == len(frames):
                outcome, note, flag = report.ending(run, plan.spec.hidden)
                if self._isolation == "shared":  # else the test code, which has asked for it, may have ended the process
                    self.found.flag(flag)
                self._decide(plan, outcome, note)
                return index + 1
            *frame, _, seconds, signs, _ = frames[index]
            for sign in signs:
                self.found.flag(_SIGNS[sign])
            if isinstance(plan, CodeCheck):
                _CodeFolder(self, [plan], run)._decide(plan, (*frame, index, seconds))
            else:
                self._decide_calls(plan, frame, seconds)
            if self._over():
                return index + 1
        return len(plans)

    def _decide_calls(self, plan: CallCheck, frame: list[Any], seconds: float) -> None:
        if frame[0] == "passed":
            self._decide(plan, "pass", wall_s=seconds)
            return
        _, row, kind, content = frame
        call, entry_point = plan.calls[row], self._program.entry_point
        wrong = answers.wrong(call, (kind, content), self._program.source, plan.spec.hidden)
        if wrong is None:
            self._forged([plan], "a right answer that is called wrong")
            return
        self.found.flag(wrong.flag)
        self._decide(plan, wrong.outcome, wrong.note, example=answers.example(entry_point, [call], wrong.actual), wall_s=seconds)


def _content(plan: CallCheck | CodeCheck) -> tuple[str, Any]:
    if isinstance(plan, CodeCheck):
        return plan.kind, plan.code
    return "calls", [(call.args, call.kwargs, call.expected, call.raises, call.tolerance, call.loose) for call in plan.calls]


def _is_sealed(frame: tuple[Any, ...], index: int, plan: CallCheck | CodeCheck, nonce: bytes) -> bool:
    """True for a frame as the seat's own code sends it, with the secret of this run."""
    if len(frame) < 5 or frame[-1] != nonce or type(frame[-3]) is not float or not 0 <= frame[-3] < 1e9 or frame[-4] != index:
        return False
    signs = frame[-2]
    if type(signs) is not list or not all(type(sign) is str and sign in _SIGNS for sign in signs):
        return False
    match frame[:-4]:
        case ("passed", verdict):
            return _is_verdict(verdict)
        case ("wrong", int(row), "value" | "raised" | "unsendable" as kind, content) if isinstance(plan, CallCheck):
            return 0 <= row < len(plan.calls) and answers.is_answer((kind, content, 0, 0.0), 0)
        case ("broken", str()):
            return True
        case ("failed", description, remote, last, verdict):
            described = report.is_description(description) and (remote is None or report.is_description(remote))
            shown = last is None or (type(last) is tuple and [type(part) for part in last] == [str, str])
            return described and shown and _is_verdict(verdict)
    return False


def _is_verdict(verdict: Any) -> bool:
    return type(verdict) is tuple and [type(part) for part in verdict] == [int, str, bool] and not verdict[1]


_SIGNS = {
    "builtins": TamperFlag(code="equality_override", evidence="the program replaced built-in functions"),
    "equality": report.EQUALITY,
    "tests": TamperFlag(code="test_edit", evidence="a function of the test code was rewritten while it ran"),
}
