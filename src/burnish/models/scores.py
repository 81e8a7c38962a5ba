"""What a model makes of token ids that are there already: log-probabilities, entropy, divergence from a reference.

    scorer = Scorer(policy.model)
    scorer.logprobs(sequences, masks)            # one tensor per sequence, one number per token that its mask marks
    scorer.kl(sequences, masks, reference=None)  # None: the same model without its adapter
    scorer.mismatch(records)                     # log-probabilities of the sampler against those of now

Nothing here trains. No padding is computed, and no tensor of size batch x time x vocabulary exists. Values per token are
natural logarithms and nats in float32. Scalar heads and embeddings are in this module too, from files of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.core.errors import InputError
from burnish.core.records import TokenRecord
from burnish.models._backbone import Backbone, Ids, Positions, adapters_off, evaluation
from burnish.models._embeddings import Embedder, SentenceEmbedder, embedded_sentences
from burnish.models._heads import ProcessRewardModel, RewardModel, ScalarHead, ValueModel
from burnish.models._mismatch import Mismatch, compare
from burnish.models._vocabulary import Temperature, divergences, token_scores

__all__ = [
    "Divergence",
    "Embedder",
    "Mismatch",
    "ProcessRewardModel",
    "RewardModel",
    "ScalarHead",
    "Scorer",
    "SentenceEmbedder",
    "ValueModel",
    "embedded_sentences",
]

Masks = Sequence[Sequence[bool]] | None
"""True where a token is to be scored, as long as its sequence. The first token has no probability. None: all but the first."""

Heat = float | Sequence[Sequence[float]]
"""Temperature: one number for all, or one for each token of each sequence. 0 (greedy) is scored as 1, as it was sampled."""

Level = Literal["token", "turn", "sequence"]
"""What a likelihood is of: single tokens, what was sampled in one go, or everything sampled."""


@dataclass(frozen=True)
class Divergence:
    """Full-vocabulary KL per token in nats: `forward` KL(reference || policy), `reverse` KL(policy || reference)."""

    forward: Float[Tensor, " scored"]
    reverse: Float[Tensor, " scored"]


class Scorer:
    """Scores sequences under a causal language model of transformers, in evaluation mode, with the weights of now."""

    def __init__(self, model: Any, *, pack_tokens: int | None = None) -> None:
        """`pack_tokens` bounds what goes through the model at once, unless one sequence alone is longer (None: by the device).

        Raises `InputError` if the model is no causal language model with a linear output head.
        """
        self.backbone = Backbone(model, pack_tokens=pack_tokens)

    def logprobs(self, ids: Ids, masks: Masks = None, *, temperature: Heat = 1.0) -> list[Float[Tensor, " scored"]]:
        """log p(token | all before) of the masked tokens. `temperature`: one number, or one for each token of each sequence."""
        return [logp for logp, _ in self._tokens(ids, masks, temperature, entropy=False)]

    def entropy(self, ids: Ids, masks: Masks = None, *, temperature: Heat = 1.0) -> list[Float[Tensor, " scored"]]:
        """Entropy of the distribution that each masked token was drawn from, over the whole vocabulary."""
        return [entropy for _, entropy in self._tokens(ids, masks, temperature, entropy=True)]

    def kl(self, ids: Ids, masks: Masks = None, *, reference: Scorer | None = None, temperature: Heat = 1.0) -> list[Divergence]:
        """Divergence from `reference` (None: this model with its adapters off) at the masked tokens.

        With adapters off nothing may be generated meanwhile: use it inside `policy.exclusive()`.
        Raises `InputError` for a reference with another vocabulary, or if there is no adapter to be off.
        """
        own = self.backbone
        other = own if reference is None else reference.backbone
        if len(other.head.weight) != len(own.head.weight):
            raise InputError(
                f"The reference has {len(other.head.weight)} token ids, the policy {len(own.head.weight)}: they must share a tokenizer."
            )

        def score(rows: Ids, states: Positions, places: Positions, heat: Temperature) -> tuple[Tensor, Tensor]:
            hidden = own.read(rows, states)
            with adapters_off(own.model) if reference is None else evaluation(other.model):
                before = other.read(rows, states)
            return divergences(hidden, own.head.weight, before.to(hidden.device), other.head.weight.to(hidden.device), heat)

        return [Divergence(*found) for found in self._by_pack(ids, masks, temperature, score)]

    def likelihood(
        self, records: Sequence[TokenRecord], *, level: Level = "token", temperature: float = 1.0
    ) -> list[Float[Tensor, " parts"]]:
        """Log-probability of what each record's policy sampled: per token, per turn (sampled range), or of all of it.

        `temperature` holds for records that state none.
        """
        masks = [[kind == "sampled" for kind in record.kinds] for record in records]
        heat = [_heat(record, temperature) for record in records]
        found = self.logprobs([record.ids for record in records], masks, temperature=heat)
        if level == "token":
            return found
        ends = [record.sampled if level == "turn" else ((0, len(logp)),) for record, logp in zip(records, found, strict=True)]
        return [_summed(logp, [end - start for start, end in ranges]) for logp, ranges in zip(found, ends, strict=True)]

    def mismatch(self, records: Sequence[TokenRecord], *, temperature: float = 1.0) -> Mismatch:
        """Compare what was recorded at sampling with the model of now. `temperature` holds for records that state none.

        What truncation renormalised is undone where the kept mass was recorded; else it shows as a mismatch.
        """
        recomputed = [row.tolist() for row in self.likelihood(records, temperature=temperature)]
        return compare([_recorded(record) for record in records], recomputed)

    def _tokens(self, ids: Ids, masks: Masks, temperature: Heat, *, entropy: bool) -> list[tuple[Tensor, ...]]:
        weight = self.backbone.head.weight

        def score(rows: Ids, states: Positions, places: Positions, heat: Temperature) -> tuple[Tensor, Tensor]:
            targets = [row[place] for row, picked in zip(rows, places, strict=True) for place in picked]
            return token_scores(self.backbone.read(rows, states), weight, torch.tensor(targets, device=weight.device), heat, entropy)

        return self._by_pack(ids, masks, temperature, score)

    @torch.no_grad()
    def _by_pack(self, ids: Ids, masks: Masks, temperature: Heat, score: Score) -> list[tuple[Tensor, ...]]:
        """What `score` says of each pack's tokens, taken apart again: one tuple of tensors per sequence."""
        places = _places(ids, masks, len(self.backbone.head.weight))
        states = [[place - 1 for place in picked] for picked in places]
        nothing = self.backbone.head.weight.new_zeros(0, dtype=torch.float32)
        found: list[tuple[Tensor, ...]] = [(nothing, nothing)] * len(ids)
        with evaluation(self.backbone.model):
            for pack in self.backbone.packs(states):
                picked = [places[index] for index in pack]
                heat = _of_tokens(temperature, pack, picked, nothing)
                scores = score([ids[index] for index in pack], [states[index] for index in pack], picked, heat)
                parts = zip(*(torch.split(each, [len(one) for one in picked]) for each in scores), strict=True)
                for index, part in zip(pack, parts, strict=True):
                    found[index] = part
        return found


