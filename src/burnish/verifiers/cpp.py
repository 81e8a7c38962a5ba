"""Judges C++ programs with g++: whole programs by stdin and stdout, functions by test code with a main."""

from __future__ import annotations

from burnish.verifiers._gcc import Gcc
from burnish.verifiers._native import NativeVerifier
from burnish.verifiers.c import HEADERS

cpp = NativeVerifier(
    Gcc(
        id="cpp",
        compiler="g++",
        install="apt install g++",
        suffix="cpp",
        standard="gnu++17",
        headers=("bits/stdc++.h", *HEADERS),
        libraries=("-lpthread",),
    )
)
"""The shared instance that `find("verifier", "cpp")` returns."""
