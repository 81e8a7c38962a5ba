"""What one training step reports. Derived numbers only; reading them needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from burnish.core.records import Record


class StreamStats(Record):
    """One stream's part of a step. Fields that do not apply to the stream are None."""

    loss: float
    """Reduced loss, before the mixing coefficient."""
    sequences: int
    """Sequences with loss tokens."""
    tokens: int
    """Loss tokens."""
    reward_mean: float | None = None
    """Mean over scored completions."""
    unscored: int | None = None
    """Completions without a reward (infrastructure faults, undecided verdicts)."""
    dead_groups: float | None = None
    """Share of groups without any learning signal: all rewards the same, or fewer than two scored."""
    refilled: int | None = None
    """Groups that taught nothing and were replaced (`refill`). Rewards, dead groups and truncation count them too."""
    truncated: float | None = None
    """Share of completions that hit the token limit."""
    response_tokens: float | None = None
    """Mean length of a completion."""
    entropy: float | None = None
    """Estimated policy entropy per token in nats: minus the mean behaviour log-probability."""
    clip_share: float | None = None
    """Share of loss tokens with an advantage whose gradient the loss has cut to zero."""
    rollout_delta: float | None = None
    """Mean |log-probability of the trainer - of the sampler| at the first update: the two should be the same model."""
    rollout_delta_max: float | None = None
    """The largest of these differences over all tokens."""
    rollout_ess: float | None = None
    """Effective share of the sequences after importance correction, (Σw)² / (n Σw²) with w = trainer / sampler; 1 if they agree."""
    rollout_outside: float | None = None
    """Share of tokens whose ratio trainer / sampler lies outside [0.5, 2]."""
    rollout_kl: float | None = None
    """k3 estimate of KL(sampler || trainer) per token at the first update."""
    update_kl: float | None = None
    """k3 estimate of KL(policy of the first update || policy of the last) per token; None if there is one update per step."""
    reference_kl: float | None = None
    """k3 estimate of the KL divergence from the reference, per token."""
    gradient_norm: float | None = None
    """L2 norm of this stream's gradient before clipping. In steps with several streams only if `stream_norms` is set."""
    exact_entropy: float | None = None
    """Mean entropy per token in nats, over the whole vocabulary; where a loss or a controller reads it."""
    coefficient_mean: float | None = None
    """Mean c_t: how strongly a token's log-probability is pushed up (below 0: down), before the reduction."""
    coefficient_max: float | None = None
    """The largest |c_t|."""
    coefficient_zero: float | None = None
    """Share of loss tokens that are not pushed at all."""
    coefficient_ess: float | None = None
    """Effective share of tokens, (sum |c_t|)^2 / (n sum c_t^2): 1 if all are pushed alike."""
    ratio_ess: float | None = None
    """The same for the ratio of the present policy to the one before the step's first update, at the last update."""
    stale: float | None = None
    """Share of completions that were sampled by weights older than the newest ones in the step."""
    reward_parts: dict[str, float] = {}
    """Shares of completions that passed and that held nothing to check, and the mean score."""
    rollout_s: float | None = None
    """Seconds of sampling and judging."""


class StepStats(Record):
    """One training step."""

    step: int
    """Steps done, this one included."""
    steps: int
    """Steps in all."""
    loss: float
    """Mixed loss."""
    learning_rate: float
    gradient_norm: float
    """Global L2 norm before clipping, at the last update of the step. 0 if no sequence had a learning signal."""
    tokens: int
    """Tokens that went through the model in training, without padding."""
    train_s: float
    """Seconds of forward, backward and update."""
    streams: dict[str, StreamStats]
    plan: dict[str, float] = {}
    """Coefficient of each stream in this step, and what the controller reports."""
    validation_loss: float | None = None
    """Token mean on the validation examples after this step, if it was measured."""

    @property
    def tokens_per_second(self) -> float:
        """Trained tokens (prompt and response, no padding) per second of training."""
        return self.tokens / self.train_s if self.train_s else 0.0


def numbers(stats: StepStats) -> dict[str, float]:
    """A step's numbers by flat names (`loss`, `sft.loss`, `rl.reward_mean` …), as a run store or a tracker takes them."""
    own = _flat("", msgspec.structs.asdict(stats))
    for stream, values in stats.streams.items():
        own |= _flat(f"{stream}.", msgspec.structs.asdict(values))
    return own


def _flat(prefix: str, values: Mapping[str, Any]) -> dict[str, float]:
    flat: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, int | float):
            flat[f"{prefix}{name}"] = float(value)
        elif isinstance(value, dict) and name != "streams":
            flat |= {f"{prefix}{name}.{part}": float(number) for part, number in value.items()}
    return flat
