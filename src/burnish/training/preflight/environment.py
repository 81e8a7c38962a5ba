"""P01-P05: versions, settings, divisibility, memory, and what the device can do."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, requires, version

import msgspec
import torch
from packaging.requirements import Requirement
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from burnish.core.errors import InputError
from burnish.core.seeds import content_hash
from burnish.training.files import read_config
from burnish.training.preflight.base import Setup, Shape, Warned

BYTES_PER_PARAMETER = 16
"""Trained in mixed precision: weight and gradient in 2 bytes, master copy and two moments of Adam in 4 each."""


def p01_versions(setup: Setup) -> str:
    """Every required package is there in a version that is allowed; a CUDA build finds its driver."""
    declared = requires("burnish") or [] if setup.requirements is None else setup.requirements
    needed = [requirement for text in declared if (requirement := Requirement(text)).marker is None]
    for requirement in needed:
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            raise InputError(f"{requirement.name} is not installed. Run: pip install '{requirement}'") from None
        if not requirement.specifier.contains(found, prereleases=True):
            raise InputError(f"{requirement.name} is {found}, needed is {requirement.specifier}. Run: pip install '{requirement}'")
    if torch.version.cuda and not torch.cuda.is_available():
        raise Warned(f"torch is built for CUDA {torch.version.cuda}, but no usable GPU or driver is there; training runs on the CPU.")
    return f"{len(needed)} packages, torch {torch.__version__}"


def p02_settings(setup: Setup) -> str:
    """No unknown key, no value out of range, no contradiction."""
    resolved = msgspec.json.encode(read_config(setup.config))
    return f"settings {content_hash(resolved)[:12]}"


def p03_divisibility(setup: Setup) -> str:
    """Ranks, batches, heads, layers and groups come out even."""
    check_shape(setup.shape)
    return f"{setup.shape.data} replicas, global batch {setup.shape.batch}"


def check_shape(shape: Shape) -> None:
    """Raise `InputError` naming the first pair of numbers that does not divide."""
    parallel = shape.tensor * shape.pipeline * shape.context
    pairs = [
        ("world", shape.world, "tensor x pipeline x context", parallel),
        ("heads", shape.heads, "tensor", shape.tensor),
        ("layers", shape.layers, "pipeline", shape.pipeline),
        ("vocabulary", shape.vocabulary, "tensor", shape.tensor),
        ("rollouts", shape.rollouts, "group", shape.group),
    ]
    if shape.key_heads >= shape.tensor:  # fewer key heads than ranks are replicated
        pairs.append(("key_heads", shape.key_heads, "tensor", shape.tensor))
    for name, whole, other, part in pairs:
        if whole % part:
            raise InputError(f"{name} = {whole} is not a multiple of {other} = {part}. Change one of them.")
    if shape.global_batch is not None and shape.global_batch != shape.batch:
        raise InputError(f"global_batch = {shape.global_batch}, but micro x accumulation x replicas = {shape.batch}. Change one of them.")


def training_bytes(parameters: float) -> float:
    """Weights, gradients and Adam: 16 bytes per parameter."""
    return BYTES_PER_PARAMETER * parameters


def activation_bytes(length: int, batch: int, hidden: int, layers: int, heads: int) -> float:
    """s b h L (34 + 5 a s / h): what one forward pass in 2-byte numbers keeps without any saving."""
    return length * batch * hidden * layers * (34 + 5 * heads * length / hidden)


def cache_bytes(layers: int, key_heads: int, width: int, length: int, batch: int, size: int = 2) -> float:
    """Keys and values of a sampler: 2 L n_kv d s b times the size of a number."""
    return 2 * layers * key_heads * width * length * batch * size


def p04_memory(setup: Setup) -> str:
    """Weights, optimiser and one micro-batch fit into the free memory of the device."""
    model, config = setup.policy.model, setup.settings
    trained = sum(p.numel() for p in model.parameters()) if config.lora is None else 0
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    sizes = model.config.get_text_config()
    width = getattr(sizes, "hidden_size", 0)
    # Rows run packed and attention keeps no scores, so that activations grow with tokens, not with their square.
    activations = config.micro_tokens * width * getattr(sizes, "num_hidden_layers", 0) * 34
    needed = max(training_bytes(trained), weights) + activations
    free = _free_bytes(model) if setup.memory is None else setup.memory
    figures = f"about {needed / 2**30:.2f} GiB needed, {free / 2**30:.2f} GiB free"
    if needed > free:
        raise InputError(f"Training will run out of memory: {figures}. Lower micro_tokens, set checkpoint_layers, or train a lora.")
    if needed > 0.9 * free:
        raise Warned(f"Memory is nearly full: {figures}.")
    return figures


def _free_bytes(model: torch.nn.Module) -> int:
    device = next(model.parameters()).device
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def p05_device(setup: Setup) -> str:
    """Products and their gradients in the model's dtype are finite on its device, and its attention exists there."""
    weight = next(setup.policy.model.parameters())
    attention = setup.attention or setup.policy.model.config._attn_implementation
    if attention != "eager" and attention not in ALL_ATTENTION_FUNCTIONS:
        raise InputError(f"There is no attention implementation {attention!r}. Known: eager, {', '.join(ALL_ATTENTION_FUNCTIONS)}.")
    if attention.startswith("flash") and weight.device.type != "cuda":
        raise InputError(f"{attention} needs a GPU, the model is on the {weight.device.type}. Use sdpa.")
    probe = torch.ones(8, 8, dtype=weight.dtype, device=weight.device, requires_grad=True)
    (slope,) = torch.autograd.grad((probe @ probe).float().sum(), probe)
    if not bool(slope.isfinite().all()):
        raise InputError(f"{weight.dtype} products are not finite on {weight.device}. Load the model in float32.")
    if not bool(weight.isfinite().all()):
        raise InputError("The model's weights are not finite. Load it again from a sound checkpoint.")
    return f"{str(weight.dtype).removeprefix('torch.')} on {weight.device}, attention {attention}"
