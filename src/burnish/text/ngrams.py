"""What texts have in common, word by word: the n-grams by which training data is kept apart from what is measured."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from burnish.core.errors import InputError

_WORD = re.compile(r"\w+")
Gram = tuple[str, ...]


def grams(text: str, size: int) -> set[Gram]:
    """All runs of `size` words, small letters, without punctuation; of a shorter text all of it. Raises `InputError` below 1."""
    if size < 1:
        raise InputError(f"Runs of {size} words cannot be compared. Give a number of at least 1; 9 is usual.")
    words = _WORD.findall(text.lower())
    if len(words) <= size:
        return {tuple(words)} if words else set()
    return {tuple(words[start : start + size]) for start in range(len(words) - size + 1)}


def telling(texts: Iterable[str], size: int) -> dict[Gram, int]:
    """N-gram → number of the one text that has it. What several texts share is how such texts are worded and tells nothing."""
    found: Sequence[set[Gram]] = [grams(text, size) for text in texts]
    count = Counter(gram for each in found for gram in each)
    return {gram: number for number, each in enumerate(found) for gram in each if count[gram] == 1}
