"""GGUF files by llama.cpp, from the `xllamacpp` wheel: quantised weights, fast on a CPU, not trainable.

Its server runs inside this process on a private port of this machine, with a key of its own, and is spoken to by the engine
`openai`. Completions depend a little on what else is in the batch, as llama.cpp's arithmetic does.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from burnish.core.errors import InputError
from burnish.core.seeds import content_hash
from burnish.models._checkpoint import EMBEDDED_4_BIT_NAME, cache_folder, embedded_gguf, write_folder
from burnish.models._engines import Abilities, check_context, need_packages
from burnish.models._tokenizers import tokenizer_renderer
from burnish.models.base import Renderer, Request
from burnish.models.openai import OpenAIPolicy

ABILITIES = Abilities(
    reads=("embedded", "gguf"),
    packages=("xllamacpp", "openai"),
    extra="llamacpp",
    training=False,
    adapters=False,
    repeatable=False,
    cpu_speed={1: 5.6, 8: 2.0, 64: 0.3},
    gpu_speed=0.1,  # the wheel computes on the CPU
)


class LlamaCppPolicy(OpenAIPolicy):
    """A GGUF model in this process. `context` tokens are what one completion may read and write."""

    engine = "llamacpp"

    def __init__(self, server: Any, *, key: str, slots: int, context: int, name: str, renderer: Renderer, timeout_s: float) -> None:
        """`server` is a running `xllamacpp.Server` that asks for `key`."""
        self._server, self.context = server, context
        super().__init__(f"{server.listening_address}/v1", api_key=key, renderer=renderer, concurrent=slots, timeout_s=timeout_s)
        self.name = name

    def load_weights(self, weights: Any, *, version: str) -> None:
        """Raises `InputError`: llama.cpp reads weights only when it starts."""
        raise InputError(
            "The engine 'llamacpp' takes no weights while it runs. Convert them to a GGUF file and load that, "
            "or use the engine 'transformers' or 'vllm'."
        )

    def _check(self, request: Request) -> None:
        super()._check(request)
        check_context(self.name, self.context, request)

    async def aclose(self) -> None:
        """Hang up and stop the server; requests that wait or run fail with `PolicyError`."""
        await super().aclose()
        self._server = None  # its destructor stops the threads


def llamacpp(
    model: str = "embedded",
    *,
    tokenizer: str | None = None,
    chat_template: str | None = None,
    context: int = 4096,
    slots: int = 8,
    threads: int | None = None,
    timeout_s: float = 600.0,
) -> LlamaCppPolicy:
    """Load a GGUF file, or "embedded". `slots` completions run at once, each with `context` tokens for prompt and answer.

    `tokenizer` (a folder or hub name) replaces the one in the file; `threads` defaults to the cores of this process.
    Raises `Unavailable` without the package and `InputError` for a file that cannot be loaded.
    """
    need_packages("llamacpp", ABILITIES)
    file = embedded_gguf() if model == "embedded" else Path(model).expanduser()
    if not file.is_file():
        raise InputError(f"There is no GGUF file {model!r}. Give the path of a .gguf file, or 'embedded'.")
    if context < 1 or slots < 1 or (threads or 1) < 1:
        raise InputError(f"Unusable options: context={context}, slots={slots}, threads={threads}. All must be at least 1.")
    renderer = tokenizer_renderer(tokenizer or _tokenizer_in(file), chat_template)
    key = secrets.token_hex(16)
    server = _start(file, key, context=context, slots=slots, threads=threads or len(os.sched_getaffinity(0)))
    name = EMBEDDED_4_BIT_NAME if model == "embedded" else file.stem
    return LlamaCppPolicy(server, key=key, slots=slots, context=context, name=name, renderer=renderer, timeout_s=timeout_s)


def _start(file: Path, key: str, *, context: int, slots: int, threads: int) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.model_alias = {file.stem}
    params.n_ctx, params.n_parallel = context * slots, slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.hostnames, params.port, params.api_keys = ["127.0.0.1"], 0, [key]
    params.ui, params.verbosity = False, -1
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise InputError(f"llama.cpp cannot load {file}: {error}. It must be a GGUF file of a causal language model.") from error


def _tokenizer_in(file: Path) -> str:
    """Folder of the tokenizer and chat template that a GGUF file holds; read once (about ten seconds) and kept in the cache."""
    stat = file.stat()
    target = cache_folder() / "gguf-tokenizers" / content_hash(str(file.resolve()), f"{stat.st_size} {stat.st_mtime_ns}")
    return str(target if target.is_dir() else write_folder(target, lambda folder: _read_tokenizer(file).save_pretrained(folder)))


def _read_tokenizer(file: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    except Exception as error:  # transformers raises many kinds for architectures and files that it cannot read
        raise InputError(f"The tokenizer in {file} cannot be read: {error}. Give tokenizer=… (a folder or hub name).") from error
