"""Rewards inside of an answer from a process reward model: PRLCoder's reward at the end of every line.

    r at the last token of step i = p(step i is right), or 2 p - 1 with `centred`

The model is a checkpoint of the stream `value` (`labelled`), trained on the same tokenizer as the policy. Use it with an advantage
that passes rewards back: `token_credit`, `step_credit`, `span_gae`. Source: code and debugging spec, PRLCoder (arXiv 2502.01715).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from burnish.models.base import Renderer
from burnish.models.scores import ProcessRewardModel
from burnish.training.inputs._step_ends import line_ends, paragraph_ends
from burnish.training.inputs._texts import pieces
from burnish.training.rollouts import Rollout


class ProcessCredit:
    """A `RolloutSource.credit`: the last sampled token of each step of a rollout, and what the model thinks of that step."""

    def __init__(
        self, model: Any, folder: str | Path, renderer: Renderer, *, steps: Literal["lines", "paragraphs"] = "lines", centred: bool = False
    ) -> None:
        """`model` is the language model of the checkpoint in `folder`, whose head is read from there.

        Raises `InputError` if there is no head, or one of another kind.
        """
        self._model, self._renderer, self._centred = ProcessRewardModel.load(model.eval(), folder), renderer, centred
        self._ends = line_ends if steps == "lines" else paragraph_ends

    @torch.no_grad()
    def __call__(self, rollout: Rollout) -> tuple[Sequence[int], Sequence[float]]:
        """Ends (counted in sampled tokens) and rewards. An answer without a step has none."""
        ids = rollout.tokens.ids
        sampled = [place for start, end in rollout.tokens.sampled for place in range(start, end)]
        ends = self._ends(pieces(self._renderer, [ids[place] for place in sampled]))
        if not ends:
            return (), ()
        (logits,) = self._model([ids], [[sampled[end] for end in ends]])
        chances = logits.sigmoid()
        return ends, (2 * chances - 1 if self._centred else chances).tolist()
