"""Models whose protected values are bound to their row and tenant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Column
from sqlalchemy.orm import Mapper, class_mapper
from sqlalchemy.orm.exc import UnmappedClassError

from fieldcrypt import CompoundIndex, ConfigurationError, Encryptor
from fieldcrypt.spi import checked_compounds, declare_table
from fieldcrypt_sqlalchemy.column.logical_name import has_logical_name, logical_name
from fieldcrypt_sqlalchemy.column.type import Encrypted
from fieldcrypt_sqlalchemy.flush.flush import Sealing
from fieldcrypt_sqlalchemy.flush.tagging import Tagging
from fieldcrypt_sqlalchemy.model.descriptor import open_on_read
from fieldcrypt_sqlalchemy.model.loading import load_with_key
from fieldcrypt_sqlalchemy.row_key.columns import RowSpec
from fieldcrypt_sqlalchemy.row_key.key_column import check_key_column
from fieldcrypt_sqlalchemy.row_key.key_part import as_stored
from fieldcrypt_sqlalchemy.row_key.noted import note_row_key
from fieldcrypt_sqlalchemy.rows.plan import Plan, note_plan
from fieldcrypt_sqlalchemy.rows.row_bound import RowBound

__all__ = ["bind_new", "encrypted"]

C = TypeVar("C", bound=type)

_specs: WeakKeyDictionary[type, RowSpec] = WeakKeyDictionary()  # decorated classes
_TAGGING = "fieldcrypt_tagging"  # noted in the info of a class's manager


def encrypted(
    encryptor: Encryptor | None = None,
    *,
    row: str | tuple[str, ...],
    tenant: str | None = None,
    fields: str | None = None,
    same_place: bool = False,
    indexes: Sequence[CompoundIndex] = (),
) -> Callable[[C], C]:
    """Decorate a model: bind its encrypted columns to their row, and use the data keys of the row's tenant.

        @encrypted(encryptor, row="id", tenant="clinic_id")
        class Patient(Base): ...

    A value that is copied to another row, column or tenant does not decrypt. Values are decrypted when an attribute is
    read for the first time. Goes on mapped classes, mixins and abstract bases, and holds for what derives from them.

    Args:
        encryptor: where keys come from, for columns whose `Encrypted` names no other; may be left out if each does.
        row: the attribute, or attributes, that identify the row and that the application knows before the row is
            inserted: the primary key as a rule. Of type str, int, UUID, bytes, date or Enum.
        tenant: the attribute whose value is the tenant; also of these types.
        fields: the logical name of the model, from which fields have their names, `fields.column`, whatever the table
            is called. Values and tags are bound to it, so they survive when the table is renamed, restored or copied
            under another name. Default: what `Table(…, info={"fieldcrypt_fields": …})` says, else the table's name.
        same_place: True if another table of the same logical name is in the Encryptor on purpose: values of rows with
            the same key can then be moved between them.
        indexes: compound indexes, each of several attributes whose columns are in one table; a `blind_index()` of the
            model has its tags. Members that are not encrypted are of the types of keys.

    Raises:
        ConfigurationError: an attribute is missing, is made by the database, or is of a type that has no exact text. Or
            the logical name is that of another table, and not both have tenants. Or a compound index is wrong.
    """
    if encryptor is not None and not isinstance(encryptor, Encryptor):
        raise ConfigurationError(f"encrypted(encryptor, …) takes an Encryptor, not {type(encryptor).__name__}")
    key = (row,) if isinstance(row, str) else tuple(row)
    spec = RowSpec(encryptor, key, tenant, fields, same_place, checked_compounds(indexes))
    if fields is not None and not (isinstance(fields, str) and fields):
        raise ConfigurationError(
            'encrypted(…, fields="patients") is the logical name of the model, from which fields have theirs'
        )
    if not spec.row:
        raise ConfigurationError("encrypted(…, row=…): a row is identified by one attribute at least")

    def decorate(cls: C) -> C:
        _specs[cls] = spec
        for mapper in _mappers(cls):
            _bind(mapper)
        return cls

    return decorate


def _mappers(cls: type) -> Iterator[Mapper[Any]]:
    with suppress(UnmappedClassError):  # a mixin or an abstract base
        yield class_mapper(cls, configure=False)
    derived: type
    for derived in cls.__subclasses__():
        yield from _mappers(derived)


def bind_new(mapper: Mapper[Any], cls: type) -> None:
    """Give a mapped class its plan, if it has protected columns."""
    if any(isinstance(column.type, Encrypted) for column in mapper.columns):
        _bind(mapper)


def _bind(mapper: Mapper[Any]) -> None:
    """Give a mapped class its plan, and the attributes and types of a decorated class."""
    declared = _spec(mapper.class_)
    spec = declared or _copied_spec(mapper)
    if spec is not None:
        if mapper.configured:
            raise ConfigurationError(f"{mapper.class_.__name__} is in use already: decorate it where it is declared")
        _check(mapper, spec)
        for column in mapper.columns:
            if isinstance(column.type, Encrypted) and not isinstance(column.type, RowBound):
                column.type = _row_bound(mapper, spec, column)
        if spec.fields is not None:
            _refuse_shared_names(mapper)
    notes = mapper.class_manager.info
    plan = Plan(mapper, spec)
    if spec is not None and spec.indexes:
        plan.add_compounds(spec, copied=declared is None)
    note_plan(mapper, plan)
    if _TAGGING in notes:
        notes.pop(_TAGGING).stop()
    if plan.row is None:
        notes[_TAGGING] = Tagging(plan)
        return
    Sealing(plan, plan.row)
    for table in mapper.tables:
        note_row_key(table, plan.row)
    for name in plan.row.previous.columns:  # what a value was bound to has to be known when the attribute is set
        mapper.get_property_by_column(mapper.columns[name]).active_history = True  # type: ignore[attr-defined]
    load_with_key(mapper, plan.row.binding_names, plan.attributes)
    for key, attribute in plan.attributes.items():
        attribute.type.row_key = plan.row  # type: ignore[attr-defined]
        open_on_read(plan.row, attribute, mapper.class_.__dict__.get(key))


def _row_bound(mapper: Mapper[Any], spec: RowSpec, column: Any) -> RowBound:
    """Return the type that an encrypted column gets."""
    type_ = RowBound.of(column.type, spec.encryptor)
    of_table = logical_name(column.table)
    if not type_.named_by_table or type_.name != f"{of_table}.{column.name}":
        return type_  # it was given a name, or comes from another table
    if spec.fields is not None and of_table not in (column.table.name, spec.fields):
        raise ConfigurationError(f"{mapper.class_.__name__} has two logical names: {spec.fields} and {of_table}")
    if type_.encryptor is not None:
        _declare_table(type_.encryptor, column.table, mapper, spec)
    if spec.fields is not None:
        type_.protection = replace(type_.protection, name=spec.field_name(column))
    return type_


def _declare_table(encryptor: Encryptor, table: Any, mapper: Mapper[Any], spec: RowSpec) -> None:
    """Note the table of a logical name. If the name is the model's, it is the first table of those that are joined."""
    name, owner = spec.logical_name(table), mapper.class_
    while spec.fields is not None and mapper.inherits is not None and not mapper.concrete:
        mapper = mapper.inherits
    if spec.fields is not None:
        table = mapper.local_table
    declare_table(
        encryptor,
        name,
        owner,
        table=getattr(table, "fullname", table.description),
        has_tenants=spec.tenant is not None,
        same_place=spec.same_place,
        chosen=spec.fields is not None or has_logical_name(table),
    )


