"""Input transforms: the numbers of the specs, and what a real model sees through them."""

from __future__ import annotations

import random
from dataclasses import replace

import msgspec
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.training.conftest import tiny_model, tiny_tokenizer

from burnish.core.errors import InputError, UnknownName
from burnish.core.records import Example, Message
from burnish.models._renderer import ByteRenderer, ChatRenderer
from burnish.signals.cycle import BAD, GOOD
from burnish.training._forward import TokenScorer
from burnish.training._rows import Row, View, supervised_row
from burnish.training.config import TrainConfig
from burnish.training.inputs._blend import blended_embeddings, guesses
from burnish.training.inputs._step_ends import line_ends, paragraph_ends
from burnish.training.inputs._texts import pieces, place_of
from burnish.training.inputs.base import Inputs
from burnish.training.inputs.fault_diff import fault_masks
from burnish.training.inputs.intervention import with_better_step
from burnish.training.inputs.parallel_paths import tagged_blocks
from burnish.training.inputs.past_generation import faulty_span, hidden_count, hidden_positions, replaced
from burnish.training.trainer import train


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

    @pytest.mark.parametrize(("faulty", "text"), [(None, f"{BAD}\n\n# bad\n\n{GOOD}"), ("bad", "bad"), ("# bad\n", "# bad\n"), ("é", "é")])
    def test_span_of_the_faulty_program(self, faulty, text) -> None:
        """Its own text, or from CYCLE's first heading to its last; the header of the answer is never hidden."""
        prompt = ByteRenderer().render([Message(role="user", content=f"do é.\n\n{BAD}\n\n# bad\n\n{GOOD}\n")])
        start, end = faulty_span(ByteRenderer(), prompt, faulty)
        assert bytes(prompt[start:end]).decode() == text

    def test_no_faulty_program(self) -> None:
        prompt = ByteRenderer().render([Message(role="user", content="do")])
        assert faulty_span(ByteRenderer(), prompt, None) is None
        with pytest.raises(InputError, match="is not in the prompt"):
            faulty_span(ByteRenderer(), prompt, "bad")

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


class TestResidual:
    EMBEDDING = torch.tensor([[0.0, 0], [1, 0], [0, 1], [1, 1]])
    IDS = torch.tensor([[0, 2, 3, 1]])
    LEARNED = torch.tensor([[False, True, True, True]])

    def test_guesses_move_right(self) -> None:
        assert guesses(torch.tensor([[1, 3, 0, 2]]), self.IDS).tolist() == [[0, 1, 3, 0]]

    def test_blend(self) -> None:
        got = blended_embeddings(self.EMBEDDING, self.IDS, torch.tensor([[0, 1, 3, 0]]), self.LEARNED, 0.2)
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
        got = with_better_step((1, 2), self.STEPS, 2, (20, 21, 22))
        assert got == ((1, 2, 10, 11, 12, 20, 21, 22), (2, 8))

    def test_numbers_of_the_spec(self) -> None:
        logp = [-0.2, -0.5, -0.1, -0.9, -2, -0.7, -0.3, -0.4]
        start, end = with_better_step((1, 2), self.STEPS, 2, (20, 21, 22)).learned
        assert [int(start <= position < end) for position in range(8)] == [0, 0, 1, 1, 1, 1, 1, 1]
        assert -sum(logp[start:end]) == pytest.approx(4.4)
        assert -sum(logp[start:end]) / (end - start) == pytest.approx(0.7333333333)

    def test_first_step_wrong_leaves_only_the_intervention(self) -> None:
        assert with_better_step((1, 2), self.STEPS, 0, (20,)) == ((1, 2, 20), (2, 3))

    @pytest.mark.parametrize(("wrong", "better"), [(None, (20,)), (2, ())])
    def test_nothing_found_gives_nothing(self, wrong, better) -> None:
        assert with_better_step((1, 2), self.STEPS, wrong, better) is None

    @pytest.mark.parametrize("wrong", [-1, 4])
    def test_no_such_step(self, wrong) -> None:
        with pytest.raises(InputError, match=f"number {wrong}.*4 steps"):
            with_better_step((1,), self.STEPS, wrong, (2,))

    @given(st.integers(0, 3))
    def test_never_holds_a_token_of_the_rest(self, wrong) -> None:
        rest = {token for step in self.STEPS[wrong:] for token in step}
        assert not rest & set(with_better_step((1, 2), self.STEPS, wrong, (20, 21)).ids)


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


