"""What all hostile tests assert of the text that a model is shown."""

import pytest


@pytest.fixture(scope="session")
def harmless():
    """`harmless(text, hidden)`: bounded, one printable line per finding, and the hidden input is not told."""

    def check(text: str, hidden: int) -> None:
        lines = text.split("\n")
        assert len(lines) <= 10
        assert all(line.isprintable() and len(line) < 1500 for line in lines), text
        assert str(hidden) not in text

    return check
