"""Inputs on which Python programs can be compared: known ones, changed ones, and ones made from annotations. Pure; no program is run.

Known are the calls of the visible checks and those that the task's text shows. Each input is a probe: the calls that belong
together, one for a function, a whole sequence for a class.
"""

from __future__ import annotations

import ast
import dataclasses
import random
from collections.abc import Callable, Iterator, Sequence

from burnish.core import syntax
from burnish.core.records import Task
from burnish.core.seeds import derive_seed
from burnish.verifiers import _python_values as values
from burnish.verifiers._python_plan import Call, CallCheck, StdioCheck, plan
from burnish.verifiers._vary import generate, varied

Probe = tuple[Call, ...]
"""Calls that are made one after another on fresh state; expected values are not looked at."""

TRIES = 8
"""Draws per wanted input: what is drawn twice counts once, and a function without parameters has only one input."""


def probes(task: Task, programs: Sequence[str], *, count: int, seed: int) -> list[Probe]:
    """The known inputs, then changed and generated ones up to `count` in all; the same for the same task, programs and seed.

    Empty if nothing is known of the inputs: no visible call, no example in the text, no program that defines the function.
    """
    rng = random.Random(derive_seed("probes", seed, task.id))
    known = _distinct([*_of_checks(task), *_of_text(task)])
    annotations = _annotations(task, programs)
    found = [*known]
    sources: list[Callable[[], Probe]] = [lambda: _changed(rng.choice(found), rng)] if known else []
    is_object = any(call.way[:1] == ("new",) for probe in known for call in probe)
    if annotations is not None and not is_object and (not known or any(annotations)):
        way = known[0][0].way if known else ()
        sources.append(lambda: (Call(tuple(generate(annotation, rng) for annotation in annotations), {}, way=way),))
    for draw in range(TRIES * count if sources else 0):
        if len(found) < count:
            found = _distinct([*found, sources[draw % len(sources)]()])
    return found


def stdins(task: Task, *, count: int, seed: int) -> list[str]:
    """The standard inputs of the visible checks, then changed ones up to `count` in all. Empty if there is no such check."""
    rng = random.Random(derive_seed("stdins", seed, task.id))
    known = [check.stdin for check in plan(task.public()) if isinstance(check, StdioCheck)]
    found = dict.fromkeys(known)
    for _ in range(TRIES * count if known else 0):
        if len(found) < count:
            found[_changed_text(rng.choice([*found]), rng)] = None
    return [*found]


def _of_checks(task: Task) -> Iterator[Probe]:
    for check in plan(task.public()):
        if isinstance(check, CallCheck):
            if check.calls[0].way[:1] == ("new",):
                yield check.calls
            else:
                yield from ((call,) for call in check.calls)


def _of_text(task: Task) -> Iterator[Probe]:
    """Calls of the wanted function with literal arguments, as doctests and prose show them."""
    name, text = task.context.get("entry_point", ""), task.prompt
    start = text.find(f"{name}(") if name else -1
    while start >= 0:
        call = _literal_call(text[start:])
        if call is not None:
            yield (call,)
        start = text.find(f"{name}(", start + 1)


def _literal_call(text: str) -> Call | None:
    closing = (index for index, char in enumerate(text[:300]) if char == ")")
    for end in closing:
        try:
            node = syntax.expression(text[: end + 1]).body
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
                return Call(tuple(ast.literal_eval(argument) for argument in node.args), {})
        except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
            continue
    return None


def _annotations(task: Task, programs: Sequence[str]) -> list[ast.expr | None] | None:
    """Annotations of the function's parameters: from the task's signature, else from the first program that defines it."""
    signature = task.context.get("signature")
    stated = [f"def {signature}: ..."] if isinstance(signature, str) else []
    sources = [*stated, f"{task.context.get('signature_source', '')}\n    pass", *programs]
    for source in sources:
        arguments = _arguments(source, task.context.get("entry_point", ""))
        if arguments is not None:
            needed = [*arguments.posonlyargs, *arguments.args]
            return [argument.annotation for argument in needed]
    return None


def _arguments(source: str, name: str) -> ast.arguments | None:
    try:
        body = syntax.module(source).body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    return next((node.args for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name), None)


def _changed(probe: Probe, rng: random.Random) -> Probe:
    """The probe with one of its calls' arguments changed."""
    index = rng.randrange(len(probe))
    call = probe[index]
    slots = [*range(len(call.args)), *call.kwargs]
    if not slots:
        return probe
    slot = rng.choice(slots)
    if isinstance(slot, int):
        changed = dataclasses.replace(call, args=(*call.args[:slot], varied(call.args[slot], rng), *call.args[slot + 1 :]))
    else:
        changed = dataclasses.replace(call, kwargs={**call.kwargs, slot: varied(call.kwargs[slot], rng)})
    return (*probe[:index], changed, *probe[index + 1 :])


def _changed_text(text: str, rng: random.Random) -> str:
    """The text with one of its words changed; numbers stay numbers, lines stay lines."""
    lines = [line.split(" ") for line in text.split("\n")]
    places = [(row, column) for row, line in enumerate(lines) for column, word in enumerate(line) if word]
    if not places:
        return text
    row, column = rng.choice(places)
    lines[row][column] = str(varied(_number(lines[row][column]), rng))
    return "\n".join(" ".join(line) for line in lines)


def _number(word: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def _distinct(found: Sequence[Probe]) -> list[Probe]:
    first: dict[str, Probe] = {}
    for probe in found:
        if all(values.is_plain(call.args) and values.is_plain(call.kwargs) for call in probe):
            first.setdefault(repr([(call.args, call.kwargs, call.way) for call in probe]), probe)
    return [*first.values()]
