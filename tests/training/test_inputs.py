"""Input transforms: the numbers of the specs, and what a real model sees through them."""

from __future__ import annotations

import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.training.conftest import tiny_model

from burnish.core.errors import InputError
from burnish.training.inputs.attention import additive, causal_attention
from burnish.training.inputs.fault_diff import fault_masks
from burnish.training.inputs.intervention import intervention
from burnish.training.inputs.past_generation import faulty_span, hidden_count, hidden_positions, replaced
from burnish.training.inputs.residual import blended_embeddings, guesses
from burnish.training.inputs.step_ends import line_ends, paragraph_ends


class TestPastGeneration:
    @pytest.mark.parametrize(
        ("tokens", "share", "count"), [(40, 0.05, 2), (40, 0.0, 0), (0, 0.05, 0), (1, 0.05, 1), (9, 0.05, 1), (30, 0.05, 2), (7, 1.0, 7)]
    )
    def test_count(self, tokens, share, count) -> None:
        assert hidden_count(tokens, share) == count

    @given(st.integers(0, 30), st.integers(0, 60), st.floats(0, 1), st.booleans(), st.integers())
    def test_hides_only_within_the_faulty_program(self, start, length, share, independent, seed) -> None:
        got = hidden_positions((start, start + length), random.Random(seed), share=share, independent=independent)
        assert list(got) == sorted(set(got))
        assert all(start <= position < start + length for position in got)
        if not independent:
            assert len(got) == hidden_count(length, share)

    def test_independent_draws_hide_their_share(self) -> None:
        """12 of 20 tokens may be hidden; over many epochs 5 % of them are, and none of the description."""
        rng = random.Random(0)
        got = [position for _ in range(20_000) for position in hidden_positions((8, 20), rng, independent=True)]
        assert len(got) / (20_000 * 12) == pytest.approx(0.05, abs=0.0015)
        assert min(got) == 8

    @pytest.mark.parametrize(("marker", "span"), [((7, 8), (2, 6)), ((5,), (0, 6)), ((8, 7), (6, 6)), ((10, 11), (6, 6))])
    def test_span_of_the_faulty_program(self, marker, span) -> None:
        """From its heading to the end of the prompt; what follows the prompt is never searched."""
        assert faulty_span([5, 6, 7, 8, 9, 10, 11, 7, 8], marker, 6) == span

    def test_epochs_differ(self) -> None:
        rng = random.Random(0)
        assert len({hidden_positions((0, 40), rng) for _ in range(10)}) == 10

    def test_replacement(self) -> None:
        assert replaced([5, 6, 7, 8], (1, 3), 0) == (5, 0, 7, 0)
        assert replaced([5, 6], (), 0) == (5, 6)

    @pytest.mark.parametrize("share", [-0.1, 1.1])
    def test_impossible_share(self, share) -> None:
        with pytest.raises(InputError, match="between 0 and 1"):
            hidden_positions((0, 4), random.Random(0), share=share)


class TestAttention:
    def test_mask(self) -> None:
        got = causal_attention([4, 2], [(1,), ()])
        assert got[:, 0].int().tolist() == [
            [[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 1, 1]],
            [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 0, 1]],
        ]

    def test_nothing_hidden_needs_no_mask(self) -> None:
        assert causal_attention([4, 2], [(), ()]) is None

    def test_additive(self) -> None:
        got = additive(causal_attention([2], [(0,)]), torch.bfloat16)
        assert got[0, 0].tolist() == [[0, torch.finfo(torch.bfloat16).min], [torch.finfo(torch.bfloat16).min, 0]]

    @pytest.mark.parametrize("implementation", ["eager", "sdpa"])
    def test_what_a_model_sees(self, implementation) -> None:
        """A hidden token changes nothing before it; its identity reaches no other position; what follows notices its absence."""
        model = tiny_model()
        model.set_attn_implementation(implementation)
        ids = torch.tensor([[5, 6, 7, 8, 9, 10], [11, 12, 13, 14, 0, 0]])
        mask = causal_attention([6, 4], [(2, 3), (1,)])
        with torch.no_grad():
            plain = model(input_ids=ids).logits
            hidden = model(input_ids=ids, attention_mask=additive(mask)).logits
            changed = torch.tensor([[5, 6, 20, 21, 9, 10], [11, 22, 13, 14, 0, 0]])
            other = model(input_ids=changed, attention_mask=additive(mask)).logits
        assert hidden.isfinite().all()
        assert torch.allclose(hidden[0, :2], plain[0, :2], atol=1e-6)
        assert torch.allclose(hidden[1, :1], plain[1, :1], atol=1e-6)
        assert not torch.allclose(hidden[0, 4:], plain[0, 4:], atol=1e-4)
        assert torch.allclose(other[0, [0, 1, 4, 5]], hidden[0, [0, 1, 4, 5]], atol=1e-6)
        assert torch.allclose(other[1, [0, 2, 3]], hidden[1, [0, 2, 3]], atol=1e-6)

    def test_mask_without_hidden_tokens_is_plain_causal_attention(self) -> None:
        model, ids = tiny_model(), torch.tensor([[5, 6, 7, 8], [9, 10, 0, 0]])
        mask = causal_attention([4, 2], [(3,), ()])  # only the last token is hidden: nothing follows it
        with torch.no_grad():
            got, plain = model(input_ids=ids, attention_mask=additive(mask)).logits, model(input_ids=ids).logits
        assert torch.allclose(got[0], plain[0], atol=1e-6)
        assert torch.allclose(got[1, :2], plain[1, :2], atol=1e-6)


