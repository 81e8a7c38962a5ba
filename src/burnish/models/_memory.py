"""Memory that is free but not given back."""

from __future__ import annotations

import ctypes
import gc


def give_back() -> None:
    """Free models that nobody holds any more, which lie in reference cycles, and return what the allocator keeps to the machine.

    glibc keeps the memory of freed tensors below its mmap threshold; after a training that is gigabytes.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
