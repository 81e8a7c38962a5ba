"""How results look in the terminal."""

from __future__ import annotations
