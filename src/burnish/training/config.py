"""The settings of a training run. Reading them needs no torch.

The defaults suit a model of about 135 million parameters on two CPU cores. Larger models want a smaller learning rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from burnish.core.errors import InputError
from burnish.core.records import Record

Aggregation = Literal["token-mean", "seq-mean-token-mean", "seq-mean-token-sum", "seq-mean-token-sum-norm"]


STREAMS = ("sft", "rl", "preference", "value")
"""Streams that can be trained on. `validation` is a fifth one that is only measured."""


class Stage(Record):
    """One part of a run: who plans its steps, and when it ends."""

    steps: int | None = None
    """Most steps of this stage. None (the last stage only): up to the end of the run."""
    controller: str | None = None
    """Controller that plans each step: a name or an import path. None: all streams, as `mix` says."""
    controller_options: dict[str, float] = {}
    mix: dict[str, float] = {}
    """Coefficient per stream, for example `{"sft": 0.3, "rl": 0.7}`. A stream that is not named has 1."""
    patience: int | None = None
    """End the stage after so many validations in a row without a new best. None: never."""
    reset_optimizer: bool = False
    """Begin with fresh moments, as if this were a new run."""
    refresh_reference: bool = False
    """KL terms and preferences are measured from the weights at the beginning of this stage."""
    critic_only: bool = False
    """Practise, but train the critic alone, from the returns of an advantage that has one; the policy stands still (VAPO)."""

    def __post_init__(self) -> None:
        _check_mix(self.mix)
        if self.critic_only and (self.controller is not None or self.mix):
            raise InputError("A stage that is critic_only trains nothing else. Leave its controller and mix out.")


class TrainConfig(Record):
    """How to train. Everything has a default; wrong values raise `InputError` when the config is made."""

    learning_rate: float = 3e-5
    """Peak learning rate of AdamW."""
    steps: int | None = None
    """Optimiser steps in all. None: `epochs` passes over the data."""
    epochs: int = 1
    """Passes over the examples (SFT) or the tasks (RL), if `steps` is None."""
    batch_size: int = 16
    """Examples per supervised step."""
    micro_tokens: int = 2048
    """Most tokens in one forward pass (a single row may exceed it). Changes memory and speed, never the gradient."""
    checkpoint_layers: bool = False
    """Keep only each layer's input and compute the layer again in the backward pass: less memory, about a third slower."""
    shard: bool = False
    """With several processes: divide weights, gradients and optimiser state among them (FSDP2) instead of copying them (DDP)."""
    warmup: int = 5
    """Steps of linear warm-up."""
    schedule: Literal["constant", "cosine"] = "cosine"
    """Learning rate after the warm-up: constant, or a half cosine down to zero at the last step."""
    weight_decay: float = 0.0
    """AdamW weight decay, on matrices only."""
    max_grad_norm: float = 1.0
    """Gradients with a larger global L2 norm are scaled down to it."""
    lora: int | None = None
    """Rank of the LoRA adapter on all linear layers. None: full fine-tuning."""
    seed: int = 0
    """Seed of data order, sampling and adapter initialisation."""
    save_every: int = 20
    """Steps between checkpoints. The last step is always saved."""
    extendable: bool = True
    """Keep the optimiser's state with the last step too (most of a checkpoint), so that the run can be given more steps."""

    validate_every: int = 0
    """Steps between measurements on the validation examples; the best weights are kept. 0: only at the end."""
    patience: int | None = None
    """Stop after so many validations in a row without a new best. None: never."""

    sft_loss: str = "nll"
    """Loss of the supervised stream: a name, or an import path `package.module:object`."""
    sft_options: dict[str, float] = {}
    sft_weight: str | None = None
    """Weight on the supervised loss (a name or an import path), for example `pear_token`. Needs examples with log-probabilities."""
    sft_weight_options: dict[str, float] = {}
    sft_inputs: dict[str, dict[str, float]] = {}
    """What the supervised stream reads instead of the plain tokens: inputs (`burnish list inputs`, or import paths) with their
    options, for example `{"past_generation": {"share": 0.05}}`. They apply in this order."""
    rl_loss: str = "ppo_clip"
    """Loss of the reinforcement-learning stream."""
    rl_options: dict[str, float] = {}
    """Options of `rl_loss`, for example `{"epsilon_high": 0.28}`."""
    rl_terms: dict[str, float] = {}
    """Further losses by name with their coefficients, for example `{"entropy_bonus": 0.01, "positive_nll": 0.1}`."""
    rl_weight: str | None = None
    """Weight against a difference of sampler and trainer, for example `tis_token`."""
    rl_weight_options: dict[str, float] = {}
    advantage: str = "grpo"
    """How rewards become advantages: a name or an import path."""
    advantage_options: dict[str, float] = {}
    value_coefficient: float = 1.0
    """Coefficient of the critic's loss, for advantages that need a critic."""
    preference_loss: str = "dpo"
    """Loss of the preference stream: on pairs `dpo`, `ipo`, or `bradley_terry` (a reward model: a head scores whole answers, the
    weight of the better example is the pair's strength); on answers judged one by one `kto`."""
    preference_options: dict[str, float] = {}
    value_loss: str = "step_label"
    """Loss of the value stream (a process reward model)."""
    value_options: dict[str, float] = {}
    aggregation: Aggregation | None = None
    """How token losses are reduced. None: as the loss says."""
    kl: float = 0.0
    """Coefficient of the k3 KL term towards the initial weights. 0: no reference model is kept."""
    curriculum: str | None = None
    """Import path of a function `(task ids, history) -> task ids` that says what to practise, for example
    `burnish.training.curricula.solved_tasks:without_solved`. The run ends when nothing is left. None: all tasks."""
    overlong_buffer: int = 0
    """Completions in the last so many tokens before `max_tokens` lose up to 1 from their reward (DAPO). 0: none do."""
    tasks_per_step: int = 8
    """Tasks per reinforcement-learning step."""
    group_size: int = 8
    """Completions per task."""
    refill: int = 0
    """Dynamic sampling: groups whose rewards are all the same are replaced by groups of further tasks, up to so many times (DAPO)."""
    updates_per_step: int = 1
    """Optimiser updates on the same completions. Above 1, clipping is what keeps the policy close."""
    temperature: float = 1.0
    """Sampling temperature; the trainer's log-probabilities are of the same distribution."""
    max_tokens: int = 256
    """Most tokens of one completion."""
    truncated: Literal["keep", "mask"] = "keep"
    """Completions that hit `max_tokens`: learned from by their reward like any other, or left out of the loss."""
    mix: dict[str, float] = {}
    """Coefficient per stream, for example `{"sft": 0.3, "rl": 0.7}`. A stream that is not named has 1."""
    controller: str | None = None
    """Controller that plans the streams of each step (`burnish list controllers`, or an import path). None: `mix`."""
    controller_options: dict[str, float] = {}
    stages: tuple[Stage, ...] = ()
    """Parts of the run with plans of their own. Empty: one stage with `mix`, `controller` and `patience` from here."""
    stream_norms: bool = False
    """Measure the gradient norm of each stream in steps with several; takes memory for one more gradient."""

    def plan(self) -> tuple[Stage, ...]:
        """The stages of the run."""
        whole = Stage(
            steps=self.steps,
            controller=self.controller,
            controller_options=self.controller_options,
            mix=self.mix,
            patience=self.patience,
        )
        return self.stages or (whole,)

    def __post_init__(self) -> None:
        for name in POSITIVE:
            if not getattr(self, name) > 0:
                raise InputError(f"{name} = {getattr(self, name)}: it must be greater than 0.")
        for name in ("warmup", "weight_decay", "kl", "validate_every", "value_coefficient", "overlong_buffer", "refill"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} = {getattr(self, name)}: it must not be negative.")
        for name in ("steps", "lora", "patience"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise InputError(f"{name} = {getattr(self, name)}: it must be at least 1, or left out.")
        if self.group_size < 2:
            raise InputError(f"group_size = {self.group_size}: a group needs at least 2 completions to compare.")
        if self.curriculum is not None and ":" not in self.curriculum:
            raise InputError(f"curriculum = {self.curriculum!r}: write an import path, package.module:function.")
        if any(stage.steps is None for stage in self.stages[:-1]):
            raise InputError("stages: every stage but the last needs its number of steps.")
        _check_mix(self.mix)


POSITIVE = (
    *("learning_rate", "epochs", "batch_size", "micro_tokens", "max_grad_norm", "save_every"),
    *("tasks_per_step", "updates_per_step", "temperature", "max_tokens"),
)


def _check_mix(mix: Mapping[str, float]) -> None:
    unknown = sorted(set(mix) - set(STREAMS))
    if unknown:
        raise InputError(f"mix names the stream {unknown[0]!r}. Known: {', '.join(STREAMS)}.")
    if any(not value >= 0 for value in mix.values()):
        raise InputError(f"mix = {dict(mix)}: coefficients must not be negative.")
