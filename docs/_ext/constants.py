"""What a public constant is: the comment at its assignment, wherever a front door has it from."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from typing import Any

LONGEST_VALUE = 60


def described(module: Any, name: str) -> tuple[str, str | None]:
    """Return the comment of a constant, and its value as code if that tells something.

    Args:
        module: exports it.
        name: its name there.
    """
    source = inspect.getsource(module)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found = [alias.name for alias in node.names if (alias.asname or alias.name) == name]
            if found and node.module.startswith("fieldcrypt"):
                return described(importlib.import_module(node.module), found[0])
        elif name in _assigned(node):
            return _comment(source.splitlines(), node), _value(node)
    return "", None


def _assigned(node: ast.AST) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [each.id for each in targets if isinstance(each, ast.Name)]


def _comment(lines: list[str], node: Any) -> str:
    """Return the text below an assignment, the comment that ends it, or the lines of comment above it."""
    if node.end_lineno < len(lines) and (text := re.fullmatch(r'"""(.*)"""', lines[node.end_lineno])):
        return text[1]
    end = re.search(r"#:? (.*?)$", lines[node.end_lineno - 1][node.end_col_offset :]) or re.search(
        r"[=({\[]  #:? (.*?)$", lines[node.lineno - 1]
    )
    if end:
        return end[1]
    above: list[str] = []
    for line in reversed(lines[: node.lineno - 1]):
        match = re.match(r"#:? (.*)", line)
        if match is None:
            break
        above.insert(0, match[1])
    return " ".join(above)


def _value(node: Any) -> str | None:
    value = ast.unparse(node.value) if node.value is not None else None
    return value if value is not None and len(value) <= LONGEST_VALUE and "_" not in value else None
