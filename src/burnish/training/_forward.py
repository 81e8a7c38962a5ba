"""The model adapter: log-probabilities of the learned tokens, and nothing else.

The backbone runs once over all rows packed into one sequence (`_layout`, `_attention`). Hidden states are gathered where the
loss looks, and the output head runs over them in chunks that are computed again in the backward pass: no tensor of size
batch x time x vocabulary ever exists. Log-softmax and entropy are in float32. A model that cannot run packed (attention of
its own kind) runs over right-padded rows: with causal attention no real token sees the padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from burnish.core.errors import InputError
from burnish.training._attention import NAME
from burnish.training._layout import lay_out
from burnish.training._rows import Row

CHUNK_ELEMENTS = 1 << 24
"""Largest tokens x vocabulary block of logits: 64 MiB in float32."""

PLAIN_ATTENTION = 512
"""Longest padded row for which the time x time scores of plain attention are kept for the backward pass."""

PROBE = (
    Row(id="a", ids=(1, 2, 3, 4, 1), positions=(3, 4)),
    Row(id="b", ids=(1, 2, 3, 2), positions=(3,)),
    Row(id="c", ids=(4, 3, 1), positions=(1, 2)),
)
"""Rows with a shared beginning, on which packed and padded runs must agree."""


class TokenScorer:
    """Scores rows under a causal language model of transformers (a LoRA-injected one included)."""

    def __init__(self, model: nn.Module) -> None:
        """Raises `InputError` if the model's output is more than its backbone followed by one matrix."""
        self.model: Any = model
        self._backbone, self._head = _split(model)
        self._check()
        self.packed = self._can_pack()
        """Whether rows run packed, with shared beginnings computed once."""

    def __call__(self, rows: Sequence[Row], *, temperature: float = 1.0, entropy: bool = False) -> dict[str, Float[Tensor, "batch time"]]:
        """`logp` of the learned tokens of each row (padded with 0) and, if asked for, `entropy` at those places."""
        return self.scores(self.hidden(rows), rows, temperature=temperature, entropy=entropy)

    def scores(
        self, hidden: Float[Tensor, "tokens hidden"], rows: Sequence[Row], *, temperature: float = 1.0, entropy: bool = False
    ) -> dict[str, Float[Tensor, "batch time"]]:
        """The same from hidden states that are there already."""
        targets = torch.tensor([row.ids[p] for row in rows for p in row.positions], device=self.head.device)
        found = token_scores(hidden, self.head, targets, temperature, entropy)
        names = ("logp", "entropy") if entropy else ("logp",)
        return {name: padded(score, rows) for name, score in zip(names, found, strict=False)}

    @property
    def head(self) -> Float[Tensor, "vocabulary hidden"]:
        """The output matrix."""
        weight: Tensor = self._head.weight
        return weight

    def hidden(self, rows: Sequence[Row]) -> Float[Tensor, "tokens hidden"]:
        """Last hidden states at the places that predict the learned tokens, row by row."""
        return self._packed(rows) if self.packed else self._padded(rows)

    @contextmanager
    def attention(self) -> Iterator[None]:
        """While open, the model attends by segments. Open it around the backward pass too if activations are checkpointed."""
        used = self.model.config._attn_implementation
        if not self.packed or used == NAME:
            yield
            return
        self.model.set_attn_implementation(NAME)
        try:
            yield
        finally:
            self.model.set_attn_implementation(used)

    def _packed(self, rows: Sequence[Row]) -> Float[Tensor, "tokens hidden"]:
        device, layout = self.head.device, lay_out(rows)
        ids, positions = (torch.tensor([column], device=device) for column in (layout.ids, layout.positions))
        with self.attention():
            states = self._backbone(input_ids=ids, position_ids=positions, use_cache=False, layout=layout).last_hidden_state
        return states[0].index_select(0, torch.tensor(layout.sources, device=device))

    def _padded(self, rows: Sequence[Row]) -> Float[Tensor, "tokens hidden"]:
        device, width = self.head.device, max(row.length for row in rows)
        ids = torch.tensor([_fit(row.ids, width) for row in rows], device=device)
        flat = torch.tensor([i * width + p - 1 for i, row in enumerate(rows) for p in row.positions], device=device)
        with self._plain_attention(width):
            states = self._backbone(input_ids=ids, use_cache=False).last_hidden_state
        return states.reshape(-1, states.shape[-1]).index_select(0, flat)

    @contextmanager
    def _plain_attention(self, width: int) -> Iterator[None]:
        """On the CPU, torch's fused attention is slow backward in bfloat16: plain matrix products take a third of its time."""
        weight, used = self.head, self.model.config._attn_implementation
        plain = weight.device.type == "cpu" and weight.dtype != torch.float32 and used == "sdpa" and width <= PLAIN_ATTENTION
        if plain:
            self.model.set_attn_implementation("eager")
        try:
            yield
        finally:
            if plain:
                self.model.set_attn_implementation(used)

    @torch.no_grad()
    def _can_pack(self) -> bool:
        """Run the probe both ways. Whatever a foreign model's code raises when it is asked to, it then runs padded."""
        if getattr(self.model.config, "attention_dropout", 0.0):
            return False
        training = self.model.training
        self.model.eval()
        self.packed = True
        try:
            ours, theirs = self._packed(PROBE), self._padded(PROBE)
            return torch.allclose(ours.float(), theirs.float(), rtol=2e-2, atol=2e-2 * float(theirs.abs().max()))
        except (InputError, TypeError, ValueError, RuntimeError, AttributeError, NotImplementedError):
            return False
        finally:
            self.model.train(training)

    @torch.no_grad()
    def _check(self) -> None:
        probe = torch.arange(1, 5, device=self.head.device).unsqueeze(0)
        training = self.model.training
        self.model.eval()
        whole = self.model(input_ids=probe).logits.float()
        ours = (self._backbone(input_ids=probe, use_cache=False).last_hidden_state @ self.head.T).float()
        self.model.train(training)
        capped = getattr(self.model.config, "final_logit_softcapping", None)  # a cap is nearly invisible on small logits
        if capped or not torch.allclose(whole, ours, rtol=2e-2, atol=2e-2 * float(whole.abs().max())):
            kind = type(self.model).__name__
            raise InputError(
                f"{kind} changes its logits after the output matrix (a bias, a scale, a cap). Such models cannot be trained here yet."
            )


