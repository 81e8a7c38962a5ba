"""What one training step reports. Derived numbers only; reading them needs no torch."""

from __future__ import annotations

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

    @property
    def tokens_per_second(self) -> float:
        """Trained tokens (prompt and response, no padding) per second of training."""
        return self.tokens / self.train_s if self.train_s else 0.0


def numbers(stats: StepStats) -> dict[str, float]:
    """A step's numbers by flat names (`loss`, `sft.loss`, `rl.reward_mean` …), as a run store or a tracker takes them."""
    own = {name: float(value) for name, value in msgspec.structs.asdict(stats).items() if isinstance(value, int | float)}
    for stream, values in stats.streams.items():
        own |= {f"{stream}.{name}": float(value) for name, value in msgspec.structs.asdict(values).items() if value is not None}
    return own
