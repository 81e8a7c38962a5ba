"""Which of several processes this is, as `torchrun` and `accelerate launch` tell each of them."""

from __future__ import annotations

import os


def leads() -> bool:
    """True for the first process, and for one that is alone: it writes runs and prints results."""
    return os.environ.get("RANK", "0") == "0"
