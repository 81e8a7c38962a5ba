"""Freed memory goes back to the machine, not only to the allocator."""

import asyncio
import gc
import weakref
from pathlib import Path

from burnish.models import load
from burnish.models._memory import give_back

BLOCKS, SIZE = 3000, 100_000  # too small for glibc to map one by one


def resident() -> int:
    """Bytes of memory that this process occupies."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_what_lies_between_used_blocks_is_given_back() -> None:
    blocks = [bytes([1]) * SIZE for _ in range(BLOCKS)]
    last = blocks[-1]  # it lies above the others, so their memory is not the heap's end
    del blocks
    before = resident()
    give_back()
    assert before - resident() > BLOCKS * SIZE // 2
    assert last[0] == 1


def test_a_model_that_nobody_holds_any_more_is_freed(tiny_model: Path) -> None:
    gc.disable()
    try:
        policy = load(str(tiny_model))
        model = weakref.ref(policy.model)
        asyncio.run(policy.aclose())
        del policy
        give_back()
        assert model() is None
    finally:
        gc.enable()
