"""Plans of streams: controllers and stages decide what runs, and a resumed run plans as if it had never stopped."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest
import torch

from burnish.core.errors import InputError, UnknownName
from burnish.core.records import Check, Example, Message, TokenRecord, Verdict
from burnish.models.scores import ProcessRewardModel, RewardModel, ValueModel
from burnish.training._checkpoint import checkpoints
from burnish.training.config import Stage, TrainConfig
from burnish.training.process_credit import ProcessCredit
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

    def test_the_critic_may_learn_first(self, make_policy, source, tmp_path) -> None:
        """VAPO's pre-training: its error falls, no weight of the policy moves, and the next stage begins with that critic."""
        stages = (Stage(steps=8, critic_only=True), Stage(steps=1))
        config = changed(BOTH, learning_rate=0.05, stages=stages, advantage="length_adaptive_gae", steps=None)
        policy, start, after = make_policy(), weights(make_policy()), []

        def note(stats):
            after.append((stats, weights(policy)))

        result = train(policy, tmp_path, config, on_step=note, rollouts=source)
        losses = [stats.loss for stats, _ in after[:8]]
        assert sum(losses[-3:]) < 0.7 * sum(losses[:3])
        assert after[0][0].gradient_norm > 0
        assert after[0][0].streams["rl"].clip_share is None  # nothing is cut: no log-probability is pushed
        assert after[8][0].streams["rl"].clip_share == 0
        assert_same(start, after[7][1])
        assert not torch.equal(start["model.embed_tokens.weight"], after[8][1]["model.embed_tokens.weight"])
        assert ValueModel.load(policy.model, result.checkpoint).head.weight.abs().max() > 0

    def test_a_critic_must_be_there(self, make_policy, source, examples, tmp_path) -> None:
        config = changed(BOTH, stages=(Stage(steps=1, critic_only=True), Stage()))
        with pytest.raises(InputError, match="needs an advantage with a critic"):
            run(make_policy(), tmp_path, config, rollouts=source)
        with pytest.raises(InputError, match="learns from practice"):
            run(make_policy(), tmp_path, config, examples=examples)
        with pytest.raises(InputError, match="critic_only trains nothing else"):
            Stage(critic_only=True, mix={"rl": 1.0})

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


class TestRefill:
    """Dynamic sampling: groups that teach nothing give way to others."""

    CONFIG = changed(BOTH, steps=2, refill=2, tasks_per_step=2)

    def test_dead_groups_are_drawn_again_up_to_the_limit(self, make_policy, source, tmp_path) -> None:
        seen = []
        same = dataclasses.replace(source, reward=lambda verdict: 1.0)
        note = {"on_rollouts": lambda step, rollouts: seen.append(rollouts)}
        _, stats = run(make_policy(), tmp_path, self.CONFIG, rollouts=same, **note)
        assert [step.streams["rl"].refilled for step in stats] == [4, 4]  # both groups, twice
        assert stats[0].streams["rl"].dead_groups == 1.0
        assert [len(rollouts) for rollouts in seen] == [6 * 4] * 2
        assert len({rollout.task_id for rollout in seen[0]}) == 4  # further tasks first, then those of the step again
        assert stats[0].gradient_norm == 0

    def test_living_groups_stay_and_fill_the_step(self, make_policy, source, tmp_path) -> None:
        """Two of four tasks teach: with refills the step trains on more of what teaches than without."""
        some = dataclasses.replace(source, verifier=Split({"t0", "t1"}))
        _, plain = run(make_policy(), tmp_path / "plain", changed(self.CONFIG, refill=0, steps=4), rollouts=some)
        _, full = run(make_policy(), tmp_path / "full", changed(self.CONFIG, refill=3, steps=4), rollouts=some)
        alive = [
            sum((1 - step.streams["rl"].dead_groups) * (2 + (step.streams["rl"].refilled or 0)) for step in stats)
            for stats in (plain, full)
        ]
        assert alive[1] > alive[0]
        assert all(step.streams["rl"].sequences == 8 for step in full)
        assert all(step.streams["rl"].refilled == 0 for step in plain)

    def test_resumed_runs_draw_the_same(self, make_policy, source, tmp_path) -> None:
        config = changed(self.CONFIG, steps=4)
        whole, resumed = make_policy(), make_policy()
        run(whole, tmp_path / "whole", config, rollouts=source)
        asked = []
        train(make_policy(), tmp_path / "half", config, rollouts=source, should_stop=lambda: asked.append(0) or len(asked) == 2)
        run(resumed, tmp_path / "half", config, rollouts=source, resume=True)
        assert_same(weights(whole), weights(resumed))