class TestResidual:
    EMBEDDING = torch.tensor([[0.0, 0], [1, 0], [0, 1], [1, 1]])
    IDS = torch.tensor([[0, 2, 3, 1]])
    LEARNED = torch.tensor([[False, True, True, True]])

    def test_guesses_move_right(self) -> None:
        assert guesses(torch.tensor([[1, 3, 0, 2]]), self.IDS).tolist() == [[0, 1, 3, 0]]

    def test_blend(self) -> None:
        got = blended_embeddings(self.EMBEDDING, self.IDS, torch.tensor([[0, 1, 3, 0]]), self.LEARNED)
        assert got[0].tolist() == [pytest.approx(row) for row in ([0, 0], [0.2, 0.8], [1, 1], [0.8, 0])]

    def test_no_share_is_the_plain_input(self) -> None:
        embedding = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
        got = blended_embeddings(embedding, self.IDS, self.IDS.flip(1), self.LEARNED, share=0.0)
        assert torch.equal(got, embedding[self.IDS])

    def test_the_prompt_is_untouched_and_the_table_is_frozen(self) -> None:
        embedding = self.EMBEDDING.clone().requires_grad_()
        got = blended_embeddings(embedding, self.IDS, torch.full_like(self.IDS, 3), torch.zeros(1, 4, dtype=torch.bool), share=0.9)
        assert torch.equal(got, embedding.detach()[self.IDS])
        assert not got.requires_grad

    def test_plain_blend_through_a_model_has_its_plain_logits(self) -> None:
        model, ids = tiny_model(), torch.tensor([[5, 6, 7, 8]])
        with torch.no_grad():
            plain = model(input_ids=ids).logits
            guess = guesses(plain.argmax(-1), ids)
            inputs = blended_embeddings(model.get_input_embeddings().weight, ids, guess, torch.ones_like(ids).bool(), share=0.0)
            assert torch.equal(model(inputs_embeds=inputs).logits, plain)


class TestIntervention:
    STEPS = ((10, 11), (12,), (13, 14), (15,))

    def test_prefix_and_intervention_are_learned(self) -> None:
        got = intervention((1, 2), self.STEPS, 2, (20, 21, 22))
        assert got == ((1, 2, 10, 11, 12, 20, 21, 22), (2, 8))

    def test_numbers_of_the_spec(self) -> None:
        logp = [-0.2, -0.5, -0.1, -0.9, -2, -0.7, -0.3, -0.4]
        start, end = intervention((1, 2), self.STEPS, 2, (20, 21, 22)).learned
        assert [int(start <= position < end) for position in range(8)] == [0, 0, 1, 1, 1, 1, 1, 1]
        assert -sum(logp[start:end]) == pytest.approx(4.4)
        assert -sum(logp[start:end]) / (end - start) == pytest.approx(0.7333333333)

    def test_first_step_wrong_leaves_only_the_intervention(self) -> None:
        assert intervention((1, 2), self.STEPS, 0, (20,)) == ((1, 2, 20), (2, 3))

    @pytest.mark.parametrize(("wrong", "better"), [(None, (20,)), (2, ())])
    def test_nothing_found_gives_nothing(self, wrong, better) -> None:
        assert intervention((1, 2), self.STEPS, wrong, better) is None

    @pytest.mark.parametrize("wrong", [-1, 4])
    def test_no_such_step(self, wrong) -> None:
        with pytest.raises(InputError, match=f"number {wrong}.*4 steps"):
            intervention((1,), self.STEPS, wrong, (2,))

    @given(st.integers(0, 3))
    def test_never_holds_a_token_of_the_rest(self, wrong) -> None:
        rest = {token for step in self.STEPS[wrong:] for token in step}
        assert not rest & set(intervention((1, 2), self.STEPS, wrong, (20, 21)).ids)


