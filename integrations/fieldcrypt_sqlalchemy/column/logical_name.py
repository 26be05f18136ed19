"""The logical name of a table, from which the fields of its columns take theirs."""

from __future__ import annotations

from typing import Any

from fieldcrypt import ConfigurationError

__all__ = ["has_logical_name", "logical_name"]

_FIELDS = "fieldcrypt_fields"


def logical_name(table: Any) -> str:
    """Return what a table's `info={"fieldcrypt_fields": "patients"}` says, else its name, without schema.

    Raises:
        ConfigurationError: it says something else that is meant for fieldcrypt, or no name.
    """
    info: dict[Any, Any] = getattr(table, "info", {})
    for key in info:
        if key != _FIELDS and str(key).startswith("fieldcrypt_"):
            raise ConfigurationError(f'{table.name}: info={{"{_FIELDS}": "patients"}} is understood, {key!r} is not')
    name = info.get(_FIELDS, table.name)
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f'{table.name}: info={{"{_FIELDS}": "patients"}} is the logical name of the table')
    return name


def has_logical_name(table: Any) -> bool:
    """Return True if a table's logical name was declared, and is not just the name of the table."""
    return _FIELDS in getattr(table, "info", {})
