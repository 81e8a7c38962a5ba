"""The model adapter: log-probabilities of the learned tokens, and nothing else.

The backbone runs once over right-padded rows; with causal attention no real token sees the padding, so no mask is needed.
Hidden states are gathered where the loss looks, and the output head runs over them in chunks (`models._vocabulary`): no tensor
of size batch x time x vocabulary ever exists. Log-softmax and entropy are in float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from burnish.models._backbone import check_head, split
from burnish.models._vocabulary import token_scores
from burnish.training._rows import Row

PLAIN_ATTENTION = 512
"""Longest row for which the time x time scores of plain attention are kept for the backward pass."""


class TokenScorer:
    """Scores rows under a causal language model of transformers (a LoRA-injected one included)."""

    def __init__(self, model: nn.Module) -> None:
        """Raises `InputError` if the model's output is more than its backbone followed by one matrix."""
        self.model: Any = model
        self._backbone, self._head = split(model)
        check_head(model, self._backbone, self._head)

    def __call__(self, rows: Sequence[Row], *, temperature: float = 1.0, entropy: bool = False) -> dict[str, Float[Tensor, "batch time"]]:
        """`logp` of the learned tokens of each row (padded with 0) and, if asked for, `entropy` at those places."""
        device = self._head.weight.device
        width = max(row.length for row in rows)
        ids = torch.tensor([_fit(row.ids, width) for row in rows], device=device)
        flat = torch.tensor([i * width + p - 1 for i, row in enumerate(rows) for p in row.positions], device=device)
        targets = torch.tensor([row.ids[p] for row in rows for p in row.positions], device=device)
        with self._attention(width):
            hidden = self._backbone(input_ids=ids, use_cache=False).last_hidden_state
        picked = hidden.reshape(-1, hidden.shape[-1]).index_select(0, flat)
        scores = token_scores(picked, self._head.weight, targets, temperature, entropy)
        lengths = [len(row.positions) for row in rows]
        names = ("logp", "entropy") if entropy else ("logp",)
        return {name: pad_sequence(list(torch.split(score, lengths)), batch_first=True) for name, score in zip(names, scores, strict=False)}

    @contextmanager
    def _attention(self, width: int) -> Iterator[None]:
        """On the CPU, torch's fused attention is slow backward in bfloat16: plain matrix products take a third of its time."""
        weight, used = self._head.weight, self.model.config._attn_implementation
        plain = weight.device.type == "cpu" and weight.dtype != torch.float32 and used == "sdpa" and width <= PLAIN_ATTENTION
        if plain:
            self.model.set_attn_implementation("eager")
        try:
            yield
        finally:
            if plain:
                self.model.set_attn_implementation(used)


def _fit(ids: Sequence[int], width: int) -> list[int]:
    return [*ids[:width], *[0] * (width - len(ids))]