class Split:
    """Of the answers to the tasks that teach about half pass, and all answers to the others."""

    def __init__(self, teach) -> None:
        self.teach = teach

    async def averify(self, task, artefact, *, limits=None, first_fail=False):
        right = task.id not in self.teach or sum(map(ord, artefact)) % 2
        return Verdict.of([Check(id="c", kind="contains", outcome="pass" if right else "fail")])


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


def answer(text: str) -> Message:
    return Message(role="assistant", content=text)


def sum_of(seen) -> float:
    """Mean over tokens of what each token of an answer is still to earn: the score of its only line."""
    lengths = [len(rollout.tokens.logprobs) for rollout, _ in seen]
    return sum(sum(scores) * n for (_, (_, scores)), n in zip(seen, lengths, strict=True)) / sum(lengths)


class TestLearning:
    """One per family, on verifiable toys."""

    def test_dpo_orders_pairs(self, make_policy, pairs, tmp_path) -> None:
        _, stats = run(make_policy(), tmp_path, changed(BOTH, steps=15, learning_rate=1e-2), preferences=pairs)
        assert stats[0].loss == pytest.approx(0.693147, abs=1e-4)
        assert stats[-1].loss < 0.3

    def test_a_pair_weighs_what_its_better_answer_weighs(self, make_policy, pairs, tmp_path) -> None:
        light = [(msgspec.structs.replace(better, weight=0.5), worse) for better, worse in pairs]
        _, plain = run(make_policy(), tmp_path / "plain", changed(BOTH, steps=1), preferences=pairs)
        _, half = run(make_policy(), tmp_path / "half", changed(BOTH, steps=1), preferences=light)
        assert half[0].gradient_norm == pytest.approx(plain[0].gradient_norm / 2, rel=1e-4)

    @pytest.mark.parametrize("alone", [False, True])
    def test_kto_orders_answers_that_are_judged_one_by_one(self, make_policy, pairs, tmp_path, alone) -> None:
        """A pair is two judged answers."""
        judged = [msgspec.structs.replace(e, meta={"desirable": e is pair[0]}) for pair in pairs for e in pair]
        data = {"judged": judged} if alone else {"preferences": pairs}
        config = changed(BOTH, steps=15, learning_rate=1e-2, batch_size=6, preference_loss="kto", preference_options={"beta": 0.5})
        _, stats = run(make_policy(), tmp_path, config, **data)
        assert stats[0].loss == pytest.approx(0.5, abs=1e-4)  # nothing has moved yet: sigmoid(0) for each
        assert stats[-1].loss < 0.35

    def test_kto_measures_its_drift_over_the_whole_step(self, make_policy, pairs, tmp_path) -> None:
        """So that a split into micro-batches changes nothing; six answers, each by itself or all at once."""
        config = changed(BOTH, steps=3, learning_rate=1e-2, batch_size=6, preference_loss="kto")
        (_, whole), (_, parts) = (
            run(make_policy(), tmp_path / str(n), changed(config, micro_tokens=n), preferences=pairs[:3]) for n in (512, 1)
        )
        assert [step.loss for step in parts] == pytest.approx([step.loss for step in whole], abs=1e-6)
        assert parts[-1].gradient_norm == pytest.approx(whole[-1].gradient_norm, rel=1e-3)

    def test_a_reward_model_scores_the_better_answer_higher(self, make_policy, pairs, tmp_path) -> None:
        strong = [(msgspec.structs.replace(better, weight=2.0), worse) for better, worse in pairs]
        config = changed(BOTH, steps=20, learning_rate=1e-2, batch_size=6, preference_loss="bradley_terry")
        policy = make_policy()
        result, stats = run(policy, tmp_path, config, preferences=strong)
        assert stats[0].loss == pytest.approx(2 * 0.693147, abs=1e-4)  # scaled Bradley-Terry: strength x log 2
        assert stats[-1].loss < 0.3
        model = RewardModel.load(policy.model, result.checkpoint)
        with torch.no_grad():
            better, worse = (model([policy.renderer.supervised(pair[side].messages)[0] for pair in pairs]) for side in (0, 1))
        assert (better > worse).all()

    @pytest.mark.parametrize(
        ("loss", "data", "message"),
        [
            ("dpo", {"desirable": True}, "compares pairs of answers"),
            ("kto", {}, r"meta\['desirable'\] must be true or false, not None"),
        ],
    )
    def test_answers_of_the_wrong_sort(self, make_policy, examples, tmp_path, loss, data, message) -> None:
        judged = [msgspec.structs.replace(examples[0], meta=data)]
        with pytest.raises(InputError, match=message):
            run(make_policy(), tmp_path, changed(BOTH, preference_loss=loss), judged=judged)

    def test_one_head_learns_one_thing(self, make_policy, pairs, source, tmp_path) -> None:
        config = changed(BOTH, advantage="gae", preference_loss="bradley_terry")
        with pytest.raises(InputError, match="one scalar head, but it should learn value and reward"):
            run(make_policy(), tmp_path, config, preferences=pairs, rollouts=source)

    def test_a_process_reward_model_rewards_the_lines_of_a_rollout(self, make_policy, examples, source, tmp_path) -> None:
        """PRLCoder's way: labels of lines → model → reward at the end of each line → token credit. A line with an `a` is right."""
        labelled = [
            msgspec.structs.replace(example, meta={"lines": [float(letter in "abc")]}, messages=(*example.messages[:1], answer(letter * 3)))
            for example, letter in zip(examples, "abcxyz", strict=True)
        ]
        judge, config = make_policy(), changed(BOTH, steps=25, batch_size=6, learning_rate=1e-2)
        made, _ = run(judge, tmp_path / "prm", config, labelled=labelled)
        credit = ProcessCredit(judge.model, made.checkpoint, judge.renderer)
        seen = []

        def noted(rollout):
            seen.append((rollout, credit(rollout)))
            return seen[-1][1]

        practice = dataclasses.replace(source, reward=lambda verdict: 0.0, credit=noted)
        _, stats = run(make_policy(), tmp_path / "rl", changed(BOTH, advantage="token_credit", steps=1), rollouts=practice)
        assert all(list(ends) in ([], [len(rollout.tokens.logprobs) - 1]) for rollout, (ends, _) in seen)  # the end of the only line
        assert all(0 < score < 1 for _, (_, scores) in seen for score in scores)
        assert stats[0].streams["rl"].coefficient_mean == pytest.approx(sum_of(seen), abs=1e-5)

    def test_labels_of_lines_need_no_token_indices(self, make_policy, examples, tmp_path) -> None:
        labelled = [msgspec.structs.replace(example, meta={"lines": [float("a" in example.messages[1].content)]}) for example in examples]
        config = changed(BOTH, steps=20, batch_size=6, learning_rate=1e-2)
        _, stats = run(make_policy(), tmp_path, config, labelled=labelled)
        assert stats[-1].loss < 0.2
        too_many = [msgspec.structs.replace(examples[0], meta={"lines": [1.0, 0.0]})]
        with pytest.raises(InputError, match="2 labels for 1 lines"):
            run(make_policy(), tmp_path / "more", config, labelled=too_many)

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
        assert ProcessRewardModel.load(make_policy().model, result.checkpoint).head.weight.abs().max() > 0

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
            "coefficient_max",
            "coefficient_zero",
            "dead_groups",
            "truncated",
            "refilled",
            "entropy",
            "gradient_norm",
            "reward_parts.passed",
            "reward_parts.invalid",
            "reward_parts.score",
            "rollout_delta_max",
            "rollout_ess",
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
