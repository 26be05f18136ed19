"""SQL text within a statement: what it does with the columns that it names cannot be known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, TableClause, TextClause
from sqlalchemy.orm.context import FromStatement
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.elements import ColumnClause, Label
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.selectable import HasHints, TextualSelect

from fieldcrypt_sqlalchemy.column.protected import is_protected
from fieldcrypt_sqlalchemy.column.refusal import expression_error
from fieldcrypt_sqlalchemy.internals.element import TSTRING_TEXT
from fieldcrypt_sqlalchemy.internals.select import hints
from fieldcrypt_sqlalchemy.statement.elements import texts_in
from fieldcrypt_sqlalchemy.statement.fields import handed_on

__all__ = ["check_text"]

_QUOTES = '"`]'  # which are doubled within a quoted name


def check_text(nodes: list[Any]) -> None:
    """Refuse text that names a protected column, or the label of one; whole texts are one's own.

    Args:
        nodes: all elements of a statement, itself first.

    Raises:
        ProtectedColumnError: there is such a text.
    """
    own = {id(each) for node in nodes for each in _own(node)}
    texts = [
        text
        for node in (nodes[1:] if isinstance(nodes[0], TextClause) else nodes)
        if id(node) not in own
        for text in _texts(node)
    ]
    if not any(texts):
        return
    for name, column in _names(nodes).items():
        pattern = _pattern(name)
        if any(map(pattern.search, texts)):
            raise expression_error(column)


def _pattern(name: str) -> re.Pattern[str]:
    """Return what finds a name in text, quoted or not, but not as a part of a longer one."""
    spellings = {name, *(name.replace(quote, 2 * quote) for quote in _QUOTES)}
    return re.compile("|".join(rf"(?<!\w){re.escape(each)}(?!\w)" for each in spellings), re.IGNORECASE)


def _own(node: Any) -> Iterator[Any]:
    """Yield what belongs to a whole text."""
    if isinstance(node, (FromStatement, TextualSelect)):
        yield node.element
    if isinstance(node, TextualSelect):
        yield from node.column_args


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, TextClause):
        yield node.text
    elif isinstance(node, ColumnClause) and (node.is_literal or (node.table is None and not is_protected(node))):
        yield node.name
    elif TSTRING_TEXT is not None and isinstance(node, TSTRING_TEXT):
        yield node.text
    for operator in (getattr(node, "operator", None), getattr(node, "modifier", None)):
        if isinstance(operator, custom_op):
            yield operator.opstring
    if isinstance(node, (HasHints, UpdateBase)):
        yield from hints(node)
    yield from texts_in(node)


def _names(nodes: list[Any]) -> dict[str, Any]:
    """Return the names under which protected columns may be found in text."""
    found: dict[str, Any] = {}
    for node in nodes:
        if isinstance(node, TableClause):
            found |= {column.name: column for column in node.c if is_protected(column)}
        elif is_protected(node):
            found[node.name] = node
        elif isinstance(node, Select):
            labels = (column for column in node.selected_columns if isinstance(column, Label))
            found |= {label.name: column for label in labels if (column := handed_on(label)) is not None}
    return found
