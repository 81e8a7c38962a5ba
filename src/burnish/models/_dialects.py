"""What servers add to the common protocol, so that nothing of a completion has to be guessed.

A dialect knows which fields switch off a server's own defaults (top-k, penalties), which make it tell token ids and
log-probabilities, how to read those, and whether they belong to the distribution that was sampled from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from burnish.core.errors import InputError
from burnish.core.records import Sampling

SEEDS = 2**31
"""Servers take seeds of 31 or 32 bits."""


class Plain:
    """Only what every server understands: text, and how much was read and written."""

    name = "plain"
    tells_ids = False

    def fields(self, sampling: Sampling) -> dict[str, Any]:
        """Fields of a request beyond the common ones."""
        return {}

    def asking(self, sampling: Sampling) -> dict[str, Any]:
        """Fields that make the server tell ids and log-probabilities."""
        return {}

    def tokens(self, choice: Mapping[str, Any]) -> Iterator[tuple[int, float]]:
        """Ids and natural log-probabilities in a piece of an answer."""
        return iter(())

    def logprobs_hold(self, sampling: Sampling) -> bool:
        """True if the log-probabilities are those of the sampling distribution."""
        return False


class LlamaCpp(Plain):
    """llama.cpp's server. With `post_sampling_probs` it tells probabilities after temperature and top-p."""

    name = "llamacpp"
    tells_ids = True

    def fields(self, sampling: Sampling) -> dict[str, Any]:
        """Its own top-k (40) and min-p (0.05) are switched off."""
        return {"top_k": 0, "min_p": 0.0}

    def asking(self, sampling: Sampling) -> dict[str, Any]:
        """A greedy token's log-probability is that of temperature 1, as in our own engine: then before sampling."""
        return {"logprobs": 1, "post_sampling_probs": sampling.temperature > 0}

    def tokens(self, choice: Mapping[str, Any]) -> Iterator[tuple[int, float]]:
        """Each entry has `logprob`, or `prob` after sampling."""
        for entry in (choice.get("logprobs") or {}).get("content") or ():
            yield entry["id"], entry["logprob"] if "logprob" in entry else math.log(entry["prob"]) if entry["prob"] > 0 else -math.inf

    def logprobs_hold(self, sampling: Sampling) -> bool:
        """Always, by `post_sampling_probs`."""
        return True


class Vllm(Plain):
    """vLLM's server. Its log-probabilities are those before temperature unless it runs with processed ones."""

    name = "vllm"
    tells_ids = True

    def __init__(self, *, processed: bool = False) -> None:
        """`processed`: the server was started with `--logprobs-mode processed_logprobs`."""
        self.processed = processed

    def fields(self, sampling: Sampling) -> dict[str, Any]:
        """The defaults of the model's generation_config.json are switched off."""
        return {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}

    def asking(self, sampling: Sampling) -> dict[str, Any]:
        """Ids beside the text."""
        return {"logprobs": 1, "return_token_ids": True}

    def tokens(self, choice: Mapping[str, Any]) -> Iterator[tuple[int, float]]:
        """Two lists, side by side."""
        ids, logprobs = choice.get("token_ids") or (), (choice.get("logprobs") or {}).get("token_logprobs") or ()
        return zip(ids, logprobs, strict=True)

    def logprobs_hold(self, sampling: Sampling) -> bool:
        """Where nothing was changed between the model and the draw, or if the server says what it drew from."""
        return self.processed or (sampling.temperature in (0.0, 1.0) and sampling.top_p == 1.0)


def dialect_of(name: str, owner: str, *, processed_logprobs: bool) -> Plain:
    """The dialect `name`; "auto" goes by `owner`, the `owned_by` of the served model. Raises `InputError` for an unknown one."""
    if name == "auto":
        name = owner if owner in ("llamacpp", "vllm") else "plain"
    if name not in ("llamacpp", "vllm", "plain"):
        raise InputError(f"There is no dialect {name!r}. Known: auto, llamacpp, plain, vllm.")
    return Vllm(processed=processed_logprobs) if name == "vllm" else LlamaCpp() if name == "llamacpp" else Plain()
