"""Models whose protected values are bound to their row and tenant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Column, event
from sqlalchemy.orm import InstrumentedAttribute, Mapper, class_mapper
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.orm.exc import UnmappedClassError

from fieldcrypt import ConfigurationError, Encryptor, FieldcryptError
from fieldcrypt_sqlalchemy.attribute import ProtectedAttribute
from fieldcrypt_sqlalchemy.flush import Sealing, Tagging
from fieldcrypt_sqlalchemy.key_part import as_stored
from fieldcrypt_sqlalchemy.plan import Plan
from fieldcrypt_sqlalchemy.row_key import RowKey, RowSpec
from fieldcrypt_sqlalchemy.sealed import UNREAD, RowBound, Sealed, SealedField
from fieldcrypt_sqlalchemy.types import Encrypted

__all__ = ["encrypted", "plan_of"]

C = TypeVar("C", bound=type)

_specs: WeakKeyDictionary[type, RowSpec] = WeakKeyDictionary()  # decorated classes
_PLAN, _TAGGING = "fieldcrypt_plan", "fieldcrypt_tagging"  # noted in the info of a class's manager


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
        raise ConfigurationError(f"encrypted(encryptor, …): a {type(encryptor).__name__} is no Encryptor")
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
    plan: Plan | None = mapper.class_manager.info.get(_PLAN)
    return plan


def _mappers(cls: type) -> Iterator[Mapper[Any]]:
    with suppress(UnmappedClassError):  # a mixin or an abstract base
        yield class_mapper(cls, configure=False)
    derived: type
    for derived in cls.__subclasses__():
        yield from _mappers(derived)


@event.listens_for(Mapper, "after_mapper_constructed")
def _bind_new(mapper: Mapper[Any], cls: type) -> None:
    if any(isinstance(column.type, Encrypted) for column in mapper.columns):
        _bind(mapper)


def _bind(mapper: Mapper[Any]) -> None:
    """Give a mapped class its plan, and the attributes and types of a decorated class."""
    spec = _spec(mapper.class_)
    if spec is not None:
        if mapper.configured:
            raise ConfigurationError(f"{mapper.class_.__name__} is in use already: decorate it where it is declared")
        _check(mapper, spec)
        for column in mapper.columns:
            if isinstance(column.type, Encrypted) and not isinstance(column.type, RowBound):
                column.type = RowBound.of(column.type, spec.encryptor)
    notes = mapper.class_manager.info
    plan = notes[_PLAN] = Plan(mapper, spec)
    if _TAGGING in notes:
        notes.pop(_TAGGING).stop()
    if plan.row is None:
        notes[_TAGGING] = Tagging(plan)
        return
    Sealing(plan, plan.row)
    for key, attribute in plan.attributes.items():
        attribute.type.row_key = plan.row  # type: ignore[attr-defined]
        _open_on_read(plan.row, attribute, mapper.class_.__dict__.get(key))


def _spec(cls: type) -> RowSpec | None:
    return next((_specs[base] for base in cls.__mro__ if base in _specs), None)


# Declarations


def _check(mapper: Mapper[Any], spec: RowSpec) -> None:
    model = mapper.class_.__name__
    for key in (*spec.row, spec.tenant):
        if key is None:
            continue
        column = mapper.columns.get(key)
        if not isinstance(column, Column):
            raise ConfigurationError(f"@encrypted: {model} has no attribute {key!r} that is mapped to a column")
        _check_key(f"{model}.{key}", column)
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


def _check_key(name: str, column: Column[Any]) -> None:
    if isinstance(column.type, Encrypted):
        raise ConfigurationError(f"{name} is encrypted, so it cannot identify rows or tenants")
    made_by_database = (
        column.server_default is not None
        or column.identity is not None
        or column.computed is not None
        or (column.default is not None and (column.default.is_sequence or column.default.is_clause_element))
        or (column.default is None and column is getattr(column.table, "autoincrement_column", None))
    )
    if made_by_database:
        raise ConfigurationError(
            f"{name} is made by the database, so that a new row's values cannot be bound to it before they are sent. "
            "Make the key in the client, for example id: Mapped[UUID] = mapped_column(primary_key=True, "
            "default=uuid4); or name other attributes that identify a row. An integer key that the application gives "
            "itself is declared with autoincrement=False"
        )
    as_stored(name, column.type)  # raises what is wrong with the type


# Attributes


class _RowBoundAttribute(InstrumentedAttribute[Any]):
    """An attribute that opens a sealed value when it is read. One class an attribute: instances have no room."""

    __slots__ = ()
    inherit_cache = True

    def __set__(self, instance: Any, value: Any) -> None:
        values = instance.__dict__
        if values.get(self.key).__class__ is Sealed:  # to be compared with the new value, and told to listeners
            with suppress(FieldcryptError):  # what cannot be read is replaced
                self.__get__(instance, None)
        self.impl.set(instance_state(instance), values, value, None)


def _open_on_read(row: RowKey, attribute: ProtectedAttribute, descriptor: Any) -> None:
    if isinstance(descriptor, InstrumentedAttribute):
        members = {
            "__slots__": (),
            "__module__": __name__,
            "__get__": _getter(attribute.key, row, attribute.field),
            "inherit_cache": True,
        }
        descriptor.__class__ = type("RowBoundAttribute", (_RowBoundAttribute,), members)


def _getter(key: str, row: RowKey, field: SealedField) -> Callable[[Any, Any, Any], Any]:
    """Return the `__get__` of an attribute.

    Written for speed: a list view reads thousands. It is a closure, for an InstrumentedAttribute is slow to tell its
    own attributes, and what is inlined in it is `RowKey.committed` and `SealedField.open`.
    """
    first_name, last_name, decrypt, from_field = row.first_name, row.last_name, field.decrypt, field.from_field

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
            plain = value._known
        else:
            first, last, bound_to = row.recent
            if (
                values.get(first_name) is not first
                or values.get(last_name) is not last
                or instance._sa_instance_state.committed_state
            ):
                bound_to = row.committed(instance_state(instance), values)
            context, tenant = bound_to
            plain = decrypt(value._data, tenant=tenant, context=context)
            if from_field is not None:
                plain = from_field(plain)
        values[key] = plain
        return plain

    return __get__