RENDERER = ChatRenderer(tiny_tokenizer())
CONFIG = TrainConfig(learning_rate=1e-2, batch_size=2, warmup=0, steps=2, micro_tokens=64)


def conversation(question: str, answer: str, **meta) -> Example:
    messages = (Message(role="user", content=question), Message(role="assistant", content=answer))
    return Example(id=question, kind="sft", task_id="t", messages=messages, meta=meta)


def read(example: Example, renderer=RENDERER, *, drawn: bool = False, seed: int = 0, **options) -> Row | None:
    return Inputs.named(options).apply(supervised_row(example, renderer), example, renderer, drawn=drawn, seed=seed)


def trained(policy, folder, config, examples) -> tuple[list, dict[str, torch.Tensor]]:
    stats = []
    train(policy, folder, config, examples=examples, on_step=stats.append)
    return stats, {name: tensor.detach().clone() for name, tensor in policy.model.state_dict().items()}


def changed(config, **fields):
    return msgspec.structs.replace(config, **fields)


class TestRows:
    """From an example to the row that is read."""

    def test_text_among_tokens(self) -> None:
        ids = ByteRenderer().render([Message(role="user", content="aé b é")])
        assert "".join(pieces(ByteRenderer(), [97, 98])) == "ab"
        start, end = place_of(ByteRenderer(), ids, "é")
        assert bytes(ids[start:end]).decode() == "é"
        assert start == 1 + len("aé b ".encode())
        assert place_of(ByteRenderer(), ids, "c") is None

    def test_a_fault_is_marked_in_both_answers(self) -> None:
        row = read(conversation("f", "abc", wrong="axc"), fault_diff={})
        assert row.fields["fault_mask"] == (0.0, 1.0, 0.0, 0.0)  # the last one is the end of the turn
        assert RENDERER.decode([row.rival.ids[p] for p in row.rival.positions]) == "x"
        assert row.rival.ids[: row.positions[0]] == row.ids[: row.positions[0]]

    @pytest.mark.parametrize("meta", [{}, {"wrong": "abc"}])
    def test_without_a_fault(self, meta) -> None:
        row = read(conversation("f", "abc", **meta), fault_diff={})
        assert row.fields["fault_mask"] == (0.0,) * 4
        assert row.rival is None

    def test_a_better_step_takes_the_place_of_what_went_wrong(self) -> None:
        trace = conversation("q", "one\n\ntwo\n\nthree", intervention={"wrong": 1, "better": "2\n\n"})
        row = read(trace, ByteRenderer(), intervention={})
        assert ByteRenderer().decode([row.ids[p] for p in row.positions]) == "one\n\n2\n\n"
        assert row.positions[-1] == len(row.ids) - 1  # neither the rest of the trace nor an end of the turn
        assert read(conversation("q", "one", intervention={"wrong": None, "better": ""}), ByteRenderer(), intervention={}) is None
        assert read(conversation("q", "one"), ByteRenderer(), intervention={}) == supervised_row(conversation("q", "one"), ByteRenderer())

    def test_past_generation_is_drawn_anew_in_every_pass(self) -> None:
        example = conversation("fix this program", "ok", faulty="this program")
        hidden = [read(example, drawn=True, seed=seed, past_generation={"share": 0.3}).view.hidden for seed in range(5)]
        assert {len(places) for places in hidden} == {4}
        assert len(set(hidden)) > 1
        assert read(example, past_generation={"share": 0.3}).view is None
        replaced_row = read(example, drawn=True, past_generation={"share": 0.3, "replacement": 0})
        assert replaced_row.ids.count(0) == 4
        assert replaced_row.view is None

    def test_paths_are_found_by_their_tags(self) -> None:
        text = "p<Parallel><Path>a</Path><Path>bc</Path></Parallel><Summary>s</Summary>z"
        ids = [*text.encode()]
        (block,) = tagged_blocks(ByteRenderer(), ids)
        assert [bytes(ids[start:end]).decode() for start, end in block] == ["<Path>a</Path>", "<Path>bc</Path>"]
        assert tagged_blocks(ByteRenderer(), b"<Parallel><Path>a</Path></Parallel>") == ()
        with pytest.raises(InputError, match="inside of parallel paths"):
            tagged_blocks(ByteRenderer(), b"<Parallel><Path><Parallel></Path></Parallel>")
        row = read(conversation("q", text), ByteRenderer(), parallel_paths={})
        assert len(row.view.blocks[0]) == 2

    def test_what_cannot_be_used_is_said(self) -> None:
        with pytest.raises(UnknownName, match="no input named 'pgm'.*past_generation"):
            read(conversation("q", "a"), pgm={})
        with pytest.raises(InputError, match="no option 'rate'"):
            read(conversation("q", "a"), residual={"rate": 1.0})


