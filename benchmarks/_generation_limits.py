"""What the machine allows for a wave of requests: measured memory bandwidth and matrix-product speed, and the bound they give.

The bound is that of a perfect engine with whole weights: each different prompt is computed once, every step reads all weights
once and multiplies every running row by them, and nothing else takes time. Attention, sampling and Python are not in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks._generation_worker import Ask

ROUNDS = 12
ELEMENTS = 1 << 26
"""256 MiB of float32: larger than any cache."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """`bandwidth`: bytes/s read; `flops`: floating-point operations/s of the best matrix product found."""

    bandwidth: float
    flops: float

    def __str__(self) -> str:
        return f"memory {self.bandwidth / 1e9:.1f} GB/s read, matrix products {self.flops / 1e9:.0f} GFLOP/s"


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Parameters that every sampled token is multiplied by, those that a prompt token needs (no output head), bytes of each."""

    step: int
    prompt: int
    width: int


def measure(dtype: str, shape: tuple[int, int], device: str = "cpu") -> Machine:
    """Best of several rounds, with torch's threads; the product is 512 rows by a weight of `shape`, on CPUs in blocked layout too."""
    import torch
    import torch.nn.functional as F  # noqa: N812

    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    with torch.inference_mode(), torch.device(device):
        data = torch.zeros(ELEMENTS)
        bandwidth = data.numel() * 4 / _best(lambda: (data.sum(), wait()))
        rows, weight = (torch.randn(size).to(getattr(torch, dtype)) for size in ((512, shape[1]), shape))
        product = _best(lambda: (F.linear(rows, weight), wait()))
        if device == "cpu":
            packed = torch.ops.mkldnn._reorder_linear_weight(weight, 512)
            product = min(product, _best(lambda: torch.ops.mkldnn._linear_pointwise(rows, packed, None, "none", [], "")))
    return Machine(bandwidth=bandwidth, flops=2 * 512 * shape[0] * shape[1] / product)


def bound(wave: Sequence[Ask], weights: Weights, machine: Machine) -> float:
    """Least seconds for the wave: the prompts, then steps of as many rows as still run."""
    prompts = sum(len(prompt) for prompt in {ask.prompt for ask in wave})
    running = [sum(ask.new > step for ask in wave) for step in range(max(ask.new for ask in wave))]
    read = weights.step * weights.width / machine.bandwidth
    steps = sum(max(read, 2 * weights.step * rows / machine.flops) for rows in running)
    return 2 * weights.prompt * prompts / machine.flops + steps


def _best(run: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - started)
    return best
