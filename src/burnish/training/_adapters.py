"""What is trained and what is not: LoRA adapters in place, and the frozen reference for KL terms.

The policy's engine keeps its module: LoRA layers are injected into it, so sampling uses them at once. A model that already
carries an adapter goes on with it. The reference is the model with its adapter off, or a frozen copy when all is trained.
"""

from __future__ import annotations

import copy
import sys
import warnings
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from burnish.core.errors import InputError
from burnish.core.seeds import content_hash
from burnish.models._heads import ScalarHead, write_head
from burnish.training._forward import TokenScorer
from burnish.training._rows import Row

_INJECTED: weakref.WeakKeyDictionary[nn.Module, Any] = weakref.WeakKeyDictionary()
"""Model → the PeftModel that was injected into it, so that a second training goes on with the same adapter."""


class Trainable:
    """A model made ready for training: which parameters move, and how to write it down."""

    def __init__(self, model: nn.Module, rank: int | None, seed: int, *, head: str | None = None) -> None:
        """Freeze all but a LoRA adapter of `rank`, or make every parameter trainable if it is None.

        `head` adds a scalar head: one number from each hidden state, 0 at first, in float32. It says what the number is:
        `value` (a critic), `process` (a step is right) or `reward` (of a whole answer), as `models.scores` loads it.
        """
        self.origin = _weights_fingerprint(model)
        self.adapter = _adapter(model, rank, seed)
        self.model: Any = self.adapter.get_base_model() if self.adapter is not None else model
        if self.adapter is None:
            model.requires_grad_(True)
        self.kind_of_head, self.head = head, None if head is None else _scalar_head(self.model)

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        """What is trained, by name."""
        found = {name: parameter for name, parameter in self.model.named_parameters() if parameter.requires_grad}
        head = {} if self.head is None else dict(self.head.named_parameters())
        return found | {f"scalar_head.{name}": parameter for name, parameter in head.items()}

    def save(self, folder: str, weights: Mapping[str, Tensor] | None = None) -> None:
        """Write weights that plain transformers (or PEFT, for an adapter) loads, and the scalar head beside them.

        `weights` is the whole model's state where the model itself holds only a part of it.
        """
        with _quietly():
            (self.model if self.adapter is None else self.adapter).save_pretrained(folder, state_dict=weights)
        if self.head is not None and self.kind_of_head is not None:
            write_head(self.head, self.kind_of_head, folder)

    def merge(self, folder: str) -> None:
        """Write the whole model with the adapter added into its weights; the adapter itself stays as it is."""
        if self.adapter is None:
            self.save(folder)
            return
        with _quietly():
            copy.deepcopy(self.adapter).merge_and_unload().save_pretrained(folder)


class HasModel(Protocol):
    """What a reference is made of: a causal language model, and the adapter injected into it, if any."""

    model: Any
    adapter: Any


class Reference:
    """The policy as it was when this was made (or, with an adapter, without it)."""

    def __init__(self, trainable: HasModel, *, as_is: bool = False) -> None:
        """Without an adapter this copies the model: make it before the first update. `as_is` copies it with its adapter."""
        self._adapter = None if as_is else trainable.adapter
        self.copied = self._adapter is None
        """Whether the weights are a copy of their own."""
        self.model = copy.deepcopy(trainable.model).requires_grad_(False).eval() if self.copied else trainable.model
        self._scorer = TokenScorer(self.model)

    @torch.no_grad()
    def __call__(self, rows: Sequence[Row], temperature: float) -> Float[Tensor, "batch time"]:
        """Log-probabilities of the learned tokens, without gradient."""
        with self._without_adapter():
            return self._scorer(rows, temperature=temperature)["logp"]

    @torch.no_grad()
    def outputs(self, rows: Sequence[Row]) -> tuple[Float[Tensor, "tokens hidden"], Float[Tensor, "vocabulary hidden"]]:
        """Hidden states at the places that predict the learned tokens, and the output matrix."""
        with self._without_adapter():
            return self._scorer.hidden(rows), self._scorer.head

    def _without_adapter(self) -> AbstractContextManager[Any]:
        context: AbstractContextManager[Any] = nullcontext() if self._adapter is None else self._adapter.disable_adapter()
        return context


def _scalar_head(model: Any) -> ScalarHead:
    weight = model.get_output_embeddings().weight
    return ScalarHead(weight.shape[1]).to(weight.device)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without a bar of transformers, which would garble ours, and with what its imports print (DeepSpeed's do) on standard error."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _adapter(model: nn.Module, rank: int | None, seed: int) -> Any | None:
    from peft import LoraConfig, get_peft_model

    existing = known_adapter(model)
    if existing is not None:
        return _check_rank(existing, rank)
    if rank is None:
        return None
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers for a property that is being renamed
        torch.manual_seed(seed)
        config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
        injected = get_peft_model(model, config, autocast_adapter_dtype=False)
    _INJECTED[model] = injected
    return injected


def known_adapter(model: nn.Module) -> Any | None:
    """The PEFT model around or inside of `model`, if it carries an adapter already."""
    from peft import PeftModel

    return model if isinstance(model, PeftModel) else _INJECTED.get(model)


def _check_rank(adapter: Any, rank: int | None) -> Any:
    has = adapter.peft_config[adapter.active_adapter].r
    if rank != has:
        wanted = "full fine-tuning" if rank is None else f"rank {rank}"
        raise InputError(f"The model carries a LoRA adapter of rank {has}, but {wanted} was asked for. Set lora={has}, or merge it first.")
    for name, parameter in adapter.named_parameters():
        parameter.requires_grad_("lora_" in name)
    return adapter


def _weights_fingerprint(model: nn.Module) -> str:
    """Hash of every frozen-to-be parameter's shape and first values: enough to notice a run resumed from other weights."""
    parameters = [parameter for name, parameter in model.named_parameters() if "lora_" not in name]
    return content_hash(*(f"{tuple(parameter.shape)} {parameter.flatten()[:64].tolist()}" for parameter in parameters))
