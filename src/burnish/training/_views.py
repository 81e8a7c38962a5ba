"""Rows that are read otherwise than token by token: hidden tokens, parallel paths, and blends of a token with the model's guess.

They run right-padded, each with its own positions and attention (four-dimensional masks), because kernels for packed rows
cannot take those. A token always sees itself, so that no row of scores is empty. Sources: CYCLE (arXiv 2403.18746),
Parallel-R1 (arXiv 2509.07980), IFT (arXiv 2405.11870).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from burnish.models._attention import MaskBuilder
from burnish.models._parallel import path_positions, siblings
from burnish.training._rows import Row, View
from burnish.training.inputs._blend import blended_embeddings, guesses

CHUNK = 256
"""Hidden states whose logits are there at the same time."""


class Scorer(Protocol):
    """What is needed of a `TokenScorer`."""

    model: Any
    embeddings: Tensor | None

    @property
    def head(self) -> Float[Tensor, "vocabulary hidden"]: ...

    def hidden(self, rows: Sequence[Row]) -> Float[Tensor, "tokens hidden"]: ...

    def attention(self) -> Any: ...


def viewed_states(scorer: Scorer, backbone: Any, rows: Sequence[Row]) -> Float[Tensor, "tokens hidden"]:
    """Last hidden states at the places that predict the learned tokens, row by row; all rows are padded to the longest."""
    device, width = scorer.head.device, max(row.length for row in rows)
    ids = torch.tensor([[*row.ids[:width], *[0] * (width - len(row.ids))] for row in rows], device=device)
    places = torch.tensor([_positions(row, width) for row in rows], device=device)
    columns = torch.arange(width, device=device).expand(len(rows), width)
    barred = torch.stack([unseen(row, width) for row in rows]).to(device)
    read: dict[str, Tensor] = {"input_ids": ids}
    if scorer.embeddings is not None and any(_view(row).blend for row in rows):
        read = {"inputs_embeds": _blended(scorer, rows, ids)}
    masks = MaskBuilder.of(scorer.model)(columns, width, scorer.head.dtype, barred)
    with scorer.attention():
        states: Tensor = backbone(**read, position_ids=places, attention_mask=masks, use_cache=False).last_hidden_state
    flat = torch.tensor([i * width + p - 1 for i, row in enumerate(rows) for p in row.positions], device=device)
    return states.reshape(-1, states.shape[-1]).index_select(0, flat)


def unseen(row: Row, width: int) -> Bool[Tensor, "query key"]:
    """True where a token must not see another although it comes after it. Cells beyond the row are False."""
    view, barred = _view(row), torch.zeros(width, width, dtype=torch.bool)
    length = min(len(row.ids), width)
    barred[:length, :length] = siblings(len(row.ids), view.blocks)[:length, :length]
    hidden = [position for position in view.hidden if position < width]
    barred[:, hidden] = True
    return barred & ~torch.eye(width, dtype=torch.bool)


def _positions(row: Row, width: int) -> list[int]:
    return (path_positions(len(row.ids), _view(row).blocks) + [0] * width)[:width]


def _view(row: Row) -> View:
    return row.view or View()


@torch.no_grad()
def _blended(scorer: Scorer, rows: Sequence[Row], ids: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time hidden"]:
    """Gold tokens first, read without any blend, tell the guesses; then each row is blended by its own share."""
    plain = [replace(row, view=replace(row.view, blend=0.0) if row.view and (row.view.hidden or row.view.blocks) else None) for row in rows]
    best = torch.cat([(part @ scorer.head.T).argmax(-1) for part in torch.split(scorer.hidden(plain), CHUNK)])
    greedy, learned = torch.zeros_like(ids), torch.zeros_like(ids, dtype=torch.bool)
    row_of = [index for index, row in enumerate(rows) for _ in row.positions]
    places = [place for row in rows for place in row.positions]
    greedy[row_of, [place - 1 for place in places]] = best
    inside = [(index, place) for index, place in zip(row_of, places, strict=True) if place < ids.shape[1]]  # the last one is not read
    if inside:
        learned[tuple(zip(*inside, strict=True))] = True
    assert scorer.embeddings is not None
    guess, table = guesses(greedy, ids), scorer.embeddings
    parts = [
        blended_embeddings(table, ids[i : i + 1], guess[i : i + 1], learned[i : i + 1], _view(row).blend) for i, row in enumerate(rows)
    ]
    return torch.cat(parts)
