"""One form for programs that differ in layout only: what is the same text to a reader who looks past comments."""

from __future__ import annotations

import ast
import warnings

from burnish.core import syntax


def normal_form(code: str) -> str:
    """Python without comments, docstrings and layout; of what is no Python the text with single blanks."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = syntax.module(code)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
        return ast.unparse(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return " ".join(code.split())
