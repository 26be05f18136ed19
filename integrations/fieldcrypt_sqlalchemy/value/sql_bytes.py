"""SQL for the bytes of a text, whatever the collations of a database take for equal."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.engine import Dialect

__all__ = ["bytes_of", "bytes_template", "document_of"]

# How a database shows a text's bytes, without those of its collation.
_BYTES: Mapping[str, str] = {
    "postgresql": 'CAST({} AS TEXT) COLLATE "C"',
    "sqlite": "CAST({} AS BLOB)",
    "mysql": "CAST(CONVERT({} USING utf8mb4) AS BINARY)",  # two columns may have two character sets
    "mariadb": "CAST(CONVERT({} USING utf8mb4) AS BINARY)",
    "mssql": "CAST(CAST({} AS NVARCHAR(max)) AS VARBINARY(max))",
    "oracle": "NLSSORT({}, 'NLS_SORT=BINARY')",
}
_STANDARD = "CAST({} AS VARBINARY)"  # for others, which refuse it if they have no such thing

# How it shows a document of JSON in one spelling.
_DOCUMENTS: Mapping[str, str] = {
    "postgresql": "CAST({} AS JSONB)",
    "sqlite": "json({})",
    "mysql": "JSON_EXTRACT({}, '$')",
    "mariadb": "JSON_COMPACT({})",
}


def bytes_template(name: str) -> str:
    """Return how a database, by the name of its dialect, shows the bytes of a text that stands for `{}`."""
    return _BYTES.get(name, _STANDARD)


def bytes_of(rendered: str, dialect: Dialect) -> str:
    """Return, in the SQL of a database, the bytes of a text.

    Args:
        rendered: the text, in SQL.
        dialect: of the database.
    """
    return bytes_template(dialect.name).format(rendered)


def document_of(rendered: str, dialect: Dialect) -> str:
    """Return, in the SQL of a database, a document of JSON in one spelling.

    Args:
        rendered: the document, in SQL.
        dialect: of the database.
    """
    name = "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name
    return _DOCUMENTS.get(name, "{}").format(rendered)
