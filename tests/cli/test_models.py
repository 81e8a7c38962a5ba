"""`burnish list models`: what is usable here, and how to mend what is not."""

import importlib.util
import json

import pytest

from burnish.cli.main import main


def listed(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main(["list", "models", *arguments])
    assert not stopped.value.code
    return capsys.readouterr().out


def test_models_and_engines_for_machines(capsys):
    document = json.loads(listed(capsys, "--json"))
    engines = {row["name"]: row for row in document["engines"]}
    assert engines["transformers"]["usable"]
    for name, package in (("llamacpp", "xllamacpp"), ("vllm", "vllm")):
        row = engines[name]
        assert row["usable"] == (importlib.util.find_spec(package) is not None)
        assert row["usable"] or (package in row["why"] and "pip install" in row["mend"])
    readers = {row["kind"]: row["engines"] for row in document["models"]}
    assert "transformers" in readers["checkpoint"]
    assert "transformers" not in readers["gguf"]


def test_models_and_engines_for_people(capsys):
    out = " ".join(listed(capsys).split())
    assert "a .gguf file" in out
    assert ("vllm is not installed. Mend: pip install vllm" in out) == (importlib.util.find_spec("vllm") is None)
