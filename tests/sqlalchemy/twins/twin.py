"""The table without protection."""

from __future__ import annotations

from collections.abc import Collection
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
        *(Column(name, text) for name in ("surname", "ssn", "email", "domain", "who", "place")),
        Column("born", Date),
        Column("owed", Numeric(12, 3)),
        *(Column(f"has_{name}", Integer) for name in INDEXES),
    )


def values_of(person: dict[str, Any], untagged: Collection[str] = ()) -> dict[str, Any]:
    """Return the row of a person, with NULL for values without tags, which no search finds.

    Args:
        person: the values.
        untagged: the columns, and "who" and "place" for the compound indexes, that have no tags.
    """
    named, mail = _folded(person["surname"]), _domain(person["email"])
    row = person | {"surname": named, "domain": mail, "who": None, "place": None}
    if named is not None and person["born"] is not None:
        row["who"] = f"{named}:{person['born']}"
    if mail is not None:
        row["place"] = f"{person['clinic']}:{mail}"
    row |= dict.fromkeys(["domain", *untagged] if "email" in untagged else untagged)
    return row | {f"has_{name}": person[name] is not None for name in INDEXES}


def _folded(text: str | None) -> str | None:
    return None if text is None else text.casefold()


def _domain(mail: str | None) -> str | None:
    return mail.rpartition("@")[2].casefold() if mail is not None and "@" in mail else None


def end_of(column: Any, length: int, dialect: Dialect) -> Any:
    """Return the last characters of a text: all of it, if it has fewer."""
    return func.substr(column, -length) if dialect.name == "sqlite" else func.right(column, length)
