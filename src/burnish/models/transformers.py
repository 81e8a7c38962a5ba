"""Any Hugging Face causal language model, sampled by continuous batching and trainable in place, on CPU or GPU.

`policy.model` is an ordinary module: train it inside `with policy.exclusive():` and call `bump_version()`. Sampling goes
through the model's own `forward` with a cache of our own, so adapters (PEFT) and every attention-only architecture work.
Not covered: models with recurrent state (Mamba and hybrids), several devices for one model.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.core.errors import ContextExceeded, InputError
from burnish.models._adapters import Adapters
from burnish.models._attention import MaskBuilder
from burnish.models._batcher import Batcher
from burnish.models._checkpoint import EMBEDDED_NAME, resolve
from burnish.models._constraints import Constraints
from burnish.models._cpu import PackedWeights, multiplies_bfloat16, packs
from burnish.models._decoder import Counters, Decoder
from burnish.models._engines import check_values
from burnish.models._parallel import check_blocks
from burnish.models._renderer import ChatRenderer
from burnish.models.base import Completion, Request
from burnish.models.scores import Scorer
from burnish.models.weights import Weights, load

DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32, "float16": torch.float16}


class TransformersPolicy:
    """A local model as a policy. `model` (shared with the trainer), `tokenizer` and `renderer` are public."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        name: str,
        chat_template: str | None = None,
        max_batch: int = 128,
        cache_tokens: int = 65_536,
        prefill_tokens: int | None = None,
    ) -> None:
        """`model` is a causal LM in memory. `max_batch` rows are decoded at once, `cache_tokens` bounds the tokens they may come to hold.

        `prefill_tokens` is the size of one prompt pass (512 on CPU, 8192 on GPU). Raises `InputError` for an
        architecture that cannot be batched here or a tokenizer that cannot render conversations.
        """
        self.model, self.tokenizer, self.name = model, tokenizer, name
        self.renderer = ChatRenderer(tokenizer, chat_template=chat_template, stop_ids=_generation_ends(model))
        self.context = _context(model)
        self._vocabulary = int(model.get_input_embeddings().num_embeddings)
        self._masks = MaskBuilder.of(model)
        self._prefill_tokens = prefill_tokens or (512 if model.device.type == "cpu" else 8192)
        self._prefix_tokens = cache_tokens // 8
        self._adapters = Adapters(self)
        self._passes = threading.Lock()
        self._constraints: Constraints | None = None
        self._updates = 0
        self._version = "0"
        self._packed = PackedWeights() if packs(model.device, model.dtype) else None
        self._batcher = Batcher(
            self._decoder(),
            version=lambda: self._version,
            max_batch=max_batch,
            cache_tokens=cache_tokens,
        )

    @property
    def version(self) -> str:
        """Stamped on every completion; see `bump_version`."""
        return self._version

    def bump_version(self, version: str | None = None) -> str:
        """Say that the weights have changed. `version` names the new ones (for example a step); default: counts up."""
        self._updates += 1
        self._version = str(self._updates) if version is None else version
        return self._version

    def load_weights(self, weights: Weights, *, version: str) -> None:
        """Sample with these weights (plain names, whole) from now on. Raises `InputError` if they do not fit."""
        load(self, weights, version=version)

    def scorer(self) -> Scorer:
        """Log-probabilities, entropy and KL of many sequences at once, with the weights of now."""
        return Scorer(self.model)

    async def generate(self, request: Request) -> Completion:
        """Draw one completion. Cancelling the await frees the row. Raises `InputError`, or `PolicyError` if the model fails."""
        self._check(request)
        constraint = request.sampling.constraint
        matcher = self._constraint_compiler().matcher(constraint) if constraint else None
        return await asyncio.wrap_future(self._batcher.submit(request, matcher))

    def load_adapter(self, name: str, folder: str) -> None:
        """Make the LoRA adapter in `folder` known as `name`, beside others; requests choose one by `Request.adapter`.

        A known name is replaced: the hot swap. Raises `InputError` if the folder holds no adapter for this model.
        """
        with self.exclusive():
            self._adapters.load(name, folder)

    def logprobs(self, ids: Sequence[int], *, start: int = 1, temperature: float = 1.0) -> Float[Tensor, " time"]:
        """log p(ids[t] | ids[:t]) for t = start … len(ids) - 1, natural log after temperature, fp32 on the CPU.

        Recomputed with the weights of now, in pieces: the logits of a whole long sequence never exist at once.
        """
        if not 1 <= start <= len(ids):
            raise InputError(f"start must lie in 1 … {len(ids)}, not {start}: the first token has no probability of its own.")
        self._check_ids(ids)
        training = self.model.training
        self.model.eval()
        try:
            with torch.inference_mode():
                return self._decoder().score(ids, start, temperature)
        finally:
            self.model.train(training)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """`with policy.exclusive():` the weights may change: running requests have finished, new ones wait. Nests."""
        with self._batcher.exclusive():
            try:
                yield
            finally:
                if self._packed is not None:
                    self._packed.clear()

    def counters(self) -> Counters:
        """What the engine has done so far; subtract two to measure a stretch."""
        return replace(self._batcher.counters)

    async def aclose(self) -> None:
        """Stop the decoding thread; requests that wait or run fail with `PolicyError`."""
        await asyncio.to_thread(self._batcher.close)

    def _constraint_compiler(self) -> Constraints:
        if self._constraints is None:
            self._constraints = Constraints(self.tokenizer, self._vocabulary, self.renderer.stop_ids)
        return self._constraints

    def _decoder(self) -> Decoder:
        return Decoder(
            lambda: self.model,
            stop_ids=self.renderer.stop_ids,
            decode=self.renderer.decode,
            masks=self._masks,
            limit=self.context,
            prefill_tokens=self._prefill_tokens,
            lock=self._passes,
            packed=self._packed,
            adapters=self._adapters.arguments,
            prefix_tokens=self._prefix_tokens,
        )

    def _check(self, request: Request) -> None:
        sampling, length = request.sampling, len(request.prompt_ids) + len(request.prefix_ids)
        self._check_ids(request.prompt_ids)
        self._check_ids((*request.prompt_ids, *request.prefix_ids, *request.suffix_ids))
        check_values(request)
        check_blocks(len(request.prompt_ids), request.parallel)
        self._adapters.check(request.adapter)
        if length + sampling.max_tokens > self.context:
            raise ContextExceeded(
                f"A prompt of {length} tokens and max_tokens={sampling.max_tokens} exceed the {self.context} tokens "
                f"that {self.name} can read. Shorten the conversation or lower max_tokens."
            )

    def _check_ids(self, ids: Sequence[int]) -> None:
        if not ids:
            raise InputError("The prompt has no token. Render it with policy.renderer.render(messages).")
        if min(ids) < 0 or max(ids) >= self._vocabulary:
            raise InputError(f"The prompt has token ids outside 0 … {self._vocabulary - 1}. It was rendered for another model.")


