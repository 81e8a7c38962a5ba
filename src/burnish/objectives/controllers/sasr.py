"""SASR: after a supervised warm-up every step is either supervised or reinforced, by chance.

The chance of a supervised step is large while its gradient is: as imitation is learnt, exploration takes over.
"""

from __future__ import annotations

from collections.abc import Mapping

from burnish.core.errors import InputError
from burnish.core.seeds import derive_seed
from burnish.objectives.controllers.base import Controller, ControllerState, Measured, Plan


class SasrState(ControllerState):
    """Gradient norms of the supervised loss: of its last step, and of the last step of the warm-up."""

    last_norm: float = 0.0
    warmup_norm: float = 0.0
    supervised: bool = False
    """Whether the step before this one was supervised."""


def supervised_share(last_norm: float, warmup_norm: float, gamma: float) -> float:
    """p = G_last / (G_last + gamma G_warmup). 0 if there is nothing left to imitate."""
    return last_norm / (last_norm + gamma * warmup_norm) if last_norm > 0 else 0.0


def _sasr(state: SasrState, measured: Measured, options: Mapping[str, float]) -> tuple[SasrState, Plan]:
    last = _norm(measured) if state.supervised else state.last_norm
    warmup = last if state.step <= options["warmup"] else state.warmup_norm
    share = 1.0 if state.step < options["warmup"] else supervised_share(last, warmup, options["gamma"])
    draw = derive_seed(int(options["seed"]), "sasr", state.step) / 2**63
    supervised = draw < share
    after = SasrState(step=state.step + 1, last_norm=last, warmup_norm=warmup, supervised=supervised)
    return after, Plan(streams={"sft" if supervised else "rl": 1.0}, report={"share": share, "draw": draw})


def _norm(measured: Measured) -> float:
    try:
        return measured.gradient_norm["sft"]
    except KeyError:
        raise InputError("The controller 'sasr' needs the gradient norm of the stream 'sft' after each supervised step.") from None


sasr = Controller(
    name="sasr",
    advance=_sasr,
    state=SasrState,
    needs=frozenset({"gradient_norm"}),
    formula="supervised with probability G_last / (G_last + gamma G_warmup), else reinforced",
    source="objectives spec, 2 (SASR; arXiv 2505.13026)",
    defaults={"warmup": 20.0, "gamma": 1.0, "seed": 0.0},
)
