"""Truncated importance sampling per answer: less biased than per token, with more variance; for short answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import TokenBatch, Weight
from burnish.objectives.weights._ratio import sequence_rho


def _tis_sequence(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    return sequence_rho(batch).clamp(max=options["cap"])


tis_sequence = Weight(
    name="tis_sequence",
    function=_tis_sequence,
    needs=frozenset({"old", "rollout"}),
    formula="min(exp(sum_t(old - rollout)), cap)",
    source="objectives spec, 1.3 (TIS sequence); TRL's sequence_truncate",
    defaults={"cap": 2.0},
)
