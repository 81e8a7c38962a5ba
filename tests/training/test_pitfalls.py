"""The known ways to train on something else than what was sampled, each with the rule that holds it off.

Here: log-probabilities, rewards and reductions. Text, templates and masks are in `tests/models/test_pitfalls.py`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import math
from collections.abc import Sequence

import msgspec
import pytest
import torch
from transformers import MixtralConfig, MixtralForCausalLM

from burnish.core.errors import InputError
from burnish.core.plugins import find
from burnish.core.records import Constraint, Sampling, Switch, TokenRecord
from burnish.models._vocabulary import token_scores
from burnish.models.base import Request
from burnish.models.scores import Scorer
from burnish.models.transformers import TransformersPolicy
from burnish.objectives.base import AdvantageBatch, Denominators, aggregate
from burnish.training._forward import TokenScorer
from burnish.training._micro import MicroBatch
from burnish.training._objective import evaluate, objective, token_batch
from burnish.training._rollout_stream import RolloutStream
from burnish.training._rows import Row
from burnish.training._tally import Tally
from burnish.training.config import TrainConfig
from burnish.training.rollouts import check_on_policy, collect
from burnish.training.trainer import train

from .conftest import tiny_tokenizer

SAMPLING = Sampling(max_tokens=6)
ONE_STEP = TrainConfig(learning_rate=3e-3, tasks_per_step=4, group_size=6, max_tokens=6, warmup=0, steps=1, micro_tokens=64)


def sampled(policy, source, sampling: Sampling = SAMPLING) -> list[TokenRecord]:
    rollouts = asyncio.run(collect(policy, source, source.tasks, group_size=3, sampling=sampling, seed=5))
    return [rollout.tokens for rollout in rollouts]


def advantages(name: str, rewards: Sequence[float], **options: float) -> list[float]:
    batch = AdvantageBatch(reward=torch.tensor(rewards, dtype=torch.float64), group=torch.zeros(len(rewards), dtype=torch.int64))
    estimator = find("advantage", name)
    return estimator.function(batch, estimator.options(options)).tolist()


def reduced(mode, *, rows=slice(None), denominators=Denominators(tokens=10, sequences=2, horizon=16)) -> float:
    """Lengths 2 and 8, advantages +1 and -1, ratio 1: the loss of a token is minus its advantage."""
    loss = torch.tensor([[-1.0] * 2 + [0.0] * 6, [1.0] * 8])[rows]
    mask = torch.tensor([[1.0] * 2 + [0.0] * 6, [1.0] * 8])[rows]
    return aggregate(loss, mask, mode, denominators).item()


def test_pitfall_08_an_end_that_is_also_padding_is_learned(make_policy) -> None:
    """Token 1 ends a turn; with padding of the same id, a mask made by ids would lose it."""
    tokenizer = tiny_tokenizer()
    tokenizer.pad_token = "<end>"
    rows = [Row(id="long", ids=(3, 9, 8, 1, 4, 7, 7, 1), positions=(5, 6, 7)), Row(id="short", ids=(3, 5, 4, 1), positions=(3,))]
    scores = TokenScorer(make_policy().model)(rows)
    batch = token_batch(rows, scores)
    assert tokenizer.pad_token_id == 1
    assert batch.mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch.logp[1, 0] < 0


@pytest.mark.parametrize("truncated", ["keep", "mask"])
def test_pitfall_09_truncated_completions_are_learned_from_or_not_as_asked(make_policy, source, truncated) -> None:
    config = msgspec.structs.replace(ONE_STEP, truncated=truncated)
    faultless = dataclasses.replace(source, extract=lambda task, text: text.replace("x", "y") or None)
    delivery = asyncio.run(RolloutStream(faultless, make_policy(), config).deliver(0))
    seen = list(delivery.rollouts.values())
    cut = sum(rollout.stop_reason == "length" for rollout in seen)
    assert 0 < cut < 24
    assert delivery.report["truncated"] == cut / 24
    assert len(delivery.rows) == (24 if truncated == "keep" else 24 - cut)
    assert delivery.report["reward_mean"] == pytest.approx(sum(rollout.reward for rollout in seen) / 24)  # they count in it all the same


def test_pitfall_10_every_step_reports_how_far_trainer_and_sampler_are_apart(make_policy, source, tmp_path) -> None:
    stats = []
    config = msgspec.structs.replace(ONE_STEP, steps=3, updates_per_step=2, learning_rate=1e-2)
    train(make_policy(), tmp_path, config, rollouts=source, on_step=stats.append)
    for step in stats:
        rl = step.streams["rl"]
        assert 0 < rl.rollout_delta <= rl.rollout_delta_max < 1e-4
        assert rl.rollout_ess == pytest.approx(1, abs=1e-4)
        assert rl.rollout_outside == 0
        assert rl.update_kl > 1e-6  # the second update has moved away from the first on purpose; that is no mismatch


def test_pitfall_10_stale_weights_show_in_the_mismatch(make_policy, source) -> None:
    policy = make_policy()
    records = sampled(policy, source)
    fresh = Scorer(policy.model).mismatch(records)
    with torch.no_grad():
        policy.model.model.layers[0].mlp.down_proj.weight.mul_(3.0)
    stale = Scorer(policy.model).mismatch(records)
    assert fresh.maximum < 1e-4
    assert fresh.ess == pytest.approx(1, abs=1e-4)
    assert stale.mean > 100 * fresh.maximum
    assert stale.ess < 0.99


def test_pitfall_11_a_temperature_that_is_not_mirrored_doubles_the_first_ratio() -> None:
    logits = torch.tensor([[0.0, math.log(1 + math.sqrt(2))]])
    behaviour, trainer = (token_scores(logits, torch.eye(2), torch.tensor([0]), heat)[0] for heat in (0.5, 1.0))
    assert (trainer - behaviour).exp().item() == pytest.approx(2.0, abs=1e-6)
    mirrored, _ = token_scores(logits, torch.eye(2), torch.tensor([0]), torch.tensor([0.5]))
    assert (mirrored - behaviour).exp().item() == pytest.approx(1.0, abs=1e-6)


def test_pitfall_11_the_trainer_divides_by_the_temperature_of_the_sampler(make_policy, source, tmp_path) -> None:
    policy = make_policy()
    records = sampled(policy, source, msgspec.structs.replace(SAMPLING, temperature=0.6))
    scorer = Scorer(policy.model)
    assert scorer.mismatch(records, temperature=0.6).maximum < 1e-4
    assert scorer.mismatch(records, temperature=1.0).mean > 0.05
    stats = []
    train(policy, tmp_path, msgspec.structs.replace(ONE_STEP, temperature=0.6), rollouts=source, on_step=stats.append)
    assert stats[0].streams["rl"].rollout_delta < 1e-4


@pytest.mark.parametrize(
    "changes",
    [
        {"top_p": 0.8},
        {"top_k": 40},
        {"min_p": 0.05},
        {"temperature": 0.0},
        {"constraint": Constraint(kind="regex", text="a+")},
        {"switches": (Switch(open="<code>", close="</code>", temperature=0.0),)},
    ],
)
def test_pitfall_12_truncated_sampling_is_refused_on_policy(changes) -> None:
    check_on_policy(Sampling())
    with pytest.raises(InputError, match="whole distribution, not with"):
        check_on_policy(Sampling(**changes))


@pytest.mark.parametrize("cut", [{"top_p": 0.8}, {"top_k": 8}, {"min_p": 0.3}])
def test_pitfall_12_because_the_ratio_would_be_the_kept_mass(make_policy, cut) -> None:
    """What the sampler draws from is renormalised, what any trainer computes is not: the recorded mass is what lies between."""
    policy, prompt = make_policy(), (3, 9, 8, 4)
    request = Request(prompt_ids=prompt, sampling=Sampling(max_tokens=20, seed=3, **cut))
    record = asyncio.run(policy.generate(request)).record(prompt)
    (recomputed,) = Scorer(policy.model).likelihood([record])
    ratio = (recomputed - torch.tensor(record.logprobs)).exp()
    assert ratio.tolist() == pytest.approx(record.kept, abs=1e-4)
    assert (ratio < 0.99).all()
    assert cut != {"top_p": 0.8} or (ratio > 0.8 - 1e-4).all()
    assert Scorer(policy.model).mismatch([record]).maximum < 1e-4
    assert Scorer(policy.model).mismatch([msgspec.structs.replace(record, kept=())]).mean > 0.05


def test_pitfall_13_a_missing_log_probability_is_a_ratio_of_one_and_no_statistic(make_policy) -> None:
    record = TokenRecord(ids=(3, 9, 4, 7, 1), sampled=((3, 5),), logprobs=(float("nan"), -2.0))
    assert record.logprobs == (None, -2.0)
    assert msgspec.json.decode(msgspec.json.encode(record), type=TokenRecord) == record
    policy = make_policy()
    row = Row(id="r", ids=record.ids, positions=(3, 4), rollout=record.logprobs, advantage=1.0)
    scores = TokenScorer(policy.model)([row])
    batch = token_batch([row], scores)
    assert batch.rollout[0, 0] == scores["logp"][0, 0]
    assert batch.rollout[0, 1] == -2.0
    tally = Tally()
    goal = objective("policy_gradient", {}, stream="rl", provides=frozenset({"advantage"}), aggregation=None)
    tally.add(MicroBatch([row]), batch, evaluate(goal, batch, {"all": Denominators(tokens=2, sequences=1)}, 1.0))
    assert math.isfinite(tally.loss)
    assert tally.report()["rollout_delta"] == pytest.approx(abs(scores["logp"][0, 1].item() + 2.0), abs=1e-5)
    found = Scorer(policy.model).mismatch([record])
    assert (found.tokens, found.unknown) == (1, 1)


def test_pitfall_14_a_mixture_of_experts_routes_alike_in_sampler_and_trainer(source) -> None:
    """One module serves both, so the same tokens reach the same experts. A remote engine would have to send its routing."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    config = MixtralConfig(
        vocab_size=33, num_local_experts=4, num_experts_per_tok=2, eos_token_id=1, bos_token_id=None, initializer_range=0.3, **sizes
    )
    policy = TransformersPolicy(MixtralForCausalLM(config).float().eval(), tiny_tokenizer(), name="experts")
    try:
        assert Scorer(policy.model).mismatch(sampled(policy, source)).maximum < 1e-4
    finally:
        asyncio.run(policy.aclose())


