"""Answers that fork: at an opening tag several paths are sampled side by side, then a summary that sees all of them.

The paths are ordinary requests with seeds of their own, so they run in one batch; what follows them reads the block with the
positions and the attention of `_parallel`. Source: Parallel-R1 (2509.07980), the rollout of "Unseen". Needs an engine that
knows `Request.parallel` (`transformers`). Not covered: paths inside paths.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from burnish.core.errors import InputError
from burnish.core.records import Record
from burnish.core.seeds import derive_seed
from burnish.models.base import Completion, Policy, Request

Blocks = tuple[tuple[tuple[int, int], ...], ...]


@dataclass(frozen=True, kw_only=True)
class PathTags:
    """The texts that mark a block, its paths and its summary."""

    open_block: str = "<Parallel>"
    open_path: str = "<Path>"
    close_path: str = "</Path>"
    summary: str = "</Parallel>\n<Summary>"
    close_summary: str = "</Summary>"


class ForkedCompletion(Record):
    """An answer and its blocks of paths, as ranges of prompt and answer together: what training needs for positions and mask."""

    completion: Completion
    parallel: Blocks


@dataclass
class _Answer:
    """What is written so far: ids with the prompt, which of them were forced, log-probabilities of the others."""

    ids: tuple[int, ...]
    start: int
    blocks: Blocks = ()
    logprobs: list[float | None] = field(default_factory=list)
    forced: list[tuple[int, int]] = field(default_factory=list)

    @property
    def written(self) -> int:
        return len(self.ids) - self.start

    def force(self, ids: Sequence[int]) -> None:
        if ids:
            self.forced.append((self.written, self.written + len(ids)))
            self.ids += tuple(ids)

    def add(self, completion: Completion) -> None:
        self.forced += [(self.written + start, self.written + end) for start, end in completion.forced]
        self.logprobs.extend(completion.logprobs)
        self.ids += completion.ids


async def generate_with_paths(
    policy: Policy,
    request: Request,
    encode: Callable[[str], Sequence[int]],
    *,
    paths: int = 2,
    blocks: int = 4,
    path_tokens: int = 4096,
    tags: PathTags | None = None,
) -> ForkedCompletion:
    """Answer `request`, forking into `paths` of at most `path_tokens` tokens at each of the first `blocks` opening tags.

    `encode` gives the ids of a tag's text. `sampling.max_tokens` bounds what is written outside the paths, tags left out.
    The stop reason is that of the last part. Raises `InputError` for fewer than two paths, and what the policy raises.
    """
    if paths < 2:
        raise InputError(f"A block needs at least 2 paths, not {paths}.")
    tags = tags or PathTags()
    answer = _Answer(ids=(*request.prompt_ids, *request.prefix_ids), start=len(request.prompt_ids))
    answer.forced += [(0, len(request.prefix_ids))] if request.prefix_ids else []
    left, part = request.sampling.max_tokens, 0
    while True:
        stops = (tags.open_block,) if len(answer.blocks) < blocks else ()
        last = await _go_on(policy, request, answer, left, (*request.sampling.stop, *stops), part)
        left, part = left - len(last.logprobs), part + 1
        opened = last.stop_reason == "stop" and policy.renderer.decode(last.ids).endswith(tags.open_block)
        if not opened or left < 1:
            break
        await _fork(policy, request, answer, encode, paths, path_tokens, tags, part)
        answer.force(encode(tags.summary))
        last = await _go_on(policy, request, answer, left, (tags.close_summary,), part)
        left, part = left - len(last.logprobs), part + 1
        if last.stop_reason != "stop" or left < 1:
            break
    ids = answer.ids[answer.start :]
    completion = Completion(
        ids=ids,
        text=policy.renderer.decode(ids),
        logprobs=tuple(answer.logprobs),
        stop_reason=last.stop_reason,
        policy_version=last.policy_version,
        forced=tuple(answer.forced),
    )
    return ForkedCompletion(completion=completion, parallel=answer.blocks)


async def _go_on(policy: Policy, request: Request, answer: _Answer, left: int, stop: tuple[str, ...], part: int) -> Completion:
    """One more part of the trunk, up to a stop string."""
    sampling = msgspec.structs.replace(request.sampling, max_tokens=left, stop=stop, seed=derive_seed(request.sampling.seed, "part", part))
    trunk = msgspec.structs.replace(request, prompt_ids=answer.ids, prefix_ids=(), parallel=answer.blocks, sampling=sampling)
    completion = await policy.generate(trunk)
    answer.add(completion)
    return completion


async def _fork(
    policy: Policy,
    request: Request,
    answer: _Answer,
    encode: Callable[[str], Sequence[int]],
    paths: int,
    path_tokens: int,
    tags: PathTags,
    part: int,
) -> None:
    """Sample the paths side by side and append them; one that ends its turn or its tokens is closed by force."""
    close = tuple(encode(tags.close_path))

    async def path(number: int) -> Completion:
        seed = derive_seed(request.sampling.seed, "path", part, number)
        sampling = msgspec.structs.replace(request.sampling, max_tokens=path_tokens, stop=(tags.close_path,), seed=seed)
        opened = msgspec.structs.replace(
            request, prompt_ids=answer.ids, prefix_ids=tuple(encode(tags.open_path)), parallel=answer.blocks, sampling=sampling
        )
        return await policy.generate(msgspec.structs.replace(opened, suffix_ids=close))

    ranges = []
    for done in await asyncio.gather(*map(path, range(paths))):
        first = len(answer.ids)
        answer.add(done)
        if done.stop_reason not in ("stop", "length"):
            answer.force(close)
        ranges.append((first, len(answer.ids)))
    answer.blocks += (tuple(ranges),)
