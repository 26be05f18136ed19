"""The tables of models."""

from __future__ import annotations

from typing import Any

from fieldcrypt import ConfigurationError

__all__ = ["logical_names_of", "only_table", "table_of", "tables_of"]


def table_of(model: type[Any]) -> str | None:
    """Return the name of a model's table; an abstract model has none."""
    name: str | None = getattr(getattr(model, "Meta", None), "table_name", None)
    return name


def tables_of(owner: type[Any]) -> set[str]:
    """Return the tables of a model and of those that inherit from it."""
    own = table_of(owner)
    below = {table for model in owner.__subclasses__() for table in tables_of(model)}
    return below | ({own} if own else set())


def logical_names_of(owner: type[Any]) -> set[str]:
    """Return the names from which the fields of a model take theirs, and those of the models that inherit from it."""
    own = getattr(getattr(owner, "_fieldcrypt_spec", None), "fields", None) or table_of(owner)
    below = {name for model in owner.__subclasses__() for name in logical_names_of(model)}
    return below | ({own} if own else set())


def only_table(tables: set[str], label: str) -> str:
    """Return the table of an attribute, after which its field is called.

    Raises:
        ConfigurationError: it belongs to several tables, or to none.
    """
    if len(tables) > 1:
        raise ConfigurationError(
            f"{label} belongs to several tables ({', '.join(sorted(tables))}): declare it in each model, decorate the "
            "models with @encrypted, or give it a name, EncryptedAttribute(…, name=…), if their values may be exchanged"
        )
    if not tables:
        raise ConfigurationError(
            f"{label} belongs to no table, so its field has no name: give it one, EncryptedAttribute(…, name=…)"
        )
    return next(iter(tables))
