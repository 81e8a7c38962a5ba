"""A policy that says what it is told: the first-class test double, with real token truth.

The reply is a list of texts, used in order, or a function of the messages and the seed. Ids are bytes, log-probabilities
are 0 (the script is certain), stop strings and `max_tokens` (bytes) are honoured as an engine would.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence

from burnish.core.errors import InputError, PolicyError
from burnish.core.records import Message, Sampling
from burnish.models._engines import Abilities
from burnish.models._renderer import ByteRenderer
from burnish.models.base import Completion, Request

ABILITIES = Abilities(reads=(), training=False, adapters=False)

Reply = Sequence[str] | Callable[[tuple[Message, ...], int], str | Awaitable[str]]
"""Texts in order of the calls, or a function (messages, seed) → text, sync or async."""


class ScriptedPolicy:
    """Replies from a script. `calls` counts the completions asked for."""

    version = "0"

    def __init__(self, reply: Reply, *, name: str = "scripted") -> None:
        """`name` is stamped on attempts. Raises `InputError` for a bare string, which would be read letter by letter."""
        if isinstance(reply, str):
            raise InputError("scripted(reply) takes a list of texts or a function (messages, seed) -> text, not one string: write [text].")
        self.name = name
        self.renderer = ByteRenderer()
        self.calls = 0
        self._reply = reply

    async def generate(self, request: Request) -> Completion:
        """The next reply. Raises `PolicyError` when the script is used up or the function fails."""
        call, self.calls = self.calls, self.calls + 1
        return self._completion(await self._text(call, request), request.sampling)

    async def aclose(self) -> None:
        """Nothing to stop."""

    async def _text(self, call: int, request: Request) -> str:
        if not callable(self._reply):
            if call >= len(self._reply):
                raise PolicyError(f"The script {self.name!r} has {len(self._reply)} replies and was asked for one more. Add replies to it.")
            return self._reply[call]
        try:
            text = self._reply(request.messages, request.sampling.seed)
            return await text if inspect.isawaitable(text) else text
        except Exception as error:
            raise PolicyError(f"The scripted reply of {self.name!r} failed: {type(error).__name__}: {error}") from error

    def _completion(self, text: str, sampling: Sampling) -> Completion:
        cuts = [(text.find(stop), stop) for stop in sampling.stop if stop in text]
        start, stop = min(cuts, key=lambda cut: cut[0] + len(cut[1]), default=(len(text), ""))
        ids = (*text[: start + len(stop)].encode(), *(() if cuts else (self.renderer.end,)))
        if len(ids) > sampling.max_tokens:
            ids, reason = ids[: sampling.max_tokens], "length"
            shown = self.renderer.decode(ids)
        else:
            reason, shown = ("stop" if cuts else "eos"), text[:start]
        return Completion(ids=ids, text=shown, logprobs=(0.0,) * len(ids), stop_reason=reason, policy_version=self.version)


def scripted(reply: Reply, *, name: str = "scripted") -> ScriptedPolicy:
    """A policy that answers with `reply`: texts in order of the calls, or a function (messages, seed) → text."""
    return ScriptedPolicy(reply, name=name)
