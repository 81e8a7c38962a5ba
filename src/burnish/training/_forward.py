"""The model adapter: log-probabilities of the learned tokens, and nothing else.

The backbone runs once over all rows packed into one sequence (`_layout`, `_attention`). Hidden states are gathered where the
loss looks, and the output head runs over them in chunks (`models._vocabulary`): no tensor of size batch x time x vocabulary
ever exists. Log-softmax and entropy are in float32. A model that cannot run packed (attention of its own kind) runs over
right-padded rows: with causal attention no real token sees the padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from burnish.core.errors import InputError
from burnish.models._backbone import check_head, split
from burnish.models._vocabulary import token_scores
from burnish.training._attention import NAME
from burnish.training._layout import lay_out
from burnish.training._rows import Row
from burnish.training._views import viewed_states

PLAIN_ATTENTION = 512
"""Longest padded row for which the time x time scores of plain attention are kept for the backward pass."""

PROBE = (
    Row(id="a", ids=(1, 2, 3, 4, 1), positions=(3, 4)),
    Row(id="b", ids=(1, 2, 3, 2), positions=(3,)),
    Row(id="c", ids=(4, 3, 1), positions=(1, 2)),
)
"""Rows with a shared beginning, on which packed and padded runs must agree."""


class TokenScorer:
    """Scores rows under a causal language model of transformers (a LoRA-injected one included)."""

    def __init__(self, model: nn.Module) -> None:
        """Raises `InputError` if the model's output is more than its backbone followed by one matrix."""
        self.model: Any = model
        self._backbone, self._head = split(model)
        check_head(model, self._backbone, self._head)
        self.packed = self._can_pack()
        """Whether rows run packed, with shared beginnings computed once."""
        self.embeddings: Tensor | None = None
        """Input embeddings that stay as they are, for rows that are read as a blend."""

    def freeze_embeddings(self) -> None:
        """Keep a copy of the input embeddings of now, as the model itself looks them up (some scale them)."""
        table = self.model.get_input_embeddings()
        with torch.no_grad():
            self.embeddings = table(torch.arange(table.weight.shape[0], device=table.weight.device)).detach().clone()

    def __call__(self, rows: Sequence[Row], *, temperature: float = 1.0, entropy: bool = False) -> dict[str, Float[Tensor, "batch time"]]:
        """`logp` of the learned tokens of each row (padded with 0) and, if asked for, `entropy` at those places."""
        return self.scores(self.hidden(rows), rows, temperature=temperature, entropy=entropy)

    def scores(
        self, hidden: Float[Tensor, "tokens hidden"], rows: Sequence[Row], *, temperature: float = 1.0, entropy: bool = False
    ) -> dict[str, Float[Tensor, "batch time"]]:
        """The same from hidden states that are there already."""
        targets = torch.tensor([row.ids[p] for row in rows for p in row.positions], device=self.head.device)
        found = token_scores(hidden, self.head, targets, temperature, entropy)
        names = ("logp", "entropy") if entropy else ("logp",)
        return {name: padded(score, rows) for name, score in zip(names, found, strict=False)}

    @property
    def head(self) -> Float[Tensor, "vocabulary hidden"]:
        """The output matrix."""
        weight: Tensor = self._head.weight
        return weight

    def hidden(self, rows: Sequence[Row]) -> Float[Tensor, "tokens hidden"]:
        """Last hidden states at the places that predict the learned tokens, row by row."""
        if any(row.view is not None for row in rows):
            return viewed_states(self, self._backbone, rows)
        return self._packed(rows) if self.packed else self._padded(rows)

    @contextmanager
    def attention(self) -> Iterator[None]:
        """While open, the model attends by segments. Open it around the backward pass too if activations are checkpointed."""
        used = self.model.config._attn_implementation
        if not self.packed or used == NAME:
            yield
            return
        self.model.set_attn_implementation(NAME)
        try:
            yield
        finally:
            self.model.set_attn_implementation(used)

    def _packed(self, rows: Sequence[Row]) -> Float[Tensor, "tokens hidden"]:
        device, layout = self.head.device, lay_out(rows)
        ids, positions = (torch.tensor([column], device=device) for column in (layout.ids, layout.positions))
        with self.attention():
            states: Tensor = self._backbone(input_ids=ids, position_ids=positions, use_cache=False, layout=layout).last_hidden_state
        return states[0].index_select(0, torch.tensor(layout.sources, device=device))

    def _padded(self, rows: Sequence[Row]) -> Float[Tensor, "tokens hidden"]:
        device, width = self.head.device, max(row.length for row in rows)
        ids = torch.tensor([_fit(row.ids, width) for row in rows], device=device)
        flat = torch.tensor([i * width + p - 1 for i, row in enumerate(rows) for p in row.positions], device=device)
        with self._plain_attention(width):
            states: Tensor = self._backbone(input_ids=ids, use_cache=False).last_hidden_state
        return states.reshape(-1, states.shape[-1]).index_select(0, flat)

    @contextmanager
    def _plain_attention(self, width: int) -> Iterator[None]:
        """On the CPU, torch's fused attention is slow backward in bfloat16: plain matrix products take a third of its time."""
        weight, used = self.head, self.model.config._attn_implementation
        plain = weight.device.type == "cpu" and weight.dtype != torch.float32 and used == "sdpa" and width <= PLAIN_ATTENTION
        if plain:
            self.model.set_attn_implementation("eager")
        try:
            yield
        finally:
            if plain:
                self.model.set_attn_implementation(used)

    @torch.no_grad()
    def _can_pack(self) -> bool:
        """Run the probe both ways. Whatever a foreign model's code raises when it is asked to, it then runs padded."""
        if getattr(self.model.config, "attention_dropout", 0.0):
            return False
        training = self.model.training
        self.model.eval()
        self.packed = True
        try:
            ours, theirs = self._packed(PROBE), self._padded(PROBE)
            return torch.allclose(ours.float(), theirs.float(), rtol=2e-2, atol=2e-2 * float(theirs.abs().max()))
        except (InputError, TypeError, ValueError, RuntimeError, AttributeError, NotImplementedError):
            return False
        finally:
            self.model.train(training)


def padded(values: Float[Tensor, " tokens"], rows: Sequence[Row]) -> Float[Tensor, "batch time"]:
    """Values of the learned tokens, row by row, as a rectangle with 0 in the cells that no row has."""
    return pad_sequence(list(torch.split(values, [len(row.positions) for row in rows])), batch_first=True)


def _fit(ids: Sequence[int], width: int) -> list[int]:
    return [*ids[:width], *[0] * (width - len(ids))]
