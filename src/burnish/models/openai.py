"""Any OpenAI-compatible server as a policy: llama.cpp, vLLM, SGLang, Ollama, hosted ones. The model is the server's address.

With `tokenizer=…` prompts are sent as token ids, and servers that tell what they sampled (llama.cpp, vLLM) give whole token
truth. Without it the server renders the conversation itself and only text comes back: fit for solving, not for training.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.core.errors import InputError
from burnish.core.records import Cost
from burnish.models._answers import Answer, as_drawn, check_kept, with_forced
from burnish.models._background import Background
from burnish.models._dialects import dialect_of
from burnish.models._engines import Abilities, check_request, need_packages
from burnish.models._tokenizers import NO_TOKENIZER, TextOnly, tokenizer_renderer
from burnish.models.base import Completion, Renderer, Request

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from burnish.models._endpoint import Endpoint

ABILITIES = Abilities(
    reads=("endpoint",),
    packages=("openai",),
    extra="endpoints",
    training=False,
    repeatable=False,
    remark="log-probs, token ids and adapters: where the server has them",
)


class OpenAIPolicy:
    """A served model. `renderer` makes ids if there is a tokenizer; `model` is the name the server knows it by."""

    engine = "openai"

    def __init__(
        self,
        base_url: str,
        *,
        model: str = "",
        api_key: str = "none",
        renderer: Renderer | None = None,
        dialect: str = "auto",
        processed_logprobs: bool = False,
        price_in: float = 0.0,
        price_out: float = 0.0,
        **limits: Any,
    ) -> None:
        """Connects once to learn what is served. Prices are per million tokens; `limits` are those of `_endpoint.Limits`.

        Raises `Unavailable` if nobody answers, `InputError` for a wrong key, model name or dialect.
        """
        from burnish.models._endpoint import Endpoint, Limits, choose_model, served_models

        self.base_url = base_url.rstrip("/")
        self.renderer: Renderer = renderer or TextOnly()
        self._prices = (price_in, price_out)
        self._background = Background(self.base_url)

        async def connect() -> tuple[Endpoint, dict[str, str]]:
            endpoint = Endpoint(self.base_url, api_key, Limits(**limits))
            return endpoint, await served_models(endpoint)

        try:
            self._endpoint, served = self._background.call(connect())
            self.model = choose_model(self.base_url, model, served)
            self._dialect = dialect_of(dialect, served.get(self.model, ""), processed_logprobs=processed_logprobs)
        except BaseException:
            self._background.stop()
            raise
        self.name = Path(self.model).name or self.model
        self._base, self._updates, self._version = self.model, 0, "0"

    @property
    def version(self) -> str:
        """Changes with `load_weights`; what the server does on its own cannot be seen from here."""
        return self._version

    async def generate(self, request: Request) -> Completion:
        """Draw one completion. Cancelling the await hangs up, which frees the server's slot.

        Raises `PolicyError` when the server fails for good and `ContextExceeded` when it cannot read that much.
        """
        self._check(request)
        started = time.perf_counter()
        answer, version = await self._background.run(self._answer(request))
        check_kept(answer, request.sampling)
        sampled = self._completion(request, answer, version, time.perf_counter() - started)
        return with_forced(as_drawn(sampled, request.sampling), request, self.renderer.decode)

    def load_weights(self, weights: Any, *, version: str) -> None:
        """Sample with the LoRA adapter in the folder `weights` (a path that the server sees) from now on.

        Works with vLLM run with `--enable-lora` and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True. Completions under way keep the
        weights they began with. Raises `InputError` for a server that cannot do it, or for anything but an adapter.
        """
        if self._dialect.name != "vllm":
            raise InputError(
                f"A server of kind {self._dialect.name!r} takes no weights while it runs. Serve the new weights and load the engine again; "
                "vLLM takes LoRA adapters at run time."
            )
        if not isinstance(weights, str | Path) or not (Path(weights) / "adapter_config.json").is_file():
            what = weights if isinstance(weights, str | Path) else "What was given"
            raise InputError(
                f"{what} is no folder of a LoRA adapter (adapter_config.json). A server takes whole weights only when it starts."
            )
        self._updates += 1
        name = f"{Path(self._base).name}-update-{self._updates}"
        self._post("/load_lora_adapter", {"lora_name": name, "lora_path": str(Path(weights).resolve())})
        before, self.model, self._version = self.model, name, version
        if before != self._base:
            self._post("/unload_lora_adapter", {"lora_name": before})

    async def aclose(self) -> None:
        """Hang up; requests that wait or run fail with `PolicyError`."""
        await self._background.close(self._endpoint.client.close())

    def _post(self, path: str, body: dict[str, str]) -> None:
        async def post(client: AsyncOpenAI) -> None:
            await client.post(path, body=body, cast_to=object)

        self._background.call(self._endpoint.ask(post))

    def _check(self, request: Request) -> None:
        kind = "" if self._dialect.able else "If the server is llama.cpp's or vLLM's, say so: dialect=…. "
        check_request(self.engine, request, self._dialect.able, kind)
        self._dialect.settings(request.sampling)  # raises for a constraint that this server cannot keep
        if not request.prompt_ids and not request.messages:
            raise InputError("The request has neither token ids nor messages.")
        if not request.prompt_ids and (request.prefix_ids or request.suffix_ids):
            raise InputError(f"A beginning or an end can be forced only on token ids. {NO_TOKENIZER}")

    async def _answer(self, request: Request) -> tuple[Answer, str]:
        """The answer and the version that wrote it; what has come of it by then if the request's time is up."""
        tries: list[tuple[Answer, str]] = [(Answer(), self._version)]

        async def draw(client: AsyncOpenAI) -> None:
            """One try, with the weights of its start."""
            tries.append((Answer(), self._version))
            await self._dialect.draw(request, self.model, client, tries[-1][0])

        try:
            async with asyncio.timeout(request.timeout_s):
                await self._endpoint.ask(draw)
        except TimeoutError:
            tries[-1][0].ended = "timeout"
        return tries[-1]

    def _completion(self, request: Request, answer: Answer, version: str, wall_s: float) -> Completion:
        tokens_out = answer.tokens_out or len(answer.ids)
        ids = tuple(answer.ids) if len(answer.ids) == tokens_out else ()  # told in part is not told
        logprobs = tuple(answer.logprobs) if ids and self._dialect.logprobs_hold(request.sampling) else ()
        tokens_in = answer.tokens_in or len(request.prompt_ids) + len(request.prefix_ids)
        money = (tokens_in * self._prices[0] + tokens_out * self._prices[1]) / 1e6
        return Completion(
            ids=ids,
            text=answer.text,
            logprobs=logprobs,
            stop_reason=answer.stop_reason(request.sampling.stop, getattr(self.renderer, "stop_ids", ())),
            policy_version=version,
            wall_s=wall_s,
            cost=Cost(wall_s=wall_s, tokens_in=tokens_in, tokens_out=tokens_out, money=money),
        )


