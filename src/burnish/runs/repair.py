"""Repair a user's own Python file by its own tests, with any strategy. Nothing counts as repaired that the judge has not passed.

The task given to the strategy is the file with its failures; all its checks are the user's tests, so all are visible. A reply
that holds only some of the file's definitions is judged inside the whole file.
"""

from __future__ import annotations

import asyncio
import difflib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import msgspec

from burnish.core.errors import BurnishError, InputError
from burnish.core.records import CheckSpec, Record, Task, Verdict
from burnish.models.base import Policy
from burnish.runs._in_file import InFile
from burnish.runs.folders import open_run
from burnish.runs.solve import Progress, SolveConfig, solve
from burnish.signals.feedback import feedback
from burnish.signals.prompts import block
from burnish.store.files import write_atomic
from burnish.store.runs import RunStore
from burnish.text.code import defines
from burnish.text.splice import splice
from burnish.text.test_files import imports_of, names_in, pieces
from burnish.verifiers.base import Verifier
from burnish.verifiers.python import PythonVerifier
from burnish.verifiers.python_tests import PYTEST_PARTS

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

    `model` is asked for once it is known to be needed. Raises `InputError`, or `BurnishError` if the model or the jail fails.
    """
    task = repair_task(file, tests)
    packages = _packages(task)
    verifier = PythonVerifier(packages=[*packages, *_parts_of_pytest(packages)], preload=packages)
    try:
        before = _before(task, verifier, config)
        if before.passed:
            return Repair(status="passes", program=task.context["source"], tests=len(task.checks), passed=len(task.checks))
        with TemporaryDirectory() as aside, open_run(out or Path(aside), {"kind": "repair", "file": str(file)}, resume=False) as store:
            found = asyncio.run(_search(task, before, model(), verifier, store, config, on_progress))
    finally:
        verifier.close()
    if write and found.status == "repaired":
        mode = file.stat().st_mode
        write_atomic(file, [found.program.encode()])
        file.chmod(mode)
    return found


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


def _packages(task: Task) -> list[str]:
    """Installed packages that the file or its tests import. Raises `InputError` for a module that is not installed."""
    names = {name for part in ("source", "tests") for name in imports_of(task.context[part])}
    wanted = sorted(names - {task.id, "solution", "__future__"} - sys.stdlib_module_names)
    for name in wanted:
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            allowed = "only the standard library and installed packages can be had in the jail"
            raise InputError(f"{task.id}.py or its tests import {name!r}: {allowed}.")
    return wanted


def _parts_of_pytest(packages: Sequence[str]) -> list[str]:
    return [part for part in PYTEST_PARTS if "pytest" in packages and importlib.util.find_spec(part)]


def _before(task: Task, verifier: Verifier, config: SolveConfig) -> Verdict:
    """The verdict on the file as it is. Raises `InputError` if its tests cannot be judged."""
    before = verifier.verify(task, task.context["source"], limits=config.limits)
    if before.status in ("error", "unsupported", "unknown", "tampered"):
        reason = next((d.message for check in before.checks for d in check.diagnostics), "no test could be decided")
        raise InputError(f"The tests of {task.id}.py could not be judged ({before.status}): {reason}.")
    return before


async def _search(
    task: Task,
    before: Verdict,
    policy: Policy,
    verifier: Verifier,
    store: RunStore,
    config: SolveConfig,
    on_progress: Callable[[Progress], None],
) -> Repair:
    """Run the strategy, then judge what it hands in once more: as the whole file that would be written."""
    source = task.context["source"]
    asked = msgspec.structs.replace(task, prompt=_prompt(task, before))
    try:
        await solve([asked], policy, InFile(verifier, source), store, config, on_progress=on_progress)
    finally:
        await policy.aclose()
    episodes = store.episodes()
    if all(episode.status == "error" for episode in episodes):
        raise BurnishError(episodes[0].detail)
    answers = [attempt for episode in episodes if episode.answer and (attempt := store.attempt(episode.answer))]
    programs = [splice(source, answer.artefacts.get("code", "")) for answer in answers]
    verdicts = [await verifier.averify(task, program, limits=config.limits) for program in programs]
    tokens = [attempt.cost.tokens_out for attempt in store.attempts()]
    found = Repair(
        status="not repaired",
        tests=len(task.checks),
        passed_before=_passes(before),
        passed=max(map(_passes, verdicts), default=0),
        attempts=len(tokens),
        tokens=sum(tokens),
    )
    program = next((program for program, verdict in zip(programs, verdicts, strict=True) if verdict.passed), None)
    return found if program is None else _repaired(found, task, program)


def _repaired(found: Repair, task: Task, program: str) -> Repair:
    source, name = task.context["source"], f"{task.id}.py"
    program = program if program.endswith("\n") else f"{program}\n"
    rows = difflib.unified_diff(source.splitlines(), program.splitlines(), f"a/{name}", f"b/{name}", lineterm="")
    return msgspec.structs.replace(found, status="repaired", diff="\n".join(rows), program=program)


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
