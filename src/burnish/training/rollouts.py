"""On-policy groups: sample several completions per task, judge each by all its checks, turn verdicts into rewards.

All completions of a step are asked for at once; each is judged as soon as it is there. A verdict without a score never
becomes a reward. Needs no torch; the policy and the verifier bring what they need.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from burnish.core.errors import InputError
from burnish.core.records import Message, Record, Sampling, Task, TokenRecord, Verdict
from burnish.core.seeds import derive_seed
from burnish.models._paths import Blocks, PathTags, generate_with_paths
from burnish.models.base import Completion, Policy, Request
from burnish.signals.valuing import Reward, value_of
from burnish.training.inputs._texts import encoded
from burnish.verifiers.base import NOTHING_TO_CHECK, Limits, Verifier, view


class Paths(Record, forbid_unknown_fields=True):
    """Answers that fork (Parallel-R1): at each opening tag `count` paths are sampled side by side, then what follows sees all of them."""

    count: int = 2
    blocks: int = 4
    """Most blocks of paths in one answer."""
    tokens: int = 256
    """Most tokens of one path; `max_tokens` bounds what is written outside of paths."""
    tags: PathTags = PathTags()


@dataclass(frozen=True, kw_only=True)
class RolloutSource:
    """Where reinforcement learning gets its rewards: tasks, how to ask for a solution, and how to judge and value it.

    `messages` renders a task as a conversation; `extract` finds the artefact in a completion's text, or None; `reward`
    values a verdict, or gives None to leave the completion out. Tasks are judged by all their checks: give train tasks.
    """

    verifier: Verifier
    tasks: Sequence[Task]
    messages: Callable[[Task], Sequence[Message]]
    extract: Callable[[Task, str], str | None]
    reward: Reward
    limits: Limits = Limits()
    credit: Callable[[Rollout], tuple[Sequence[int], Sequence[float]]] | None = None
    """Rewards inside a completion: the last sampled token (from 0) of each step or span, and its score."""
    paths: Paths | None = None
    """How answers fork. None: they do not. Needs the engine `transformers`."""


class Rollout(Record):
    """One judged completion. `reward` None: unscored. `tokens` has the sampled range and the behaviour log-probabilities.

    Once it was trained on: `advantage` and `trainer` (log-probabilities under the weights before the update) have one value per
    sampled token. Both stay empty if it was left out; `trainer` also if no token had an advantage, for then nothing is computed.
    """

    task_id: str
    tokens: TokenRecord
    text: str
    artefact: str | None
    verdict: Verdict
    reward: float | None
    stop_reason: str
    policy_version: str
    sampling: Sampling = Sampling()
    parallel: tuple[tuple[tuple[int, int], ...], ...] = ()
    """Token ranges of its parallel paths, by block."""
    advantage: tuple[float, ...] = ()
    trainer: tuple[float, ...] = ()


async def collect(
    policy: Policy, source: RolloutSource, tasks: Sequence[Task], *, group_size: int, sampling: Sampling, seed: int
) -> list[Rollout]:
    """`group_size` rollouts for each task, task by task. Every completion has its own seed, derived from `seed`, task and number.

    Raises `InputError` if sampling is not on-policy (`check_on_policy`) or the engine does not tell what it sampled and how
    probable that was, and `PolicyError` when the engine fails.
    """
    check_on_policy(sampling)
    try:
        async with asyncio.TaskGroup() as group:
            running = [
                group.create_task(
                    _rollout(policy, source, task, msgspec.structs.replace(sampling, seed=derive_seed(seed, task.id, number)))
                )
                for task in tasks
                for number in range(group_size)
            ]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in running]


async def greedy_rewards(policy: Policy, source: RolloutSource, tasks: Sequence[Task], sampling: Sampling) -> list[float | None]:
    """What the likeliest answer to each task earns: ReMax's baseline. None where it is unscored."""
    greedy = msgspec.structs.replace(sampling, temperature=0.0)
    rollouts = await asyncio.gather(*(_rollout(policy, source, task, greedy) for task in tasks))
    return [rollout.reward for rollout in rollouts]


REFUSED = ("top_p", "top_k", "min_p", "constraint", "switches")
"""Settings that make the sampler draw from another distribution than the one that the trainer computes."""


def check_on_policy(sampling: Sampling) -> None:
    """Raise `InputError` unless every token is drawn from the whole distribution at one temperature, as the trainer computes it.

    With the tail cut, the ratio trainer / sampler of every token is the kept mass (0.9, say) instead of 1, and what was cut
    could never be learned.
    """
    usual = Sampling()
    wrong = [name for name in REFUSED if getattr(sampling, name) != getattr(usual, name)]
    if wrong or sampling.temperature <= 0:
        what = ", ".join(f"{name} = {getattr(sampling, name)}" for name in wrong or ["temperature"])
        raise InputError(f"On-policy training samples from the whole distribution, not with {what}. Leave it out; temperature must be > 0.")


async def _rollout(policy: Policy, source: RolloutSource, task: Task, sampling: Sampling) -> Rollout:
    messages = tuple(source.messages(task))
    prompt = tuple(policy.renderer.render(messages))
    completion, parallel = await _written(policy, source.paths, Request(prompt_ids=prompt, sampling=sampling, messages=messages))
    _check_known(policy, prompt, completion)
    artefact = source.extract(task, completion.text)
    verdict = await _judge(source, task, artefact)
    return Rollout(
        task_id=task.id,
        tokens=completion.record(prompt),
        text=completion.text,
        artefact=artefact,
        verdict=verdict,
        reward=value_of(source.reward, verdict, task.id) if completion.ids and completion.stop_reason != "cancelled" else None,
        stop_reason=completion.stop_reason,
        policy_version=completion.policy_version,
        parallel=parallel,
        sampling=sampling,
    )


async def _written(policy: Policy, paths: Paths | None, request: Request) -> tuple[Completion, Blocks]:
    if paths is None:
        return await policy.generate(request), ()
    forked = await generate_with_paths(
        policy,
        request,
        lambda text: encoded(policy.renderer, text),
        paths=paths.count,
        blocks=paths.blocks,
        path_tokens=paths.tokens,
        tags=paths.tags,
    )
    return forked.completion, forked.parallel


def _check_known(policy: Policy, prompt: tuple[int, ...], completion: Completion) -> None:
    """What is unknown is never trained on as if it were known."""
    if not prompt or not completion.knows_ids:
        unknown = "which tokens it read and wrote"
    elif not completion.knows_logprobs:
        unknown = "with which probabilities it sampled them"
    else:
        return
    raise InputError(
        f"On-policy training needs whole token truth, but the engine of {policy.name!r} does not tell {unknown}. Use the engine "
        "'transformers' or 'vllm', or a llama.cpp or vLLM server with tokenizer=… (vLLM: temperature 1 or processed_logprobs=true)."
    )


async def _judge(source: RolloutSource, task: Task, artefact: str | None) -> Verdict:
    if artefact is None:
        return NOTHING_TO_CHECK
    return await source.verifier.averify(view(task, "all"), artefact, limits=source.limits)
