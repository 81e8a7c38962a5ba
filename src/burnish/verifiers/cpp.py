"""Judges C++ programs with g++: whole programs by stdin and stdout, functions by test code with a main."""

from __future__ import annotations

from burnish.verifiers._gcc import Gcc
from burnish.verifiers._native import NativeVerifier
from burnish.verifiers.c import HEADERS


class CppVerifier(NativeVerifier):
    """The verifier of `Task.kind == "cpp"`."""

    language = Gcc(
        id="cpp",
        compiler="g++",
        install="apt install g++",
        suffix="cpp",
        standard="gnu++17",
        headers=("bits/stdc++.h", *HEADERS),
        libraries=("-lpthread",),
    )


cpp = CppVerifier()
"""The shared instance that `find("verifier", "cpp")` returns."""
