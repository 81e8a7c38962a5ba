"""Plans of streams: controllers and stages decide what runs, and a resumed run plans as if it had never stopped."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest
import torch

from burnish.core.errors import InputError, UnknownName
from burnish.core.records import Check, Example, Message, TokenRecord, Verdict
from burnish.training._checkpoint import checkpoints
from burnish.training.config import Stage, TrainConfig
from burnish.training.stats import numbers
from burnish.training.trainer import train

BOTH = TrainConfig(
    learning_rate=3e-3, batch_size=3, tasks_per_step=2, group_size=4, max_tokens=6, warmup=0, steps=6, save_every=2, micro_tokens=256
)


def changed(config, **fields):
    return msgspec.structs.replace(config, **fields)


def weights(policy):
    return {name: tensor.detach().clone() for name, tensor in policy.model.state_dict().items()}


def assert_same(first, second) -> None:
    assert all(torch.equal(first[name], second[name]) for name in first)


def run(policy, folder, config, **sources):
    stats = []
    result = train(policy, folder, config, on_step=stats.append, **sources)
    return result, stats


@pytest.fixture
def pairs(examples):
    """The right answer against one of z's."""
    worse = [
        msgspec.structs.replace(e, id=f"{e.id}-", messages=(e.messages[0], Message(role="assistant", content="zzz"))) for e in examples
    ]
    return list(zip(examples, worse, strict=True))


SASR = changed(BOTH, controller="sasr", controller_options={"warmup": 2.0, "seed": 3.0})


class TestControllers:
    def test_sasr_runs_one_stream_at_a_time_by_its_gradient_norm(self, make_policy, examples, source, tmp_path) -> None:
        _, stats = run(make_policy(), tmp_path, changed(SASR, steps=8), examples=examples, rollouts=source)
        ran = [set(step.streams) for step in stats]
        assert ran[:2] == [{"sft"}, {"sft"}]
        assert {"rl"} in ran[2:]
        warmup = stats[1].streams["sft"].gradient_norm
        assert stats[2].plan["share"] == pytest.approx(0.5)
        last = next(step for step in reversed(stats[:-1]) if "sft" in step.streams).streams["sft"].gradient_norm
        assert stats[-1].plan["share"] == pytest.approx(last / (last + warmup))

    @pytest.mark.parametrize("controller", [SASR, changed(BOTH, controller="amft", controller_options={"warmup": 1.0, "every": 2.0})])
    def test_resumed_runs_plan_the_same(self, make_policy, examples, source, tmp_path, controller) -> None:
        whole, half, resumed = make_policy(), make_policy(), make_policy()
        data = {"examples": examples[:4], "rollouts": source, "validation": examples[4:]}
        _, expected = run(whole, tmp_path / "whole", controller, **data)
        asked = []
        train(half, tmp_path / "half", controller, **data, should_stop=lambda: asked.append(0) or len(asked) == 3)
        _, stats = run(resumed, tmp_path / "half", controller, **data, resume=True)
        assert [step.plan for step in stats] == [step.plan for step in expected[3:]]
        assert_same(weights(whole), weights(resumed))

    def test_amft_moves_the_share_by_the_inner_products_of_gradients(self, make_policy, examples, source, tmp_path) -> None:
        options = {"warmup": 1.0, "every": 1.0, "start": 0.5, "meta_rate": 0.2, "entropy_rate": 0.0}
        config = changed(BOTH, controller="amft", controller_options=options, steps=3)
        flat = dataclasses.replace(source, reward=lambda verdict: 0.5)  # no signal: only imitation can help
        _, stats = run(make_policy(), tmp_path, config, examples=examples[:3], rollouts=flat, validation=examples[:3])
        assert set(stats[0].streams) == {"sft"}
        assert set(stats[1].streams) == {"sft", "rl"}
        assert stats[1].plan["share"] == pytest.approx(0.7, abs=1e-3)  # validation on the same examples: the cosine is 1

    def test_a_stream_that_is_not_there(self, make_policy, examples, tmp_path) -> None:
        with pytest.raises(InputError, match="'sasr' plans the stream rl"):
            run(make_policy(), tmp_path, changed(SASR, steps=20), examples=examples)

    def test_an_unknown_controller(self, make_policy, examples, tmp_path) -> None:
        with pytest.raises(UnknownName, match="no controller named 'sarsa'"):
            run(make_policy(), tmp_path, changed(BOTH, controller="sarsa"), examples=examples)

    def test_the_temperature_follows_the_plan(self, make_policy, source, tmp_path) -> None:
        config = changed(BOTH, controller="adaptive_temperature", controller_options={"target": 0.3, "start": 0.8}, steps=3)
        _, stats = run(make_policy(), tmp_path, config, rollouts=source)
        assert all(step.streams["rl"].rollout_delta < 1e-5 for step in stats)
        assert stats[-1].streams["rl"].entropy < stats[0].streams["rl"].entropy  # 3 nats are above the target: it cools


