"""LoRA adapters of one policy by name: loaded beside each other, chosen by each request, mixed in one batch (PEFT)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from burnish.core.errors import InputError

BASE = "__base__"
"""PEFT's name for no adapter."""


class HasModel(Protocol):
    """The owner of the model; wrapping puts another object in its place."""

    model: Any


class Adapters:
    """Keeps the adapters that were loaded for requests apart from the one, if any, that the policy itself trains."""

    def __init__(self, owner: HasModel) -> None:
        self._owner = owner
        self._names: set[str] = set()
        self._plain = BASE

    def load(self, name: str, folder: str) -> None:
        """Load or replace; the caller keeps the model from running. Raises `InputError` for an unusable name or folder."""
        from peft import PeftModel

        if not name or name == BASE or "." in name:
            raise InputError(f"An adapter cannot be called {name!r}. Use letters, digits, '-' and '_'.")
        if not (Path(folder) / "adapter_config.json").is_file():
            raise InputError(f"There is no LoRA adapter in {folder!r}: adapter_config.json is missing.")
        model = self._owner.model
        try:
            if not isinstance(model, PeftModel):
                self._owner.model = PeftModel.from_pretrained(model, folder, adapter_name=name).eval()
            else:
                if not self._names:
                    self._plain = model.active_adapter
                if name in self._names:
                    model.delete_adapter(name)
                elif name in model.peft_config:
                    raise InputError(f"The policy trains an adapter {name!r} itself. Choose another name.")
                model.load_adapter(folder, adapter_name=name)
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f"The adapter in {folder!r} does not fit {type(model).__name__}: {error}") from error
        self._names.add(name)

    def check(self, name: str) -> None:
        """Raises `InputError` if requests may not name this adapter."""
        if name and name not in self._names:
            known = ", ".join(sorted(self._names)) or "none"
            raise InputError(f"There is no adapter {name!r}. Loaded: {known}. Load it with policy.load_adapter({name!r}, folder).")

    def arguments(self, names: Sequence[str]) -> Mapping[str, Any]:
        """What the model's forward is to be told so that each row uses its adapter; "" is the policy's own."""
        return {"adapter_names": [name or self._plain for name in names]} if self._names else {}
