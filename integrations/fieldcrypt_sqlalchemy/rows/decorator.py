"""Models whose protected values are bound to their row and tenant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Column
from sqlalchemy.orm import InstrumentedAttribute, Mapper, class_mapper
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.orm.exc import UnmappedClassError

from fieldcrypt import ConfigurationError, DecryptionError, Encryptor, FieldcryptError
from fieldcrypt_sqlalchemy.column.type import Encrypted
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError
from fieldcrypt_sqlalchemy.flush.flush import Sealing, Tagging, note_stored
from fieldcrypt_sqlalchemy.flush.reread import read_again
from fieldcrypt_sqlalchemy.row_key.key_column import check_key_column
from fieldcrypt_sqlalchemy.row_key.key_part import as_stored
from fieldcrypt_sqlalchemy.row_key.noted import note_row_key
from fieldcrypt_sqlalchemy.row_key.row_key import RowKey, RowSpec
from fieldcrypt_sqlalchemy.rows.attribute import ProtectedAttribute
from fieldcrypt_sqlalchemy.rows.loading import load_with_key
from fieldcrypt_sqlalchemy.rows.plan import PLAN, Plan
from fieldcrypt_sqlalchemy.rows.sealed import UNREAD, RowBound, Sealed, SealedField

__all__ = ["bind_new", "encrypted", "plan_of"]

C = TypeVar("C", bound=type)

_specs: WeakKeyDictionary[type, RowSpec] = WeakKeyDictionary()  # decorated classes
_TAGGING = "fieldcrypt_tagging"  # noted in the info of a class's manager


def encrypted(encryptor: Encryptor, *, row: str | tuple[str, ...], tenant: str | None = None) -> Callable[[C], C]:
    """Decorate a model: bind its encrypted columns to their row, and use the data keys of the row's tenant.

        @encrypted(encryptor, row="id", tenant="clinic_id")
        class Patient(Base): ...

    A value that is copied to another row, column or tenant does not decrypt. Values are decrypted when an attribute is
    read for the first time. Goes on mapped classes, mixins and abstract bases, and holds for what derives from them.

    Args:
        encryptor: where keys come from, for columns whose `Encrypted` names no other.
        row: the attribute, or attributes, that identify the row and that the application knows before the row is
            inserted: the primary key as a rule. Of type str, int, UUID, bytes, date or Enum.
        tenant: the attribute whose value is the tenant; also of these types.

    Raises:
        ConfigurationError: an attribute is missing, is made by the database, or is of a type that has no exact text.
    """
    if not isinstance(encryptor, Encryptor):
        raise ConfigurationError(f"encrypted(encryptor, …) takes an Encryptor, not {type(encryptor).__name__}")
    spec = RowSpec(encryptor, (row,) if isinstance(row, str) else tuple(row), tenant)
    if not spec.row:
        raise ConfigurationError("encrypted(…, row=…): a row is identified by one attribute at least")

    def decorate(cls: C) -> C:
        _specs[cls] = spec
        for mapper in _mappers(cls):
            _bind(mapper)
        return cls

    return decorate


def plan_of(mapper: Mapper[Any]) -> Plan | None:
    """Return what a mapped class does with its protected columns, or None if it has none."""
    plan: Plan | None = mapper.class_manager.info.get(PLAN)
    return plan


def _mappers(cls: type) -> Iterator[Mapper[Any]]:
    with suppress(UnmappedClassError):  # a mixin or an abstract base
        yield class_mapper(cls, configure=False)
    derived: type
    for derived in cls.__subclasses__():
        yield from _mappers(derived)


def bind_new(mapper: Mapper[Any], cls: type) -> None:
    """Give a class that is mapped its plan, if it has protected columns."""
    if any(isinstance(column.type, Encrypted) for column in mapper.columns):
        _bind(mapper)


def _bind(mapper: Mapper[Any]) -> None:
    """Give a mapped class its plan, and the attributes and types of a decorated class."""
    spec = _spec(mapper.class_) or _copied_spec(mapper)
    if spec is not None:
        if mapper.configured:
            raise ConfigurationError(f"{mapper.class_.__name__} is in use already: decorate it where it is declared")
        _check(mapper, spec)
        for column in mapper.columns:
            if isinstance(column.type, Encrypted) and not isinstance(column.type, RowBound):
                column.type = RowBound.of(column.type, spec.encryptor)
    notes = mapper.class_manager.info
    plan = notes[PLAN] = Plan(mapper, spec)
    if _TAGGING in notes:
        notes.pop(_TAGGING).stop()
    if plan.row is None:
        notes[_TAGGING] = Tagging(plan)
        return
    Sealing(plan, plan.row)
    for table in mapper.tables:
        note_row_key(table, plan.row)
    for name in plan.row.formers.columns:  # what a value was bound to has to be known when the attribute is set
        mapper.get_property_by_column(mapper.columns[name]).active_history = True  # type: ignore[attr-defined]
    load_with_key(mapper, plan.row.guarded, plan.attributes)
    for key, attribute in plan.attributes.items():
        attribute.type.row_key = plan.row  # type: ignore[attr-defined]
        _open_on_read(plan.row, attribute, mapper.class_.__dict__.get(key))


def _spec(cls: type) -> RowSpec | None:
    return next((_specs[base] for base in cls.__mro__ if base in _specs), None)


def _copied_spec(mapper: Mapper[Any]) -> RowSpec | None:
    """Return how the model is decorated whose columns a library has copied, for a class of its own: a row's history."""
    for column in mapper.columns:
        if isinstance(column.type, RowBound):
            spec = column.type.row_key.spec
            return spec if all(name in mapper.columns for name in spec.keys) else None
    return None


