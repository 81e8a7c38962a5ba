"""The settings of LeDex, each with where its value comes from (arXiv 2405.18649), and its quick form."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import msgspec

from burnish.core.errors import InputError
from burnish.core.records import Record, Sampling
from burnish.curation.ledex_rewards import scale_of
from burnish.recipes._protocol import Protocol
from burnish.recipes._work import trainer_settings
from burnish.recipes.base import RecipeConfig, ours, paper, reconstructed
from burnish.signals.prompts import STOP
from burnish.training.config import TrainConfig

Rl = Literal["ppo-offline", "ppo-online", "grpo", "none"]


class Collect(Record, forbid_unknown_fields=True):
    """How wrong programs, explanations and repairs come about (section 3.1 and 3.2). Numbers are per training task."""

    answers: Annotated[int, ours("20 in the paper")] = 4
    temperature: Annotated[float, paper()] = 1.0
    wrong: Annotated[int, ours("all wrong ones in the paper")] = 3
    distinct: Annotated[Literal["text", "behaviour"], reconstructed("the paper removes duplicates")] = "text"
    repairs: Annotated[int, ours("10 in the paper, per wrong program")] = 6
    repair_temperature: Annotated[float, paper()] = 0.8
    explain: Annotated[bool, paper()] = True
    max_tokens: Annotated[int, ours()] = 160

    def __post_init__(self) -> None:
        for name in ("answers", "wrong", "repairs", "max_tokens"):
            if getattr(self, name) < 1:
                raise InputError(f"collect.{name} = {getattr(self, name)}: it must be at least 1.")

    @property
    def sampling(self) -> Sampling:
        """How answers are drawn."""
        return Sampling(temperature=self.temperature, max_tokens=self.max_tokens, stop=STOP)

    @property
    def options(self) -> dict[str, Any]:
        """Options of the strategy `collect`."""
        names = ("answers", "wrong", "repairs", "explain", "distinct", "repair_temperature")
        return {name: getattr(self, name) for name in names}


class Curate(Record, forbid_unknown_fields=True):
    """Which verified attempts become examples (section 3.3), and what is left out for overlapping with evaluation tasks."""

    kinds: Annotated[str, paper("(a) solve, (b) repair, (c) explain and repair")] = "abc"
    per_task: Annotated[int, ours()] = 6
    per_wrong: Annotated[int, reconstructed("the paper's counts fit one kept repair per wrong program")] = 2
    repaired_answers: Annotated[bool, reconstructed("(a) is of sampled solutions")] = False
    against: Annotated[tuple[str, ...], ours("evaluation tasks beside those that are measured")] = ()
    words: Annotated[int, ours("AceReason's 9-grams")] = 9


class Sft(Record, forbid_unknown_fields=True):
    """Supervised fine-tuning (section 3.3). The loss lies on the last assistant turn."""

    epochs: Annotated[int, paper()] = 2
    learning_rate: Annotated[float, ours("2e-5 in the paper, for 7B and more")] = 5e-5
    batch_size: Annotated[int, ours("128 in the paper")] = 8
    warmup: Annotated[int, ours("500 steps in the paper")] = 5
    schedule: Annotated[Literal["constant", "cosine"], paper()] = "cosine"
    weight_decay: Annotated[float, reconstructed("not given")] = 0.0
    trainer: Annotated[dict[str, Any], ours("further settings of the trainer")] = {}

    def config(self, seed: int) -> TrainConfig:
        """The trainer's settings."""
        return trainer_settings(
            TrainConfig(
                epochs=self.epochs,
                learning_rate=self.learning_rate,
                batch_size=self.batch_size,
                warmup=self.warmup,
                schedule=self.schedule,
                weight_decay=self.weight_decay,
                seed=seed,
                extendable=False,
            ),
            self.trainer,
        )


class Rewards(Record, forbid_unknown_fields=True):
    """R(e) and R(r) of a repair (section 3.4)."""

    scale: Annotated[Literal["minilm", "paper"], reconstructed("the paper's 0.4 … 1 is of another encoder; measured anew")] = "minilm"
    low: Annotated[float | None, ours("with `embed`: the similarity that is worth -5")] = None
    high: Annotated[float | None, ours("with `embed`: the similarity that is worth 5")] = None
    embed: Annotated[str, ours("import path of a sentence encoder; the wheel's if empty. all-roberta-large-v1 in the paper")] = ""
    guarded: Annotated[bool, paper("no guard")] = False
    unrepaired: Annotated[Literal["drop", "gold"], reconstructed("undefined in the paper")] = "drop"

    @property
    def options(self) -> dict[str, Any]:
        """Options of the curation `ledex_rewards`."""
        return {**msgspec.structs.asdict(self), "embed": self.embed or None}


