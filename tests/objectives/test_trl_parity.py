"""The installed TRL's own `_compute_loss` and ours on the same random tensors: equal values, equal gradients.

TRL's trainers are made without their constructors: the log-probabilities and entropies that they would ask a model for, and
the communication between processes, are given here. The loss code is TRL's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.objectives.fx import COLUMNS, ROWS, Outcome, random_batch, run
from torch import Tensor

from burnish.core.plugins import find
from burnish.objectives.base import Aggregation, Denominators, TokenBatch

pytest.importorskip("trl", reason="TRL is not installed")

HORIZON = 11


@dataclass(frozen=True)
class Stub:
    """One process: what is gathered or reduced is what was given."""

    num_processes: int = 1
    sync_gradients: bool = True

    def gather(self, tensor: Tensor) -> Tensor:
        return tensor

    gather_for_metrics = gather

    def reduce(self, tensor: Tensor, reduction: str = "sum") -> Tensor:
        return tensor


def trl_trainer(kind: str, settings: dict[str, Any]) -> Any:
    """TRL's trainer with the defaults of its own config, overridden by `settings`."""
    if kind == "rloo":
        from trl.trainer.rloo_config import RLOOConfig as Config
        from trl.trainer.rloo_trainer import RLOOTrainer as Trainer
    else:
        from trl.trainer.grpo_config import GRPOConfig as Config
        from trl.trainer.grpo_trainer import GRPOTrainer as Trainer
    args = {item.name: item.default for item in fields(Config)} | {"steps_per_generation": 1} | settings
    trainer = object.__new__(Trainer)
    high = args["epsilon_high"]
    vars(trainer).update(
        {name: args[name] for name in ("beta", "loss_type", "importance_sampling_level", "top_entropy_quantile") if name in args},
        args=SimpleNamespace(**args),
        accelerator=Stub(),
        model=SimpleNamespace(training=True),
        aux_loss_enabled=False,
        use_adaptive_entropy=False,
        entropy_coef=args.get("entropy_coef"),
        _entropy_bonus_enabled=bool(args.get("entropy_coef")),
        epsilon_low=args["epsilon"],
        epsilon_high=args["epsilon"] if high is None else high,
        max_completion_length=HORIZON,
        current_gradient_accumulation_steps=1,
        off_policy_mask_threshold=args.get("off_policy_mask_threshold"),
        use_vllm=args["use_vllm"],
        vllm_importance_sampling_correction=args.get("vllm_importance_sampling_correction"),
        _metrics={"train": defaultdict(list)},
    )
    return trainer


def by_trl(batch: TokenBatch, kind: str = "grpo", ratio: Tensor | None = None, **settings: Any) -> Outcome:
    """The loss of TRL and its gradient; `ratio` is what it multiplies the token losses by."""
    trainer = trl_trainer(kind, settings)
    logp = batch.logp.detach().requires_grad_()
    trainer._get_per_token_logps_and_entropies = lambda *args, **kwargs: (logp, batch.entropy, None)
    assert batch.advantage is not None
    assert batch.old is not None
    per_answer = bool((batch.advantage == batch.advantage[:, :1]).all())
    inputs = {
        "prompt_ids": torch.zeros(ROWS, 1).long(),
        "prompt_mask": torch.ones(ROWS, 1).long(),
        "completion_ids": torch.zeros(ROWS, COLUMNS).long(),
        "completion_mask": batch.mask,
        "advantages": batch.advantage[:, 0] if per_answer else batch.advantage,
        "old_per_token_logps": batch.old,
        "old_logps": (batch.old * batch.mask).sum(1),
        "ref_per_token_logps": batch.reference,
        "sampling_per_token_logps": batch.rollout,
        "importance_sampling_ratio": ratio,
        "num_items_in_batch": batch.mask.sum(),
    }
    if ratio is None:
        del inputs["importance_sampling_ratio"]
    value = trainer._compute_loss(trainer.model, inputs)
    return Outcome(value.item(), torch.autograd.grad(value, logp)[0])


def by_us(batch: TokenBatch, *terms: tuple[str, float, dict[str, float]], mode: Aggregation | None = None) -> Outcome:
    """Our terms, all reduced as the first one is."""
    counts = Denominators.of(batch.mask, HORIZON)
    mode = mode or find("loss", terms[0][0]).aggregation
    first, *others = (run(find("loss", name), batch, mode, counts, **options) for name, _, options in terms)
    extra = [(scale, got) for (_, scale, _), got in zip(terms[1:], others, strict=True)]
    return Outcome(
        first.loss + sum(scale * got.loss for scale, got in extra), first.gradient + sum(scale * got.gradient for scale, got in extra)
    )


def equal(ours: Outcome, theirs: Outcome) -> None:
    assert ours.loss == pytest.approx(theirs.loss, rel=1e-12, abs=1e-12)
    assert torch.allclose(ours.gradient, theirs.gradient, rtol=0, atol=1e-12)


