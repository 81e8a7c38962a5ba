"""Repair a user's own Python file by its own tests, with any strategy. Nothing counts as repaired that the judge has not passed.

The task given to the strategy is the file with its failures; all its checks are the user's tests, so all are visible. A reply
that holds only some of the file's definitions is judged inside the whole file.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import msgspec

from burnish.core.errors import BurnishError, InputError
from burnish.core.records import CheckSpec, Record, Task, Trace, Verdict
from burnish.models.base import Policy
from burnish.runs.folders import open_run
from burnish.runs.solve import Progress, SolveConfig, solve
from burnish.signals.feedback import feedback
from burnish.signals.prompts import block
from burnish.store.files import write_atomic
from burnish.store.runs import RunStore
from burnish.text.code import defines
from burnish.text.splice import splice
from burnish.text.test_files import names_in, pieces
from burnish.verifiers.base import Limits, Tracer, Verifier
from burnish.verifiers.python import python

MOST_SOURCE = 20_000
"""Longest file and longest tests, in characters, that are put before a model."""


class Repair(Record):
    """What came of it. `diff` is a unified diff, empty unless `repaired`; `passed` of `tests` pass after the best attempt."""

    status: Literal["passes", "repaired", "not repaired"]
    diff: str = ""
    program: str = ""
    tests: int = 0
    passed_before: int = 0
    passed: int = 0
    attempts: int = 0
    tokens: int = 0


def repair_file(
    file: Path,
    tests: Path,
    model: Callable[[], Policy],
    config: SolveConfig,
    *,
    out: Path | None = None,
    write: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Repair:
    """Repair `file`, with the run's records in `out` if given; with `write` put a repaired one in its place, whole or not at all.

    `model` is asked for once the files are known to be usable. Raises `InputError`, or `BurnishError` if the model or the jail fails.
    """
    task = repair_task(file, tests)
    policy = model()
    with TemporaryDirectory() as aside, open_run(out or Path(aside), {"kind": "repair", "file": str(file)}, resume=False) as store:
        found = asyncio.run(_repair_and_close(task, policy, store, config, on_progress))
    if write and found.status == "repaired":
        mode = file.stat().st_mode
        write_atomic(file, [found.program.encode()])
        file.chmod(mode)
    return found


async def _repair_and_close(
    task: Task, policy: Policy, store: RunStore, config: SolveConfig, on_progress: Callable[[Progress], None]
) -> Repair:
    try:
        return await repair(task, policy, python, store, config, on_progress=on_progress)
    finally:
        await policy.aclose()


def repair_task(file: Path, tests: Path) -> Task:
    """The task of repairing `file`, judged by the tests in the other file. Raises `InputError` for files that cannot be used."""
    source, test_source = _read(file), _read(tests)
    try:
        found = pieces(test_source, file.stem)
    except ValueError as error:
        raise InputError(f"{tests}, {error}.") from None
    if not found:
        raise InputError(f"{tests} holds no tests. Write assert statements, or functions named test_… without arguments.")
    entry = next((name for name in names_in(test_source) if defines(source, name)), None)
    if entry is None:
        raise InputError(f"{tests} uses nothing that {file} defines. Import a function or class of {file.stem} there and test it.")
    checks = tuple(CheckSpec(id=_unique(n, piece.name, found), kind="assert", data={"code": piece.code}) for n, piece in enumerate(found))
    context = {"entry_point": entry, "wanted": "file", "source": source, "tests": test_source}
    return Task(id=file.stem, group_id=file.stem, kind="python", prompt="", context=context, checks=checks)


async def repair(
    task: Task,
    policy: Policy,
    verifier: Verifier,
    store: RunStore,
    config: SolveConfig,
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Repair:
    """Run the strategy on a task of `repair_task`. Raises `InputError` if its tests cannot be judged,
    and `BurnishError` if the model or the jail fails in every run.
    """
    source = task.context["source"]
    before = await verifier.averify(task, source, limits=config.limits)
    if before.status in ("error", "unsupported", "unknown", "tampered"):
        reason = next((d.message for check in before.checks for d in check.diagnostics), "no test could be decided")
        raise InputError(f"The tests of {task.id}.py could not be judged ({before.status}): {reason}.")
    found = Repair(status="not repaired", tests=len(task.checks), passed_before=_passes(before))
    if before.passed:
        return msgspec.structs.replace(found, status="passes", program=source, passed=len(task.checks))
    asked = msgspec.structs.replace(task, prompt=_prompt(task, before))
    await solve([asked], policy, InFile(verifier, source), store, config, on_progress=on_progress)
    episodes = store.episodes()
    if all(episode.status == "error" for episode in episodes):
        raise BurnishError(episodes[0].detail)
    answers = [attempt for episode in episodes if episode.answer and (attempt := store.attempt(episode.answer))]
    programs = [splice(source, answer.artefacts.get("code", "")) for answer in answers]
    verdicts = [await verifier.averify(task, program, limits=config.limits) for program in programs]
    tokens = [attempt.cost.tokens_out for attempt in store.attempts()]
    passed = max(map(_passes, verdicts), default=0)
    found = msgspec.structs.replace(found, passed=passed, attempts=len(tokens), tokens=sum(tokens))
    program = next((program for program, verdict in zip(programs, verdicts, strict=True) if verdict.passed), None)
    return found if program is None else _repaired(found, task, program)


def _repaired(found: Repair, task: Task, program: str) -> Repair:
    source, name = task.context["source"], f"{task.id}.py"
    program = program if program.endswith("\n") else f"{program}\n"
    rows = difflib.unified_diff(source.splitlines(), program.splitlines(), f"a/{name}", f"b/{name}", lineterm="")
    return msgspec.structs.replace(found, status="repaired", diff="\n".join(rows), program=program)


class InFile:
    """A verifier that judges a reply inside the whole file that it repairs."""

    def __init__(self, verifier: Verifier, original: str) -> None:
        self.id, self.version = verifier.id, verifier.version
        self._verifier, self._original = verifier, original
        self.doctor, self.configuration, self.close = verifier.doctor, verifier.configuration, verifier.close
        self.verify_batch = verifier.verify_batch

    def verify(self, task: Task, artefact: str, *, limits: Limits = Limits(), first_fail: bool = False) -> Verdict:
        """The verdict on the whole file."""
        verdict = self._verifier.verify(task, self._whole(artefact), limits=limits, first_fail=first_fail)
        return self._placed(verdict, artefact)

    async def averify(self, task: Task, artefact: str, *, limits: Limits = Limits(), first_fail: bool = False) -> Verdict:
        """As `verify`, without blocking the event loop."""
        verdict = await self._verifier.averify(task, self._whole(artefact), limits=limits, first_fail=first_fail)
        return self._placed(verdict, artefact)

    async def atrace(self, task: Task, artefact: str, check_id: str, *, limits: Limits = Limits()) -> Trace | None:
        """A trace of the whole file; None where the reply is only a part of it, whose lines are others."""
        if self._whole(artefact) != artefact or not isinstance(self._verifier, Tracer):
            return None
        return await self._verifier.atrace(task, artefact, check_id, limits=limits)

    def _whole(self, artefact: str) -> str:
        return splice(self._original, artefact) if artefact.strip() else artefact

    def _placed(self, verdict: Verdict, artefact: str) -> Verdict:
        """Without places in the text where the reply is only a part: they are those of the whole file."""
        if self._whole(artefact) == artefact:
            return verdict
        checks = tuple(
            msgspec.structs.replace(check, diagnostics=tuple(msgspec.structs.replace(d, span=None) for d in check.diagnostics))
            for check in verdict.checks
        )
        diagnostics = tuple(msgspec.structs.replace(d, span=None) for d in verdict.diagnostics)
        return msgspec.structs.replace(verdict, checks=checks, diagnostics=diagnostics)


def _prompt(task: Task, before: Verdict) -> str:
    source, tests = (_cut(task.context[name]) for name in ("source", "tests"))
    wrong = feedback(before, failures=3)
    return (
        f"The file {task.id}.py fails its tests. Correct it, and change no more than needed.\n\n{block(task, source)}\n\n{wrong}\n\n"
        f"Its tests:\n{block(task, tests)}"
    )


def _cut(text: str) -> str:
    return text if len(text) <= MOST_SOURCE else f"{text[:MOST_SOURCE]}\n# … the rest is left out …"


def _passes(verdict: Verdict) -> int:
    return sum(check.outcome == "pass" for check in verdict.checks)


def _unique(number: int, name: str, found: Sequence[object]) -> str:
    return f"{number + 1}: {name}" if len(found) > 1 else name


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text.") from None
