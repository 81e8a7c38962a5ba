"""How fast and how large is one optimiser step? The same samples and settings for burnish's trainer and for TRL's.

`python -m benchmarks.training --part grpo` (or `sft`) runs each side in a process of its own on the embedded model in float32:
a group of eight answers to one prompt, drawn by the real engine, or 2,048 tokens of conversations of mixed lengths. Prints time
and memory with their ratios, and where the time of a step goes. Loss and gradient norm must agree, or nothing is compared.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from benchmarks.judge import _machine
from burnish.core.errors import BurnishError

GOALS = {"grpo": {"time": 2.0, "memory": 2.0}, "sft": {"time": 1.3}}
"""TRL's forward and backward pass divided by ours: time, and memory beyond what was there before (gradients are in it)."""


@dataclass
class Options:
    """Which step to measure on which model, and where to write the figures.

    `samples` is a file that keeps what was drawn: it is drawn only if the file is not there. `draw` ends after drawing.
    """

    part: Literal["grpo", "sft"] = "grpo"
    model: str = "embedded"
    samples: Path | None = None
    draw: bool = False
    json: Path | None = None


def main(options: Options) -> None:
    """Measure both sides and print the comparison. Raises `BurnishError` if they did not compute the same step."""
    with tempfile.TemporaryDirectory() as folder:
        file = options.samples or Path(folder) / "samples.json"
        if not file.exists():
            _run("samples", options, file)
        if options.draw:
            return
        drawn = json.loads(file.read_text())["report"]
        sides = {side: _run(side, options, file) for side in ("ours", "trl")}
    ours, theirs = sides["ours"], sides["trl"]
    if abs(ours["gradient_norm"] - theirs["gradient_norm"]) > 0.01 * theirs["gradient_norm"]:
        raise BurnishError(
            f"The sides did not compute the same step: gradient norms {ours['gradient_norm']} and {theirs['gradient_norm']}."
        )
    print(f"{_machine()}; one {options.part} step, model {options.model}, float32")
    print(f"prompt {drawn['prompt']} tokens, new tokens {drawn['new']}" if options.part == "grpo" else "16 conversations, 2,048 tokens")
    print(
        f"loss {ours['loss']:.6f} and {theirs['loss']:.6f}, gradient norm {ours['gradient_norm']:.4f} and {theirs['gradient_norm']:.4f}\n"
    )
    for line in (*_comparison(ours, theirs, GOALS[options.part]), "", *_parts(drawn, ours, options.part)):
        print(line)
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": _machine(), "samples": drawn, **sides}, indent=2))


def _run(side: str, options: Options, file: Path) -> dict[str, Any]:
    print(f"running {side}", file=sys.stderr)
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks._training_worker", side, options.part, options.model, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise BurnishError(f"{side} ended without a result:\n{done.stderr[-2000:]}")
    return dict(json.loads(lines[-1].removeprefix("RESULT ")))


def _comparison(ours: dict[str, Any], theirs: dict[str, Any], goals: dict[str, float]) -> list[str]:
    rows = [
        ("forward and backward, s", "time", *(side["seconds"]["forward and backward"] for side in (ours, theirs))),
        ("optimiser, s", "", *(side["seconds"]["optimiser"] for side in (ours, theirs))),
        ("memory of forward and backward, MiB", "memory", *(side["peak_mb"] - side["before_mb"] for side in (ours, theirs))),
        ("peak of the process, MiB", "", *(side["whole_mb"] for side in (ours, theirs))),
    ]
    lines = [f"{'':<42}{'burnish':>10}{'TRL':>10}{'ratio':>8}"]
    for name, key, mine, other in rows:
        goal = f"   goal {goals[key]}: {'met' if other / mine >= goals[key] else 'NOT met'}" if key in goals else ""
        lines.append(f"{name:<42}{mine:>10.2f}{other:>10.2f}{other / mine:>8.2f}{goal}")
    return lines


def _parts(drawn: dict[str, Any], ours: dict[str, Any], part: str) -> list[str]:
    """Where a step's time goes in burnish."""
    seconds = {**(drawn["seconds"] if part == "grpo" else {}), **ours["seconds"]}
    whole = sum(seconds.values())
    return [
        "where the time of burnish's step goes:",
        *(f"  {name:<24}{value:>8.2f} s {value / whole:>5.0%}" for name, value in seconds.items()),
    ]


if __name__ == "__main__":
    main(tyro.cli(Options))