class TestTraining:
    """Each input through the whole trainer."""

    def test_without_effect_all_are_plain_fine_tuning(self, make_policy, examples, tmp_path) -> None:
        _, plain = trained(make_policy(), tmp_path / "plain", CONFIG, examples)
        silent = {"fault_diff": {}, "intervention": {}, "parallel_paths": {}, "past_generation": {"share": 0.0}, "residual": {"share": 0.0}}
        _, same = trained(make_policy(), tmp_path / "same", changed(CONFIG, sft_inputs=silent), examples)
        assert all(torch.equal(plain[name], same[name]) for name in plain)

    def test_faults_weigh_as_the_policy_sees_them(self, make_policy, tmp_path) -> None:
        """c_t of the differing token is clip(p_wrong / p_right, 1, 3), that of all others is 1."""
        policy, example = make_policy(), conversation("f", "abc", wrong="axc")
        ids = torch.tensor([[*RENDERER.render(example.messages[:1]), 5]])  # ... up to the token before the difference
        logp = policy.model(input_ids=ids).logits[0, -1].log_softmax(-1).detach()
        weight = float((logp[RENDERER.tokenizer.convert_tokens_to_ids("x")] - logp[RENDERER.tokenizer.convert_tokens_to_ids("b")]).exp())
        config = changed(CONFIG, sft_loss="fait", sft_inputs={"fault_diff": {}}, batch_size=1, steps=1)
        stats, _ = trained(policy, tmp_path, config, [example])
        assert stats[0].streams["sft"].coefficient_mean == pytest.approx((3 + min(max(weight, 1.0), 3.0)) / 4, abs=1e-4)

    def test_fait_needs_its_input(self, make_policy, examples, tmp_path) -> None:
        with pytest.raises(InputError, match=r"needs fault_logp, fault_mask.*sft_inputs"):
            trained(make_policy(), tmp_path, changed(CONFIG, sft_loss="fait"), examples)

    @pytest.mark.parametrize("layers", [False, True])
    def test_every_input_learns_and_resumes_bitwise(self, make_policy, tmp_path, layers) -> None:
        examples = [
            conversation(f"fix the {letter}", letter * 3, faulty="the", wrong=f"{letter}z{letter}", parallel=[[[2, 4], [4, 5]]])
            for letter in "abc"
        ]
        inputs = {"fault_diff": {}, "parallel_paths": {}, "residual": {}, "past_generation": {"share": 0.5}}
        config = changed(CONFIG, sft_inputs=inputs, sft_loss="fait", steps=12, save_every=100, checkpoint_layers=layers, batch_size=3)
        stats, whole = trained(make_policy(), tmp_path / "whole", config, examples)
        assert stats[-1].loss < 0.6 * stats[0].loss
        asked, resumed = [], make_policy()
        train(make_policy(), tmp_path / "half", config, examples=examples, should_stop=lambda: asked.append(0) or len(asked) == 5)
        train(resumed, tmp_path / "half", config, examples=examples, resume=True)
        assert all(torch.equal(tensor, whole[name]) for name, tensor in resumed.model.state_dict().items())

    def test_a_micro_batch_split_changes_nothing(self, make_policy, tmp_path) -> None:
        examples = [conversation(f"fix {letter * n}", letter * n, faulty=letter) for n, letter in enumerate("abcd", 1)]
        config = changed(CONFIG, sft_inputs={"residual": {}, "past_generation": {"share": 1.0}}, batch_size=4, sft_loss="ift", steps=1)
        (whole, _), (parts, _) = (
            trained(make_policy(), tmp_path / str(tokens), changed(config, micro_tokens=tokens), examples) for tokens in (512, 1)
        )
        assert whole[0].loss == pytest.approx(parts[0].loss, abs=1e-5)
        assert whole[0].gradient_norm == pytest.approx(parts[0].gradient_norm, rel=1e-4)


