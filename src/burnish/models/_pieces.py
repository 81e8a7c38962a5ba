"""The text of single tokens, for people to look at. Text is a view of the ids and is never turned back into them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from burnish.core.errors import Unavailable
from burnish.models._checkpoint import EMBEDDED_4_BIT_NAME, EMBEDDED_FOLDER, EMBEDDED_NAME, cache_folder

Pieces = Callable[[Sequence[int]], list[str]]
"""From ids to the text that each adds; a character of several tokens stands at its last, special tokens add none."""


def token_texts(model: str) -> Pieces:
    """The texts of `model`'s tokens. Reads its `tokenizer.json`; needs neither weights nor torch.

    `model` is a checkpoint folder, "embedded", or what the embedded model's policies are called.

    Raises `Unavailable` if there is none on this machine.
    """
    embedded = model in ("embedded", EMBEDDED_NAME, EMBEDDED_4_BIT_NAME)
    folder = cache_folder() / EMBEDDED_FOLDER if embedded else Path(model).expanduser()
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise Unavailable(f"The tokeniser of {model!r} is not on this machine: there is no {file}. Name a folder that holds it.")
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    return pieces_by(lru_cache(maxsize=1 << 16)(lambda ids: tokenizer.decode(list(ids), skip_special_tokens=True)))


def pieces_by(decode: Callable[[tuple[int, ...]], str]) -> Pieces:
    """What each id adds to the text of the ids before it, as `decode` joins them.

    >>> pieces_by(lambda ids: bytes(ids).decode(errors="replace"))([72, 0xC3, 0xA4, 33])
    ['H', '', 'ä', '!']
    """

    def pieces(ids: Sequence[int]) -> list[str]:
        texts, anchor, read = [], 0, 0  # the ids from `anchor` to `read` are whole characters, and those after it not yet
        for end in range(1, len(ids) + 1):
            known, text = decode(tuple(ids[anchor:read])), decode(tuple(ids[anchor:end]))
            whole = not text.endswith("\ufffd") or end == len(ids) or end - read > 4
            texts.append(text[len(known) :] if whole else "")
            if whole:
                anchor, read = read, end
        return texts

    return pieces
