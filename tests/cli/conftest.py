"""Commands under test run in this process and keep their verdicts apart from the user's."""

import pytest

from burnish.cli.main import main


@pytest.fixture
def burnish(capsys):
    """Run a command: exit code, stdout, stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return stopped.value.code or 0, captured.out, " ".join(captured.err.split())

    return run


@pytest.fixture(autouse=True)
def cache_folder(monkeypatch, tmp_path_factory):
    """Where `burnish verify` keeps its cache in this test."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("BURNISH_CACHE", str(folder))
    return folder
