"""What a database gives back for a part of a key that it was given: to that a value is bound."""

from __future__ import annotations

import datetime
import enum
import uuid
from collections.abc import Callable
from typing import Any

from sqlalchemy import CHAR, Enum
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from fieldcrypt import ConfigurationError

__all__ = ["as_stored"]

_KINDS = (str, int, uuid.UUID, bytes, datetime.date, enum.Enum)  # as in the core's key_text
_OTHER_KINDS = (bool, datetime.datetime)
_DIALECT = DefaultDialect()

AsStored = Callable[[Any], Any]


def as_stored(name: str, type_: TypeEngine[Any]) -> AsStored | None:
    """Return what turns a value that an application gives into what it will read; None if that is the same.

    Args:
        name: the attribute's, for messages.
        type_: its column's.

    Raises:
        ConfigurationError: the type has values without an exact text.
    """
    if isinstance(type_, TypeDecorator):
        return _decorated(type_)
    try:
        kind = type_.python_type
    except NotImplementedError:
        return None  # what its values are shows when they are used
    if not issubclass(kind, _KINDS) or issubclass(kind, _OTHER_KINDS):
        raise ConfigurationError(
            f"{name} is a {kind.__name__}, which has no exact text: rows and tenants are identified by str, int, UUID, "
            "bytes, date or Enum"
        )
    if isinstance(type_, Enum):
        return None  # a member and its name, which SQLAlchemy takes as well, have one text
    if isinstance(type_, CHAR):  # which databases fill up with blanks, some of them also when it is read
        return lambda value: _exact(name, str, value).rstrip(" ")
    return lambda value: value if value.__class__ is kind else _exact(name, kind, value)


def _exact(name: str, kind: type, value: Any) -> Any:
    """Return a value without what a subclass adds, a StrEnum for one: the database knows nothing of it."""
    if not isinstance(value, kind) or isinstance(value, _OTHER_KINDS):
        raise TypeError(f"{name} is a {kind.__name__}, not a {type(value).__name__}: the database would change it")
    plain: Any = value
    if kind is str:
        return str.__str__(plain)
    return int(plain) if kind is int else plain


def _decorated(type_: TypeDecorator[Any]) -> AsStored | None:
    """Return what a user's own type makes of a value on its way to the database and back."""
    binds = type(type_).process_bind_param is not TypeDecorator.process_bind_param
    reads = type(type_).process_result_value is not TypeDecorator.process_result_value
    if not binds and not reads:
        return None

    def there_and_back(value: Any) -> Any:
        if binds:
            value = type_.process_bind_param(value, _DIALECT)
        return type_.process_result_value(value, _DIALECT) if reads else value

    return there_and_back
