"""The trainer on a tiny real model: it learns, resumes bitwise, and leaves nothing half-done."""

from __future__ import annotations

import asyncio
import dataclasses
import resource

import msgspec
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from burnish.core.errors import InputError, PolicyError, StoreError
from burnish.core.records import Message, Sampling
from burnish.models.base import Request
from burnish.training._checkpoint import checkpoints
from burnish.training.config import TrainConfig
from burnish.training.trainer import Trainer, train

SFT = TrainConfig(learning_rate=3e-3, batch_size=4, warmup=0, steps=4, micro_tokens=64)
RL = TrainConfig(learning_rate=3e-3, tasks_per_step=2, group_size=4, max_tokens=6, warmup=0, steps=4, micro_tokens=64)
WIDE = msgspec.structs.replace(RL, batch_size=6, tasks_per_step=4, group_size=8)
LORA = msgspec.structs.replace(SFT, lora=4)


def weights(policy) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in policy.model.state_dict().items()}


def assert_same(first, second) -> None:
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def stop_after(count):
    asked = []
    return lambda: asked.append(0) or len(asked) >= count


def changed(config, **fields):
    return msgspec.structs.replace(config, **fields)


class TestLearning:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    @pytest.mark.parametrize("config", [SFT, changed(LORA, learning_rate=2e-2)])
    def test_sft_overfits(self, make_policy, examples, tmp_path, config, dtype) -> None:
        losses = []
        train(make_policy(dtype), tmp_path, changed(config, steps=40), examples=examples, on_step=lambda stats: losses.append(stats.loss))
        assert losses[0] > 3.0
        assert sum(losses[-4:]) / 4 < 0.75 * losses[0]

    def test_lora_leaves_the_base_weights_alone(self, make_policy, examples, tmp_path) -> None:
        policy = make_policy()
        before = weights(policy)
        train(policy, tmp_path, LORA, examples=examples)
        after = {name.replace(".base_layer", ""): tensor for name, tensor in weights(policy).items() if "lora_" not in name}
        assert_same(before, after)

    @pytest.mark.parametrize("changes", [{}, {"rl_loss": "policy_gradient", "advantage": "rloo"}, {"advantage": "dr_grpo", "kl": 0.01}])
    def test_grpo_raises_the_reward(self, make_policy, source, tmp_path, changes) -> None:
        rewards = []
        config = changed(RL, learning_rate=1e-2, tasks_per_step=4, group_size=8, steps=15, save_every=100, **changes)
        train(make_policy(), tmp_path, config, rollouts=source, on_step=lambda stats: rewards.append(stats.streams["rl"].reward_mean))
        assert rewards[0] < 0.4
        assert sum(rewards[-3:]) / 3 > 0.8

    def test_the_policy_writes_with_its_new_weights(self, make_policy, examples, tmp_path) -> None:
        policy = make_policy()
        request = Request(prompt_ids=policy.renderer.render(examples[0].messages[:1]), sampling=Sampling(temperature=0, max_tokens=8))

        async def before_and_after():
            first = await policy.generate(request)
            await Trainer(policy, tmp_path, changed(SFT, steps=60, learning_rate=1e-2), examples=examples[:1]).run()
            return first, await policy.generate(request)

        before, after = asyncio.run(before_and_after())
        assert before.text != "aaa"
        assert after.text == "aaa"
        assert before.policy_version != after.policy_version


