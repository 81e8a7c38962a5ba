"""Constrained answers: which tokens may come next under a JSON schema, a regular expression or a grammar, by xgrammar."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from burnish.core.errors import InputError, Unavailable
from burnish.core.records import Constraint

WORD = 32
"""Tokens per word of xgrammar's bit mask."""


class Constraints:
    """Compiles constraints for one tokenizer and keeps what is compiled. The end of the turn may come once all is matched."""

    def __init__(self, tokenizer: Any, vocabulary: int, stop_ids: frozenset[int]) -> None:
        """`vocabulary` is the number of logits. Raises `Unavailable` if xgrammar is not installed."""
        try:
            import xgrammar
        except ImportError as error:
            raise Unavailable("Constrained answers need xgrammar: pip install 'burnish[constrained]'.") from error
        self._xgrammar, self._vocabulary = xgrammar, vocabulary
        special = [
            index
            for index, token in tokenizer.added_tokens_decoder.items()
            if token.special and index not in stop_ids and index < vocabulary
        ]
        self._text = torch.ones(vocabulary, dtype=torch.bool)
        self._text[special] = False  # xgrammar takes them for what they spell, but an answer's text does not show them
        info = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=vocabulary, stop_token_ids=sorted(stop_ids))
        self._compiler = xgrammar.GrammarCompiler(info)
        self._compiled: dict[Constraint, Any] = {}

    def compile(self, constraint: Constraint) -> Any:
        """Raises `InputError` for a text that is not of its kind."""
        if constraint not in self._compiled:
            by_kind = {"json": "compile_json_schema", "regex": "compile_regex", "grammar": "compile_grammar"}
            try:
                self._compiled[constraint] = getattr(self._compiler, by_kind[constraint.kind])(constraint.text)
            except RuntimeError as error:
                reason = str(error).strip().split("] ", 1)[-1].split(": ", 1)[-1]
                raise InputError(f"The constraint {constraint.text!r} is no {constraint.kind} that xgrammar reads: {reason}") from None
        return self._compiled[constraint]

    def matcher(self, constraint: Constraint) -> GrammarMatcher:
        """A fresh state for one answer."""
        return GrammarMatcher(self._xgrammar, self.compile(constraint), self._text)


class GrammarMatcher:
    """How far one answer has come in its grammar."""

    def __init__(self, xgrammar: Any, compiled: Any, text: Bool[Tensor, " vocabulary"]) -> None:
        """`text` are the tokens that may ever be written."""
        self._matcher = xgrammar.GrammarMatcher(compiled)
        self._mask = xgrammar.allocate_token_bitmask(1, len(text))
        self._text = text

    def allowed(self) -> Bool[Tensor, " vocabulary"]:
        """The tokens that may come next."""
        if not self._matcher.fill_next_token_bitmask(self._mask, 0):  # all may
            return self._text
        bits: Tensor = (self._mask[0][:, None] >> torch.arange(WORD, dtype=torch.int32)) & 1
        return bits.flatten()[: len(self._text)].bool() & self._text

    def accept(self, token: int) -> None:
        """Go on by one token, which must have been allowed."""
        accepted = self._matcher.accept_token(token)
        assert accepted, "the token drawn was not allowed by the constraint"
