"""What SQLAlchemy calls private is read through here, without a default.

If a name is gone, the import or the statement is refused: nothing is taken to be absent.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy

from fieldcrypt import ConfigurationError

__all__ = ["IS_2_0", "read", "renamed_error"]

IS_2_0 = sqlalchemy.__version__.startswith("2.0.")


def renamed_error(what: str) -> ConfigurationError:
    """Return the error of a name that SQLAlchemy does not have any more."""
    return ConfigurationError(
        f"this SQLAlchemy is newer than fieldcrypt knows: it has no {what}, without which statements cannot be "
        "examined. Install the SQLAlchemy that this fieldcrypt was released with, or a newer fieldcrypt"
    )


def read(owner: Any, name: str) -> Any:
    """Return a private attribute of SQLAlchemy's.

    Raises:
        ConfigurationError: it has none of this name.
    """
    try:
        return getattr(owner, name)
    except AttributeError:
        kind = owner if isinstance(owner, type) else type(owner)
    raise renamed_error(f"{kind.__name__}.{name}")