class TestStages:
    def test_one_after_another_with_fresh_moments(self, make_policy, examples, source, tmp_path) -> None:
        stages = (Stage(steps=2, mix={"rl": 0.0}), Stage(mix={"sft": 0.0}, reset_optimizer=True, refresh_reference=True))
        config = changed(BOTH, stages=stages, kl=0.1, steps=5)
        data = {"examples": examples, "rollouts": source}
        whole, half, resumed = make_policy(), make_policy(), make_policy()
        _, stats = run(whole, tmp_path / "whole", config, **data)
        assert [set(step.streams) for step in stats] == [{"sft"}] * 2 + [{"rl"}] * 3
        assert stats[2].streams["rl"].reference_kl == pytest.approx(0, abs=1e-6)  # measured from the weights after stage one
        assert stats[4].streams["rl"].reference_kl > 1e-6
        asked = []
        train(half, tmp_path / "half", config, **data, should_stop=lambda: asked.append(0) or len(asked) == 4)
        run(resumed, tmp_path / "half", config, **data, resume=True)
        assert_same(weights(whole), weights(resumed))

    def test_only_the_last_may_be_open(self) -> None:
        with pytest.raises(InputError, match="every stage but the last"):
            TrainConfig(stages=(Stage(), Stage()))


class TestCurricula:
    def test_solved_tasks_are_left_out_and_the_run_ends_when_all_are(self, make_policy, source, tmp_path) -> None:
        easy = dataclasses.replace(source, verifier=AlwaysRight(), tasks=source.tasks)
        config = changed(BOTH, curriculum="burnish.training.curricula.solved_tasks:without_solved", steps=9)
        result, stats = run(make_policy(), tmp_path, config, rollouts=easy)
        assert [step.step for step in stats] == [1, 2]  # four tasks, two at a time
        assert result.finished

    def test_long_answers_lose_reward(self, make_policy, source, tmp_path) -> None:
        """All answers pass: only their length tells them apart."""
        same = dataclasses.replace(source, reward=lambda verdict: 1.0)
        _, plain = run(make_policy(), tmp_path / "plain", changed(BOTH, steps=1), rollouts=same)
        _, shaped = run(make_policy(), tmp_path / "shaped", changed(BOTH, steps=1, overlong_buffer=5), rollouts=same)
        assert plain[0].streams["rl"].dead_groups == 1.0
        assert shaped[0].streams["rl"].dead_groups < 1.0


class AlwaysRight:
    async def averify(self, task, artefact, *, limits=None, first_fail=False):
        return Verdict.of([Check(id="c", kind="contains", outcome="pass")])


class TestValidation:
    def test_the_best_weights_are_kept_and_patience_ends_the_run(self, make_policy, examples, tmp_path) -> None:
        """Learning one example by heart makes another one worse."""
        config = changed(BOTH, learning_rate=3e-2, steps=40, validate_every=2, patience=3, save_every=100)
        result, stats = run(make_policy(), tmp_path, config, examples=examples[:1], validation=examples[4:5])
        losses = {step.step: step.validation_loss for step in stats if step.validation_loss is not None}
        best = min(losses, key=losses.get)
        assert result.best.name == f"step-{best:06d}"
        assert result.step == best + 6 < 40
        assert result.finished
        assert {path.name for path in checkpoints(tmp_path)} == {f"step-{best:06d}", f"step-{result.step:06d}"}

    def test_patience_needs_something_to_measure(self, make_policy, examples, tmp_path) -> None:
        with pytest.raises(InputError, match="patience needs validation examples"):
            run(make_policy(), tmp_path, changed(BOTH, patience=2), examples=examples)