def tokens(program: str) -> list[str]:
    """Words with what follows them, and line breaks on their own."""
    return [piece for line in program.split("\n") for piece in [*line.split(), "\n"]]


def differing(program: list[str], mask: tuple[bool, ...]) -> list[str]:
    assert len(mask) == len(program)
    return [token for token, differs in zip(program, mask, strict=True) if differs]


class TestFaultDiff:
    RIGHT = "def f ( n ) :\nt = 0\nfor i in range ( n + 1 ) :\nt += i\nreturn t"

    def diff(self, wrong: str) -> tuple[list[str], list[str]]:
        right, wrong = tokens(self.RIGHT), tokens(wrong)
        masks = fault_masks(right, wrong)
        return differing(right, masks.right), differing(wrong, masks.wrong)

    def test_missing_tokens(self) -> None:
        """`+ 1` is what the wrong line lacks; the wrong line goes on with `)` instead."""
        masks = fault_masks(tokens("for i in range ( n + 1 ) :"), tokens("for i in range ( n ) :"))
        assert [position for position, differs in enumerate(masks.right) if differs] == [6, 7]
        assert self.diff(self.RIGHT.replace("n + 1", "n")) == (["+", "1"], [")"])

    def test_added_tokens(self) -> None:
        assert self.diff(self.RIGHT.replace("return t", "return t + 1")) == (["\n"], ["+", "1"])

    def test_replaced_token(self) -> None:
        assert self.diff(self.RIGHT.replace("+=", "-=")) == (["+="], ["-="])

    def test_missing_line_differs_as_a_whole(self) -> None:
        assert self.diff(self.RIGHT.replace("t += i\n", "")) == (["t", "+=", "i", "\n"], ["return"])

    def test_added_line_differs_as_a_whole(self) -> None:
        assert self.diff(self.RIGHT.replace("return t", "t = 0\nreturn t")) == (["return"], ["t", "=", "0", "\n"])

    def test_more_lines_than_before(self) -> None:
        """The first pair of lines is compared by tokens; the second line has no partner."""
        right, wrong = self.diff(self.RIGHT.replace("t = 0", "t = 1\nt = 2"))
        assert right == ["0", "for"]
        assert wrong == ["1", "t", "=", "2", "\n"]

    def test_equal_programs_have_no_difference(self) -> None:
        assert self.diff(self.RIGHT) == ([], [])

    @pytest.mark.parametrize(("right", "wrong"), [([], []), (["a"], []), ([], ["a"]), (["a"], ["b"])])
    def test_edges(self, right, wrong) -> None:
        got = fault_masks(right, wrong)
        assert got == (tuple(map(bool, right)), tuple(map(bool, wrong)))

    @given(*[st.lists(st.sampled_from(["a", "b", " \n", "\n", "x\ny"]), max_size=14)] * 2)
    def test_without_the_differences_both_are_the_same(self, right, wrong) -> None:
        masks = fault_masks(right, wrong)
        assert (len(masks.right), len(masks.wrong)) == (len(right), len(wrong))
        assert (any(masks.right) or any(masks.wrong)) == (right != wrong)
        mirrored = fault_masks(wrong, right)
        assert (any(mirrored.right) or any(mirrored.wrong)) == (right != wrong)


class TestStepEnds:
    def test_lines(self) -> None:
        assert line_ends(["x", " =", "\n", "y", "\n", " ", "\n", "z", " = 1"]) == (2, 4, 8)
        assert line_ends(["a\n", "    b", "\n"]) == (0, 2)

    def test_paragraphs(self) -> None:
        assert paragraph_ends(["First", " step", ".", "\n\n", "Second", "\n", "\n", "Third"]) == (3, 6, 7)

    @pytest.mark.parametrize("ends", [line_ends, paragraph_ends])
    def test_edges(self, ends) -> None:
        assert ends([]) == ()
        assert ends(["\n\n", "  "]) == ()
        assert ends(["one"]) == (0,)