def test_pitfall_15_length_does_not_tilt_the_loss_unless_asked_for() -> None:
    assert reduced("seq-mean-token-mean") == pytest.approx(0.0)  # a short success weighs as much as a long failure
    assert reduced("token-mean") == pytest.approx(0.6)
    assert reduced("seq-mean-token-sum-norm") == pytest.approx(0.1875)


def test_pitfall_16_a_token_mean_does_not_depend_on_micro_batches() -> None:
    whole = Denominators(tokens=10, sequences=2, horizon=16)
    assert sum(reduced("token-mean", rows=slice(n, n + 1), denominators=whole) for n in range(2)) == pytest.approx(0.6)
    own = [Denominators(tokens=2, sequences=1), Denominators(tokens=8, sequences=1)]
    split = [reduced("token-mean", rows=slice(n, n + 1), denominators=own[n]) for n in range(2)]
    assert sum(split) / 2 == pytest.approx(0.0)  # counted per micro-batch it would have become the mean per sequence


def test_pitfall_17_groups_without_a_difference_are_counted_and_give_nothing(make_policy, source) -> None:
    assert advantages("grpo", [1, 0, 0, 0]) == pytest.approx([1.499997, -0.499999, -0.499999, -0.499999], abs=1e-6)
    assert advantages("dr_grpo", [1, 0, 0, 0]) == pytest.approx([0.75, -0.25, -0.25, -0.25])
    assert advantages("grpo", [0.3] * 4) == [0.0] * 4  # no division of rounding noise by a deviation of nothing
    stream = RolloutStream(dataclasses.replace(source, reward=lambda verdict: 0.3), make_policy(), ONE_STEP)
    assert asyncio.run(stream.deliver(0)).report["dead_groups"] == 1.0