Score = Callable[[Ids, Positions, Positions, Temperature], tuple[Tensor, Tensor]]
"""(sequences of one pack, places of the states, places of the tokens, temperature) → two numbers per token."""


def _places(ids: Ids, masks: Masks, vocabulary: int) -> list[list[int]]:
    """Positions of the masked tokens. Raises `InputError` for what cannot be scored."""
    if masks is not None and [len(mask) for mask in masks] != [len(sequence) for sequence in ids]:
        raise InputError("Give one mask for each sequence, with one entry for each of its tokens.")
    for number, sequence in enumerate(ids):
        if any(not 0 <= token < vocabulary for token in sequence):
            raise InputError(f"Sequence {number} has token ids outside 0 … {vocabulary - 1}. It was rendered for another model.")
        if masks is not None and len(sequence) and masks[number][0]:
            raise InputError(f"The mask of sequence {number} marks its first token, which nothing predicts. Start with a prompt.")
    return [[place for place in range(1, len(row)) if masks is None or masks[number][place]] for number, row in enumerate(ids)]


def _of_tokens(temperature: Heat, pack: Sequence[int], places: Positions, like: Tensor) -> Temperature:
    """One number, or the numbers of a pack's tokens. 0 was greedy: its log-probabilities are those of temperature 1."""
    if isinstance(temperature, int | float):
        return temperature or 1.0
    return like.new_tensor([temperature[row][place] or 1.0 for row, picked in zip(pack, places, strict=True) for place in picked])


def _recorded(record: TokenRecord) -> list[float | None]:
    """Log-probabilities of the sampler over its whole distribution; None where it told nothing."""
    count = sum(end - start for start, end in record.sampled)
    pairs = zip(record.logprobs or (None,) * count, record.kept or (1.0,) * count, strict=True)
    return [None if logprob is None or kept is None else logprob + math.log(kept) for logprob, kept in pairs]


def _summed(values: Tensor, sizes: list[int]) -> Float[Tensor, " parts"]:
    return torch.stack([part.sum() for part in torch.split(values, sizes)]) if sizes else values


def _heat(record: TokenRecord, temperature: float) -> list[float]:
    """The temperature of each token of a record; those that were not sampled have `temperature`."""
    heat = [temperature] * len(record.ids)
    sampled = (place for start, end in record.sampled for place in range(start, end))
    for place, own in zip(sampled, record.temperatures, strict=False):
        heat[place] = own
    return heat
