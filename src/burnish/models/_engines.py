"""Which engine can do what, which of them work here, and which is the fastest for what is asked.

An engine's module declares as `ABILITIES` what it needs and lacks; the defaults are the whole contract of an engine in
process. Speeds are relative to `transformers`; those on a CPU are measured by `benchmarks/generation.py`.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Collection, Mapping
from typing import Any, Literal, get_args

import msgspec

from burnish.core import plugins
from burnish.core.errors import ContextExceeded, InputError, Unavailable
from burnish.core.records import Record
from burnish.models.base import Request

Kind = Literal["embedded", "checkpoint", "gguf", "endpoint"]
"""What a model's name means: the wheel's model, a folder or hub name, a GGUF file, a server's address."""

Need = Literal["training", "token_ids", "logprobs", "adapters", "repeatable"]
"""What may be asked of an engine: weights that a trainer changes in place, whole token truth, LoRA adapters swapped while
it runs, the same completion for the same request and seed whatever else is in the batch."""


class Abilities(Record):
    """What an engine can do, what it needs, and how fast it is. `extra` is its extra in our package.

    `cpu_speed`: by number of requests at once. `gpu_speed` only says who comes first where there is a GPU.
    """

    reads: tuple[Kind, ...] = ("embedded", "checkpoint")
    packages: tuple[str, ...] = ()
    extra: str = ""
    install: str = ""
    training: bool = True
    token_ids: bool = True
    logprobs: bool = True
    adapters: bool = True
    repeatable: bool = True
    cpu_speed: Mapping[int, float] = msgspec.field(default_factory=lambda: {1: 1.0})
    gpu_speed: float = 1.0
    remark: str = ""

    @property
    def mend(self) -> str:
        """The command that installs what is missing."""
        return self.install or f"pip install 'burnish[{self.extra}]'"


class EngineReport(Record):
    """An engine as `burnish list models` shows it. `why` is empty if it is usable here."""

    name: str
    usable: bool
    why: str
    mend: str
    abilities: Abilities


def kind_of(model: str) -> Kind:
    """What `model` names."""
    if model == "embedded":
        return "embedded"
    if model.startswith(("http://", "https://")):
        return "endpoint"
    return "gguf" if model.endswith(".gguf") else "checkpoint"


def abilities_of(engine: str) -> Abilities:
    """What the engine's module declares; all of the contract if it declares nothing."""
    module = importlib.import_module(f"{plugins.FAMILIES['engine']}.{engine}")
    declared: Abilities = getattr(module, "ABILITIES", Abilities())
    return declared


def missing(abilities: Abilities) -> str:
    """The packages that are not installed, in words; empty if there are none."""
    absent = [package for package in abilities.packages if importlib.util.find_spec(package) is None]
    return f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} not installed" if absent else ""


def need_packages(engine: str, abilities: Abilities) -> None:
    """Raise `Unavailable`, with the mend, if a package that the engine needs is missing."""
    if why := missing(abilities):
        raise Unavailable(f"The engine {engine!r} cannot be used here: {why}. Install it: {abilities.mend}")


KNOWN = frozenset({"prompt_ids", "prefix_ids", "suffix_ids", "messages", "timeout_s"})
"""Fields of `Request` that every engine understands."""

DRAWN = frozenset({"temperature", "top_p", "max_tokens", "stop", "seed"})
"""Fields of `Sampling` that every engine understands."""


def check_values(request: Request) -> None:
    """Raise `InputError` for settings that nobody can draw with."""
    sampling = request.sampling
    temperatures = (sampling.temperature, *(switch.temperature for switch in sampling.switches))
    if sampling.max_tokens < 1 or min(temperatures) < 0 or not 0 < sampling.top_p <= 1:
        raise InputError(f"Unusable sampling: {sampling}. Needed: max_tokens ≥ 1, temperature ≥ 0, 0 < top_p ≤ 1.")
    if sampling.top_k < 0 or not 0 <= sampling.min_p <= 1:
        raise InputError(f"Unusable sampling: {sampling}. Needed: top_k ≥ 0 (0: off), 0 ≤ min_p ≤ 1.")
    if not all((*sampling.stop, *(text for switch in sampling.switches for text in (switch.open, switch.close)))):
        raise InputError("A stop string or the marking text of a switch is empty: it would be found everywhere. Leave it out.")
    if request.timeout_s is not None and request.timeout_s <= 0:
        raise InputError(f"timeout_s must be greater than 0, not {request.timeout_s}.")


