"""Keeps plaintext out of pickles of decorated objects: in caches and queues they carry what the database has."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.orm.base import NO_VALUE
from sqlalchemy.sql.elements import ClauseElement

from fieldcrypt import FieldcryptError
from fieldcrypt.spi import discreet
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError
from fieldcrypt_sqlalchemy.row_key.bound_row import BoundRow
from fieldcrypt_sqlalchemy.rows.plan import Plan, plan_of
from fieldcrypt_sqlalchemy.rows.sealed import Sealed

__all__ = ["seal_pickles"]

_SEALS = "_fieldcrypt_seals"  # an attribute of the methods that do
_TRACKED = "ext.mutable.values"  # where sqlalchemy.ext.mutable puts the values that it tracks


def seal_pickles(plan: Plan) -> None:
    """Have objects of a decorated class pickled with their protected values sealed, flushed or not.

    Args:
        plan: what the class does with its protected columns. Its mapper is configured, so that this comes after what
            sqlalchemy.ext.mutable does to a pickle.
    """
    event.listen(plan.mapper.class_, "pickle", _Pickles(plan).strip, raw=True)
    cls: Any = plan.mapper.class_
    if not hasattr(cls.__getstate__, _SEALS):
        _wrap(cls)


class _Pickles:
    """What SQLAlchemy puts into the pickle of an object besides its attributes."""

    def __init__(self, plan: Plan) -> None:
        self._attributes = plan.attributes

    def strip(self, state: Any, pickled: dict[str, Any]) -> None:
        """Take out what protected attributes were before they changed, and what is tracked of them."""
        pickled["committed_state"] = {
            key: NO_VALUE if key in self._attributes else value for key, value in pickled["committed_state"].items()
        }
        for key in self._attributes if _TRACKED in pickled else ():
            pickled[_TRACKED].pop(key, None)


def _wrap(cls: Any) -> None:
    """Have a class's own methods, or those that it has from `object`, take and give sealed values."""
    get, set_ = cls.__getstate__, getattr(cls, "__setstate__", None)

    @discreet(ours_alone=True)
    def __getstate__(self: Any) -> Any:  # noqa: N807
        return _sealed(self, get(self))

    @discreet(ours_alone=True)
    def __setstate__(self: Any, pickled: Any) -> None:  # noqa: N807
        if set_ is not None:
            set_(self, pickled)
        else:
            self.__dict__.update(pickled)
        _open_eager(self)

    setattr(__getstate__, _SEALS, True)
    cls.__getstate__, cls.__setstate__ = __getstate__, __setstate__


def _sealed(instance: Any, pickled: Any) -> Any:
    """Return the state of an object with its protected values sealed. Pydantic has attributes one level down."""
    if not isinstance(pickled, dict):
        return pickled
    pickled = {**pickled}
    if isinstance(pickled.get("__dict__"), dict):
        pickled["__dict__"] = {**pickled["__dict__"]}
    state = instance_state(instance)
    plan: Any = plan_of(state.mapper)
    for values in (pickled, pickled.get("__dict__") or {}):
        for composite in plan.composites:  # which are made again of their attributes
            values.pop(composite, None)
        open_ = {key: value for key in plan.attributes if (value := _plaintext(values.get(key))) is not None}
        row = _row(plan, state) if open_ else None
        for key, value in open_.items():
            values[key] = plan.attributes[key].field.seal(value, row)
    return pickled


def _plaintext(value: Any) -> Any:
    """Return a value that is to be sealed: one that is open, or was sealed here, for a row that may be another now."""
    if value.__class__ is Sealed:
        return None if value._origin is None else value._opened
    return None if isinstance(value, ClauseElement) else value


def _row(plan: Plan, state: Any) -> BoundRow:
    """Return the row in whose name values are opened again: what the database has, or will have."""
    key: Any = plan.row
    try:
        context, tenant = key.committed(state, state.dict)
    except ProtectedColumnError:
        missing = next(name for name in key.names if state.dict.get(name) is None or name == key.names[-1])
        raise ProtectedColumnError(
            f"{plan.mapper.class_.__name__}.{missing} is None, and the object's protected values are sealed for it: "
            "flush the object, or give it a value, before it is pickled"
        ) from None
    return BoundRow(key, (), context, tenant)


def _open_eager(instance: Any) -> None:
    """Open again what is read past the attributes, as when it is loaded; what cannot be opened stays sealed."""
    state = instance_state(instance)
    plan: Any = plan_of(state.mapper)
    names = [
        attribute.key
        for attribute in plan.attributes.values()
        if attribute.is_read_past and state.dict.get(attribute.key).__class__ is Sealed
    ]
    if names:
        with suppress(FieldcryptError):
            state.manager.dispatch.refresh(state, None, names)
