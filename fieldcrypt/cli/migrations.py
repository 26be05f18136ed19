"""Which migrations a command is about."""

from __future__ import annotations

from typing import Annotated

import typer

from fieldcrypt.cli.target import configured, load
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.migration import Migration

__all__ = ["MigrationArgument", "all_migrations", "find_migration"]

MigrationArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="MODULE:NAME",
        help="Where the Migration is. Default: the only one of `migrations` "
        "under \\[tool.fieldcrypt] in pyproject.toml.",
    ),
]


def find_migration(path: str | None) -> Migration:
    """Return the migration that an argument, or pyproject.toml, names.

    Raises:
        ConfigurationError: none is named, or several are, or what is named is none.
    """
    if path is not None:
        return _loaded(path)
    names = _named()
    if len(names) != 1:
        raise ConfigurationError(
            f"say which migration, package.module:name: one of {', '.join(names)}"
            if names
            else "no migration is named: give package.module:name, or write\n"
            '[tool.fieldcrypt]\nmigrations = ["package.module:name"]\ninto pyproject.toml'
        )
    return _loaded(names[0])


def all_migrations() -> list[Migration]:
    """Return all migrations that pyproject.toml names.

    Raises:
        ConfigurationError: what is named is none.
    """
    return [_loaded(name) for name in _named()]


def _named() -> list[str]:
    names = configured("migrations")
    if names is None:
        return []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigurationError("migrations under [tool.fieldcrypt] is a list of texts, package.module:name")
    return names


def _loaded(path: str) -> Migration:
    found = load(path)
    if not isinstance(found, Migration):
        raise ConfigurationError(f"{path} is a {type(found).__name__}, and no Migration")
    return found
