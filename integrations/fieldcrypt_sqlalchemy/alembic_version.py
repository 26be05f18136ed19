"""Checks that the installed Alembic can be kept from dropping keys."""

from __future__ import annotations

from importlib import metadata

__all__ = ["danger_of_alembic"]

_FIRST_WITH_PLUGINS = (1, 18)


def danger_of_alembic() -> str | None:
    """Return what is wrong with the Alembic that is installed, or None if nothing is, or none is."""
    try:
        version = metadata.version("alembic")
    except metadata.PackageNotFoundError:
        return None
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers >= _FIRST_WITH_PLUGINS:
        return None
    return (
        f"fieldcrypt needs Alembic 1.18 or later, and this is {version}: an older one has no plugins, so it would "
        "generate migrations that drop the table of data keys"
    )
