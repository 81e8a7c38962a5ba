"""Log-probabilities as sampled against the same recomputed, and how fast stored sequences are scored.

python -m benchmarks.parity                      # the embedded model, float32 and bfloat16
python -m benchmarks.parity PATH 64 bfloat16     # a checkpoint folder, 64 conversations, one kind of numbers

Conversations of two turns at temperatures 0, 0.6, 1 and 1.4, all in one batch. In bfloat16 the two sides round differently.
"""

from __future__ import annotations

import argparse
import asyncio
import time

from burnish.core.records import Message, Sampling, TokenRecord
from burnish.models import Conversation
from burnish.models.transformers import TransformersPolicy, transformers

TEMPERATURES = (0.0, 0.6, 1.0, 1.4)


async def conversation(policy: TransformersPolicy, number: int) -> tuple[TokenRecord, ...]:
    """One conversation of two turns; length and temperature vary with its number."""
    talk = Conversation(policy.renderer, [Message(role="user", content=f"Write a Python function number {number} that adds a list.")])
    for turn in range(2):
        sampling = Sampling(temperature=TEMPERATURES[(number + turn) % 4], max_tokens=8 + 8 * (number % 5), seed=number)
        talk.wrote(await policy.generate(talk.request(sampling)), sampling)
        if not turn:
            talk.add(Message(role="user", content="Explain it in one sentence."))
    return talk.records()


async def conversations(policy: TransformersPolicy, count: int) -> list[TokenRecord]:
    """All of them at once."""
    found = await asyncio.gather(*(conversation(policy, number) for number in range(count)))
    await policy.aclose()
    return [record for records in found for record in records]


def measure(model: str, dtype: str, count: int) -> None:
    """Print one line of parity and one of speed."""
    policy = transformers(model, dtype=dtype)
    records = asyncio.run(conversations(policy, count))
    found = policy.scorer().mismatch(records)
    print(
        f"{dtype}: {found.tokens} tokens in {len(records)} records: mean |Δ| {found.mean:.2e}, max |Δ| {found.maximum:.2e}, "
        f"k3 {found.k3:.2e}, effective share of sequences {found.ess:.6f}"
    )
    tokens = sum(len(record.ids) - 1 for record in records)
    started = time.perf_counter()
    policy.scorer().logprobs([record.ids for record in records])
    packed = time.perf_counter() - started
    started = time.perf_counter()
    for record in records:
        policy.logprobs(record.ids)
    one_by_one = time.perf_counter() - started
    print(f"{dtype}: scored {tokens / packed:.0f} tokens/s packed, {tokens / one_by_one:.0f} tokens/s one by one")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="embedded")
    parser.add_argument("count", nargs="?", type=int, default=8)
    parser.add_argument("kinds", nargs="*", default=["float32", "bfloat16"])
    given = parser.parse_args()
    for kind in given.kinds:
        measure(given.model, kind, given.count)
