"""The policy protocol: token ids in, token ids out, with the log-probabilities of what was sampled.

Strategies ask for one completion each and await it; the engine batches whatever is waiting. A completion depends on
its own request and seed only, not on what else is in the batch (exactly so in fp32).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from burnish.core.records import Cost, Message, Record, Sampling, TokenRecord


class Request(Record):
    """One completion to be drawn: the token ids read so far and how to sample the next ones."""

    prompt_ids: tuple[int, ...]
    sampling: Sampling = Sampling()
    messages: tuple[Message, ...] = ()
    """The same prompt as text, for engines that speak text (scripted, remote). Never re-tokenised for training."""
    prefix_ids: tuple[int, ...] = ()
    """How the answer begins: forced, not sampled; sampling goes on from there."""
    suffix_ids: tuple[int, ...] = ()
    """How an answer ends that `max_tokens` cut off: forced after the last sampled token (a closing tag, for example)."""
    timeout_s: float | None = None
    """Seconds after which the answer is handed over as far as it is, with stop reason `timeout`; None: no limit."""
    adapter: str = ""
    """The LoRA adapter to answer with, by its name; "": the policy's own weights."""
    parallel: tuple[tuple[tuple[int, int], ...], ...] = ()
    """Blocks of parallel paths in `prompt_ids`: for each block the half-open ranges of paths that do not see each other."""


class Completion(Record):
    """What was sampled. `logprobs` are natural logs under the sampling distribution (after temperature), one per sampled id.

    Ids that the request forced have no log-probability. `stop_reason` is `eos`, `stop` (a stop string), `length`, `timeout` or
    `cancelled`. The ids include the end-of-turn token. `text` has neither the end-of-turn token nor the stop string. What a
    server does not tell is left empty, never guessed: `logprobs` where they are unknown or are not those of the sampling
    distribution (None: of this token), `ids` where only text came back.
    """

    ids: tuple[int, ...]
    text: str
    logprobs: tuple[float | None, ...]
    stop_reason: str
    policy_version: str = "0"
    wall_s: float = 0.0
    cost: Cost | None = None
    """What a server counted: tokens read and written, money. None: the ids are the count."""
    forced: tuple[tuple[int, int], ...] = ()
    """Half-open ranges of `ids` that were not sampled: the request's prefix and suffix."""
    raw_logprobs: tuple[float | None, ...] = ()
    """Natural logs at temperature 1 over the whole vocabulary, one per sampled id; None: not told. Empty: the same as `logprobs`."""
    kept: tuple[float | None, ...] = ()
    """Probability mass that truncation left, one per sampled id; None: not told. Empty: all of it."""
    temperatures: tuple[float, ...] = ()
    """Temperature of each sampled id. Empty: that of the request throughout."""

    @property
    def knows_ids(self) -> bool:
        """False if text came back without the ids of its tokens."""
        return bool(self.ids) or not self.text

    @property
    def knows_logprobs(self) -> bool:
        """True if the engine told how probable what it sampled was: what on-policy training needs."""
        return self.knows_ids and (bool(self.logprobs) or not self.sampled)

    @property
    def sampled(self) -> tuple[tuple[int, int], ...]:
        """Half-open ranges of `ids` that the policy sampled."""
        edges = (0, *(edge for piece in self.forced for edge in piece), len(self.ids))
        return tuple((start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end)

    def record(self, prompt_ids: tuple[int, ...]) -> TokenRecord:
        """The prompt and what came after it, with what of that was sampled."""
        shift = len(prompt_ids)
        return TokenRecord(
            ids=prompt_ids + self.ids,
            sampled=tuple((start + shift, end + shift) for start, end in self.sampled),
            logprobs=self.logprobs,
            temperatures=self.temperatures,
            raw_logprobs=self.raw_logprobs,
            kept=self.kept,
        )


@runtime_checkable
class Renderer(Protocol):
    """The one place where conversations become token ids; used by sampling and by training alike."""

    def render(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Ids of the conversation, ending with the header of the assistant's turn (the generation prompt)."""
        ...

    def extend(self, ids: Sequence[int], messages: Sequence[Message]) -> tuple[int, ...]:
        """`ids` (ending with a sampled assistant turn) plus the ids of further turns and the next assistant header.

        Nothing already in `ids` is tokenised again. A missing end-of-turn token is added.
        """
        ...

    def supervised(self, messages: Sequence[Message]) -> tuple[tuple[int, ...], tuple[int, int]]:
        """Ids of a conversation that ends with an assistant turn, and the half-open range of that turn's tokens.

        The range starts after the assistant header and includes the end-of-turn token, so that the model learns to stop.
        """
        ...

    def content(self, messages: Sequence[Message]) -> tuple[tuple[int, int], ...]:
        """For each message the half-open range of its own text in `render(messages)`; all else there is the template's."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Text of `ids` without special tokens."""
        ...


@runtime_checkable
class Policy(Protocol):
    """A model that writes; close it with `aclose`. `name` and `version` are stamped on attempts."""

    name: str
    renderer: Renderer

    @property
    def version(self) -> str:
        """Changes whenever the weights change."""
        ...

    async def generate(self, request: Request) -> Completion:
        """Draw one completion. Raises `PolicyError` when the engine fails."""
        ...

    async def aclose(self) -> None:
        """Stop the engine; waiting requests are cancelled."""
        ...