def transformers(
    model: str = "embedded",
    *,
    device: str = "auto",
    dtype: str = "auto",
    adapter: str | None = None,
    chat_template: str | None = None,
    max_batch: int = 128,
    cache_tokens: int = 65_536,
    prefill_tokens: int | None = None,
) -> TransformersPolicy:
    """Load a policy: "embedded", a local checkpoint folder or a hub name; `adapter` is a LoRA folder put on top, trainable.

    `device` "auto" is the GPU if there is one. `dtype` "auto" is bfloat16 where the hardware multiplies it, else float32.
    The other options are those of `TransformersPolicy`. Raises `InputError` or `Unavailable` when the model cannot be loaded.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = resolve(model)
    place = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
        loaded = AutoModelForCausalLM.from_pretrained(source, dtype=dtype_of(dtype, place)).to(place)
        if adapter is not None:
            from peft import PeftModel

            loaded = PeftModel.from_pretrained(loaded, adapter, is_trainable=True)
    except (OSError, ValueError) as error:
        raise InputError(f"The model {model!r} cannot be loaded: {error}") from error
    return TransformersPolicy(
        loaded.eval(),
        tokenizer,
        name=EMBEDDED_NAME if model == "embedded" else Path(source).name,
        chat_template=chat_template,
        max_batch=max_batch,
        cache_tokens=cache_tokens,
        prefill_tokens=prefill_tokens,
    )


def dtype_of(name: str, device: torch.device) -> torch.dtype:
    """The type of that name; "auto" is bfloat16 where the hardware multiplies it. Raises `InputError` for an unknown name."""
    if name == "auto":
        fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else device.type == "cpu" and multiplies_bfloat16()
        return torch.bfloat16 if fast else torch.float32
    if name not in DTYPES:
        raise InputError(f"There is no dtype {name!r}. Known: auto, {', '.join(DTYPES)}.")
    return DTYPES[name]


def _generation_ends(model: Any) -> tuple[int, ...]:
    ends = getattr(model.generation_config, "eos_token_id", None)
    return () if ends is None else (ends,) if isinstance(ends, int) else tuple(ends)


def _context(model: Any) -> int:
    """Positions the model can read; unlimited if its configuration sets no limit."""
    return int(getattr(model.config.get_text_config(), "max_position_embeddings", None) or 2**31 - 1)
