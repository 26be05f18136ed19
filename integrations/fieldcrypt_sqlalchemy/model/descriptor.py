"""The attributes of a decorated class: they open sealed values when they are read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.orm.attributes import instance_state

from fieldcrypt import DecryptionError, FieldcryptError
from fieldcrypt.spi import discreet, emptied
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError, placed_error
from fieldcrypt_sqlalchemy.flush.stored_values import note_stored
from fieldcrypt_sqlalchemy.row_key.row_key import RowKey
from fieldcrypt_sqlalchemy.rows.attribute import ProtectedAttribute
from fieldcrypt_sqlalchemy.rows.sealed import UNOPENED, Sealed
from fieldcrypt_sqlalchemy.rows.sealed_field import SealedField

__all__ = ["open_on_read"]


class _RowBoundAttribute(InstrumentedAttribute[Any]):  # pyright: ignore[reportIncompatibleVariableOverride]  # __doc__
    """Opens a sealed value when it is read. One class per attribute, because instances have no room for state."""

    __slots__ = ()
    inherit_cache = True


def _is_selected(value: Sealed, type_: Any) -> bool:
    """Return True if a sealed value was selected from a column: history tables copy those of their model."""
    return value._origin is None and value._field.row_key is type_.row_key


def open_on_read(row: RowKey, attribute: ProtectedAttribute, descriptor: Any) -> None:
    """Have an attribute of a decorated class open its sealed values when it is read.

    Args:
        row: tells an object's row.
        attribute: the attribute.
        descriptor: what the class has under its name; what is not an attribute of SQLAlchemy's stays as it is.
    """
    if isinstance(descriptor, InstrumentedAttribute):
        members = {
            "__slots__": (),
            "__module__": __name__,
            "__get__": (_mixed_getter if row.previous.columns else _getter)(attribute.key, row, attribute.field),
            "__set__": _setter(attribute.key),
            "inherit_cache": True,
        }
        descriptor.__class__ = type("RowBoundAttribute", (_RowBoundAttribute,), members)


def _setter(key: str) -> Callable[[Any, Any, Any], None]:
    """Return the `__set__` of an attribute; a closure for the same reason as `__get__` is one."""

    def __set__(self: Any, instance: Any, value: Any) -> None:  # noqa: N807
        if value.__class__ is Sealed and _is_selected(value, self.property.columns[0].type):
            del instance
            raise ProtectedColumnError(
                f"{self.class_.__name__}.{key} takes plaintext. A selected value belongs to its row: open it, "
                "sealed.open(key, tenant=tenant), and assign the plaintext"
            )
        values = instance.__dict__
        try:
            if values.get(key).__class__ is Sealed:
                _open_before(self, instance, key)
            self.impl.set(instance_state(instance), values, value, None)
        except BaseException as error:
            del instance, value, values
            emptied(error, ours_alone=True)
            raise

    return __set__


def _open_before(attribute: Any, instance: Any, key: str) -> None:
    """Open a value that is about to be replaced, to be compared with the new one, and told to listeners."""
    values = instance.__dict__
    note_stored(instance_state(instance), key, values[key])
    with suppress(FieldcryptError):  # what cannot be read is replaced
        values[key] = attribute.__get__(instance, None)


def _mixed_getter(key: str, row: RowKey, field: SealedField) -> Callable[[Any, Any, Any], Any]:
    """Return the `__get__` of an attribute of a model whose values may have been bound to something else."""

    def __get__(self: Any, instance: Any, owner: Any) -> Any:  # noqa: N807
        if instance is None:
            return self
        state, values = instance_state(instance), instance.__dict__
        try:
            value = values[key] if key in values else self.impl.get(state, values)
            if value.__class__ is not Sealed:
                return value
            if value._opened is UNOPENED:
                place = row.place(state, values)
                try:
                    value._opened = field.decrypted(value._data, *place, tells=False)
                except FieldcryptError as error:
                    return _read_again(state, key, row, field, place[1], error)
            return value._opened
        except BaseException as error:
            del instance, state, values  # which hold the other attributes
            emptied(error, ours_alone=True)
            raise

    return __get__


def _getter(key: str, row: RowKey, field: SealedField) -> Callable[[Any, Any, Any], Any]:
    """Return the `__get__` of an attribute.

    Written for speed: a list view reads thousands. It is a closure, for an InstrumentedAttribute is slow to tell its
    own attributes, and what is inlined in it is `RowKey.committed` and `SealedField.open`.
    """
    first_name, last_name, decrypt, from_field = row.first_name, row.last_name, field.attempt, field.from_field

    def __get__(self: Any, instance: Any, owner: Any) -> Any:  # noqa: N807
        if instance is None:
            return self
        values = instance.__dict__
        try:
            try:
                value = values[key]
            except KeyError:
                value = self.impl.get(instance_state(instance), values)
            if value.__class__ is not Sealed:
                return value
            plain = value._opened
            if plain is not UNOPENED:
                return plain
            first, last, bound_to = row.recent
            state = instance._sa_instance_state
            try:
                is_recent = values[first_name] is first and values[last_name] is last and not state.committed_state
            except KeyError:
                is_recent = False
            context, tenant = bound_to if is_recent else row.committed(state, values)
            try:
                plain = decrypt(value._data, tenant=tenant, context=context)
            except FieldcryptError as error:
                return _read_again(state, key, row, field, tenant, error)
            if from_field is not None:
                plain = field.converted(plain, value._data, tenant)
            value._opened = plain  # and not in place of it: a pickle of the object has what the database has
            return plain
        except BaseException as error:
            del instance, values  # which hold the other attributes
            state = value = plain = None
            emptied(error, ours_alone=True)
            raise

    return __get__


@discreet
def _read_again(
    state: Any, key: str, row: RowKey, field: SealedField, tenant: str | None, error: FieldcryptError
) -> Any:
    """Return the value of an attribute that does not open, once it was loaded together with what it is bound to.

    Raises:
        FieldcryptError: it does not open all the same, or its key cannot be had; with the row in the message.
    """
    refused = error
    if isinstance(error, DecryptionError):
        try:
            return _loaded_again(state, key, row, field, tenant, error)
        except FieldcryptError as again:
            refused = again
    named = {name: state.dict.get(name) for name in row.spec.row}
    raise placed_error(refused, row.mapper.columns[key], named) from refused.__cause__


def _loaded_again(
    state: Any, key: str, row: RowKey, field: SealedField, tenant: str | None, error: DecryptionError
) -> Any:
    """Return what an attribute has after it was loaded again.

    `refresh(object, ["tenant"])`, or a partial load that populates existing objects, brings the new tenant of a row
    that has moved, next to values that were sealed for the old one.

    Args:
        state: the object's.
        key: the attribute.
        row: tells the object's row.
        field: opens the attribute's values.
        tenant: whose value it was taken for.
        error: why the value that the object has does not open.

    Raises:
        DecryptionError: it does not open all the same; or the object belongs to no session, or was changed, so that it
            cannot be loaded.
    """
    names = {*row.binding_names, key}
    values = state.dict
    stored = values[key]._data
    if state.key is None or state.session is None or names & state.committed_state.keys():
        raise field.field.reported_error(error, stored, tenant)
    session = state.session
    try:
        with session.no_autoflush:
            session.refresh(state.obj(), sorted(names))
    except SQLAlchemyError:  # the row is gone, or the database cannot be waited for here
        raise field.field.reported_error(error, stored, tenant) from None
    again = values.get(key)
    return field.open(again, *row.place(state, values)) if again.__class__ is Sealed else again