def check_request(engine: str, request: Request, able: Collection[str] = (), mend: str = "") -> None:
    """Raise `InputError` for unusable values, and for fields beyond the common ones and `able`: nothing is left out in silence.

    `mend` is said in front of the usual way out.
    """
    check_values(request)
    for record, common in ((request, KNOWN), (request.sampling, DRAWN)):
        for field in msgspec.structs.fields(record):
            value = getattr(record, field.name)
            if field.name not in {"sampling", *common, *able} and value != field.default:
                raise InputError(
                    f"The engine {engine!r} cannot do {field.name}={value!r}. {mend}Leave it out, or use the engine 'transformers'."
                )


def check_context(name: str, context: int, request: Request) -> None:
    """Raise `ContextExceeded` if the prompt and the longest completion asked for are longer than `context` tokens."""
    length = len(request.prompt_ids) + len(request.prefix_ids)
    if length + request.sampling.max_tokens > context:
        raise ContextExceeded(
            f"A prompt of {length} tokens and max_tokens={request.sampling.max_tokens} exceed the {context} tokens "
            f"that {name} can read. Shorten the conversation, lower max_tokens, or load it with a larger context=…."
        )


def report() -> list[EngineReport]:
    """Every engine that reads models, whether it is usable here, and if not how to mend it."""
    rows = []
    for name in plugins.names("engine"):
        abilities = abilities_of(name)
        if abilities.reads:
            why = missing(abilities)
            rows.append(EngineReport(name=name, usable=not why, why=why, mend=abilities.mend if why else "", abilities=abilities))
    return rows


def choose(model: str, needs: Collection[Need], options: Mapping[str, Any], in_flight: int) -> str:
    """The engine here that answers `in_flight` requests fastest of all that read `model`, can do what is needed and have the options.

    Raises `InputError`, or `Unavailable` if only packages are missing, with every engine's reason.
    """
    unknown = set(needs) - set(get_args(Need))
    if unknown:
        raise InputError(f"There is no need {', '.join(sorted(unknown))!r}. Known: {', '.join(get_args(Need))}.")
    kind, able, refused, mendable = kind_of(model), [], [], False
    for engine in plugins.names("engine"):
        abilities = abilities_of(engine)
        lacks = _lacks(engine, abilities, kind, needs, options)
        absent = missing(abilities)
        if not lacks and not absent:
            able.append(engine)
        mendable = mendable or not lacks
        refused.append(f"{engine}: {lacks or f'{absent} ({abilities.mend})'}")
    if not able:
        error = Unavailable if mendable else InputError
        raise error(f"No engine here can load {model!r} as asked. " + "; ".join(refused) + ".")
    return able[0] if len(able) == 1 else fastest(able, in_flight, gpu=_has_gpu())


def fastest(engines: Collection[str], in_flight: int, *, gpu: bool) -> str:
    """The one of them that answers `in_flight` requests at once in the least time, as far as it was measured."""

    def speed(engine: str) -> float:
        abilities = abilities_of(engine)
        measured = [count for count in abilities.cpu_speed if count <= max(1, in_flight)]
        return abilities.gpu_speed if gpu else abilities.cpu_speed[max(measured)]

    return max(sorted(engines), key=speed)


def _lacks(engine: str, abilities: Abilities, kind: Kind, needs: Collection[Need], options: Mapping[str, Any]) -> str:
    """Why the engine cannot do it even when it is installed; empty if it can."""
    if kind not in abilities.reads:
        return f"reads {', '.join(abilities.reads) or 'scripts only'}, not {kind}"
    unable = [need for need in needs if not getattr(abilities, need)]
    if unable:
        return f"has no {', '.join(unable)}"
    parameters = inspect.signature(plugins.find("engine", engine)).parameters
    unknown = [name for name in options if name not in parameters]
    return f"has no option {', '.join(unknown)}" if unknown else ""


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()
