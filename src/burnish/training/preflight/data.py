"""P06-P08: the examples, how they become tokens, and where the loss looks."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import torch

from burnish.core.errors import InputError
from burnish.core.records import Example, Message
from burnish.core.seeds import content_hash
from burnish.training._forward import TokenScorer
from burnish.training._recorded_stream import RecordedStream
from burnish.training._rows import supervised_row
from burnish.training._streams import ExampleStream, PreferenceStream, ValueStream
from burnish.training.preflight.base import Setup, Skipped, Warned


def p06_data(setup: Setup) -> str:
    """Every example can be learned from, is there once, fits the model, and is not among the validation examples."""
    answers = _answers(setup)
    if not setup.examples:
        if answers:
            return f"{answers} judged, labelled or recorded answers"
        if setup.rollouts is not None:
            raise Skipped("There are no examples; the data are rollouts.")
        raise InputError("There are no examples to learn from. Check the file that they come from.")
    rows = [supervised_row(example, setup.policy.renderer) for example in (*setup.examples, *setup.validation)]
    overlap = {_content(example) for example in setup.examples} & {_content(example) for example in setup.validation}
    if overlap:
        raise InputError(f"{len(overlap)} validation examples are also trained on. Split the data by group_id of the tasks.")
    limit = getattr(setup.policy, "context", 2**31)
    long = [row.id for row in rows if row.length > limit]
    if long:
        raise InputError(f"{len(long)} of {len(rows)} examples are longer than the {limit} tokens of the model, first {long[0]!r}.")
    lengths = sorted(row.length for row in rows)
    figures = f"{len(setup.examples)} examples, median {lengths[len(lengths) // 2]} and at most {lengths[-1]} tokens"
    repeated = sum(count - 1 for count in Counter(map(_content, setup.examples)).values())
    if repeated:
        raise Warned(f"{repeated} examples are there more than once: {figures}.")
    return figures


def _answers(setup: Setup) -> int:
    """How many rows the streams of judged, labelled and recorded answers make of them; they raise `InputError` for bad ones."""
    renderer, streams = setup.policy.renderer, list[ExampleStream]()
    if setup.preferences or setup.judged:
        streams.append(PreferenceStream(setup.preferences, setup.judged, renderer, setup.settings))
    if setup.labelled:
        streams.append(ValueStream(setup.labelled, renderer, setup.settings))
    if setup.recorded:
        streams.append(RecordedStream(setup.recorded, renderer, setup.settings))
    return sum(len(rows) for stream in streams for rows in stream.rows)


def _content(example: Example) -> str:
    ids = example.tokens.ids if example.tokens is not None else ()
    return content_hash(*(f"{message.role}\x1f{message.content}" for message in example.messages), str(ids))


PROBE = (Message(role="user", content="say a"), Message(role="assistant", content="a b"))


def p07_template(setup: Setup) -> str:
    """Text survives the tokenizer, a prompt is the beginning of the conversation that answers it, and an answer ends."""
    renderer = setup.policy.renderer
    prompt = tuple(renderer.render(PROBE[:1]))
    ids, (start, end) = renderer.supervised(PROBE)
    if tuple(ids[: len(prompt)]) != prompt:
        raise InputError("The rendered conversation does not begin with its rendered prompt. The chat template rewrites what came before.")
    if renderer.decode(ids[start:end]).strip() != PROBE[1].content:
        raise InputError(f"The answer {PROBE[1].content!r} comes back from the tokenizer as {renderer.decode(ids[start:end])!r}.")
    longer = tuple(renderer.extend(ids, PROBE[:1]))
    if longer[: len(ids)] != tuple(ids):
        raise InputError("A further turn changes the tokens of the turns before it. The chat template rewrites history.")
    stops = getattr(renderer, "stop_ids", None)
    if stops is not None and ids[end - 1] not in stops:
        raise InputError("A learned answer does not end with a token that stops generation, so that the model never learns to stop.")
    return f"a turn of {end - start} tokens after a prompt of {len(prompt)}"


def p08_loss_mask(setup: Setup) -> str:
    """Only what was answered is learned: no token of the prompt, and nothing after the last learned token matters."""
    if not setup.examples:
        raise Skipped("There are no examples; rollouts are learned where they were sampled.")
    for example, row in zip(setup.examples, setup.rows, strict=False):
        prompt = len(setup.policy.renderer.render(example.messages[:-1])) if example.tokens is None else 0
        if row.positions[0] < prompt:
            raise InputError(f"Example {example.id!r} learns token {row.positions[0]}, but its prompt has {prompt} tokens.")
    scorer = TokenScorer(setup.policy.model)
    changed = [replace(row, ids=(*row.ids[: row.positions[-1] + 1], 0, 1)) for row in setup.rows]
    with torch.no_grad():
        before, after = scorer(setup.rows)["logp"], scorer(changed)["logp"]
    if not torch.allclose(before, after, atol=1e-4):
        raise InputError("Tokens after the last learned one change the loss: the model does not attend causally.")
    return f"{sum(len(row.positions) for row in setup.rows)} of {sum(len(row.ids) for row in setup.rows)} tokens are learned"
