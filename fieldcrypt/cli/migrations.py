"""Finding the migrations that a command works on."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from fieldcrypt.cli.target import configured, find, set_up
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.migration import Migration

__all__ = ["MigrationArgument", "all_migrations", "find_migration"]

_VARIABLE = "FIELDCRYPT_MIGRATIONS"

MigrationArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="MODULE:NAME",
        help=f"The Migration, or a function that returns it. Default: the only one that {_VARIABLE} names, "
        "or `migrations` under [tool.fieldcrypt] in pyproject.toml.",
    ),
]


def find_migration(path: str | None) -> Migration:
    """Return the migration that an argument, the environment or pyproject.toml names.

    Raises:
        ConfigurationError: none is named, or several are, or the object is not one.
    """
    set_up()
    if path is not None:
        return _found(path)
    names = _named()
    if len(names) != 1:
        raise ConfigurationError(
            f"name the migration, package.module:name: one of {', '.join(names)}"
            if names
            else f"no migration is named: give package.module:name, set {_VARIABLE}, or write\n"
            '[tool.fieldcrypt]\nmigrations = ["package.module:name"]\ninto pyproject.toml'
        )
    return _found(names[0])


def all_migrations() -> list[Migration]:
    """Return all migrations that the environment or pyproject.toml names, for a command that has its Encryptor.

    Raises:
        ConfigurationError: the object is not one.
    """
    return [_found(name) for name in _named()]


def _named() -> list[str]:
    if names := os.environ.get(_VARIABLE, "").replace(",", " ").split():
        return names
    names = configured("migrations")
    if names is None:
        return []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigurationError("migrations under [tool.fieldcrypt] is a list of texts, package.module:name")
    return names


def _found(path: str) -> Migration:
    found: Migration = find(path, Migration)
    return found
