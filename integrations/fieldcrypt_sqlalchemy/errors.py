"""The error of refused statements; and keeps plaintext out of SQLAlchemy's exceptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, DontWrapMixin, StatementError

from fieldcrypt import FieldcryptError, PlaintextRefusedError
from fieldcrypt.spi import located

__all__ = [
    "ProtectedColumnError",
    "column_error",
    "hide_unprocessed_parameters",
    "parameterless_error",
    "placed_error",
]


class ProtectedColumnError(PlaintextRefusedError, DontWrapMixin):
    """A statement was refused before anything was sent: the message names the column, and says why.

    It would send plaintext of a protected column to the database, write what is not an encrypted value of the column's,
    or have the database compute with ciphertext.
    """


def column_error(type_: Any, why: str) -> ProtectedColumnError:
    """Return the error of a protected column; the message begins with its name.

    Args:
        type_: the column's, or whatever else has its name, and is `described` by it.
        why: the rest of the message.
    """
    return ProtectedColumnError(f"{type_.described} {why}", field=type_.name)


def placed_error(error: FieldcryptError, column: Any, key: Mapping[str, Any]) -> FieldcryptError:
    """Return the same error, saying of which column and row the value is. Keys are not secret, but values are.

    Args:
        error: about a value that was read.
        column: the column.
        key: the row's: attributes and their values.
    """
    placed = located(error)
    message = str(placed.args[0]) if placed.args else ""
    placed.args = (f"{column.table.name}.{column.name} of the row {dict(key)}: {message}",)
    return placed


_passed: dict[type[Exception], type[Exception]] = {}  # a class of errors -> the same with the mixin


def parameterless_error(error: Exception) -> Exception:
    """Return the same error in a form that SQLAlchemy lets pass.

    SQLAlchemy wraps what a bind processor raises in a StatementError, whose message shows the statement's parameters:
    at that point the plaintext of every protected column of the row. It leaves alone what has its DontWrapMixin.
    """
    kind = type(error)
    kind = _passed.get(kind) or _passed.setdefault(
        kind,
        type(
            kind.__name__,
            (kind, DontWrapMixin),
            {"__module__": kind.__module__, "__doc__": kind.__doc__, "__reduce__": _reduce},
        ),
    )
    passed = kind.__new__(kind, *error.args)
    passed.__dict__.update(error.__dict__)
    passed.__cause__ = error.__cause__
    return passed.with_traceback(error.__traceback__)


def _reduce(error: Exception) -> tuple[object, ...]:
    """Pickle as the error that it was."""
    kind = type(error).__mro__[1]
    return kind, error.args, error.__dict__


def hide_unprocessed_parameters(context: ExceptionContext) -> None:
    """Take the parameters from errors that arise before the driver has the statement.

    Whatever fails while parameters are prepared (a value of *another* column that cannot be converted, or a default
    that asks the database) shows all of them as the application gave them. What the driver raises when it executes the
    statement shows them as it got them, encrypted.
    """
    error = context.sqlalchemy_exception
    prepared = context.execution_context is not None
    if isinstance(error, StatementError) and not (prepared and isinstance(error, DBAPIError)):
        error.hide_parameters = True
        error.params = None