SEQUENCE = {"importance_sampling_level": "sequence"}
NARROW = {"epsilon_low": 0.05, "epsilon_high": 0.05}
LOSSES: dict[str, tuple[str, dict[str, float], dict[str, Any]]] = {
    "grpo": ("grpo", {}, {"loss_type": "grpo"}),
    "bnpo": ("ppo_clip", {}, {"loss_type": "bnpo"}),
    "dapo": ("dapo", {}, {"loss_type": "dapo", "epsilon_high": 0.28}),
    "dr_grpo": ("dr_grpo", {}, {"loss_type": "dr_grpo"}),
    "dual clip": ("ppo_dual_clip", {"bound": 1.3}, {"loss_type": "dapo", "delta": 1.3}),
    "gspo": ("gspo", {}, {"loss_type": "grpo", "epsilon": 3e-4, "epsilon_high": 4e-4, **SEQUENCE}),
    "gspo, wide": ("gspo", NARROW, {"loss_type": "grpo", "epsilon": 0.05, **SEQUENCE}),
    "gspo of verl": ("gspo_token", NARROW, {"loss_type": "grpo", "epsilon": 0.05, **SEQUENCE}),
    "cispo": ("cispo", {}, {"loss_type": "cispo", "epsilon_high": 5.0}),
    "cispo, tight": ("cispo", {"upper": 1.1}, {"loss_type": "cispo", "epsilon_high": 1.1}),
    "sapo": ("sapo", {"negative": torch.tensor(1.05).item()}, {"loss_type": "sapo"}),  # TRL holds its temperatures in float32
    "luspo": ("luspo", NARROW, {"loss_type": "luspo", "epsilon": 0.05, **SEQUENCE}),
    "vespo": ("vespo", {}, {"loss_type": "vespo"}),
}
PER_TOKEN = ["grpo", "bnpo", "dapo", "dr_grpo", "dual clip", "cispo", "sapo"]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, seed) -> None:
    ours, options, settings = LOSSES[name]
    batch = random_batch(seed)
    equal(by_us(batch, (ours, 1.0, options)), by_trl(batch, **settings))


@pytest.mark.parametrize("name", PER_TOKEN)
def test_losses_with_an_advantage_per_token(name) -> None:
    ours, options, settings = LOSSES[name]
    batch = random_batch(7, per_token=True)
    equal(by_us(batch, (ours, 1.0, options)), by_trl(batch, **settings))


@pytest.mark.parametrize("seed", range(5))
def test_rloo(seed) -> None:
    batch = random_batch(seed)
    equal(by_us(batch, ("rloo_clip", 1.0, {})), by_trl(batch, "rloo"))


@pytest.mark.parametrize(("corrected", "term"), [(False, "kl_k3"), (True, "kl_k3_corrected")])
@pytest.mark.parametrize("name", ["grpo", "dapo", "dr_grpo", "cispo", "sapo"])
def test_divergence_from_the_reference(name, corrected, term) -> None:
    ours, options, settings = LOSSES[name]
    batch = random_batch(11)
    theirs = by_trl(batch, beta=0.04, use_bias_correction_kl=corrected, **settings)
    equal(by_us(batch, (ours, 1.0, options), (term, 0.04, {})), theirs)


def test_entropy_bonus() -> None:
    batch = random_batch(13)
    ours, bonus = by_us(batch, ("dapo", 1.0, {})), run(find("loss", "entropy_bonus"), batch, by="entropy")
    theirs = by_trl(batch, entropy_coef=0.01, epsilon_high=0.28)
    assert ours.loss + 0.01 * bonus.loss == pytest.approx(theirs.loss, rel=1e-12, abs=1e-12)


WEIGHTS: dict[str, Callable[[Tensor], Tensor]] = {
    "tis_token": lambda log_ratio: log_ratio.exp().clamp(max=2),
    "icepop": lambda log_ratio: log_ratio.exp().masked_fill((log_ratio.exp() < 0.5) | (log_ratio.exp() > 2), 0),
    "tis_sequence": lambda log_ratio: log_ratio.sum(1, keepdim=True).exp().clamp(max=2),
    "sequence_mask": lambda log_ratio: log_ratio.sum(1, keepdim=True).exp().masked_fill(log_ratio.sum(1, keepdim=True).exp() > 3, 0),
}


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("loss", ["grpo", "dapo", "dr_grpo", "cispo"])
def test_weights_of_another_engine_s_samples(name, loss) -> None:
    batch, weight = random_batch(17), find("weight", name)
    assert batch.old is not None
    assert batch.rollout is not None
    ours, options, settings = LOSSES[loss]
    weighted = replace(batch, weight=weight.function(batch, weight.options({})))
    ratio = WEIGHTS[name]((batch.old - batch.rollout) * batch.mask)
    theirs = by_trl(batch, ratio=ratio, use_vllm=True, vllm_importance_sampling_correction=True, **settings)
    equal(by_us(weighted, (ours, 1.0, options)), theirs)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["grpo", "dapo"])
def test_off_policy_sequence_mask(name, seed) -> None:
    batch, weight = random_batch(seed), find("weight", "off_policy_sequence_mask")
    ours, options, settings = LOSSES[name]
    masked = replace(batch, weight=weight.function(batch, weight.options({})))
    equal(by_us(masked, (ours, 1.0, options)), by_trl(batch, off_policy_mask_threshold=0.1, **settings))


def test_strictly_on_policy_without_old() -> None:
    batch = random_batch(19)
    theirs = by_trl(replace(batch, old=batch.logp), loss_type="dapo")
    equal(by_us(replace(batch, old=None), ("ppo_clip", 1.0, {})), theirs)
