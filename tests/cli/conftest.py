"""Commands under test keep their verdicts apart from the user's."""

import pytest


@pytest.fixture(autouse=True)
def cache_folder(monkeypatch, tmp_path_factory):
    """Where `burnish verify` keeps its cache in this test."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("BURNISH_CACHE", str(folder))
    return folder
