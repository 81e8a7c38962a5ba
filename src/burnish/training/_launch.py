"""What `accelerate launch` was configured for: it tells its processes by environment variables.

FSDP and DeepSpeed are the two ways to divide the work that a configuration can ask for. What the trainer decides itself
(clipping, accumulation) or cannot do is refused by its name in that file, with what to write instead.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import redirect_stdout
from typing import Any

import torch

from burnish.core.errors import InputError, Unavailable

FSDP_INSTEAD = "write distributed_type: FSDP with fsdp_config: {fsdp_version: 2}, or use torchrun and shard = true"
"""How to have weights divided without DeepSpeed."""

_REFUSED = {
    "ACCELERATE_DEEPSPEED_CONFIG_FILE": (
        "deepspeed_config_file",
        "none",
        "files of DeepSpeed's own are not read. Write zero_stage into deepspeed_config instead",
    ),
    "ACCELERATE_DEEPSPEED_OFFLOAD_OPTIMIZER_DEVICE": ("offload_optimizer_device", "none", "nothing is moved off the device. Leave it out"),
    "ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE": ("offload_param_device", "none", "nothing is moved off the device. Leave it out"),
    "ACCELERATE_GRADIENT_CLIPPING": ("gradient_clipping", "none", "the trainer clips. Leave it out and set max_grad_norm of the training"),
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": (
        "gradient_accumulation_steps",
        "1",
        "the trainer divides each step. Leave it out and set micro_tokens of the training",
    ),
}
"""Variable → name in the configuration, the one value that is taken, and why no other is."""


def told(backend: str) -> bool:
    """Whether the configuration asks for this backend."""
    return os.environ.get(f"ACCELERATE_USE_{backend}", "false").lower() == "true"


def zero_stage() -> int:
    """The stage of ZeRO that DeepSpeed is to run at: 1 or 2; 0 without DeepSpeed.

    Raises `InputError` for what is not supported, `Unavailable` if DeepSpeed is not installed.
    """
    if not told("DEEPSPEED"):
        return 0
    for variable, (name, allowed, why) in _REFUSED.items():
        value = os.environ.get(variable, allowed).lower()
        if value != allowed:
            raise InputError(f"This accelerate configuration says {name}: {value}, but {why}.")
    stage = os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "2")
    if stage not in ("1", "2"):
        raise InputError(
            f"This accelerate configuration says zero_stage: {stage}. DeepSpeed runs here at stage 1 (divides the optimiser's state) "
            f"and 2 (gradients too). To have weights divided, as stage 3 does, {FSDP_INSTEAD}."
        )
    deepspeed()
    return int(stage)


def deepspeed() -> Any:
    """The package, with its messages on standard error: standard output is for results. Raises `Unavailable` if it is missing."""
    on_cpu = not torch.cuda.is_available()
    if on_cpu:
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    try:
        with redirect_stdout(sys.stderr):
            import deepspeed
    except ImportError as error:
        raise Unavailable(
            f"This accelerate configuration asks for DeepSpeed, which cannot be imported ({error}): pip install 'burnish[deepspeed]'"
        ) from error
    for handler in logging.getLogger("DeepSpeed").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)
    if on_cpu:  # else a kernel for sums in shared memory would be compiled now; gloo does without
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    return deepspeed
