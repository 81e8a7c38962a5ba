"""P11, P18 and P20: the sampler and the trainer are the same model, and generation ends."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Any

import torch

from burnish.core.errors import InputError
from burnish.core.records import Message, Sampling
from burnish.models.base import Completion, Request
from burnish.training._adapters import Reference, known_adapter
from burnish.training._forward import TokenScorer
from burnish.training._rows import Row
from burnish.training.preflight.base import Setup, Skipped, Warned

TOKENS = 12
WARN, FAIL = (0.02, 1.2), (0.1, 2.0)
"""Bounds on the mean absolute difference of log-probabilities and on the largest ratio."""

GUARD_S = 120.0
"""A completion of `TOKENS` tokens that takes longer than this hangs."""


def p11_parity(setup: Setup) -> str:
    """The trainer finds the sampler's tokens as likely as the sampler did."""
    temperature = setup.settings.temperature
    completion, prompt = _complete(setup, Sampling(temperature=temperature, max_tokens=TOKENS, seed=1))
    ids = (*prompt, *completion.ids)
    row = Row(id="probe", ids=ids, positions=tuple(range(len(prompt), len(ids))))
    with torch.no_grad():
        trainer = TokenScorer(setup.policy.model)([row], temperature=temperature)["logp"][0]
    sampler = [math.nan if value is None else value for value in completion.logprobs]
    return judge_parity(sampler, trainer.tolist())


def judge_parity(sampler: list[float], trainer: list[float]) -> str:
    """Mean |difference| and largest ratio of two lists of log-probabilities. Raises `Warned` or `InputError` out of bounds."""
    differences = torch.tensor(sampler) - torch.tensor(trainer)
    differences = differences[~differences.isnan()]
    if not len(differences):
        raise Skipped("The engine does not tell how likely its tokens were.")
    mean, ratio = float(differences.abs().mean()), float(differences.abs().max().exp())
    figures = f"mean |difference| {mean:.4f}, largest ratio {ratio:.4f}"
    if mean > FAIL[0] or ratio > FAIL[1]:
        raise InputError(f"Sampler and trainer disagree: {figures}. Check temperature, dtype, template and the age of the weights.")
    if mean > WARN[0] or ratio > WARN[1]:
        raise Warned(f"Sampler and trainer differ: {figures}. An off-policy weight (rl_weight) corrects this.")
    return figures


@dataclass
class _AsItIs:
    """What a reference needs of a trainable, without making anything trainable."""

    model: Any
    adapter: Any


def p18_reference(setup: Setup) -> str:
    """Before the first step the policy is its own reference, and greedy sampling follows the trainer's most likely tokens."""
    model = setup.policy.model
    completion, prompt = _complete(setup, Sampling(temperature=0.0, max_tokens=TOKENS))
    ids = torch.tensor([[*prompt, *completion.ids]], device=model.device)
    with torch.no_grad():
        best = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].float()
    chosen = best.gather(1, ids[0, len(prompt) :, None]).squeeze(1)
    if float((best.max(dim=1).values - chosen).max()) > 0.1:
        raise InputError("Greedy sampling does not follow the trainer's weights. Synchronise the engine after every update.")
    row = Row(id="probe", ids=tuple(ids[0].tolist()), positions=tuple(range(len(prompt), ids.shape[1])))
    adapter = known_adapter(model)
    model = model if adapter is None else adapter.get_base_model()
    with torch.no_grad():
        policy, reference = TokenScorer(model)([row])["logp"], Reference(_AsItIs(model, adapter))([row], 1.0)
    if not torch.allclose(policy, reference, atol=1e-3):
        far = float((policy - reference).abs().mean())
        raise InputError(f"The policy already differs from its reference (mean |difference| {far:.4f}). Merge its adapter before training.")
    return "the policy is its own reference"


def p20_limits(setup: Setup) -> str:
    """Generation ends at its token limit, at a stop string, and in time."""
    completion, _ = _complete(setup, Sampling(temperature=0.0, max_tokens=4))
    if len(completion.ids) > 4:
        raise InputError(f"A completion of at most 4 tokens has {len(completion.ids)}. The engine ignores max_tokens.")
    if completion.text:
        stopped, _ = _complete(setup, Sampling(temperature=0.0, max_tokens=4, stop=(completion.text[0],)))
        if completion.text[0] in stopped.text or stopped.stop_reason == "length":
            raise InputError(f"Generation goes on after the stop string {completion.text[0]!r}. The engine ignores stop strings.")
    return f"stopped by {completion.stop_reason} after {len(completion.ids)} tokens"


def _complete(setup: Setup, sampling: Sampling) -> tuple[Completion, tuple[int, ...]]:
    messages = (Message(role="user", content="say a"),)
    prompt = tuple(setup.policy.renderer.render(messages))

    async def ask() -> Completion:
        request = Request(prompt_ids=prompt, sampling=sampling, messages=messages)
        completion: Completion = await asyncio.wait_for(setup.policy.generate(request), GUARD_S)
        return completion

    try:
        return asyncio.run(ask()), prompt
    except TimeoutError:
        raise InputError(f"The engine did not finish {sampling.max_tokens} tokens within {GUARD_S:.0f} s.") from None
