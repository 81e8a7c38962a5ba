"""Judges C programs with gcc: whole programs by stdin and stdout, functions by test code with a main."""

from __future__ import annotations

from burnish.verifiers._gcc import Gcc
from burnish.verifiers._native import NativeVerifier

HEADERS = (
    *("assert.h", "complex.h", "ctype.h", "errno.h", "fenv.h", "float.h", "inttypes.h", "limits.h", "locale.h", "math.h", "pthread.h"),
    *("setjmp.h", "signal.h", "stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h", "strings.h"),
    *("time.h", "unistd.h", "wchar.h", "wctype.h"),
)
"""Headers whose macros test code may use."""


class CVerifier(NativeVerifier):
    """The verifier of `Task.kind == "c"`."""

    language = Gcc(
        id="c", compiler="gcc", install="apt install gcc", suffix="c", standard="gnu17", headers=HEADERS, libraries=("-lm", "-lpthread")
    )


c = CVerifier()
"""The shared instance that `find("verifier", "c")` returns."""