def padded(values: Float[Tensor, " tokens"], rows: Sequence[Row]) -> Float[Tensor, "batch time"]:
    """Values of the learned tokens, row by row, as a rectangle with 0 in the cells that no row has."""
    return pad_sequence(list(torch.split(values, [len(row.positions) for row in rows])), batch_first=True)


def _split(model: Any) -> tuple[nn.Module, nn.Linear]:
    backbone: Any = getattr(model, "base_model", None)
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    if backbone is None or backbone is model or not isinstance(head, nn.Linear):
        raise InputError(
            f"{type(model).__name__} is not a causal language model with a linear output head; load it with AutoModelForCausalLM."
        )
    return backbone, head


def _fit(ids: Sequence[int], width: int) -> list[int]:
    return [*ids[:width], *[0] * (width - len(ids))]


def token_scores(
    hidden: Float[Tensor, "tokens hidden"],
    weight: Float[Tensor, "vocabulary hidden"],
    targets: Int[Tensor, " tokens"],
    temperature: float = 1.0,
    entropy: bool = False,
) -> tuple[Float[Tensor, " tokens"], Float[Tensor, " tokens"]]:
    """Float32 log-probability of each target under softmax(hidden weight^T / temperature), and the entropy (0 if not asked for)."""
    scores: tuple[Tensor, Tensor] = _TokenScores.apply(hidden, weight, targets, temperature, entropy)  # type: ignore[no-untyped-call]
    return scores


class _TokenScores(torch.autograd.Function):
    """Chunked log-softmax with recomputation. With z = logits / T and p = softmax(z):

    d logp / dz = onehot - p,   d entropy / dz = -p (log p + entropy).
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float, with_entropy: bool) -> tuple[Tensor, Tensor]:
        logp = hidden.new_zeros(len(hidden), dtype=torch.float32)
        entropy, normaliser = torch.zeros_like(logp), torch.zeros_like(logp)
        for rows in chunks(len(hidden), len(weight)):
            logits = logits_of(hidden[rows], weight, temperature)
            normaliser[rows] = logits.logsumexp(dim=1)
            logp[rows] = logits.gather(1, targets[rows, None]).squeeze(1) - normaliser[rows]
            if with_entropy:
                log_probability = logits.sub_(normaliser[rows, None])
                entropy[rows] = -(log_probability.exp() * log_probability).sum(dim=1)
        ctx.save_for_backward(hidden, weight, targets, normaliser, entropy)
        ctx.temperature, ctx.with_entropy = temperature, with_entropy
        return logp, entropy

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad_logp: Tensor, grad_entropy: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, targets, normaliser, entropy = ctx.saved_tensors
        grad_hidden = torch.zeros_like(hidden) if ctx.needs_input_grad[0] else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        for rows in chunks(len(hidden), len(weight)):
            log_probability = logits_of(hidden[rows], weight, ctx.temperature).sub_(normaliser[rows, None])
            probability = log_probability.exp()
            slope = -grad_logp[rows, None] * probability
            if ctx.with_entropy:
                slope -= grad_entropy[rows, None] * probability * (log_probability + entropy[rows, None])
            slope.scatter_add_(1, targets[rows, None], grad_logp[rows, None])
            slope = slope.div_(ctx.temperature).to(hidden.dtype)
            if grad_hidden is not None:
                grad_hidden[rows] = slope @ weight
            if grad_weight is not None:
                grad_weight += slope.T @ hidden[rows]
        return grad_hidden, None if grad_weight is None else grad_weight.to(weight.dtype), None, None, None


def logits_of(hidden: Tensor, weight: Tensor, temperature: float) -> Tensor:
    """Float32 logits, divided by the temperature."""
    logits = (hidden @ weight.T).float()
    return logits if temperature == 1.0 else logits.div_(temperature)


def chunks(tokens: int, vocabulary: int) -> list[slice]:
    """Ranges of tokens whose logits are within `CHUNK_ELEMENTS`."""
    size = max(1, CHUNK_ELEMENTS // vocabulary)
    return [slice(start, min(start + size, tokens)) for start in range(0, tokens, size)]