# Declarations


def _check(mapper: Mapper[Any], spec: RowSpec) -> None:
    model = mapper.class_.__name__
    for key in (*spec.row, spec.tenant):
        if key is None:
            continue
        column = mapper.columns.get(key)
        if not isinstance(column, Column):
            raise _missing(mapper, key)
        _check_key(f"{model}.{key}", column, is_tenant=key == spec.tenant)
        # What a value was bound to has to be known when the attribute is set.
        mapper.get_property_by_column(column).active_history = True  # type: ignore[attr-defined]
    inherits = mapper.inherits
    if inherits is not None and _spec(inherits.class_) != spec:
        for key, column in inherits.columns.items():
            if isinstance(column.type, Encrypted):
                raise ConfigurationError(f"{model} inherits {key} from {inherits.class_.__name__}: decorate that")
    for key, column in mapper.columns.items():
        if isinstance(column.type, Encrypted) and isinstance(column, Column) and column.onupdate is not None:
            raise ConfigurationError(f"{model}.{key} is bound to its row, so it can have no onupdate")


def _missing(mapper: Mapper[Any], key: str) -> ConfigurationError:
    """Return the error of a name that is no attribute of the model, which may be its column's."""
    named = next((name for name, column in mapper.columns.items() if column.name == key), None)
    hint = f"the column {key!r} has the attribute {named!r}: name that" if named else "its attributes are "
    return ConfigurationError(
        f"@encrypted: {mapper.class_.__name__} has no attribute {key!r} that is mapped to a column; "
        + (hint if named else hint + ", ".join(mapper.columns.keys()))
    )


def _check_key(name: str, column: Column[Any], *, is_tenant: bool) -> None:
    if isinstance(column.type, Encrypted):
        raise ConfigurationError(f"{name} is encrypted, so it cannot identify rows or tenants")
    check_key_column(name, column, is_tenant=is_tenant)
    as_stored(name, column.type)  # raises what is wrong with the type


# Attributes


class _RowBoundAttribute(InstrumentedAttribute[Any]):
    """An attribute that opens a sealed value when it is read. One class an attribute: instances have no room."""

    __slots__ = ()
    inherit_cache = True

    def __set__(self, instance: Any, value: Any) -> None:
        if value.__class__ is Sealed and _is_selected(value, self.property.columns[0].type):
            raise ProtectedColumnError(
                f"{self.class_.__name__}.{self.key} takes plaintext. A selected value belongs to its row: open it, "
                "sealed.open(key, tenant=tenant), and assign the plaintext"
            )
        values = instance.__dict__
        state = instance_state(instance)
        stored = values.get(self.key)
        if stored.__class__ is Sealed:  # to be compared with the new value, and told to listeners
            note_stored(state, self.key, stored)
            with suppress(FieldcryptError):  # what cannot be read is replaced
                values[self.key] = self.__get__(instance, None)
        self.impl.set(state, values, value, None)


def _is_selected(value: Sealed, type_: Any) -> bool:
    """Return True if a sealed value was selected from a column: history tables copy those of their model."""
    return value._origin is None and value._field.row_key is type_.row_key


def _open_on_read(row: RowKey, attribute: ProtectedAttribute, descriptor: Any) -> None:
    if isinstance(descriptor, InstrumentedAttribute):
        members = {
            "__slots__": (),
            "__module__": __name__,
            "__get__": (_mixed_getter if row.formers.columns else _getter)(attribute.key, row, attribute.field),
            "inherit_cache": True,
        }
        descriptor.__class__ = type("RowBoundAttribute", (_RowBoundAttribute,), members)


def _mixed_getter(key: str, row: RowKey, field: SealedField) -> Callable[[Any, Any, Any], Any]:
    """Return the `__get__` of an attribute of a model whose values may have been bound to something else."""

    def __get__(self: Any, instance: Any, owner: Any) -> Any:  # noqa: N807
        if instance is None:
            return self
        state, values = instance_state(instance), instance.__dict__
        value = values[key] if key in values else self.impl.get(state, values)
        if value.__class__ is not Sealed:
            return value
        if value._known is UNREAD:
            place = row.place(state, values)
            try:
                value._known = field.decrypted(value._data, *place, tells=False)
            except DecryptionError as error:
                return read_again(state, key, row, field, place[1], error)
        return value._known

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
            value = values[key]
        except KeyError:
            value = self.impl.get(instance_state(instance), values)
        if value.__class__ is not Sealed:
            return value
        if value._known is not UNREAD:
            return value._known
        first, last, bound_to = row.recent
        if (
            values.get(first_name) is not first
            or values.get(last_name) is not last
            or instance._sa_instance_state.committed_state
        ):
            bound_to = row.committed(instance_state(instance), values)
        context, tenant = bound_to
        try:
            plain = decrypt(value._data, tenant=tenant, context=context)
        except DecryptionError as error:
            return read_again(instance_state(instance), key, row, field, tenant, error)
        if from_field is not None:
            plain = field.converted(plain, value._data, tenant)
        value._known = plain  # and not in place of it: a pickle of the object has what the database has
        return plain

    return __get__
