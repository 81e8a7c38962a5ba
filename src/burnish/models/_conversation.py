"""Conversations as token ids: what was sampled is kept as it was, what others say is appended, nothing is tokenised twice.

    talk = Conversation(policy.renderer, [Message(role="user", content="…")])
    talk.wrote(await policy.generate(talk.request(sampling)), sampling)
    talk.add(Message(role="user", content="That failed: …"))
    talk.records()

Where a template rewrites history (dropping old thoughts, say), the next prompt does not begin with what was read and
written. Then a branch begins: the old tokens stay as they are, the new prompt is all context, and `forks` counts it.
"""

from __future__ import annotations

from collections.abc import Sequence

from burnish.core.errors import InputError
from burnish.core.records import Message, Sampling, TokenRecord
from burnish.models._renderer import STAND_IN, HistoryRewritten
from burnish.models.base import Completion, Renderer, Request

Ranges = list[tuple[int, int]]


class Conversation:
    """One conversation with one policy. `ids` is what was read and written so far, `messages` the same as text."""

    def __init__(self, renderer: Renderer, messages: Sequence[Message]) -> None:
        """Start with what others say first. Raises `InputError` if the template refuses it."""
        self.renderer = renderer
        self.messages: list[Message] = []
        self.clean = 0
        """Turns that were appended to what was there."""
        self.forks = 0
        """Turns that the template did not let us append: each began a branch."""
        self._done: list[TokenRecord] = []
        self._ids: tuple[int, ...] = ()
        self._begin(list(messages))

    @property
    def ids(self) -> tuple[int, ...]:
        """The tokens of the present branch: the prompt of the next completion, unless the policy wrote last."""
        return self._ids

    def request(self, sampling: Sampling) -> Request:
        """Ask for the next turn. Raises `InputError` if the policy wrote last: nobody has answered yet."""
        self._check_turn(policy=True)
        return Request(prompt_ids=self._ids, sampling=sampling, messages=tuple(self.messages))

    def wrote(self, completion: Completion, sampling: Sampling) -> None:
        """Append what the policy sampled, as it sampled it; what the request forced is scaffold.

        Raises `InputError` if it was not its turn.
        """
        self._check_turn(policy=True)
        turn = completion.record(self._ids)
        count = sum(end - start for start, end in turn.sampled)
        self._ids = turn.ids
        self._sampled.extend(turn.sampled)
        self._logprobs.extend(turn.logprobs or (None,) * count)
        self._temperatures.extend(turn.temperatures or (sampling.temperature,) * count)
        self._raw.extend(turn.raw_logprobs or turn.logprobs or (None,) * count)
        self._kept.extend(turn.kept or (1.0,) * count)
        self.messages.append(Message(role="assistant", content=completion.text))

    def add(self, *messages: Message) -> None:
        """Append what others say, and the header of the policy's next turn; or begin a branch, if the template forces us to.

        Raises `InputError` if the policy has not written yet, or the template refuses the roles.
        """
        self._check_turn(policy=False)
        whole = [*self.messages, *messages]
        try:
            extended = self.renderer.extend(self._ids, messages)
            added = self.renderer.content((*STAND_IN, *messages))[len(STAND_IN) :]
        except HistoryRewritten:
            self._rendered_anew(whole, len(messages))
            return
        # the appended part is the end of a rendering whose beginning is a stand-in for what is really there
        shift = len(extended) - len(self.renderer.render((*STAND_IN, *messages)))
        self._append(extended, [(start + shift, end + shift) for start, end in added], whole)

    def records(self) -> tuple[TokenRecord, ...]:
        """One record per branch in which something was sampled. Every sampled token is in exactly one of them, as sampled."""
        return (*self._done, *self._branch())

    def _check_turn(self, *, policy: bool) -> None:
        if policy == (bool(self.messages) and self.messages[-1].role == "assistant"):
            raise InputError(
                "The policy wrote last. Say something first: conversation.add(message)."
                if policy
                else "It is the policy's turn. Let it write first: conversation.wrote(completion, sampling)."
            )

    def _rendered_anew(self, whole: list[Message], added: int) -> None:
        """This history may be one that the template leaves alone; if not, a branch begins."""
        ids = tuple(self.renderer.render(whole))
        if ids[: len(self._ids)] == self._ids:
            self._append(ids, list(self.renderer.content(whole)[-added:]), whole)
            return
        self._done.extend(self._branch())
        self.forks += 1
        self._begin(whole)

    def _append(self, ids: Sequence[int], content: Ranges, messages: list[Message]) -> None:
        self._ids, self.messages = tuple(ids), messages
        self._content.extend(places for places in content if places[0] < places[1])
        self.clean += 1

    def _begin(self, messages: list[Message]) -> None:
        """A branch whose tokens are all read: even what looks like an old turn was tokenised anew, not sampled."""
        self.messages = messages
        self._ids = tuple(self.renderer.render(messages))
        self._content: Ranges = [places for places in self.renderer.content(messages) if places[0] < places[1]]
        self._sampled: Ranges = []
        self._logprobs: list[float | None] = []
        self._temperatures: list[float] = []
        self._raw: list[float | None] = []
        self._kept: list[float | None] = []

    def _branch(self) -> tuple[TokenRecord, ...]:
        if not self._sampled:
            return ()
        record = TokenRecord(
            ids=self._ids[: self._sampled[-1][1]],
            sampled=tuple(self._sampled),
            logprobs=tuple(self._logprobs),
            content=tuple(places for places in self._content if places[1] <= self._sampled[-1][1]),
            temperatures=tuple(self._temperatures),
            raw_logprobs=tuple(self._raw) if self._raw != self._logprobs else (),
            kept=tuple(self._kept) if any(mass != 1.0 for mass in self._kept) else (),
        )
        return (record,)
