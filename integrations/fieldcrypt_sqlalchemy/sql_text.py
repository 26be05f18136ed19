"""SQL text within a statement of SQLAlchemy's: nobody can tell what it does with the columns that it names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, Table, TextClause
from sqlalchemy.orm.context import FromStatement
from sqlalchemy.sql.elements import ColumnClause, Label
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.selectable import TextualSelect

from fieldcrypt_sqlalchemy.columns import refused
from fieldcrypt_sqlalchemy.places import handed_on
from fieldcrypt_sqlalchemy.types import HAS_PROTECTED, Encrypted

__all__ = ["check_text"]

_WORD = re.compile(r"\w+")


def check_text(nodes: list[Any]) -> None:
    """Refuse text that names a protected column, or the label of one; whole texts are one's own.

    Args:
        nodes: all elements of a statement, itself first.

    Raises:
        ProtectedColumnError: there is such a text.
    """
    own = {id(each) for node in nodes for each in _own(node)}
    names: dict[str, Any] | None = None
    for node in nodes[1:] if isinstance(nodes[0], TextClause) else nodes:
        for text in _texts(node) if id(node) not in own else ():
            if names is None:
                names = _names(nodes)
            for word in _WORD.findall(text):
                if word.lower() in names:
                    raise refused(names[word.lower()])


def _own(node: Any) -> Iterator[Any]:
    """Yield what belongs to a whole text."""
    if isinstance(node, (FromStatement, TextualSelect)):
        yield node.element
    if isinstance(node, TextualSelect):
        yield from node.column_args


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, TextClause):
        yield node.text
    elif isinstance(node, ColumnClause) and (node.is_literal or node.table is None):
        yield node.name
    elif type(node).__name__ == "_TStringText":  # of SQLAlchemy 2.1
        yield node.text
    for operator in (getattr(node, "operator", None), getattr(node, "modifier", None)):
        if isinstance(operator, custom_op):
            yield operator.opstring
    for affix, _ in (*getattr(node, "_prefixes", ()), *getattr(node, "_suffixes", ())):
        yield getattr(affix, "text", "")
    for _, hint in getattr(node, "_statement_hints", ()):
        yield hint
    yield from dict(getattr(node, "_hints", None) or {}).values()


def _names(nodes: list[Any]) -> dict[str, Any]:
    """Return the names under which protected columns may be found in text, in lower case."""
    found: dict[str, Any] = {}
    for node in nodes:
        if isinstance(node, Table) and hasattr(node, HAS_PROTECTED):
            found |= {column.name.lower(): column for column in node.c if isinstance(column.type, Encrypted)}
        elif isinstance(node, Select):
            labels = (column for column in node.selected_columns if isinstance(column, Label))
            found |= {label.name.lower(): column for label in labels if (column := handed_on(label)) is not None}
    return found