class TestViews:
    """What a real model sees: rows in one batch with all kinds of views."""

    PLAIN = Row(id="plain", ids=(5, 6, 7, 8, 9, 10), positions=(2, 3, 4, 5))

    def logp(self, *rows: Row, embeddings: bool = False) -> torch.Tensor:
        scorer = TokenScorer(tiny_model())
        if embeddings:
            scorer.freeze_embeddings()
        with torch.no_grad():
            return scorer(rows)["logp"]

    def test_an_empty_view_is_the_plain_row(self) -> None:
        viewed = replace(self.PLAIN, view=View())
        assert torch.allclose(self.logp(viewed, self.PLAIN, embeddings=True), self.logp(self.PLAIN).expand(2, -1), atol=1e-6)

    def test_hidden_tokens_reach_nobody(self) -> None:
        row = replace(self.PLAIN, view=View(hidden=(2, 3)))
        other = replace(row, ids=(5, 6, 20, 21, 9, 10))
        before, hidden, changed_ids = self.logp(self.PLAIN)[0], self.logp(row)[0], self.logp(other)[0]
        assert torch.allclose(before[:1], hidden[:1], atol=1e-6)  # nothing before them changes
        assert torch.allclose(hidden[3:], changed_ids[3:], atol=1e-6)  # who they are is not seen by what follows
        assert not torch.allclose(before[3:], hidden[3:], atol=1e-4)  # but their absence is

    def test_paths_do_not_see_each_other(self) -> None:
        """p a | b c | z: the second path starts again at the position of the first, and z sees both."""
        row = Row(id="r", ids=(5, 6, 7, 8, 9, 10), positions=(3, 4, 5), view=View(blocks=(((1, 2), (2, 4)),)))
        got, other = self.logp(row)[0], self.logp(replace(row, ids=(5, 20, 7, 8, 9, 10)))[0]
        assert torch.allclose(got[:1], other[:1], atol=1e-6)
        assert not torch.allclose(got[2:], other[2:], atol=1e-4)
        alone = self.logp(Row(id="alone", ids=(5, 7, 8), positions=(2,)))[0]
        assert torch.allclose(got[:1], alone, atol=1e-6)

    def test_a_blend_is_what_the_model_reads(self) -> None:
        model, ids = tiny_model(), torch.tensor([list(self.PLAIN.ids)])
        with torch.no_grad():
            guess = guesses(model(input_ids=ids).logits.argmax(-1), ids)
            learned = torch.tensor([[False, False, True, True, True, True]])
            inputs = blended_embeddings(model.get_input_embeddings().weight, ids, guess, learned, 0.3)
            expected = model(inputs_embeds=inputs).logits[0].log_softmax(-1)
        got = self.logp(replace(self.PLAIN, view=View(blend=0.3)), embeddings=True)[0]
        assert torch.allclose(got, torch.stack([expected[p - 1, self.PLAIN.ids[p]] for p in self.PLAIN.positions]), atol=1e-5)
