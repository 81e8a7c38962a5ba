"""AMFT, experimental: the supervised share follows what helps a validation loss, and rises when entropy is low.

Published results are under dispute and its released code has the sign of the meta-gradient wrong; here the share moves to
*lower* the validation loss. First order: the gradients are those at the present weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from burnish.core.errors import InputError
from burnish.objectives.controllers.base import Controller, ControllerState, Measured, Plan, mixed

ENTROPY_STEPS = 20
"""Last steps of the warm-up whose supervised entropy makes the target."""


class AmftState(ControllerState):
    """The share (None before its first use) and the sum of the entropies that make the target."""

    share: float | None = None
    entropy_sum: float = 0.0
    entropy_count: int = 0


def meta_gradient(products: Mapping[str, float], *, cosine: bool) -> float:
    """d utility / d share up to the learning rate: g_validation . (g_sft - g_rl), or the cosine between the two.

    Raises `InputError` if `products` lacks an inner product that is needed.
    """
    try:
        slope = products["sft.validation"] - products["rl.validation"]
        if not cosine:
            return slope
        square = products["sft.sft"] - 2 * products["rl.sft"] + products["rl.rl"]
        length = math.sqrt(max(square, 0.0) * products["validation.validation"])
    except KeyError as error:
        raise InputError(f"The controller 'amft' needs the inner product {error} of gradients: give it a validation stream.") from None
    return slope / length if length > 0 else 0.0


def _due(state: AmftState, options: Mapping[str, float]) -> bool:
    return state.step >= options["warmup"] and (state.step - options["warmup"]) % options["every"] == 0


def _amft(state: AmftState, measured: Measured, options: Mapping[str, float]) -> tuple[AmftState, Plan]:
    state = _with_entropy(state, measured, options)
    share = options["start"] if state.share is None else state.share
    if _due(state, options):
        slope = options["look_ahead"] * meta_gradient(measured.products, cosine=bool(options["cosine"]))
        share += options["meta_rate"] * slope + options["entropy_rate"] * _entropy_gap(state, measured)
        share = min(max(share, options["low"]), options["high"])
    streams = mixed(share) if state.step >= options["warmup"] else {"sft": 1.0}
    return msgspec.structs.replace(state, step=state.step + 1, share=share), Plan(streams=streams, report={"share": share})


def _with_entropy(state: AmftState, measured: Measured, options: Mapping[str, float]) -> AmftState:
    recent = options["warmup"] - ENTROPY_STEPS < state.step <= options["warmup"]
    if not recent or "sft" not in measured.entropy:
        return state
    total = state.entropy_sum + measured.entropy["sft"]
    return msgspec.structs.replace(state, entropy_sum=total, entropy_count=state.entropy_count + 1)


def _entropy_gap(state: AmftState, measured: Measured) -> float:
    if not state.entropy_count or "rl" not in measured.entropy:
        return 0.0
    return state.entropy_sum / state.entropy_count - measured.entropy["rl"]


amft = Controller(
    name="amft",
    advance=_amft,
    state=AmftState,
    wants_products=_due,
    needs=frozenset({"entropy", "products"}),
    formula="mu sft + (1 - mu) rl, mu += meta_rate look_ahead g_val.(g_sft - g_rl) + entropy_rate (H_target - H), clipped",
    source="objectives spec, 2 (AMFT, first order, corrected sign; arXiv 2508.06944)",
    defaults={
        "warmup": 50.0,
        "every": 20.0,
        "start": 0.8,
        "low": 0.05,
        "high": 0.95,
        "meta_rate": 1e-4,
        "entropy_rate": 5e-4,
        "look_ahead": 1.0,
        "cosine": 1.0,
    },
    experimental=True,
)
