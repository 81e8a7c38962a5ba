"""Parallel thinking by fan-out while decoding (Parallel-R1, arXiv 2509.07980): fork into paths, merge, summarise, go on.

The reply is written up to `<Parallel>`; then every path is drawn by itself from there, not knowing the others; all are put
into the reply one after another, and a summary and the rest follow. A model that was not taught the tags is started with one.
"""

from __future__ import annotations

import random
from functools import partial

import msgspec

from burnish.core.budget import Meter
from burnish.core.errors import BudgetExceeded
from burnish.core.records import Attempt, Task
from burnish.signals.prompts import ask
from burnish.strategies._candidates import within_budget
from burnish.strategies._prefixes import sampled_ids
from burnish.strategies.base import Judge, Prefix, Writer
from burnish.text.parallel import END_PARALLEL, END_PATH, END_SUMMARY, PARALLEL, PATH, SUMMARY


async def parallel(
    task: Task,
    policy: Writer,
    verifier: Judge,
    budget: Meter,
    rng: random.Random,
    *,
    paths: int = 2,
    blocks: int = 4,
    begin: bool = True,
    path_tokens: int = 128,
) -> Attempt:
    """One reply with at most `blocks` blocks of `paths` paths. With `begin` it starts with a block; else the model decides."""
    reply = Prefix(ids=(), text="")
    if begin and blocks:
        reply = await block(task, policy, joined(policy, reply, PARALLEL), paths, path_tokens)
        blocks -= 1
    while True:
        stop = (PARALLEL,) if blocks else ()
        attempt = await policy.write(ask(task), op="continue" if reply.ids else "sample", prefix=reply if reply.ids else None, stop=stop)
        if attempt.stop_reason != "stop":
            await verifier.verify(attempt)
            return attempt
        try:
            reply = await block(task, policy, sampled(policy, reply, attempt), paths, path_tokens, attempt)
        except BudgetExceeded:
            await verifier.verify(attempt)
            return attempt
        blocks -= 1


async def block(task: Task, policy: Writer, fork: Prefix, paths: int, path_tokens: int, parent: Attempt | None = None) -> Prefix:
    """The reply so far with a block's paths and summary: each path drawn from `fork` alone, closed by force if need be."""
    opened = joined(policy, fork, PATH)
    write = partial(policy.write, ask(task), parent=parent, temperature=1.0)
    draw = partial(write, op="path", kind="path", prefix=opened, stop=(END_PATH,), max_tokens=path_tokens)
    drawn = await within_budget([draw] * paths)
    whole, ranges = fork, []
    for attempt in drawn:
        path = closed(policy, sampled(policy, opened, attempt), END_PATH)
        start = len(whole.ids)
        whole = Prefix(ids=whole.ids + path.ids[len(fork.ids) :], text=whole.text + path.text[len(fork.text) :])
        ranges.append((start, len(whole.ids)))
    whole = msgspec.structs.replace(whole, parallel=(*fork.parallel, tuple(ranges)))
    merged = joined(policy, whole, f"{END_PARALLEL}\n{SUMMARY}")
    summary = await write(op="summary", kind="summary", prefix=merged, stop=(END_SUMMARY,), max_tokens=path_tokens)
    return closed(policy, sampled(policy, merged, summary), END_SUMMARY)


def joined(policy: Writer, reply: Prefix, text: str) -> Prefix:
    """The reply so far and a text that is put in by force."""
    return msgspec.structs.replace(reply, ids=reply.ids + policy.encode(text), text=reply.text + text)


def sampled(policy: Writer, reply: Prefix, attempt: Attempt) -> Prefix:
    """The reply so far and what was sampled from there, token by token, without the end of the turn."""
    ids = sampled_ids(attempt)
    if attempt.stop_reason == "eos":
        ids = ids[:-1]
    return msgspec.structs.replace(reply, ids=reply.ids + ids, text=reply.text + policy.decode(ids))


def closed(policy: Writer, reply: Prefix, tag: str) -> Prefix:
    """The reply with the closing tag that it may lack."""
    return reply if reply.text.rstrip().endswith(tag) else joined(policy, reply, tag)