def openai(
    model: str,
    *,
    tokenizer: str | None = None,
    chat_template: str | None = None,
    dialect: str = "auto",
    processed_logprobs: bool = False,
    key_variable: str = "OPENAI_API_KEY",
    concurrent: int = 64,
    per_second: float | None = None,
    timeout_s: float = 120.0,
    retries: int = 4,
    price_in: float = 0.0,
    price_out: float = 0.0,
) -> OpenAIPolicy:
    """A served model: `model` is the server's address, with `#name` if it serves several ("http://127.0.0.1:8080/v1#coder").

    `tokenizer` ("embedded", a folder or a hub name) makes exact token ids. `dialect` is "llamacpp", "vllm", "plain", or
    "auto" by what the server says. The key is read from the environment variable `key_variable`. At most `concurrent`
    calls run at once, `per_second` start; each try has `timeout_s` seconds. Prices are per million tokens.
    """
    need_packages("openai", ABILITIES)
    address, _, name = model.partition("#")
    if not address.startswith(("http://", "https://")):
        raise InputError(f"The engine 'openai' takes the address of a server, like http://127.0.0.1:8080/v1, not {model!r}.")
    return OpenAIPolicy(
        address,
        model=name,
        api_key=os.environ.get(key_variable) or "none",
        renderer=tokenizer_renderer(tokenizer, chat_template) if tokenizer else None,
        dialect=dialect,
        processed_logprobs=processed_logprobs,
        price_in=price_in,
        price_out=price_out,
        concurrent=concurrent,
        per_second=per_second,
        timeout_s=timeout_s,
        retries=retries,
    )