class TestLearning:
    """One per family, on verifiable toys."""

    def test_dpo_orders_pairs(self, make_policy, pairs, tmp_path) -> None:
        _, stats = run(make_policy(), tmp_path, changed(BOTH, steps=15, learning_rate=1e-2), preferences=pairs)
        assert stats[0].loss == pytest.approx(0.693147, abs=1e-4)
        assert stats[-1].loss < 0.3

    def test_step_labels_are_told_apart(self, make_policy, tmp_path) -> None:
        """A step is good if it ends with an even token."""
        dice = torch.Generator().manual_seed(0)
        labelled = []
        for number in range(12):
            ids = tuple(torch.randint(5, 33, (12,), generator=dice).tolist())
            steps = [[end, float(ids[end] % 2 == 0)] for end in (3, 7, 11)]
            tokens = TokenRecord(ids=ids, sampled=(), logprobs=())
            labelled.append(Example(id=str(number), kind="prm", task_id="t", messages=(), tokens=tokens, meta={"steps": steps}))
        config = changed(BOTH, steps=40, batch_size=12, learning_rate=1e-2)
        result, stats = run(make_policy(), tmp_path, config, labelled=labelled)
        assert stats[0].loss == pytest.approx(0.693147, abs=1e-4)
        assert stats[-1].loss < 0.15
        assert (result.checkpoint / "value_head.safetensors").exists()

    @pytest.mark.parametrize(
        "changes", [{"advantage": "gae"}, {"advantage": "reinforce_plus_plus"}, {"rl_loss": "gspo"}, {"rl_loss": "cispo"}]
    )
    def test_reward_rises(self, make_policy, source, tmp_path, changes) -> None:
        config = changed(BOTH, learning_rate=1e-2, tasks_per_step=4, group_size=8, steps=15, save_every=100, kl=0.0, **changes)
        _, stats = run(make_policy(), tmp_path, config, rollouts=source)
        rewards = [step.streams["rl"].reward_mean for step in stats]
        assert rewards[0] < 0.4
        assert sum(rewards[-3:]) / 3 > 0.7

    @pytest.mark.parametrize("loss", ["dft", "asft"])
    def test_reweighted_imitation_lowers_the_loss(self, make_policy, examples, tmp_path, loss) -> None:
        """Measured by likelihood: the reweighted loss itself is small for tokens that the model does not believe in."""
        config = changed(BOTH, sft_loss=loss, steps=30, learning_rate=1e-2, batch_size=6, validate_every=29)
        _, stats = run(make_policy(), tmp_path, config, examples=examples, validation=examples)
        assert stats[28].validation_loss < 2.5  # 3.5 nats are a guess among 33 tokens


class TestReports:
    def test_every_number_of_a_step(self, make_policy, examples, source, tmp_path) -> None:
        config = changed(BOTH, updates_per_step=2, stream_norms=True, steps=2, rl_terms={"entropy_bonus": 0.01}, rl_weight="tis_token")
        _, stats = run(make_policy(), tmp_path, config, examples=examples, rollouts=source)
        flat = numbers(stats[0])
        wanted = (
            "gradient_norm",
            "coefficient_mean",
            "coefficient_ess",
            "ratio_ess",
            "clip_share",
            "rollout_delta",
            "exact_entropy",
            "stale",
        )
        assert all(f"rl.{name}" in flat for name in wanted)
        assert 8 * flat["rl.reward_parts.passed"] == flat["rl.reward_mean"] * (8 - flat["rl.unscored"])
        assert flat["plan.sft"] == flat["plan.rl"] == 1.0
        assert flat["sft.coefficient_mean"] == pytest.approx(1.0)  # c_t of imitation
        assert flat["sft.coefficient_ess"] == pytest.approx(1.0)
        assert 0 < flat["rl.ratio_ess"] <= 1
        assert flat["sft.gradient_norm"] > 0

    def test_norms_by_stream_change_nothing(self, make_policy, examples, source, tmp_path) -> None:
        plain, apart = make_policy(), make_policy()
        data = {"examples": examples, "rollouts": source}
        run(plain, tmp_path / "plain", changed(BOTH, steps=2), **data)
        run(apart, tmp_path / "apart", changed(BOTH, steps=2, stream_norms=True), **data)
        assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(weights(plain).values(), weights(apart).values(), strict=True))


@pytest.mark.parametrize("changes", [{}, {"lora": 4}])
def test_checkpointed_layers_give_the_same_weights(make_policy, examples, tmp_path, changes) -> None:
    plain, saving = make_policy(), make_policy()
    run(plain, tmp_path / "plain", changed(BOTH, steps=2, **changes), examples=examples)
    run(saving, tmp_path / "saving", changed(BOTH, steps=2, checkpoint_layers=True, **changes), examples=examples)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(weights(plain).values(), weights(saving).values(), strict=True))


def test_merged_weights_are_a_plain_model(make_policy, examples, tmp_path) -> None:
    from transformers import AutoModelForCausalLM

    from burnish.training._adapters import Trainable

    policy = make_policy()
    run(policy, tmp_path / "run", changed(BOTH, steps=2, lora=4), examples=examples)
    Trainable(policy.model, 4, 0).merge(str(tmp_path / "merged"))
    ids = torch.tensor([[3, 5, 6, 1]])
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert torch.allclose(merged(input_ids=ids).logits, policy.model(input_ids=ids).logits, atol=1e-5)
