"""Supervised fine-tuning under a weight, as a loss of its own."""

from __future__ import annotations

from burnish.objectives.base import Loss, Weight


def weighted_nll(weight: Weight) -> Loss:
    """-w logp, with the name, the needs and the options of the weight. Normalised by the number of tokens, not by the weights."""
    return Loss(
        name=weight.name,
        function=lambda batch, options: -weight.function(batch, options) * batch.logp,
        needs=weight.needs,
        formula=f"-w logp, w = {weight.formula}",
        source=weight.source,
        defaults=weight.defaults,
    )