def _refuse_shared_names(mapper: Mapper[Any]) -> None:
    """Refuse two columns of one field, whose values could be exchanged within a row."""
    names = Counter(column.type.name for column in mapper.columns if isinstance(column.type, Encrypted))
    for name, times in names.items():
        if times > 1:
            raise ConfigurationError(
                f"{mapper.class_.__name__} has {times} columns of the field {name}, so values could be exchanged "
                "between them: give one another name, Encrypted(…, name=…)"
            )


def _spec(cls: type) -> RowSpec | None:
    """Return how a class is decorated, itself or by inheritance; compound indexes of all that it derives from count."""
    declared = [_specs[base] for base in cls.__mro__ if base in _specs]
    indexes = {index.companion: index for spec in reversed(declared) for index in spec.indexes}
    return replace(declared[0], indexes=tuple(indexes.values())) if declared else None


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
            raise _missing_error(mapper, key)
        _check_key(f"{model}.{key}", column, is_tenant=key == spec.tenant)
        # What a value was bound to has to be known when the attribute is set.
        mapper.get_property_by_column(column).active_history = True  # type: ignore[attr-defined]
    inherits = mapper.inherits
    inherited = None if inherits is None else _spec(inherits.class_)
    if inherits is not None and (inherited is None or replace(inherited, indexes=spec.indexes) != spec):
        for key, column in inherits.columns.items():
            if isinstance(column.type, Encrypted):
                raise ConfigurationError(f"{model} inherits {key} from {inherits.class_.__name__}: decorate that")
    for key, column in mapper.columns.items():
        if isinstance(column.type, Encrypted) and isinstance(column, Column) and column.onupdate is not None:
            raise ConfigurationError(f"{model}.{key} is bound to its row, so it can have no onupdate")


def _missing_error(mapper: Mapper[Any], key: str) -> ConfigurationError:
    """Return the error for a name that is not an attribute of the model, but may be its column's."""
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
