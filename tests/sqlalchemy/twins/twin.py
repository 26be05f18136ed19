"""The table without protection."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Column, Date, Dialect, Integer, MetaData, Numeric, String, Table, func

from tests.sqlalchemy.kinds import INDEXES

# By bytes, and blanks at the end count.
_COLLATIONS = {"postgresql": "C", "mysql": "utf8mb4_nopad_bin", "mariadb": "utf8mb4_nopad_bin", "sqlite": "BINARY"}


def twin(dialect: Dialect) -> Table:
    """A table whose texts are compared by bytes. What a normaliser or a part makes of a value is in it as such."""
    text = String(50, collation=_COLLATIONS[dialect.name])
    return Table(
        "twins",
        MetaData(),
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("clinic", String(20, collation=_COLLATIONS[dialect.name])),
        Column("ward", Integer),
        *(Column(name, text) for name in ("surname", "ssn", "email", "domain")),
        Column("born", Date),
        Column("owed", Numeric(12, 3)),
        *(Column(f"has_{name}", Integer) for name in INDEXES),
    )


def values_of(person: dict[str, Any], untagged: Iterable[str] = ()) -> dict[str, Any]:
    """Return the row of a person, with NULL for values without tags, which no search finds."""
    row = person | dict.fromkeys(untagged) | {f"has_{name}": person[name] is not None for name in INDEXES}
    surname, email = row["surname"], row["email"] or ""
    row["surname"] = None if surname is None else surname.casefold()
    row["domain"] = email.rpartition("@")[2].casefold() or None if "@" in email else None
    return row


def end_of(column: Any, length: int, dialect: Dialect) -> Any:
    """Return the last characters of a text: all of it, if it has fewer."""
    return func.substr(column, -length) if dialect.name == "sqlite" else func.right(column, length)
