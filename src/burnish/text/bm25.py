"""Okapi BM25: which of several texts has most in common with another, rare words counting more (Robertson and Zaragoza 2009).

score = sum over distinct words w of the query: idf(w) f (k1 + 1) / (f + k1 (1 - b + b length / mean length))
idf(w) = ln(1 + (N - n + 1/2) / (n + 1/2)), f = times that w is in the text, n of the N texts have it
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

K1, B = 1.5, 0.75
WORD = re.compile(r"\w+")


def scores(query: str, texts: Sequence[str]) -> list[float]:
    """The score of each text for the query; none is negative. Words are runs of letters, digits and underscores, as written.

    >>> [round(score, 3) for score in scores("b", ["a b", "a a"])]
    [0.693, 0.0]
    """
    counts = [Counter(WORD.findall(text)) for text in texts]
    lengths = [count.total() for count in counts]
    mean = sum(lengths) / max(len(lengths), 1) or 1.0
    found = [0.0] * len(texts)
    for word in sorted(set(WORD.findall(query))):
        having = sum(word in count for count in counts)
        rarity = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
        for place, (count, length) in enumerate(zip(counts, lengths, strict=True)):
            found[place] += rarity * count[word] * (K1 + 1) / (count[word] + K1 * (1 - B + B * length / mean))
    return found
