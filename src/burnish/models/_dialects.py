"""How to ask each kind of server for one completion, so that nothing about it has to be guessed.

A dialect knows which fields switch off a server's own defaults (top-k, penalties), which make it tell token ids and
log-probabilities, and whether those belong to the distribution that was sampled from.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from burnish.core.errors import InputError, Unavailable
from burnish.core.records import Constraint, Sampling
from burnish.models._answers import Answer, Unfinished, aligned
from burnish.models.base import Request

if TYPE_CHECKING:
    from openai import AsyncOpenAI

SEEDS = 2**31
"""Servers take seeds of 31 or 32 bits."""


class Plain:
    """Only what every server understands: text, and how much was read and written."""

    name = "plain"
    able: frozenset[str] = frozenset()
    """Fields of requests beyond the common ones that the server understands."""

    def settings(self, sampling: Sampling) -> dict[str, Any]:
        """Fields beyond the common ones that every request carries."""
        return {}

    def telling(self) -> dict[str, Any]:
        """Fields that make the server tell ids and log-probabilities of a completion of ids."""
        return {}

    def logprobs_hold(self, sampling: Sampling) -> bool:
        """True if the log-probabilities are those of the sampling distribution."""
        return False

    async def draw(self, request: Request, model: str, client: AsyncOpenAI, answer: Answer) -> None:
        """Fill `answer` with one completion of the prompt's ids, or of its messages if it has no ids, as it comes.

        Raises `Unfinished` if the stream breaks off.
        """
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
            stream = await client.completions.create(prompt=[*request.prompt_ids, *request.prefix_ids], **common)
        else:
            turns: Any = [{"role": message.role, "content": message.content} for message in request.messages]
            stream = await client.chat.completions.create(messages=turns, **common)
        async with stream:
            async for chunk in stream:
                answer.add(chunk.to_dict(mode="json"))
        if answer.finish is None:
            raise Unfinished


class Vllm(Plain):
    """vLLM's server. Its log-probabilities are those before temperature unless it runs with processed ones."""

    name = "vllm"
    able = frozenset({"top_k", "min_p", "constraint"})

    def __init__(self, *, processed: bool = False) -> None:
        """`processed`: the server was started with `--logprobs-mode processed_logprobs`."""
        self.processed = processed

    def settings(self, sampling: Sampling) -> dict[str, Any]:
        """The defaults of the model's generation_config.json are overridden."""
        shape = sampling.constraint
        structured = {"structured_outputs": {shape.kind: shape.text}} if shape else {}
        return {"top_k": sampling.top_k or -1, "min_p": sampling.min_p, "repetition_penalty": 1.0} | structured

    def telling(self) -> dict[str, Any]:
        """Ids beside the text."""
        return {"logprobs": 1, "return_token_ids": True}

    def logprobs_hold(self, sampling: Sampling) -> bool:
        """Where nothing was changed between the model and the draw, or if the server says what it drew from."""
        plain = not sampling.truncated or (sampling.temperature == 0 and sampling.constraint is None)
        return self.processed or (sampling.temperature in (0.0, 1.0) and plain)


class LlamaCpp(Plain):
    """llama.cpp's server. Completions of ids go to its own `/completion`, which tells every id and after-sampling probabilities.

    It leaves out the probabilities of tokens that end within a character, and of some that make a stop string. With a time-out
    the answer is read as a stream, which leaves out the ids of such tokens too.
    """

    name = "llamacpp"
    able = frozenset({"top_k", "min_p", "constraint"})

    def settings(self, sampling: Sampling) -> dict[str, Any]:
        """Its own top-k (40) and min-p (0.05) are overridden, and each cut is made in the distribution after temperature.

        In this order what is left is the intersection of the three: top-p sees the whole, and the others do not mind what is gone.
        """
        shape = {} if sampling.constraint is None else _grammar(sampling.constraint)
        return {"top_k": sampling.top_k, "min_p": sampling.min_p, "samplers": ["temperature", "top_p", "min_p", "top_k"]} | shape

    def logprobs_hold(self, sampling: Sampling) -> bool:
        """By `post_sampling_probs`, and at temperature 0 as in our own engine, that of temperature 1.

        Not with a constraint: the server first draws without it, and tells that probability if the token happens to be allowed.
        """
        return sampling.constraint is None

    async def draw(self, request: Request, model: str, client: AsyncOpenAI, answer: Answer) -> None:
        """As for every server, but ids are asked for where they are told."""
        if not request.prompt_ids:
            await super().draw(request, model, client, answer)
            return
        sampling = request.sampling
        body = self.settings(sampling) | {
            "model": model,
            "prompt": [*request.prompt_ids, *request.prefix_ids],
            "n_predict": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed % SEEDS,
            "stop": list(sampling.stop),
            "return_tokens": True,
            "n_probs": 1,
            "post_sampling_probs": sampling.temperature > 0,
        }
        path = str(client.base_url).rstrip("/").removesuffix("/v1") + "/completion"
        if request.timeout_s is None:
            self._add(answer, await client.post(path, body=body, cast_to=object))
        else:
            from openai import AsyncStream

            stream: Any = await client.post(path, body=body | {"stream": True}, cast_to=object, stream=True, stream_cls=AsyncStream[object])
            async with stream:
                async for piece in stream:
                    self._add(answer, piece)
        if not answer.ended:
            raise Unfinished

    def _add(self, answer: Answer, reply: Any) -> None:
        """A whole reply, or one piece of a stream."""
        told = [(entry["id"], _logprob(entry)) for entry in reply.get("completion_probabilities") or ()]
        answer.text += reply["content"]
        answer.ids += reply["tokens"]
        answer.logprobs += aligned(reply["tokens"], told)
        answer.ended = ENDS.get(reply.get("stop_type"), "")
        answer.tokens_in = reply.get("tokens_evaluated", answer.tokens_in)
        answer.tokens_out = reply.get("tokens_predicted", answer.tokens_out)


def _grammar(constraint: Constraint) -> dict[str, Any]:
    """How llama.cpp is told a constraint; it knows no regular expressions, so they become grammars. Raises `InputError`."""
    if constraint.kind == "grammar":
        return {"grammar": constraint.text}
    if constraint.kind == "regex":
        return {"grammar": _grammar_of_regex(constraint.text)}
    try:
        return {"json_schema": json.loads(constraint.text)}
    except ValueError as error:
        raise InputError(f"The constraint {constraint.text!r} is no JSON schema: {error}.") from None


def _grammar_of_regex(text: str) -> str:
    """The rules that xgrammar makes of a regular expression; in llama.cpp's names of rules there are no underscores.

    Literals are written letter by letter, so none of them looks like a rule's name.
    """
    try:
        from xgrammar import Grammar
    except ImportError as error:
        raise Unavailable("Regular expressions for llama.cpp need xgrammar: pip install 'burnish[constrained]'.") from error
    try:
        rules = str(Grammar.from_regex(text))
    except RuntimeError as error:
        raise InputError(f"The constraint {text!r} is no regex that xgrammar reads: {error}") from None
    return re.sub(r"root(_\d+)+", lambda name: name[0].replace("_", "-"), rules)


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
