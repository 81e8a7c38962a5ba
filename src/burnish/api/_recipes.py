"""Whole published systems by name: recipes, and LeDex's evaluation by itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.core.errors import InputError

if TYPE_CHECKING:
    from burnish.models.base import Policy
    from burnish.recipes._demo_records import DemoResult
    from burnish.recipes._refinement import RefinementResult
    from burnish.recipes.base import Result, Stage


def recipe_in(file: Path) -> str:
    """The recipe that a TOML file names by `recipe = "…"`; empty if it names none and is a plan of training."""
    from burnish.training.files import values_of

    return str(values_of(file.read_bytes()).get("recipe", ""))


def train_recipe(
    name: str = "",
    overrides: Sequence[str] = (),
    *,
    file: Path | None = None,
    quick: bool = False,
    resume: bool = False,
    stage: Stage | None = None,
) -> Result:
    """Run a recipe (`ledex`, `cycle`, `demo`, or an import path) as a TOML file and `key=value` words say. See `burnish train run --help`.

    `out=…` says where to write. `stage` shows its stages.

    Examples:
        >>> from burnish.recipes.base import chosen
        >>> chosen("ledex", overrides=["rl=grpo", "collect.answers=8"]).config.collect.answers
        8
    """
    from burnish.recipes.base import chosen, silent

    text = b"" if file is None else file.read_bytes()
    asked = chosen(name or _named(file), text, overrides, quick=quick)
    return asked.run(asked.out, asked.config, resume=resume, stage=stage or silent)


def _named(file: Path | None) -> str:
    found = recipe_in(file) if file is not None else ""
    if not found:
        raise InputError('There is no recipe to run. Name one, or give a file that says recipe = "ledex".')
    return found


def refinement(
    tasks: Sequence[str],
    out: Path,
    *,
    model: str | Policy = "embedded",
    fresh: str | Policy = "embedded",
    embed: str = "",
    low: float | None = None,
    high: float | None = None,
    seed: int = 0,
    stage: Stage | None = None,
    resume: bool = False,
    **settings: Any,
) -> RefinementResult:
    """Measure how well a model repairs its own programs, by LeDex's protocol; models by name, or loaded. See `burnish refinement --help`.

    `settings` are fields of the protocol: `limit`, `samples`, `rounds`, `temperature`, `max_tokens`, `formats`, `ks`, `problems`, `draws`.
    """
    from burnish.recipes._protocol import Protocol
    from burnish.recipes._refinement import measure_refinement
    from burnish.recipes.base import silent

    protocol = Protocol(tasks=tuple(tasks), **settings)
    encoder: dict[str, Any] = {"embed": embed, "low": low, "high": high}
    return measure_refinement(out, protocol, model=model, fresh=fresh, seed=seed, resume=resume, stage=stage or silent, **encoder)


def demo(*, out: Path, stage: Stage, quick: bool = False, seed: int = 0, resume: bool = False) -> DemoResult:
    """The main job on the embedded model, from measuring to a report. See `burnish demo --help`."""
    import msgspec

    from burnish.recipes._demo_records import DemoConfig
    from burnish.recipes.demo import demo as run_demo

    config = msgspec.structs.replace(DemoConfig.quick() if quick else DemoConfig(), seed=seed)
    return run_demo(out, config, resume=resume, stage=stage)
