"""The structure of a program in a language that tree-sitter has a grammar for. Comments are left out.

What assigns is told by the kind of a node, where target and value stand by the names of its fields; both are much the same in
all these grammars.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from burnish.core.errors import Unavailable
from burnish.text.structure import Flow, Structure, subtree_keys

_ASSIGNING = frozenset(
    {
        *("assignment_expression", "augmented_assignment_expression", "update_expression"),
        *("init_declarator", "variable_declarator"),
        *("for_range_loop", "for_in_statement", "enhanced_for_statement"),
    }
)
_PARAMETERS = frozenset(
    {"parameter_declaration", "optional_parameter_declaration", "formal_parameter", "formal_parameters", "spread_parameter"}
)
_BASES = frozenset({"subscript_expression", "field_expression", "field_access", "array_access", "member_expression"})
"""Targets that are a part of something: what is defined is the variable they begin with."""
_TYPE_WORDS = frozenset({"primitive_type", "void_type", "boolean_type"})
_NAMES = frozenset({"identifier", "shorthand_property_identifier_pattern", "shorthand_property_identifier"})


def grammar_structure(source: str, language: str) -> Structure:
    """The structure of `source`. Raises `Unavailable` if the grammar of the language is not installed."""
    root = _parser(language).parse(source.encode("utf-8", "replace")).root_node
    leaves = [node for node in _walk(root) if not node.child_count and node.text]
    flow = Flow()
    _read(root, flow)
    return Structure(
        tokens=tuple(_text(leaf) for leaf in leaves),
        keywords=frozenset(_text(leaf) for leaf in leaves if _is_keyword(leaf)),
        subtrees=subtree_keys(root, _children, lambda node: str(node.type)),
        flow=flow.edges(),
        parses=not root.has_error,
    )


@cache
def _parser(language: str) -> Any:
    try:
        tree_sitter = importlib.import_module("tree_sitter")
        grammar = importlib.import_module(f"tree_sitter_{language}")
    except ImportError as error:
        raise Unavailable(f"To compare programs in {language}, install the grammars: pip install 'burnish[codebleu]' ({error}).") from error
    return tree_sitter.Parser(tree_sitter.Language(grammar.language()))


def _children(node: Any) -> Sequence[Any]:
    return [child for child in node.children if "comment" not in child.type]


def _walk(root: Any) -> Iterator[Any]:
    """All nodes in the order of the text."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(_children(node))


def _text(node: Any) -> str:
    return str(node.text.decode("utf-8", "replace"))


def _is_keyword(leaf: Any) -> bool:
    return leaf.type in _TYPE_WORDS or (not leaf.is_named and leaf.type.isidentifier())


def _read(root: Any, flow: Flow) -> None:
    """Uses and definitions in the order of running. Waiting are nodes, and (targets, sources) of values that have been read."""
    waiting: list[Any] = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, tuple):
            flow.define(*node)
        elif node.type in _PARAMETERS:
            flow.define(_identifiers(node))
        elif node.type in _ASSIGNING:
            waiting += reversed(_assignment(node))
        elif node.type in _NAMES:
            flow.use(_text(node))
        else:
            waiting += reversed(_children(node))


def _assignment(node: Any) -> list[Any]:
    """What is read of an assignment, in order: its value, what its target uses, the definition, and the rest (a loop's body)."""
    value = node.child_by_field_name("value") or node.child_by_field_name("right")
    target = next(filter(None, map(node.child_by_field_name, ("left", "declarator", "name", "argument"))), None)
    target = target or next(iter(node.named_children), None)
    if target is None:  # broken syntax
        return list(_children(node))
    operator = node.child_by_field_name("operator")
    keeps = node.type in ("update_expression", "augmented_assignment_expression") or (operator is not None and _text(operator) != "=")
    names = _identifiers(target)
    is_part = target.type in _BASES
    defined, used = (names[:1], names[1:]) if is_part else (names, [])
    read = [*([value] if value is not None else []), *([target] if keeps or is_part else [])]
    sources = [*(_identifiers(value) if value is not None else []), *used, *(defined if keeps else [])]
    rest = [child for child in _children(node) if child not in (value, target)]
    return [*read, (defined, sources), *rest]


def _identifiers(node: Any) -> list[str]:
    return [_text(inner) for inner in _walk(node) if inner.type in _NAMES]
