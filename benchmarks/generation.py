"""How fast does our engine generate? The same waves of requests through it and through what others use, in one run.

    python -m benchmarks.generation --json runs/generation.json
    python -m benchmarks.generation --concurrency 64 --engines ours generate-16 continuous
    python -m benchmarks.generation --quick

What `--json` holds already, of the same settings, is not measured again.

A wave is N requests submitted at once: groups of 8 samples of one HumanEval prompt, each sample with its own number of new
tokens, 16 to 256, drawn from the seed. Every engine lives in a process of its own and has answered a small wave before it is
measured. The bound is what the machine allows (`_generation_limits`). Nothing else should run on the machine.
"""

from __future__ import annotations

import json
import math
import os
import platform
import random
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tyro

from benchmarks._generation_limits import Weights, bound, measure
from benchmarks._generation_worker import ENGINES, LLAMA, OURS, TRAINABLE, VLLM, Ask, Setup
from burnish.core.errors import InputError, Unavailable
from burnish.core.records import Message
from burnish.models._checkpoint import embedded_gguf, resolve
from burnish.models._engines import fastest
from burnish.sandbox import usable_cores
from burnish.store.files import write_atomic
from burnish.tasks import load as load_tasks

_ROOT = Path(__file__).parents[1]
GROUP = 8
NEW = (16, 256)
GOAL = 1.3
NAMES = {OURS: "transformers", LLAMA: "llamacpp", VLLM: "vllm"}
"""What is measured here → the engine's name in `burnish.models`."""
WARM_UP = 8
"""New tokens of each request of the small wave before measuring."""


@dataclass
class Options:
    """What to measure. `quick`: waves of 1 and 8, short answers, one repeat."""

    model: str = "embedded"
    engines: tuple[str, ...] = tuple(ENGINES)
    concurrency: tuple[int, ...] = (1, 8, 64, 256)
    new_tokens: tuple[int, int] = NEW
    repeats: int = 1
    threads: int = 0
    """0: all usable cores."""
    device: str = "auto"
    """`cpu`, `cuda`, or `auto`: the GPU if there is one."""
    dtype: str = "auto"
    """`float32`, `bfloat16`, or `auto`: bfloat16 where the hardware multiplies it. llama.cpp keeps its file's."""
    seed: int = 0
    vllm_python: str = sys.executable
    """The interpreter of the environment in which vLLM is installed."""
    longest_s: float = 600.0
    """A wave that would take longer than this at the speed of the engine's last one is left out, and the table says "–"."""
    json: Path | None = None
    quick: bool = False


