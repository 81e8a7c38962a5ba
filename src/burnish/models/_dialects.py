"""How to ask each kind of server for one completion, so that nothing about it has to be guessed.

A dialect knows which fields switch off a server's own defaults (top-k, penalties), which make it tell token ids and
log-probabilities, and whether those belong to the distribution that was sampled from.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from burnish.core.errors import InputError
from burnish.core.records import Sampling
from burnish.models._answers import Answer, Unfinished, aligned
from burnish.models.base import Request

if TYPE_CHECKING:
    from openai import AsyncOpenAI

SEEDS = 2**31
"""Servers take seeds of 31 or 32 bits."""


class Plain:
    """Only what every server understands: text, and how much was read and written."""

    name = "plain"

    def settings(self, sampling: Sampling) -> dict[str, Any]:
        """Fields beyond the common ones that every request carries."""
        return {}

    def telling(self) -> dict[str, Any]:
        """Fields that make the server tell ids and log-probabilities of a completion of ids."""
        return {}

    def logprobs_hold(self, sampling: Sampling) -> bool:
        """True if the log-probabilities are those of the sampling distribution."""
        return False

    async def draw(self, request: Request, model: str, client: AsyncOpenAI) -> Answer:
        """One completion of the prompt's ids, or of its messages if it has no ids. Raises `Unfinished` if the stream breaks off."""
        sampling = request.sampling
        common: dict[str, Any] = {
            "model": model,
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed % SEEDS,
            "stop": list(sampling.stop) or None,
            "stream": True,
            "stream_options": {"include_usage": True},
            "extra_body": self.settings(sampling),
        }
        if request.prompt_ids:
            common["extra_body"] |= self.telling()
            stream = await client.completions.create(prompt=list(request.prompt_ids), **common)
        else:
            turns: Any = [{"role": message.role, "content": message.content} for message in request.messages]
            stream = await client.chat.completions.create(messages=turns, **common)
        answer = Answer()
        async with stream:
            async for chunk in stream:
                answer.add(chunk.to_dict(mode="json"))
        if answer.finish is None:
            raise Unfinished
        return answer


class Vllm(Plain):
    """vLLM's server. Its log-probabilities are those before temperature unless it runs with processed ones."""

    name = "vllm"

    def __init__(self, *, processed: bool = False) -> None:
        """`processed`: the server was started with `--logprobs-mode processed_logprobs`."""
        self.processed = processed

    def settings(self, sampling: Sampling) -> dict[str, Any]:
        """The defaults of the model's generation_config.json are switched off."""
        return {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}

    def telling(self) -> dict[str, Any]:
        """Ids beside the text."""
        return {"logprobs": 1, "return_token_ids": True}

    def logprobs_hold(self, sampling: Sampling) -> bool:
        """Where nothing was changed between the model and the draw, or if the server says what it drew from."""
        return self.processed or (sampling.temperature in (0.0, 1.0) and sampling.top_p == 1.0)


class LlamaCpp(Plain):
    """llama.cpp's server. Completions of ids go to its own `/completion`, which tells every id and after-sampling probabilities.

    It leaves out the probabilities of tokens that end within a character, and of some that make a stop string.
    """

    name = "llamacpp"

    def settings(self, sampling: Sampling) -> dict[str, Any]:
        """Its own top-k (40) and min-p (0.05) are switched off."""
        return {"top_k": 0, "min_p": 0.0}

    def logprobs_hold(self, sampling: Sampling) -> bool:
        """Always: by `post_sampling_probs`, and at temperature 0 as in our own engine, that of temperature 1."""
        return True

    async def draw(self, request: Request, model: str, client: AsyncOpenAI) -> Answer:
        """As for every server, but ids are asked for where they are told."""
        if not request.prompt_ids:
            return await super().draw(request, model, client)
        sampling = request.sampling
        body = self.settings(sampling) | {
            "model": model,
            "prompt": list(request.prompt_ids),
            "n_predict": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed % SEEDS,
            "stop": list(sampling.stop),
            "return_tokens": True,
            "n_probs": 1,
            "post_sampling_probs": sampling.temperature > 0,
        }
        reply: Any = await client.post(str(client.base_url).rstrip("/").removesuffix("/v1") + "/completion", body=body, cast_to=object)
        if reply.get("stop_type") not in ENDS:
            raise Unfinished
        told = [(entry["id"], _logprob(entry)) for entry in reply.get("completion_probabilities") or ()]
        return Answer(
            text=reply["content"],
            ids=reply["tokens"],
            logprobs=aligned(reply["tokens"], told),
            ended=ENDS[reply["stop_type"]],
            tokens_in=reply["tokens_evaluated"],
            tokens_out=reply["tokens_predicted"],
        )


ENDS = {"eos": "eos", "word": "stop", "limit": "length"}
"""llama.cpp's word for why a completion ended → ours."""


def _logprob(entry: dict[str, Any]) -> float:
    """Natural log; the server writes `prob` after sampling and `logprob` before it."""
    if "logprob" in entry:
        return float(entry["logprob"])
    return math.log(entry["prob"]) if entry["prob"] > 0 else -math.inf


def dialect_of(name: str, owner: str, *, processed_logprobs: bool) -> Plain:
    """The dialect `name`; "auto" goes by `owner`, the `owned_by` of the served model. Raises `InputError` for an unknown one."""
    if name == "auto":
        name = owner if owner in ("llamacpp", "vllm") else "plain"
    if name not in ("llamacpp", "vllm", "plain"):
        raise InputError(f"There is no dialect {name!r}. Known: auto, llamacpp, plain, vllm.")
    return Vllm(processed=processed_logprobs) if name == "vllm" else LlamaCpp() if name == "llamacpp" else Plain()