def test_pitfall_18_an_unscored_sample_is_not_a_zero() -> None:
    unscored = advantages("grpo", [1, math.nan, 0, 0], epsilon=1e-4)
    assert unscored == pytest.approx([1.15450, 0, -0.57725, -0.57725], abs=1e-5)
    assert advantages("grpo", [1, 0, 0, 0], epsilon=1e-4) == pytest.approx([1.49970, -0.49990, -0.49990, -0.49990], abs=1e-5)


def test_pitfall_19_rows_without_any_signal_still_send_a_gradient_of_zero_everywhere(make_policy) -> None:
    """What ranks wait for in a collective: every parameter has a gradient, whatever the loss."""
    model = make_policy().model
    rows = [Row(id="r", ids=(3, 9, 4, 7, 1), positions=(3, 4), advantage=0.0)]
    scores = TokenScorer(model)(rows)
    goal = objective("policy_gradient", {}, stream="rl", provides=frozenset({"advantage"}), aggregation=None)
    evaluation = evaluate(goal, token_batch(rows, scores), {"all": Denominators(tokens=2, sequences=1)}, 1.0)
    torch.autograd.backward([scores["logp"]], [evaluation.gradients["logp"]])
    gradients = [parameter.grad for parameter in model.parameters()]
    assert all(gradient is not None and not gradient.any() for gradient in gradients)


def test_pitfall_21_each_log_probability_belongs_to_its_own_token(make_policy) -> None:
    """Against the probability of the next token after each beginning, taken one by one: no shift survives that."""
    policy = make_policy()
    ids = (3, 9, 4, 7, 22, 1)
    (ours,) = Scorer(policy.model).logprobs([ids])
    for place in range(1, len(ids)):
        with torch.no_grad():
            following = policy.model(input_ids=torch.tensor([ids[:place]])).logits[0, -1].log_softmax(-1)
        assert ours[place - 1].item() == pytest.approx(following[ids[place]].item(), abs=1e-5)
    with pytest.raises(ValueError, match="r: 2 learned tokens but 3 log-probabilities"):
        Row(id="r", ids=ids, positions=(3, 4), rollout=(-1.0, -1.0, -1.0))


def test_pitfall_22_a_group_of_one_has_nothing_to_compare() -> None:
    with pytest.raises(InputError, match="at least 2 completions"):
        TrainConfig(group_size=1)
    for name in ("grpo", "dr_grpo", "rloo"):
        assert advantages(name, [1.0]) == [0.0]  # not the raw reward
        assert advantages(name, [1.0, math.nan]) == [0.0, 0.0]