def main(options: Options) -> None:
    """Measure, print the table, the bound and the goal, and write the figures to `options.json` if it is given."""
    if options.quick:
        options.concurrency, options.new_tokens, options.repeats = (1, 8), (2, 6), 1
    if unknown := set(options.engines) - set(ENGINES):
        raise InputError(f"There is no engine {', '.join(sorted(unknown))} here. Known: {', '.join(ENGINES)}.")
    import torch

    from burnish.models.transformers import dtype_of

    threads = options.threads or usable_cores()
    os.environ["OMP_NUM_THREADS"] = str(threads)
    waves = {count: _wave(options, count) for count in options.concurrency}
    longest = max(len(ask.prompt) + ask.new for wave in waves.values() for ask in wave)
    place = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if options.device == "auto" else options.device)
    setup = Setup(
        model=resolve(options.model),
        gguf=_gguf(options.model),
        threads=threads,
        concurrency=max(waves),
        longest=64 * (longest // 64 + 1),
        device=place.type,
        dtype=str(dtype_of(options.dtype, place)).removeprefix("torch."),
    )
    settings = [options.model, options.seed, options.new_tokens, options.repeats, setup.threads, setup.device, setup.dtype]
    figures = _earlier(options.json, settings)
    for name in options.engines:
        figures[name] = _measure(name, setup, waves, options, figures.get(name, {}).get("rounds", {}))
        if options.json is not None:
            found = {"run": _machine(setup), "settings": settings, "engines": figures}
            write_atomic(options.json, [json.dumps(found, indent=2).encode()])
    _print(figures, waves, setup)


def _earlier(path: Path | None, settings: list[Any]) -> dict[str, dict[str, Any]]:
    """The figures of an earlier run with these settings; waves that it has are not measured again. JSON has made their sizes text."""
    found = json.loads(path.read_bytes()) if path is not None and path.exists() else {"settings": None}
    if found["settings"] != json.loads(json.dumps(settings)):
        return {}
    return {
        name: each | {"rounds": {int(count): rounds for count, rounds in each.get("rounds", {}).items()}}
        for name, each in found["engines"].items()
    }


def _gguf(model: str) -> str:
    try:
        return str(embedded_gguf()) if model == "embedded" else ""
    except Unavailable:
        return ""


def _wave(options: Options, count: int) -> list[Ask]:
    """`count` requests in groups of 8 samples per prompt; prompts and lengths depend on the seed and the count only."""
    from transformers import AutoTokenizer

    from burnish.models import ChatRenderer

    dice = random.Random(f"{options.seed}/{count}")
    renderer = ChatRenderer(AutoTokenizer.from_pretrained(resolve(options.model)))
    tasks = dice.sample(load_tasks("humaneval"), -(-count // GROUP))
    prompts = [renderer.render([Message(role="user", content=f"Complete this function.\n\n{task.prompt}")]) for task in tasks]
    return [Ask(prompt=prompts[i // GROUP], new=dice.randint(*options.new_tokens), seed=i) for i in range(count)]


def _measure(
    name: str, setup: Setup, waves: dict[int, list[Ask]], options: Options, earlier: dict[int, list[dict[str, Any]]]
) -> dict[str, Any]:
    """Figures of one engine: why it is missing, or `load_s` and the rounds of every wave, those of an `earlier` run included."""
    python = options.vllm_python if name == VLLM else sys.executable
    command = [python, "-m", "benchmarks._generation_worker", name]
    print(f"measuring {name}", file=sys.stderr)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT)

    def ask(message: object) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        return dict(json.loads(answer)) if answer else {"missing": "it ended by itself; its error is printed above"}

    try:
        found = ask(asdict(setup))
        if "missing" in found:
            return found
        ask([asdict(Ask(prompt=each.prompt, new=WARM_UP, seed=each.seed)) for each in waves[min(waves)]])
        rounds, speed = dict(earlier), math.inf
        for count, wave in waves.items():
            if count in rounds:
                speed = _speed({"rounds": rounds}, count)
                continue
            if sum(each.new for each in wave) / speed > options.longest_s:
                continue
            answers = [ask([asdict(each) for each in wave]) for _ in range(options.repeats)]
            if any("missing" in answer for answer in answers):
                return {**found, "rounds": rounds, "missing": f"with {count} requests {answers[-1]['missing']}"}
            rounds[count] = answers
            speed = _speed({"rounds": rounds}, count)
            print(f"{name}, {count} concurrent: {_speed({'rounds': rounds}, count):.0f} tokens/s", file=sys.stderr)
        return {**found, "rounds": rounds}
    finally:
        process.communicate()


def _speed(figures: dict[str, Any], count: int) -> float:
    """Median tokens/s of an engine in a wave."""
    return statistics.median(one["tokens"] / one["seconds"] for one in figures["rounds"][count])


def _cell(figures: dict[str, Any], count: int) -> str:
    if count not in figures["rounds"]:
        return "–"
    return f"{_speed(figures, count):.0f} ({statistics.median(one['cpu_s'] for one in figures['rounds'][count]):.0f})"


def _print(figures: dict[str, dict[str, Any]], waves: dict[int, list[Ask]], setup: Setup) -> None:
    present = {name: found for name, found in figures.items() if found.get("rounds")}
    weights, shape = _weights(setup.model, setup.dtype)
    machine = measure(setup.dtype, shape, setup.device)
    print(f"{_machine(setup)}; {machine}\n")
    print("| new tokens/s (processor s) |", *(f"{count} |" for count in waves), "loaded in s |\n|", "---|" * (len(waves) + 2), sep=" ")
    for name, found in present.items():
        cells = [_cell(found, count) for count in waves]
        print(
            f"| {name}, {next(iter(found['rounds'].values()))[0]['dtype'].removeprefix('torch.')} |",
            *(f"{c} |" for c in cells),
            f"{found['load_s']:.1f} |",
        )
    bounds = {count: sum(ask.new for ask in wave) / bound(wave, weights, machine) for count, wave in waves.items()}
    print("| bound of the machine |", *(f"{value:.0f} |" for value in bounds.values()), "– |\n")
    for name, found in figures.items():
        if "missing" in found:
            print(f"{name}: {found['missing']}")
    if OURS in present:
        _goals(present, bounds, setup.device == "cuda")


def _goals(present: dict[str, dict[str, Any]], bounds: dict[int, float], gpu: bool) -> None:
    others = [name for name in TRAINABLE if name in present and name != OURS]
    for count, limit in bounds.items():
        if count not in present[OURS]["rounds"]:
            continue
        one, speed = present[OURS]["rounds"][count][0], _speed(present[OURS], count)
        said = f"{count} concurrent: ours reaches {speed / limit:.2f} of the bound; "
        said += f"in the model {one['busy']:.2f} of the time, {one['rows']:.1f} rows a step"
        measured = [name for name in others if count in present[name]["rounds"]]
        if measured:
            best = max(measured, key=lambda name: _speed(present[name], count))
            said += f"; {speed / _speed(present[best], count):.2f} x {best}, the best other with trainable weights"
        print(said + (f" (goal: {GOAL})" if measured and count == 64 else ""))
        _automatic(present, count, gpu)


def _automatic(present: dict[str, dict[str, Any]], count: int, gpu: bool) -> None:
    """Whether `auto` would choose well among the engines of ours that were measured, if nothing but speed is asked."""
    speeds = {
        engine: _speed(present[name], count) for name, engine in NAMES.items() if name in present and count in present[name]["rounds"]
    }
    chosen, best = fastest(speeds, count, gpu=gpu), max(speeds.values())
    print(f"{count} concurrent: auto would choose {chosen} of {', '.join(sorted(speeds))}: {speeds[chosen] / best:.2f} of the fastest")


def _weights(folder: str, dtype: str) -> tuple[Weights, tuple[int, int]]:
    """What a token is multiplied by, and the shape of the largest matrix of a layer."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    layers = {name: tuple(p.shape) for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name and "lm_head" not in name}
    inner = sum(rows * columns for rows, columns in layers.values())
    head = model.get_output_embeddings().weight.numel()
    width = getattr(torch, dtype).itemsize
    return Weights(step=inner + head, prompt=inner, width=width), max(layers.values(), key=lambda shape: shape[0] * shape[1])


def _machine(setup: Setup) -> str:
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    python, load = platform.python_version(), os.getloadavg()[0]
    if setup.device == "cuda":
        import torch

        model = f"{torch.cuda.get_device_name()} beside {model}"
    return f"{platform.machine()} {model}, {setup.threads} threads of {usable_cores()} cores, Python {python}, load {load:.1f}"


if __name__ == "__main__":
    main(tyro.cli(Options))
