"""Keeps plaintext out of SQLAlchemy's exceptions."""

from __future__ import annotations

from sqlalchemy.exc import DontWrapMixin

__all__ = ["without_parameters"]

_passed: dict[type[Exception], type[Exception]] = {}  # a class of errors -> the same with the mixin


def without_parameters(error: Exception) -> Exception:
    """Return the same error in a form that SQLAlchemy lets pass.

    SQLAlchemy wraps what a bind processor raises in a StatementError, whose message shows the statement's parameters:
    at that point the plaintext of every protected column of the row. It leaves alone what has its DontWrapMixin.
    """
    kind = type(error)
    kind = _passed.get(kind) or _passed.setdefault(
        kind, type(kind.__name__, (kind, DontWrapMixin), {"__module__": kind.__module__, "__doc__": kind.__doc__})
    )
    passed = kind.__new__(kind, *error.args)
    passed.__dict__.update(error.__dict__)
    passed.__cause__ = error.__cause__
    return passed.with_traceback(error.__traceback__)
