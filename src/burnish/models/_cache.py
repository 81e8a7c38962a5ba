"""The key-value cache of a continuous batch: banks of slots, one slot per running row, each row at its own length.

A bank holds rows that may grow to about the same length, so that one long row does not make room for all of them. In its
slot a row keeps its token number c at column c, counted after the prefix that it shares with others, if any. A forward pass
writes what `place` says and attends to the columns in use; masks hide what lies beyond each query. Stale columns are
finite and hidden, so slots are reused without clearing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import Cache

LENGTH_STEP = 64
"""Columns are reserved in multiples of this."""
TOKENS_MIN = 512
"""A bank has at least so many slots as hold this many tokens."""
SLOTS_GROWTH = 1.5


class Bank:
    """Keys and values of every layer, `[slots, heads, columns, width]` each; allocated when a layer is first written."""

    def __init__(self, columns: int, slots: int = 0) -> None:
        self.columns, self.slots = columns, slots
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []

    def reserve(self, slots: int, columns: int = 0) -> None:
        """Make room for `slots` rows of `columns` positions; contents are kept."""
        if slots <= self.slots and columns <= self.columns:
            return
        self.columns = max(columns, self.columns)
        if slots > self.slots:
            self.slots = max(slots, TOKENS_MIN // self.columns, int(self.slots * SLOTS_GROWTH))
        self.keys = [self._grown(tensor) for tensor in self.keys]
        self.values = [self._grown(tensor) for tensor in self.values]

    def store(self, layer: int, slots: Int[Tensor, "rows 1"], columns: Int[Tensor, "rows time"], keys: Tensor, values: Tensor) -> None:
        """Write `[rows, heads, time, width]` into the slots, each token at its column."""
        while layer >= len(self.keys):
            self.keys.append(self._zeros(keys))
            self.values.append(self._zeros(values))
        self.keys[layer][slots, :, columns] = keys.transpose(1, 2)
        self.values[layer][slots, :, columns] = values.transpose(1, 2)

    def copy(self, source: int, target: Bank, slot: int, length: int, at: int = 0) -> None:
        """Copy the first `length` columns of slot `source` into a slot of `target`, from its column `at` on."""
        while len(target.keys) < len(self.keys):
            target.keys.append(target._zeros(self.keys[len(target.keys)]))
            target.values.append(target._zeros(self.values[len(target.values)]))
        for mine, other in ((self.keys, target.keys), (self.values, target.values)):
            for tensor, copy in zip(mine, other, strict=True):
                copy[slot, :, at : at + length] = tensor[source, :, :length]

    def _zeros(self, like: Tensor) -> Tensor:
        return like.new_zeros(self.slots, like.shape[1], self.columns, like.shape[3])

    def _grown(self, tensor: Tensor) -> Tensor:
        grown = self._zeros(tensor)
        grown[: tensor.shape[0], :, : tensor.shape[2]] = tensor
        return grown


def bank_columns(length: int) -> int:
    """Columns of the bank for rows that may grow to `length`: 64, 128, 192, 256, 384, 512 … at most a half too many."""
    step = LENGTH_STEP
    while length > 4 * step:
        step *= 2
    return -(-length // step) * step


class Holder(Protocol):
    """What lies in a slot of a bank."""

    bank: Any
    slot: int


H = TypeVar("H", bound=Holder)


class Banks(Generic[H]):
    """Banks by kind, each dense: its members lie in its first slots, in order."""

    def __init__(self) -> None:
        self._kinds: dict[int, tuple[Bank, list[H]]] = {}

    def __iter__(self) -> Iterator[tuple[Bank, list[H]]]:
        return iter(self._kinds.values())

    def add(self, member: H, kind: int, columns: int) -> None:
        """Give `member` the next slot of the bank for `kind`, with room for so many columns once `reserve` is called."""
        if kind not in self._kinds:  # make room: banks that nobody uses are kept only until another kind is needed
            self._kinds = {key: pair for key, pair in self._kinds.items() if pair[1]}
            self._kinds[kind] = (Bank(columns), [])
        bank, members = self._kinds[kind]
        member.bank, member.slot = bank, len(members)
        members.append(member)

    def remove(self, member: H, length: Callable[[H], int]) -> None:
        """Take `member` out. The last member of its bank, `length` columns of it, moves to the freed slot."""
        bank, members = next(pair for pair in self if pair[0] is member.bank)
        last = members.pop()
        if last is not member:
            bank.copy(last.slot, bank, member.slot, length(last))
            members[member.slot], last.slot = last, member.slot


@dataclass(frozen=True)
class Piece:
    """Neighbouring slots of one bank in a forward pass, and how many of their columns are read."""

    bank: Bank
    first: int
    count: int
    width: int


def neighbours(pieces: Sequence[Piece]) -> list[Piece]:
    """The same slots in as few pieces as possible: those side by side in one bank joined, as wide as the widest of them."""
    joined: list[Piece] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if last is not None and last.bank is piece.bank and last.first + last.count == piece.first:
            joined[-1] = Piece(piece.bank, last.first, last.count + piece.count, max(last.width, piece.width))
        else:
            joined.append(piece)
    return joined


@dataclass(frozen=True)
class Shared:
    """Neighbouring prefixes of one bank, and the rows of the forward pass that begin with each of them.

    `rows` is padded with row 0; `taken` are the places in it, flattened, that are not padding. `hidden` is added to scores.
    """

    bank: Bank
    first: int
    rows: Int[Tensor, "prefixes most"]
    taken: Int[Tensor, " sharing"]
    hidden: Float[Tensor, "prefixes 1 width"]

    @classmethod
    def of(cls, bank: Bank, first: int, lengths: Sequence[int], users: Sequence[Sequence[int]], device: torch.device) -> Shared:
        """The prefixes in slots `first` and following, with the numbers of the rows that use each."""
        most, width = max(map(len, users)), max(lengths)
        rows = torch.tensor([[*some, *[0] * (most - len(some))] for some in users])
        taken = torch.tensor([place * most + number for place, some in enumerate(users) for number in range(len(some))])
        beyond = torch.arange(width) >= torch.tensor(lengths)[:, None, None]
        hidden = torch.zeros(beyond.shape).masked_fill_(beyond, float("-inf"))
        return cls(bank, first, rows.to(device), taken.to(device), hidden.to(device))


class RowCache(Cache):  # type: ignore[misc]  # transformers is untyped here
    """What the model calls: stores keys and values where `place` said, for the attention to find."""

    def __init__(self) -> None:
        super().__init__(layers=[])
        self.pieces: Sequence[Piece] = ()
        self.shared: Sequence[Shared] = ()
        self._writes: list[tuple[Bank, slice, Tensor, Tensor]] = []

    def place(self, pieces: Sequence[Piece], columns: Int[Tensor, "rows time"], shared: Sequence[Shared] = ()) -> None:
        """The next forward pass writes the rows of `pieces`, in order, at `columns`, and attends to them and to `shared`."""
        self.pieces, self.shared, self._writes = pieces, shared, []
        row = 0
        for piece in neighbours(pieces):
            rows = slice(row, row := row + piece.count)
            slots = torch.arange(piece.first, piece.first + piece.count, device=columns.device)[:, None]
            self._writes.append((piece.bank, rows, slots, columns[rows]))

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Store `[rows, heads, time, width]`. Returns what a single piece attends to; several are read by `attention.attend`."""
        for bank, rows, slots, columns in self._writes:
            bank.store(layer_idx, slots, columns, key_states[rows], value_states[rows])
        return self.read(self.pieces[0], layer_idx) if len(self.pieces) == 1 else (key_states, value_states)

    def read(self, piece: Piece, layer: int) -> tuple[Tensor, Tensor]:
        """Keys and values of a piece, `[count, heads, width of the piece, width]`, without a copy."""
        rows = slice(piece.first, piece.first + piece.count)
        return piece.bank.keys[layer][rows, :, : piece.width], piece.bank.values[layer][rows, :, : piece.width]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Rows have lengths of their own; positions are always passed explicitly, so this is never used for them."""
        return 0
