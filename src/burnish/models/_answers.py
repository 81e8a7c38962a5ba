"""Ask a server for one completion as a stream, and put its pieces together without losing or guessing anything.

Streams tell every sampled token, also those of a stop string, which the same servers cut away from a whole answer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from openai import AsyncOpenAI

from burnish.core.errors import PolicyError
from burnish.core.records import Sampling
from burnish.models._dialects import SEEDS, Plain
from burnish.models._endpoint import Unfinished
from burnish.models.base import Request


@dataclass
class Answer:
    """What has come of one completion: text, and ids with log-probabilities if they were asked for and told."""

    text: str = ""
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: str | None = None
    stopped_by: Any = None
    usage: Mapping[str, Any] = field(default_factory=dict)

    def take(self, chunk: Mapping[str, Any], dialect: Plain) -> None:
        """Add one piece of the stream. The last piece has the usage and no choice."""
        self.usage = chunk.get("usage") or self.usage
        for choice in chunk.get("choices") or ():
            self.text += (choice.get("delta") or {}).get("content") or choice.get("text") or ""
            self.finish = choice.get("finish_reason") or self.finish
            self.stopped_by = choice.get("stop_reason") or self.stopped_by
            for token, logprob in dialect.tokens(choice):
                self.ids.append(token)
                self.logprobs.append(logprob)

    def stop_reason(self, sampling: Sampling, stop_ids: Collection[int]) -> str:
        """`eos`, `stop` or `length`. Raises `PolicyError` for a reason that makes the text unusable (a content filter).

        The protocol says `stop` for the end of a turn and for a stop string. The last id tells them apart, or vLLM's own
        field; where neither is there, `stop` stands if stop strings were asked for.
        """
        if self.finish == "length":
            return "length"
        if self.finish != "stop":
            raise PolicyError(f"The server ended a completion for the reason {self.finish!r}; its text cannot be used.")
        if self.ids:
            return "eos" if self.ids[-1] in stop_ids else "stop"
        return "stop" if sampling.stop else "eos"


async def draw(request: Request, model: str, dialect: Plain, client: AsyncOpenAI) -> Answer:
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
    }
    extra = dialect.fields(sampling)
    if request.prompt_ids:
        extra |= dialect.asking(sampling)
        stream = await client.completions.create(prompt=list(request.prompt_ids), extra_body=extra, **common)
    else:
        turns: Any = [{"role": message.role, "content": message.content} for message in request.messages]
        stream = await client.chat.completions.create(messages=turns, extra_body=extra, **common)
    answer = Answer()
    async with stream:
        async for chunk in stream:
            answer.take(chunk.to_dict(mode="json"), dialect)
    if answer.finish is None:
        raise Unfinished
    return answer
