"""One decoding step of the embedded model: milliseconds and tokens/s, for the waiting policy of the environment.

python -m benchmarks.decoding 64            # rows; a second number makes each prompt longer by so many words
OMP_WAIT_POLICY=ACTIVE python -m benchmarks.decoding 64
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from concurrent.futures import Future

from burnish.core.records import Message, Sampling
from burnish.models import Request, load


def main(rows: int = 64, words: int = 0, steps: int = 25) -> None:
    """Fill the batch with `rows` different prompts, `words` longer than short, and time the steps after a few to warm up."""
    import torch

    from burnish.models._row import Row

    policy = load("embedded")
    decoder = policy._decoder()  # type: ignore[attr-defined]
    decoder._stop_ids = frozenset()
    prompts = [
        policy.renderer.render([Message(role="user", content=f"Write a Python function number {n} that adds a list.{' word' * words}")])
        for n in range(rows)
    ]
    times = []
    with torch.inference_mode():
        decoder.admit([Row(Request(prompt_ids=p, sampling=Sampling(max_tokens=100, seed=n)), Future()) for n, p in enumerate(prompts)])
        for _ in range(6 + steps):
            started = time.perf_counter()
            decoder.step()
            times.append(time.perf_counter() - started)
    step = statistics.median(times[6:])
    print(f"{os.environ.get('OMP_WAIT_POLICY')} spins {os.environ.get('GOMP_SPINCOUNT')}: {step * 1e3:.0f} ms, {rows / step:.0f} tokens/s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
