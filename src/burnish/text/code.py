"""Find the program in a model's reply, as an exact range of the reply's characters.

A fenced block is preferred (the last one that defines the wanted name, else the last one); a fence that was never closed
runs to the end; outside of fences only what begins with a top-level definition counts as code. Nothing is repaired.
Definitions are recognised as Python and C-like languages write them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from burnish.core.records import Span, Task

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n]*\n", re.MULTILINE)
_DEFINITION = re.compile(r"^(?:(?:async def|def|class|from|import)\s|#include\b)", re.MULTILINE)


class Code(NamedTuple):
    """A program inside a reply: `text == reply[start:end]`."""

    text: str
    start: int
    end: int


def extract_code(reply: str, entry_point: str | None = None) -> Code | None:
    """The program in `reply`, or None if there is none. `entry_point` is the function name that is wanted, if known."""
    blocks = [block for block in _fenced(reply) if block.text.strip()]
    wanted = [block for block in blocks if entry_point and defines(block.text, entry_point)]
    bare = _bare(reply)
    if not wanted and bare and entry_point and defines(bare.text, entry_point):
        return bare
    return wanted[-1] if wanted else blocks[-1] if blocks else bare


def program_in(task: Task, reply: str) -> str | None:
    """The program that `reply` gives for `task`, or None."""
    code = extract_code(reply, wanted_name(task))
    return code.text if code else None


def wanted_name(task: Task) -> str | None:
    """The name that a reply to `task` must define, if any: a test file calls the function and does not define it."""
    return None if task.kind == "python_tests" else task.context.get("entry_point")


def spans_of(reply: str, code: Code | None) -> tuple[Span, ...]:
    """`explanation` (the prose before the code, or its fence) and `code`; a reply without code is all explanation."""
    if code is None:
        return (Span(kind="explanation", start=0, end=len(reply)),) if reply.strip() else ()
    line = reply.rfind("\n", 0, max(code.start - 1, 0)) + 1 if code.start else 0
    prose = reply[: line if _FENCE.match(reply, line) else code.start].rstrip()
    explanation = (Span(kind="explanation", start=0, end=len(prose)),) if prose else ()
    return (*explanation, Span(kind="code", start=code.start, end=code.end))


def defines(code: str, name: str) -> bool:
    """True if `code` binds `name`: by a definition or an assignment at the start of a line, or by `type name(…) {`."""
    word = re.escape(name)
    python = rf"^\s*(?:async def|def|class)\s+{word}\b|^{word}\s*="
    c_like = rf"^[ \t]*\w[\w:<>,*&\[\] \t]*[\s*&>]{word}\s*\([^;{{}}]*\)\s*(?:const\s*|noexcept\s*)*\{{"
    return re.search(f"{python}|{c_like}", code, re.MULTILINE) is not None


def fenced(code: str, language: str = "python") -> str:
    """`code` as a fenced block, with a fence longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{code.rstrip()}\n{fence}"


def _bare(reply: str) -> Code | None:
    """Code without an opening fence: from the first definition to a fence, or to the end."""
    definition = _DEFINITION.search(reply)
    if definition is None:
        return None
    fence = _FENCE.search(f"{reply}\n", definition.start())
    end = fence.start() if fence else len(reply)
    return Code(reply[definition.start() : end], definition.start(), end)


def _fenced(reply: str) -> list[Code]:
    blocks, position = [], 0
    while opening := _FENCE.search(reply, position):
        fence = opening.group(1)
        closing = re.compile(rf"^[ \t]*{re.escape(fence[0])}{{{len(fence)},}}[ \t]*\r?$", re.MULTILINE).search(reply, opening.end())
        end = closing.start() if closing else len(reply)
        blocks.append(Code(reply[opening.end() : end], opening.end(), end))
        position = closing.end() if closing else len(reply)
    return blocks
