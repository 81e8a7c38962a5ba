"""How long does the page of a large run take: to write, to open, to filter, to open a task, to reach its end?

    python -m benchmarks.viewer --attempts 10000

Generates a run of that many attempts (programs, verdicts with findings at their lines, sampled tokens with log-probabilities and
advantages), writes its page and drives it in Debian's chromium, without the network. Needs the extra `test` and chromium.
Each time is the median of `--repeats`, from the action until what was asked for is drawn.
"""

from __future__ import annotations

import json
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import tyro

from benchmarks.judge import _machine
from burnish.core.errors import Unavailable
from burnish.core.records import Attempt, Check, CheckSpec, Cost, Diagnostic, Episode, Message, SourceSpan, Task, TokenRecord, Verdict
from burnish.store.runs import RunStore
from burnish.text.code import extract_code, spans_of
from burnish.training.journal import EVENT, Learned
from burnish.viewer import run_page, write_html


@dataclass
class Options:
    """How many attempts, on how many tasks. `json`: a file for the figures."""

    attempts: int = 10_000
    tasks: int = 500
    tokens: int = 120
    repeats: int = 5
    json: Path | None = None


def main(options: Options) -> dict[str, Any]:
    """Measure and print. Raises `Unavailable` without chromium."""
    if shutil.which("chromium") is None:
        raise Unavailable("The page is driven in chromium, which is not installed. Install it: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, RunStore.create(Path(folder) / "run", {"kind": "benchmark"}) as store:
        fill(store, options, Path(folder))
        started = time.perf_counter()
        page = write_html(Path(folder) / "report.html", run_page(store, tokenizer=folder))
        figures: dict[str, Any] = {"attempts": options.attempts, "tasks": options.tasks, "write_s": time.perf_counter() - started}
        figures |= {"page_mb": page.stat().st_size / 1e6, "machine": _machine()} | drive(page.as_uri(), options)
    for name, value in figures.items():
        print(f"{name:>12}  {value:.3g}" if isinstance(value, float) else f"{name:>12}  {value}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    return figures


def fill(store: RunStore, options: Options, folder: Path) -> None:
    """A run of attempts and repairs, no two alike, and a tokeniser of bytes in `folder`."""
    from tokenizers import Tokenizer, decoders, models

    tokenizer = Tokenizer(models.WordLevel({chr(code): code for code in range(128)}, unk_token="?"))
    tokenizer.decoder = decoders.Fuse()
    tokenizer.save(str(folder / "tokenizer.json"))
    draw = random.Random(0)
    check = CheckSpec(id="0", kind="call", data={"args": "(1, 2)", "expected": "3"})
    tasks = [
        Task(id=f"task/{n}", group_id=str(n), kind="python", prompt=f"Write `add_{n}(a, b)`.", checks=(check,))
        for n in range(options.tasks)
    ]
    with store.batch():
        store.add_tasks(tasks)
        for number in range(options.attempts):
            _add_attempt(store, tasks[number % options.tasks], number // options.tasks, draw, options.tokens)


def _add_attempt(store: RunStore, task: Task, number: int, draw: random.Random, count: int) -> None:
    episode, repaired = f"{task.id}#{number // 2}", number % 2 == 1
    name, right = f"{episode}/{number % 2}", draw.random() < 0.4
    lines = [f"    step_{line} = a * {draw.randrange(10_000)} - b" for line in range(draw.randrange(3, 12))]
    code = "\n".join([f"def add_{task.group_id}(a, b):", *lines, f"    return a {'+' if right else '-'} b", ""])
    text = f"It subtracts in line {len(lines) + 2}.\n\n```python\n{code}```"
    sampled = text[:count].encode()
    logprobs = tuple(-draw.expovariate(4.0) for _ in sampled)
    program = extract_code(text)
    attempt = Attempt(
        id=name,
        task_id=task.id,
        op="refine" if repaired else "sample",
        messages=(Message(role="user", content=task.prompt),),
        text=text,
        episode_id=episode,
        parent_id=f"{episode}/0" if repaired else None,
        round=number % 2,
        spans=spans_of(text, program),
        artefacts={"code": code},
        tokens=TokenRecord(ids=(0, *sampled), sampled=((1, 1 + len(sampled)),), logprobs=logprobs),
        cost=Cost(tokens_out=len(sampled)),
    )
    store.add_attempt(attempt)
    place = SourceSpan(start=0, end=1, line=len(lines) + 2, col=4, end_line=len(lines) + 2, end_col=9)
    finding = (Diagnostic(code="wrong", message="add(1, 2) returned -1, not 3.", span=place),)
    store.add_verdict(
        name, "all", Verdict.of([Check(id="0", kind="call", outcome="pass" if right else "fail", diagnostics=finding * (not right))])
    )
    learned = Learned(attempt_id=name, step=1, reward=float(right), advantage=tuple(draw.gauss(0, 1) for _ in sampled), trainer=logprobs)
    store.add_event(EVENT, msgspec.to_builtins(learned))
    if repaired:
        store.add_episode(Episode(id=episode, task_id=task.id, index=number // 2, status="done", answer=name))


def drive(address: str, options: Options) -> dict[str, float]:
    """Seconds of what a reader does, and how many rows the page then holds."""
    from playwright.sync_api import sync_playwright

    last = options.tasks - 1
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        found: dict[str, list[float]] = {}
        for _ in range(options.repeats):
            page = browser.new_page()
            actions: dict[str, tuple[Callable[[], object], str]] = {
                "open_s": (lambda page=page: page.goto(f"{address}#view=tasks"), "#list .row"),
                "filter_s": (lambda page=page: page.click("button[data-filter=unsolved]"), "#shown:not(:empty)"),
                "search_s": (lambda page=page: page.fill("#search", f"task/{last}"), "#shown:not(:empty)"),
                "task_s": (lambda page=page: page.goto(f"{address}#task=task/{last}"), ".attempt .l"),
                "next_s": (lambda page=page: page.keyboard.press("j"), ".forest [aria-selected=true]:nth-child(n)"),
                "end_s": (lambda page=page: _to_the_end(page), f"#list .row:has-text('task/{last}')"),
            }
            for name, seconds in _timed(page, actions):
                found.setdefault(name, []).append(seconds)
            rows = page.locator(".row").count()
            page.close()
        browser.close()
    return {name: statistics.median(values) for name, values in found.items()} | {"rows_in_page": rows}


def _to_the_end(page: Any) -> None:
    page.goto(page.url.split("#")[0] + "#view=tasks&filter=&search=")
    page.evaluate("list.scrollTop = list.scrollHeight")


def _timed(page: Any, actions: dict[str, tuple[Callable[[], object], str]]) -> Iterator[tuple[str, float]]:
    for name, (act, sight) in actions.items():
        started = time.perf_counter()
        act()
        page.wait_for_selector(sight, state="attached")
        yield name, time.perf_counter() - started


if __name__ == "__main__":
    main(tyro.cli(Options))
