"""A program as CodeBLEU reads it: its tokens, its syntax subtrees without their texts, and how values flow between variables.

Python is read with the standard library's `ast`, C, C++, Java and JavaScript with tree-sitter grammars (extra `codebleu`).
Nothing is run. Variables are told apart by name: one program is one namespace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

from burnish.core.errors import InputError
from burnish.core.seeds import content_hash

LANGUAGES = ("python", "c", "cpp", "java", "javascript")
"""Languages that can be read, as `Task.kind` writes them."""

Edge = tuple[str, str, str]
"""(`used`, variable, variable): a use of what was defined before; (`made`, target, source): a definition from another variable."""
Node = TypeVar("Node")


class Structure(NamedTuple):
    """`keywords` are the language's own words among `tokens`; `parses` is False where the syntax is broken."""

    tokens: tuple[str, ...]
    keywords: frozenset[str]
    subtrees: tuple[str, ...]
    """One key for each inner node, equal for subtrees of the same shape and kinds of nodes."""
    flow: tuple[Edge, ...]
    """In order, with variables renamed `0`, `1`, … by first appearance."""
    parses: bool


@lru_cache(maxsize=4096)
def structure_of(source: str, language: str = "python") -> Structure:
    """The structure of `source`. Raises `InputError` for an unknown language, `Unavailable` if its grammar is not installed."""
    if language not in LANGUAGES:
        raise InputError(f"Programs in {language!r} cannot be compared. Known languages: {', '.join(LANGUAGES)}.")
    if language == "python":
        from burnish.text._python_structure import python_structure

        return python_structure(source)
    from burnish.text._grammar_structure import grammar_structure

    return grammar_structure(source, language)


def subtree_keys(root: Node, children: Callable[[Node], Sequence[Node]], kind: Callable[[Node], str]) -> tuple[str, ...]:
    """The keys of all nodes with children, root first. Without recursion: generated programs can be nested deeply."""
    nodes, inner = [root], list[range]()
    for node in nodes:  # grows while it is read: breadth first
        below = children(node)
        inner.append(range(len(nodes), len(nodes) + len(below)))
        nodes += below
    keys = [""] * len(nodes)
    for index in reversed(range(len(nodes))):
        keys[index] = content_hash(kind(nodes[index]), *(keys[child] for child in inner[index]))
    return tuple(key for key, below in zip(keys, inner, strict=True) if below)


class Flow:
    """Collects edges as a reader walks a program in the order of its running: uses before the definition that they make."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._edges: list[Edge] = []

    def use(self, name: str) -> None:
        """A variable is read. What was never defined here (a function, a builtin) is no variable and gives no edge."""
        if name in self._known:
            self._edges.append(("used", name, name))

    def define(self, targets: Iterable[str], sources: Iterable[str] = ()) -> None:
        """Variables get a value that is computed from others."""
        known = [source for source in dict.fromkeys(sources) if source in self._known]
        for target in targets:
            self._edges += [("made", target, source) for source in known]
            self._known.add(target)

    def edges(self) -> tuple[Edge, ...]:
        """All edges, renamed."""
        names: dict[str, str] = {}
        for _, one, other in self._edges:
            for name in (one, other):
                names.setdefault(name, f"{len(names)}")
        return tuple((kind, names[one], names[other]) for kind, one, other in self._edges)
