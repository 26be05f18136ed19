"""The tables of models."""

from __future__ import annotations

from typing import Any

from fieldcrypt import ConfigurationError

__all__ = ["logical_names_of", "models_of", "only_table", "table_of"]


def table_of(model: type[Any]) -> str | None:
    """Return the name of a model's table; an abstract model has none."""
    name: str | None = getattr(getattr(model, "Meta", None), "table_name", None)
    return name


def models_of(owner: type[Any]) -> list[type[Any]]:
    """Return a model and those that inherit from it, without those that have no table."""
    own = [] if table_of(owner) is None else [owner]
    return own + [model for derived in owner.__subclasses__() for model in models_of(derived)]


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
