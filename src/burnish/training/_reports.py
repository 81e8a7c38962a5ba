"""From what a step counted to what it reports, and from a plan to a stream's objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from burnish.objectives.base import Loss
from burnish.objectives.controllers.base import Plan
from burnish.training._objective import Objective, Term, TokenObjective, plugin
from burnish.training._streams import Delivery
from burnish.training._tally import Tally
from burnish.training.rollouts import Rollout
from burnish.training.stats import StreamStats


def planned_objective(objective: Objective, stream: str, plan: Plan) -> Objective:
    """A stream's objective with the temperature and the entropy bonus that the plan decides (for rollouts only)."""
    if stream != "rl" or not isinstance(objective, TokenObjective):
        return objective
    if plan.temperature is not None:
        objective = replace(objective, temperature=plan.temperature)
    if plan.entropy is not None:
        bonus: Loss = plugin("loss", "entropy_bonus", Loss)
        terms = tuple(term for term in objective.terms if term.loss is not bonus)
        objective = replace(objective, terms=(*terms, Term(bonus, bonus.options({}), plan.entropy)) if plan.entropy else terms)
    return objective


def stream_stats(delivery: Delivery, tallies: Sequence[Tally], norm: float | None) -> StreamStats:
    """Loss and agreement with the sampler as of the first update, clipping and ratios as of the last."""
    measured: dict[str, Any] = tallies[0].report()
    last = tallies[-1].report()
    measured |= {name: last[name] for name in ("clip_share", "ratio_ess", "update_kl") if name in last}
    tokens = sum(len(row.positions) for row in delivery.rows)
    return StreamStats(loss=tallies[0].loss, sequences=len(delivery.rows), tokens=tokens, gradient_norm=norm, **measured, **delivery.report)


def scored_rollouts(delivery: Delivery, first: Tally) -> list[Rollout]:
    """What was sampled for a step, with the trainer's log-probabilities as of its first update."""
    trainer = dict(zip(first.names, first.trainer, strict=True))
    return [msgspec.structs.replace(rollout, trainer=tuple(trainer.get(name, ()))) for name, rollout in delivery.rollouts.items()]


def entropies(deliveries: Mapping[str, Delivery], tallies: Mapping[str, Sequence[Tally]]) -> dict[str, float]:
    """Mean entropy per token of each stream: over the vocabulary if it was computed, else as the samples estimate it.

    An estimate is rounded: its last bits depend on what the engine had in its batch, and a resumed run must plan the same.
    """
    found = {name: round(delivery.report["entropy"], 3) for name, delivery in deliveries.items() if "entropy" in delivery.report}
    return found | {name: exact for name, tallied in tallies.items() if (exact := tallied[0].report().get("exact_entropy")) is not None}
