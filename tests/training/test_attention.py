"""Packed rows with shared beginnings against the same rows, each alone under plain attention: values and gradients."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from burnish.training import _layout
from burnish.training._forward import TokenScorer
from burnish.training._layout import Segment, lay_out, packed_tokens
from burnish.training._rows import Row

SIZES = {
    "vocab_size": 33,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.2,
}


def model(kind=LlamaForCausalLM, config=LlamaConfig, dtype=torch.float64, **changes):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return kind(config(**SIZES | changes)).to(dtype)


def group(name: str, prompt: int, lengths: list[int], seed: int) -> list[Row]:
    """Rows of one prompt with answers of several lengths; the first answer has a gap in what is learned."""
    dice = torch.Generator().manual_seed(seed)
    begin = tuple(torch.randint(33, (prompt,), generator=dice).tolist())
    rows = []
    for number, length in enumerate(lengths):
        ids = (*begin, *torch.randint(33, (length,), generator=dice).tolist())
        positions = tuple(range(prompt, prompt + length))
        rows.append(Row(id=f"{name}{number}", ids=ids, positions=positions[:2] + positions[3:] if number == 0 else positions))
    return rows


ROWS = [*group("a", 9, [5, 1, 8, 3], 0), *group("b", 4, [6], 1), *group("c", 1, [2, 7], 2)]
SHUFFLED = [ROWS[index] for index in (4, 2, 5, 0, 6, 3, 1)]


def slopes(scorer: TokenScorer, rows: list[Row], *, alone: bool) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Log-probabilities of all learned tokens and the gradient of a sum with uneven weights."""
    scorer.model.zero_grad()
    if alone:
        parts = [scorer([row])["logp"][0] for row in rows]
    else:
        parts = [part[: len(row.positions)] for part, row in zip(scorer(rows)["logp"], rows, strict=True)]
    logp = torch.cat(parts)
    (logp * torch.linspace(-1, 2, len(logp))).sum().backward()
    return logp.detach(), {name: parameter.grad.clone() for name, parameter in scorer.model.named_parameters()}


CASES = {
    "llama": (LlamaForCausalLM, LlamaConfig, {}),
    "one key head per query head": (LlamaForCausalLM, LlamaConfig, {"num_key_value_heads": 4}),
    "sliding window": (MistralForCausalLM, MistralConfig, {"sliding_window": 4}),
}


@pytest.mark.parametrize("tile", [1, 3, 256])
@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_are_those_of_each_row_alone(monkeypatch, case, tile) -> None:
    monkeypatch.setattr(_layout, "TILE", tile)
    kind, config, changes = CASES[case]
    ours, theirs = TokenScorer(model(kind, config, **changes)), TokenScorer(model(kind, config, **changes))
    assert ours.packed
    theirs.packed = False  # each row alone, right-padded, under torch's own attention
    values, gradients = slopes(ours, SHUFFLED, alone=False)
    expected, expected_gradients = slopes(theirs, SHUFFLED, alone=True)
    assert torch.allclose(values, expected, atol=1e-6)
    for name, gradient in gradients.items():
        assert torch.allclose(gradient, expected_gradients[name], atol=1e-6 * float(expected_gradients[name].abs().max())), name


def test_gradients_in_float32() -> None:
    ours, theirs = TokenScorer(model(dtype=torch.float32)), TokenScorer(model(dtype=torch.float32))
    theirs.packed = False
    _, gradients = slopes(ours, ROWS, alone=False)
    _, expected = slopes(theirs, ROWS, alone=True)
    for name, gradient in gradients.items():
        assert torch.allclose(gradient, expected[name], atol=1e-5 * float(expected[name].abs().max())), name


def test_a_shared_prompt_is_there_once() -> None:
    rows = ROWS[:4]
    layout = lay_out(rows)
    assert len(layout.ids) == 9 + (5 + 1 + 8 + 3) - 4 == packed_tokens(rows)  # the last token of an answer predicts nothing
    assert layout.segments[0] == Segment(0, 9)
    assert all(segment.prefix == (0, 9) for segment in layout.segments[1:])
    assert layout.sources[0] == 8  # the prompt's last token predicts the first of each answer
    assert packed_tokens([ROWS[4]]) == ROWS[4].length


def test_the_attention_of_the_model_is_put_back() -> None:
    scorer = TokenScorer(model(dtype=torch.float32))
    before = scorer.model.config._attn_implementation
    scorer(ROWS)
    assert scorer.model.config._attn_implementation == before


def test_no_square_of_the_time_is_kept_for_the_backward_pass() -> None:
    scorer, sizes = TokenScorer(model(dtype=torch.float32)), []
    row = group("long", 2, [200], 5)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: sizes.append(tuple(tensor.shape)) or tensor, lambda tensor: tensor):
        scorer(row)
    assert not any(shape.count(201) + shape.count(200) > 1 for shape in sizes)


def test_a_model_with_attention_of_its_own_runs_padded() -> None:
    scorer = TokenScorer(model(dtype=torch.float32, attention_dropout=0.1).eval())
    scorer.model.train()
    assert not scorer.packed
    assert scorer(ROWS)["logp"].shape == (7, 8)
