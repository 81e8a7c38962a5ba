"""The choice among engines: by what a model is, what is asked, and what is installed here."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from burnish.core import plugins
from burnish.core.errors import InputError, Unavailable
from burnish.core.records import Sampling
from burnish.models import Abilities, Request, _engines, kind_of, load, report
from burnish.models.transformers import TransformersPolicy


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("embedded", "embedded"),
        ("owner/name", "checkpoint"),
        ("./folder", "checkpoint"),
        ("a/b.gguf", "gguf"),
        ("http://127.0.0.1:8080/v1#m", "endpoint"),
        ("https://example.org/v1", "endpoint"),
    ],
)
def test_what_a_name_means(model: str, kind: str) -> None:
    assert kind_of(model) == kind


@pytest.fixture
def family(monkeypatch: pytest.MonkeyPatch):
    """A family of made-up engines: name → abilities."""

    def make(**engines: Abilities) -> None:
        for name, abilities in engines.items():
            module = types.ModuleType(f"made_up.{name}")
            module.ABILITIES = abilities

            def factory(model, *, size=1): ...

            setattr(module, name, factory)
            monkeypatch.setitem(sys.modules, module.__name__, module)
        package = types.ModuleType("made_up")
        package.__path__ = []
        monkeypatch.setitem(sys.modules, "made_up", package)
        monkeypatch.setitem(plugins.FAMILIES, "engine", "made_up")
        monkeypatch.setattr(plugins, "names", lambda family: sorted(engines))

    return make


def test_the_fastest_that_can_do_what_is_asked(family, monkeypatch: pytest.MonkeyPatch) -> None:
    family(
        full=Abilities(),
        quick=Abilities(training=False, cpu_speed={1: 0.5, 8: 3.0}),
        huge=Abilities(repeatable=False, training=False, gpu_speed=9.0),
        gone=Abilities(packages=("no_such_package",), cpu_speed={1: 99.0}, gpu_speed=99.0),
        files=Abilities(reads=("gguf",), cpu_speed={1: 50.0}),
    )
    monkeypatch.setattr(_engines, "_has_gpu", lambda: False)
    choose = _engines.choose
    assert choose("embedded", (), {}, 64) == "quick"
    assert choose("embedded", (), {}, 7) == "full"
    assert choose("embedded", ("training",), {}, 64) == "full"
    assert choose("owner/name", ("repeatable", "logprobs"), {}, 8) == "quick"
    assert choose("x.gguf", ("training",), {}, 64) == "files"
    monkeypatch.setattr(_engines, "_has_gpu", lambda: True)
    assert choose("embedded", (), {}, 64) == "huge"
    assert choose("embedded", ("repeatable",), {"size": 2}, 64) == "full"


def test_no_engine_tells_every_reason(family) -> None:
    family(full=Abilities(training=False), gone=Abilities(packages=("no_such_package",), extra="gone"), files=Abilities(reads=("gguf",)))
    with pytest.raises(
        Unavailable, match=r"full: has no training.*gone: no_such_package is not installed \(pip install 'burnish\[gone\]'\)"
    ):
        _engines.choose("embedded", ("training",), {}, 64)
    with pytest.raises(InputError, match="files: has no option colour"):
        _engines.choose("x.gguf", (), {"colour": 1}, 64)
    with pytest.raises(InputError, match="There is no need 'speed'"):
        _engines.choose("embedded", ("speed",), {}, 64)


def test_what_an_engine_does_not_know_is_refused_not_left_out() -> None:
    class Newer(Sampling, frozen=True, kw_only=True):
        bias: int = 0

    _engines.check_request("x", Request(prompt_ids=(1,), prefix_ids=(2,), timeout_s=3.0, sampling=Newer(temperature=0.5, stop=("a",))))
    with pytest.raises(InputError, match="engine 'x' cannot do bias=5"):
        _engines.check_request("x", Request(prompt_ids=(1,), sampling=Newer(bias=5)))
    _engines.check_request("x", Request(prompt_ids=(1,), sampling=Newer(bias=5)), {"bias"})
    with pytest.raises(InputError, match=r"engine 'x' cannot do adapter='poet'.*use the engine 'transformers'"):
        _engines.check_request("x", Request(prompt_ids=(1,), adapter="poet"), {"bias"})


def test_every_engine_here_reports_itself() -> None:
    rows = {row.name: row for row in report()}
    assert {"transformers", "llamacpp", "openai", "vllm"} == rows.keys()
    assert rows["transformers"].usable
    assert all(row.usable or (row.why and row.mend) for row in rows.values())
    assert [name for name, row in rows.items() if row.abilities.training] == ["transformers"]


def test_a_checkpoint_is_loaded_so_that_it_can_be_trained(tiny_model: Path) -> None:
    assert isinstance(load(str(tiny_model)), TransformersPolicy)
    with pytest.raises(InputError, match=r"transformers: reads embedded, checkpoint, not endpoint"):
        load("http://127.0.0.1:1/v1", needs=("training",))
