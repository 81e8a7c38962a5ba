"""Parallel paths: the example of the specification, and a decoder that keeps siblings apart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import torch

from burnish.core.errors import InputError
from burnish.core.records import Sampling
from burnish.models import PathTags, Request, generate_with_paths
from burnish.models._parallel import check_blocks, path_positions, siblings
from burnish.models.transformers import TransformersPolicy

from .conftest import build_model

# p <Par> <Path> a </Path> <Path> b c </Path> </Par> <Sum> s </Sum> z
BLOCKS = (((2, 5), (5, 9)),)
LENGTH = 14


def test_positions_of_the_example() -> None:
    assert path_positions(LENGTH, BLOCKS) == [0, 1, 2, 3, 4, 2, 3, 4, 5, 6, 7, 8, 9, 10]


def test_siblings_of_the_example() -> None:
    barred = siblings(LENGTH, BLOCKS)
    a, b, s = 3, 6, 11
    assert barred[b, a]
    assert not barred[s, a]
    assert not barred[s, b]
    assert not barred[b, 0]
    assert int(barred.sum()) == 2 * 3 * 4


def test_two_blocks_go_on_after_the_longest_path() -> None:
    assert path_positions(10, (((1, 2), (2, 4)), ((5, 7), (7, 8)))) == [0, 1, 1, 2, 3, 4, 5, 4, 6, 7]


@pytest.mark.parametrize("blocks", [(((2, 5), (6, 9)),), (((2, 2),),), (((9, 14),),), (((5, 7),), ((2, 3),))])
def test_unusable_blocks(blocks: tuple[tuple[tuple[int, int], ...], ...]) -> None:
    with pytest.raises(InputError, match="parallel paths"):
        check_blocks(LENGTH, blocks)


def expected(model: torch.nn.Module, ids: list[int]) -> torch.Tensor:
    """Logits of one whole pass with the positions and the mask of the example, continued causally after it."""
    total = len(ids)
    positions = path_positions(LENGTH, BLOCKS)
    positions += range(positions[-1] + 1, positions[-1] + 1 + total - LENGTH)
    hidden = torch.ones(total, total).triu(1).bool()
    hidden[:LENGTH, :LENGTH] |= siblings(LENGTH, BLOCKS)
    mask = torch.zeros(1, 1, total, total).masked_fill_(hidden, torch.finfo(torch.float32).min)
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids]), position_ids=torch.tensor([positions]), attention_mask=mask).logits[0]


@pytest.mark.parametrize("prefill_tokens", [512, 3])
def test_the_decoder_reads_and_goes_on(make_policy: Callable[..., TransformersPolicy], prefill_tokens: int) -> None:
    policy = make_policy(build_model(), prefill_tokens=prefill_tokens)
    prompt = tuple(range(20, 20 + LENGTH))
    plain = Request(prompt_ids=prompt, sampling=Sampling(max_tokens=6, seed=1))
    request = Request(prompt_ids=prompt, sampling=Sampling(max_tokens=6, seed=1), parallel=BLOCKS)

    async def both() -> tuple[object, ...]:
        return await asyncio.gather(policy.generate(request), policy.generate(plain))

    got, ordinary = asyncio.run(both())
    logits = expected(policy.model, [*prompt, *got.ids])
    logprobs = logits.log_softmax(-1)[LENGTH - 1 : -1].gather(-1, torch.tensor(got.ids)[:, None])[:, 0]
    assert torch.allclose(torch.tensor(got.logprobs), logprobs, atol=1e-4)
    assert got.logprobs[0] != pytest.approx(ordinary.logprobs[0], abs=1e-4) or got.ids != ordinary.ids


def test_a_path_does_not_depend_on_its_siblings() -> None:
    model = build_model()
    one = list(range(20, 20 + LENGTH))
    other = [*one[:2], 50, 51, 52, *one[5:]]
    first, second = expected(model, one), expected(model, other)
    assert torch.equal(first[5:9], second[5:9])
    assert not torch.allclose(first[9:], second[9:])


TAGS = PathTags(open_block="(", open_path="[", close_path="]", summary=")", close_summary="}")


def test_an_answer_forks_and_its_logprobs_are_those_of_one_masked_pass(make_policy: Callable[..., TransformersPolicy]) -> None:
    """The model can write only letters and the tags, so it opens and closes by chance."""
    tokenizer = make_policy().tokenizer
    allowed = [tokenizer.convert_tokens_to_ids(text) for text in "(]}qz"]

    def restrict(module: object, args: object, output: Any) -> None:
        output.logits[..., [token for token in range(320) if token not in allowed]] = -torch.inf

    model = build_model(spread=0.05)
    model.register_forward_hook(restrict)
    policy = make_policy(model)
    request = Request(prompt_ids=tuple(range(30, 36)), sampling=Sampling(max_tokens=60, seed=4, temperature=1.0))
    forked = asyncio.run(
        generate_with_paths(policy, request, lambda text: tokenizer.convert_tokens_to_ids(list(text)), blocks=2, path_tokens=7, tags=TAGS)
    )
    got, start = forked.completion, len(request.prompt_ids)
    ids = (*request.prompt_ids, *got.ids)
    assert len(forked.parallel) == 2
    for block in forked.parallel:
        assert len(block) == 2
        for first, end in block:
            text = policy.renderer.decode(ids[first:end])
            assert text.startswith("[")
            assert text.endswith("]")
            assert text.count("]") == 1
        assert policy.renderer.decode(ids[: block[0][0]]).endswith("(")
        assert policy.renderer.decode(ids[block[-1][1] :]).startswith(")")
    siblings_differ = [ids[slice(*one)] != ids[slice(*other)] for one, other in forked.parallel]
    assert any(siblings_differ)
    sampled = [position for first, end in got.sampled for position in range(start + first, start + end)]
    assert len(sampled) == len(got.logprobs)
    hidden = torch.ones(len(ids), len(ids)).triu(1).bool() | siblings(len(ids), forked.parallel)
    mask = torch.zeros(1, 1, *hidden.shape).masked_fill_(hidden, torch.finfo(torch.float32).min)
    positions = torch.tensor([path_positions(len(ids), forked.parallel)])
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids]), position_ids=positions, attention_mask=mask).logits[0]
    expected = logits.log_softmax(-1)[[at - 1 for at in sampled], [ids[at] for at in sampled]]
    assert torch.allclose(torch.tensor(got.logprobs), expected, atol=1e-4)


def test_a_block_needs_two_paths(make_policy: Callable[..., TransformersPolicy]) -> None:
    with pytest.raises(InputError, match="at least 2 paths"):
        asyncio.run(generate_with_paths(make_policy(), Request(prompt_ids=(5,)), lambda text: (), paths=1))