class TestGradient:
    """What reaches the parameters, seen by hooks on them."""

    def gradient(self, policy, folder, config, **sources):
        seen = {}
        for name, parameter in policy.model.named_parameters():
            parameter.register_post_accumulate_grad_hook(lambda p, name=name: seen.__setitem__(name, p.grad.clone()))
        stats = []
        train(policy, folder, changed(config, steps=1), on_step=stats.append, **sources)
        return seen, stats[0]

    def test_micro_batches_change_nothing(self, make_policy, examples, source, tmp_path) -> None:
        found = [
            self.gradient(make_policy(), tmp_path / str(budget), changed(WIDE, micro_tokens=budget), examples=examples, rollouts=source)
            for budget in (1, 40, 10_000)
        ]
        for gradients, stats in found[1:]:
            assert stats.streams["rl"].dead_groups < 1
            assert stats.loss == pytest.approx(found[0][1].loss, abs=1e-6)
            assert stats.gradient_norm == pytest.approx(found[0][1].gradient_norm, rel=1e-5)
            assert all(torch.allclose(gradients[name], found[0][0][name], atol=1e-6) for name in gradients)

    def test_streams_add_up_with_their_own_denominators(self, make_policy, examples, source, tmp_path) -> None:
        (sft, _), (rl, _), (mixed, stats) = (
            self.gradient(make_policy(), tmp_path / name, changed(WIDE, mix=mix), **sources)
            for name, mix, sources in (
                ("sft", {}, {"examples": examples}),
                ("rl", {}, {"rollouts": source}),
                ("both", {"sft": 0.3, "rl": 0.7}, {"examples": examples, "rollouts": source}),
            )
        )
        assert rl.keys() == sft.keys() == mixed.keys()
        assert all(torch.allclose(mixed[name], 0.3 * sft[name] + 0.7 * rl[name], atol=1e-6) for name in mixed)
        assert stats.loss == pytest.approx(0.3 * stats.streams["sft"].loss + 0.7 * stats.streams["rl"].loss)

    def test_example_weights_scale_the_gradient(self, make_policy, examples, tmp_path) -> None:
        one, _ = self.gradient(make_policy(), tmp_path / "1", SFT, examples=examples[:1])
        half, _ = self.gradient(make_policy(), tmp_path / "2", SFT, examples=[msgspec.structs.replace(examples[0], weight=0.5)])
        assert all(torch.allclose(half[name], 0.5 * one[name], atol=1e-7) for name in one)

    def test_dead_groups_move_nothing(self, make_policy, source, tmp_path) -> None:
        policy, stats = make_policy(), []
        before, version = weights(policy), policy.version
        dead = dataclasses.replace(source, reward=lambda verdict: 1.0)
        train(policy, tmp_path, changed(RL, steps=2), rollouts=dead, on_step=stats.append)
        assert_same(before, weights(policy))
        assert policy.version == version
        assert [step.streams["rl"].dead_groups for step in stats] == [1.0, 1.0]
        assert stats[0].gradient_norm == 0.0
        assert stats[0].tokens == 0


class TestReports:
    def test_trainer_and_sampler_agree(self, make_policy, source, tmp_path) -> None:
        stats = []
        config = changed(RL, tasks_per_step=4, temperature=0.7, kl=0.1, steps=3)
        train(make_policy(), tmp_path, config, rollouts=source, on_step=stats.append)
        for step in stats:
            rl = step.streams["rl"]
            assert rl.rollout_delta < 1e-5
            assert rl.rollout_kl == pytest.approx(0, abs=1e-6)
            assert rl.clip_share == 0.0
            assert 1.0 < rl.entropy < 5.0
            assert rl.response_tokens <= 6
            assert rl.rollout_s > 0
        assert stats[0].streams["rl"].reference_kl == pytest.approx(0, abs=1e-7)
        assert stats[-1].streams["rl"].reference_kl > 1e-6
        assert [step.step for step in stats] == [1, 2, 3]

    def test_second_update_on_the_same_completions_meets_the_clip(self, make_policy, source, tmp_path) -> None:
        stats = []
        config = changed(RL, tasks_per_step=4, steps=1, updates_per_step=3, learning_rate=3e-2)
        train(make_policy(), tmp_path, config, rollouts=source, on_step=stats.append)
        assert stats[0].streams["rl"].clip_share > 0.05
        assert stats[0].streams["rl"].rollout_delta < 1e-5

    def test_sft_has_no_reward(self, make_policy, examples, tmp_path) -> None:
        stats = []
        train(make_policy(), tmp_path, changed(SFT, steps=None, epochs=2), examples=examples, on_step=stats.append)
        assert len(stats) == 4
        assert stats[0].streams["sft"].reward_mean is None
        assert stats[0].tokens_per_second > 0
        assert sum(step.streams["sft"].sequences for step in stats) == 12


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
class TestResume:
    def halves_equal_whole(self, make_policy, tmp_path, dtype, config, **sources) -> None:
        whole, half, resumed = make_policy(dtype), make_policy(dtype), make_policy(dtype)
        train(whole, tmp_path / "whole", config, **sources)
        result = train(half, tmp_path / "half", config, **sources, should_stop=stop_after(2))
        assert (result.step, result.finished) == (2, False)
        steps = []
        result = train(resumed, tmp_path / "half", config, **sources, resume=True, on_step=lambda stats: steps.append(stats.step))
        assert (result.step, result.finished) == (4, True)
        assert steps == [3, 4]
        assert_same(weights(whole), weights(resumed))

    def test_sft(self, make_policy, examples, tmp_path, dtype) -> None:
        self.halves_equal_whole(make_policy, tmp_path, dtype, SFT, examples=examples)

    def test_lora(self, make_policy, examples, tmp_path, dtype) -> None:
        self.halves_equal_whole(make_policy, tmp_path, dtype, LORA, examples=examples)

    def test_rl(self, make_policy, source, tmp_path, dtype) -> None:
        self.halves_equal_whole(make_policy, tmp_path, dtype, changed(RL, kl=0.1, updates_per_step=2), rollouts=source)

    def test_both(self, make_policy, examples, source, tmp_path, dtype) -> None:
        self.halves_equal_whole(make_policy, tmp_path, dtype, changed(RL, batch_size=4), examples=examples, rollouts=source)


