"""LeDex's evaluation of one model by itself: what `burnish refinement` runs."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import msgspec

from burnish.core.records import Record
from burnish.curation.ledex_rewards import encoder_of, scale_of
from burnish.evaluation import Evaluation
from burnish.models import load as load_model
from burnish.models.base import Policy
from burnish.recipes._protocol import Explained, Format, Protocol, explained, refine
from burnish.recipes._work import Work
from burnish.recipes.base import Stage, silent
from burnish.runs import open_run
from burnish.store.files import write_atomic

RUN = "model"
"""Under which name the model's runs lie in the folder."""


class RefinementResult(Record):
    """How well a model repairs its own programs: evaluations by task set and format; what its explanations are worth, by task set."""

    model: str
    fresh: str
    protocol: Protocol
    evaluations: dict[str, dict[Format, Evaluation]]
    explained: dict[str, Explained]
    seconds: dict[str, float]


def measure_refinement(
    folder: Path,
    protocol: Protocol,
    *,
    model: str | Policy = "embedded",
    fresh: str | Policy = "embedded",
    embed: str = "",
    low: float | None = None,
    high: float | None = None,
    seed: int = 0,
    resume: bool = False,
    stage: Stage = silent,
) -> RefinementResult:
    """Measure `model` in `folder`, with `fresh` as the model that is told its explanations, and write `result.json` there. Closes both.

    `embed` is another sentence encoder's import path, with the scale from `low` to `high`. Raises `InputError` if the folder holds
    another measurement, `Unavailable` if explanations are to be compared and the sentence encoder is not installed.
    """
    scale = scale_of("minilm", low, high, own=not embed)
    manifest = {"kind": "refinement", "model": _name(model), "fresh": _name(fresh), "seed": seed, "protocol": msgspec.to_builtins(protocol)}
    with open_run(folder / "log", manifest, resume=resume) as log:
        with stage("load the model"):
            policy = _loaded(model)
        try:
            work = Work(folder, policy, log, stage)
            evaluations = refine(work, "measure", RUN, protocol, seed)
            load_fresh, encoder = partial(_loaded, fresh), partial(encoder_of, embed or None)
            worth = explained(work, "explanations: {}", [RUN], protocol, seed, embed=encoder, scale=scale, fresh=load_fresh)
        finally:
            asyncio.run(policy.aclose())
        result = RefinementResult(
            model=_name(model), fresh=_name(fresh), protocol=protocol, evaluations=evaluations, explained=worth[RUN], seconds=work.seconds()
        )
    write_atomic(folder / "result.json", [msgspec.json.format(msgspec.json.encode(result))])
    return result


def _name(model: str | Policy) -> str:
    return model if isinstance(model, str) else model.name


def _loaded(model: str | Policy) -> Policy:
    return load_model(model) if isinstance(model, str) else model