class Ppo(Record, forbid_unknown_fields=True):
    """PPO with a value head on the policy (section 3.4), offline on the collected repairs or online on fresh ones."""

    segment_mode: Annotated[Literal["literal", "cut"], paper("its formula; cut keeps R(r) out of the explanation")] = "literal"
    gamma: Annotated[float, paper()] = 0.99
    trace: Annotated[float, paper("lambda of GAE: its sum is not weighted")] = 1.0
    kl: Annotated[float, reconstructed("TRL's first coefficient; not given. Ours does not adapt")] = 0.2
    clip: Annotated[float, reconstructed("TRL's")] = 0.2
    value_coefficient: Annotated[float, reconstructed("TRL's; alpha is not given")] = 0.1
    updates: Annotated[int, ours("TRL makes 4 on a batch")] = 1
    learning_rate: Annotated[float, ours("2e-6 in the paper, for 7B and more")] = 5e-6
    batch_size: Annotated[int, ours("64 answers in the paper; here wrong programs with all their repairs")] = 4
    epochs: Annotated[int, reconstructed("not given")] = 2
    critic_steps: Annotated[int, ours("steps of the critic alone before: its head begins at nothing")] = 2
    importance: Annotated[str, ours("weight against the difference of who wrote the repairs, as tis_token; none if empty")] = ""
    steps: Annotated[int, ours("online only")] = 6
    group_size: Annotated[int, ours("online only: fresh repairs of one wrong program")] = 4
    trainer: Annotated[dict[str, Any], ours("further settings of the trainer")] = {}

    def config(self, seed: int, *, online: bool, temperature: float, max_tokens: int) -> TrainConfig:
        """The trainer's settings."""
        fresh: dict[str, Any] = {"steps": self.steps, "tasks_per_step": self.batch_size, "group_size": self.group_size} if online else {}
        stages: list[dict[str, Any]] = [{"steps": self.critic_steps, "critic_only": True}] if self.critic_steps else []
        if stages:
            stages.append({"steps": fresh.pop("steps")} if online else {})
        base = TrainConfig(
            advantage="span_gae",
            advantage_options={
                "gamma": self.gamma,
                "lambda": self.trace,
                "kl": self.kl,
                "cut": float(self.segment_mode == "cut"),
            },
            rl_weight=self.importance or None,
            value_coefficient=self.value_coefficient,
            updates_per_step=self.updates,
            batch_size=self.batch_size,
            epochs=self.epochs,
            **_practice(self, seed, temperature, max_tokens),
        )
        return trainer_settings(base, {**fresh, **({"stages": stages} if stages else {}), **self.trainer})


class Grpo(Record, forbid_unknown_fields=True):
    """GRPO on the same rewards: fresh repairs of one wrong program are compared with each other; no critic. Not in the paper."""

    learning_rate: Annotated[float, ours()] = 1e-5
    steps: Annotated[int, ours()] = 6
    tasks_per_step: Annotated[int, ours()] = 4
    group_size: Annotated[int, ours()] = 6
    clip: Annotated[float, ours()] = 0.2
    kl: Annotated[float, ours()] = 0.0
    trainer: Annotated[dict[str, Any], ours("further settings of the trainer")] = {}

    def config(self, seed: int, *, temperature: float, max_tokens: int) -> TrainConfig:
        """The trainer's settings. `step_credit` compares the rewards of spans within a group."""
        base = TrainConfig(
            advantage="step_credit",
            kl=self.kl,
            steps=self.steps,
            tasks_per_step=self.tasks_per_step,
            group_size=self.group_size,
            **_practice(self, seed, temperature, max_tokens),
        )
        return trainer_settings(base, self.trainer)


def _practice(rl: Ppo | Grpo, seed: int, temperature: float, max_tokens: int) -> dict[str, Any]:
    """What PPO and GRPO have in common for the trainer."""
    return {
        "rl_options": {"epsilon_low": rl.clip, "epsilon_high": rl.clip},
        "learning_rate": rl.learning_rate,
        "warmup": 1,
        "schedule": "constant",
        "temperature": temperature,
        "max_tokens": max_tokens,
        "seed": seed,
        "extendable": False,
    }


class LedexConfig(RecipeConfig):
    """LeDex. The standard setting is meant for less than three hours on two CPU cores with the embedded model."""

    model: Annotated[str, ours("StarCoder-15B, CodeLlama-7B and -13B in the paper")] = "embedded"
    teacher: Annotated[str, ours("who repairs: a model or a server; the model itself if empty. GPT-3.5 in the paper")] = ""
    teacher_options: Annotated[dict[str, Any], ours("options of the teacher's engine, as chat_template")] = {}
    tasks: Annotated[str, ours("MBPP, APPS and CodeContests in the paper")] = "first-functions:train"
    train_tasks: Annotated[int | None, ours("so many at even distances; all if left out")] = None
    collected: Annotated[str, ours("a collected run to use, instead of collecting one")] = ""
    seed: Annotated[int, ours()] = 0
    rl: Annotated[Rl, reconstructed("the text reads as offline on the collected repairs")] = "ppo-offline"
    collect: Collect = Collect()
    curate: Curate = Curate()
    sft: Sft = Sft()
    rewards: Rewards = Rewards()
    ppo: Ppo = Ppo()
    grpo: Grpo = Grpo()
    measure: Protocol = Protocol()

    def __post_init__(self) -> None:
        if self.rl != "none":
            scale_of(self.rewards.scale, self.rewards.low, self.rewards.high, own=not self.rewards.embed)

    @classmethod
    def quick(cls) -> Self:
        """Few tasks, few draws, few steps."""
        return cls(
            train_tasks=40,
            collect=Collect(answers=2, wrong=1, repairs=2, max_tokens=96),
            sft=Sft(epochs=1),
            ppo=Ppo(epochs=1, steps=1, critic_steps=1),
            grpo=Grpo(steps=1, tasks_per_step=2, group_size=4),
            measure=Protocol.quick(),
        )