def test_a_run_cancelled_while_it_samples_goes_on_from_its_last_step(make_policy, source, tmp_path) -> None:
    """What Ctrl-C does to asyncio.run: the task is cancelled wherever it waits."""

    class Stuck(type(source.verifier)):
        async def averify(self, task, artefact, *, limits=None, first_fail=False):
            if len(steps) == 2:
                waiting.set()
                await asyncio.Event().wait()
            return await super().averify(task, artefact)

    async def run_and_cancel() -> None:
        stuck = dataclasses.replace(source, verifier=Stuck())
        task = asyncio.create_task(Trainer(make_policy(), tmp_path / "half", RL, rollouts=stuck, on_step=steps.append).run())
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    steps, waiting = [], asyncio.Event()
    asyncio.run(run_and_cancel())
    whole, resumed = make_policy(), make_policy()
    train(whole, tmp_path / "whole", RL, rollouts=source)
    train(resumed, tmp_path / "half", RL, rollouts=source, resume=True, on_step=steps.append)
    assert [stats.step for stats in steps] == [1, 2, 3, 4]
    assert_same(weights(whole), weights(resumed))


class TestResumeChecks:
    @pytest.fixture
    def begun(self, make_policy, examples, tmp_path):
        train(make_policy(), tmp_path, SFT, examples=examples, should_stop=stop_after(2))
        return tmp_path

    def test_a_used_folder_is_not_overwritten(self, make_policy, examples, begun) -> None:
        with pytest.raises(InputError, match="already holds a training run"):
            train(make_policy(), begun, SFT, examples=examples)

    def test_other_data(self, make_policy, examples, begun) -> None:
        with pytest.raises(InputError, match="other data"):
            train(make_policy(), begun, SFT, examples=examples[1:], resume=True)

    def test_other_settings(self, make_policy, examples, begun) -> None:
        with pytest.raises(InputError, match=r"batch_size = 4, now it is 3"):
            train(make_policy(), begun, changed(SFT, batch_size=3), examples=examples, resume=True)

    def test_more_steps(self, make_policy, examples, begun) -> None:
        assert train(make_policy(), begun, changed(SFT, steps=5), examples=examples, resume=True).step == 5

    def test_a_run_that_is_not_extendable_ends_small_and_whole(self, make_policy, examples, tmp_path) -> None:
        config = changed(SFT, extendable=False)
        first, second = make_policy(torch.bfloat16), make_policy(torch.bfloat16)
        checkpoint = train(first, tmp_path / "a", config, examples=examples).checkpoint
        large = train(make_policy(torch.bfloat16), tmp_path / "b", SFT, examples=examples).checkpoint
        size, full = ((folder / "trainer" / "state.safetensors").stat().st_size for folder in (checkpoint, large))
        assert size < full / 3
        assert train(second, tmp_path / "a", config, examples=examples, resume=True).finished
        assert_same(weights(first), weights(second))
        with pytest.raises(InputError, match="extendable"):
            train(make_policy(torch.bfloat16), tmp_path / "a", changed(config, steps=5), examples=examples, resume=True)

    def test_finished_already(self, make_policy, examples, begun) -> None:
        first = make_policy()
        train(first, begun, SFT, examples=examples, resume=True)
        second, steps = make_policy(), []
        assert train(second, begun, SFT, examples=examples, resume=True, on_step=steps.append).finished
        assert steps == []
        assert_same(weights(first), weights(second))

    def test_other_base_for_an_adapter(self, make_policy, examples, tmp_path) -> None:
        train(make_policy(), tmp_path, LORA, examples=examples, should_stop=stop_after(1))
        other = make_policy()
        with torch.no_grad():
            other.model.model.norm.weight.mul_(2)
        with pytest.raises(InputError, match="other model weights"):
            train(other, tmp_path, LORA, examples=examples, resume=True)

    def test_damaged_checkpoint(self, make_policy, examples, begun) -> None:
        (checkpoints(begun)[-1] / "trainer" / "state.safetensors").write_bytes(b"no")
        with pytest.raises(StoreError, match="cannot be read"):
            train(make_policy(), begun, SFT, examples=examples, resume=True)

    def test_resuming_nothing_starts(self, make_policy, examples, tmp_path) -> None:
        assert train(make_policy(), tmp_path, SFT, examples=examples, resume=True).finished


class TestCheckpoints:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_loads_in_plain_transformers(self, make_policy, examples, tmp_path, dtype) -> None:
        policy = make_policy(dtype)
        result = train(policy, tmp_path, SFT, examples=examples)
        loaded = AutoModelForCausalLM.from_pretrained(result.checkpoint)
        assert_same(weights(policy), dict(loaded.state_dict()))
        assert AutoTokenizer.from_pretrained(result.checkpoint)("ab")["input_ids"] == [5, 6]

    @pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
    def test_an_adapter_loads_in_plain_peft(self, make_policy, examples, tmp_path) -> None:
        policy, base = make_policy(), make_policy().model
        result = train(policy, tmp_path, LORA, examples=examples)
        loaded = PeftModel.from_pretrained(base, result.checkpoint)
        ids = torch.tensor([[3, 5, 6, 1]])
        assert torch.allclose(loaded(input_ids=ids).logits, policy.model(input_ids=ids).logits, atol=1e-6)

    def test_only_the_newest_is_kept(self, make_policy, examples, tmp_path) -> None:
        train(make_policy(), tmp_path, changed(SFT, save_every=1), examples=examples)
        assert [path.name for path in tmp_path.iterdir()] == ["step-000004"]

    def test_leftovers_of_a_killed_save_are_cleared(self, make_policy, examples, tmp_path) -> None:
        (tmp_path / ".writing-step-000002" / "trainer").mkdir(parents=True)
        train(make_policy(), tmp_path, SFT, examples=examples)
        assert [path.name for path in tmp_path.iterdir()] == ["step-000004"]

    def test_unusable_folder(self, make_policy, examples, tmp_path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(InputError, match=r"cannot be written to .*file/run: Not a directory"):
            train(make_policy(), tmp_path / "file" / "run", SFT, examples=examples)

    def test_full_disk_keeps_the_checkpoint_before(self, make_policy, examples, tmp_path) -> None:
        """A file size limit makes the writes fail as a full disk would."""
        train(make_policy(), tmp_path, SFT, examples=examples, should_stop=stop_after(2))
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        try:
            with pytest.raises(StoreError, match="checkpoint of step 4 could not be written"):
                train(make_policy(), tmp_path, SFT, examples=examples, resume=True)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert [path.name for path in tmp_path.iterdir()] == ["step-000002"]
        assert train(make_policy(), tmp_path, SFT, examples=examples, resume=True).finished


class TestFailures:
    @pytest.mark.parametrize("config", [SFT, LORA])
    def test_a_loss_that_is_not_finite_stops_before_the_weights(self, make_policy, examples, tmp_path, config) -> None:
        policy = make_policy()
        broken = msgspec.structs.replace(examples[1], weight=float("inf"))
        before, stats = weights(policy), []
        with pytest.raises(PolicyError, match=r"step 1 of 4: the sft loss is (inf|nan) .*e1.*Lower learning_rate"):
            train(policy, tmp_path, changed(config, batch_size=6), examples=[broken, *examples[2:]], on_step=stats.append)
        after = {name.replace(".base_layer", ""): tensor for name, tensor in weights(policy).items() if "lora_" not in name}
        assert_same(before, after)
        assert stats == []
        assert list(tmp_path.iterdir()) == []

    def test_nothing_to_train_on(self, make_policy, examples, tmp_path) -> None:
        for config, sources in [(SFT, {}), (changed(SFT, mix={"sft": 0.0}), {"examples": examples})]:
            with pytest.raises(InputError, match="nothing to train on"):
                train(make_policy(), tmp_path, config, **sources)

    def test_another_rank_on_the_same_model(self, make_policy, examples, tmp_path) -> None:
        policy = make_policy()
        train(policy, tmp_path / "first", LORA, examples=examples)
        before = weights(policy)
        with pytest.raises(InputError, match=r"adapter of rank 4, but rank 8"):
            train(policy, tmp_path / "second", changed(LORA, lora=8), examples=examples)
        train(policy, tmp_path / "third", changed(LORA, steps=1), examples=examples)
        moved = {name for name, tensor in weights(policy).items() if not torch.equal(tensor, before[name])}
        assert moved
        assert all("lora_" in name for name in moved)

    def test_the_global_random_state_is_left_alone(self, make_policy, examples, tmp_path) -> None:
        state = torch.get_rng_state()
        train(make_policy(), tmp_path, LORA, examples=examples)
        assert torch.equal(torch.get_rng_state(), state)

    def test_an_error_in_the_callback_reaches_the_caller(self, make_policy, examples, tmp_path) -> None:
        def fail(stats):
            raise RuntimeError("mine")

        policy = make_policy()
        with pytest.raises(RuntimeError, match="mine"):
            train(policy, tmp_path, SFT, examples=examples, on_step=fail)
        assert not policy.model.training
        assert all(parameter.grad is None for parameter in policy.model.parameters())

    def test_an_example_without_an_answer_is_named_before_anything_runs(self, make_policy, examples, tmp_path) -> None:
        broken = msgspec.structs.replace(examples[2], messages=(Message(role="user", content="q"),))
        with pytest.raises(InputError, match="Example 'e2'"):
            Trainer(make_policy(), tmp_path, SFT, examples=[*examples, broken])
