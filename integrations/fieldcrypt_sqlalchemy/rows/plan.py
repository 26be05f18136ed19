"""The protected attributes of a mapped class, and what is done with them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from sqlalchemy import Enum
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.attributes import set_attribute

from fieldcrypt.spi import check_compounds, count_of
from fieldcrypt_sqlalchemy.column.type import Encrypted
from fieldcrypt_sqlalchemy.row_key.bound_row import BoundRow
from fieldcrypt_sqlalchemy.row_key.columns import RowSpec
from fieldcrypt_sqlalchemy.row_key.defaults import Parameters, by_column
from fieldcrypt_sqlalchemy.row_key.row_key import RowKey
from fieldcrypt_sqlalchemy.rows.attribute import ProtectedAttribute
from fieldcrypt_sqlalchemy.rows.compound import Compound
from fieldcrypt_sqlalchemy.rows.seal_group import SealGroup, seal_groups

__all__ = ["Plan", "note_plan", "plan_of"]

_PLAN = "fieldcrypt_plan"  # noted in the info of a class's manager


def plan_of(mapper: Mapper[Any]) -> Plan | None:
    """Return what a mapped class does with its protected columns, or None if it has none."""
    plan: Plan | None = mapper.class_manager.info.get(_PLAN)
    return plan


def note_plan(mapper: Mapper[Any], plan: Plan) -> None:
    """Note what a mapped class does with its protected columns."""
    mapper.class_manager.info[_PLAN] = plan


def _count(type_: Encrypted) -> int | None:
    """Return how many values a column can have, if its type says so."""
    return len(type_.type_.enums) if isinstance(type_.type_, Enum) else count_of(type_.protection.type)


class Plan:
    """The protected attributes of a mapped class, and what they are bound to.

    Attributes:
        mapper: the class's.
        row: tells an object's row, or None if the class is not decorated.
        attributes: by key.
        compounds: the compound indexes of a decorated class.
    """

    def __init__(self, mapper: Mapper[Any], spec: RowSpec | None) -> None:
        self.mapper = mapper
        self.row = None if spec is None else RowKey(spec, mapper)
        self.compounds: tuple[Compound, ...] = ()
        self._functions: dict[str, list[tuple[str, Any]]] = {}
        self.attributes = {
            key: ProtectedAttribute(key, column, mapper)
            for key, column in mapper.columns.items()
            if isinstance(column.type, Encrypted)
        }

    def add_compounds(self, spec: RowSpec, copied: bool) -> None:
        """Add the compound indexes of a decorated class, whose columns have the types of rows by now.

        Args:
            spec: how it is decorated.
            copied: whether a library has copied the columns of the decorated class, perhaps not all of them.

        Raises:
            ConfigurationError: as for `Compound`.
        """
        names = {*self.mapper.columns.keys(), *(column.key for column in self.mapper.columns)}
        declared = [each for each in spec.indexes if not copied or names.issuperset((each.companion, *each.of))]
        self.compounds = tuple(Compound(each, self.mapper, spec) for each in declared)
        types: dict[str, Any] = {key: each.column.type for key, each in self.attributes.items()}
        fields = {key: each.protection.indexes for key, each in types.items()}
        counts = {key: _count(each) for key, each in types.items()}
        check_compounds(self.mapper.class_.__name__, fields, counts, declared)
        if self.row is not None:
            self.row.compounds = self.compounds

    @cached_property
    def compound_keys(self) -> list[tuple[Compound, str]]:
        """The compound indexes, each with the attribute of its companion."""
        return [(each, self.mapper.get_property_by_column(each.companion).key) for each in self.compounds]

    @cached_property
    def composites(self) -> list[str]:
        """The attributes that are composed of protected ones among others."""
        return [
            composite.key
            for composite in self.mapper.composites
            if any(part.key in self.attributes for part in composite.props)
        ]

    @cached_property
    def column_keys(self) -> frozenset[str]:
        """The attributes that are columns, as of the first call."""
        return frozenset(self.mapper.columns.keys())

    @cached_property
    def _groups(self) -> list[SealGroup]:
        return seal_groups(self.attributes.values())

    @cached_property
    def _defaults(self) -> list[tuple[str, ProtectedAttribute]]:
        """The protected attributes that have defaults."""
        return [(key, each) for key, each in self.attributes.items() if each.column.default is not None]

    def complete(self, values: dict[str, Any]) -> list[str]:
        """Give a new row, before it is sealed, all that Python-side defaults would give it when it is sent.

        Those that look at the other values of their row see plaintext here; later they would not.

        Returns:
            The attributes that were given a value.
        """
        row: Any = self.row
        completed: list[str] = row.complete(values)
        for key, attribute in self._defaults:
            if values.get(key) is None and (default := attribute.default(values)) is not None:
                values[key] = default
                completed.append(key)
        for key, column in self._computed("default"):
            if values.get(key) is None and (default := self._made(column.default, values)) is not None:
                values[key] = default
                completed.append(key)
        return completed

    def complete_update(self, state: Any, sealed: Mapping[str, Any]) -> None:
        """Set the attributes that have an `onupdate` which is computed in Python, as an UPDATE of an object would.

        Args:
            state: the object's.
            sealed: the values of protected attributes that are about to be sealed.
        """
        for key, column in self._computed("onupdate"):
            if key not in state.committed_state:
                changed = {name: state.dict[name] for name in state.committed_state if name in state.dict}
                set_attribute(state.obj(), key, self._made(column.onupdate, {**changed, **sealed}))

    def _computed(self, kind: str) -> list[tuple[str, Any]]:
        """Return the attributes, and their columns, that a function of Python's gives values."""
        computed = self._functions.get(kind)
        if computed is None:
            computed = self._functions[kind] = [
                (key, column)
                for key, column in self.mapper.columns.items()
                if key not in self.attributes and getattr(getattr(column, kind, None), "is_callable", False)
            ]
        return computed

    def _made(self, default: Any, values: Mapping[str, Any]) -> Any:
        return default.arg(Parameters(lambda: by_column(self.mapper, values)))

    def seal(self, values: Mapping[str, Any], *, defaults: bool) -> dict[str, Any]:
        """Return the values of a row, of a decorated class, with the protected ones sealed for it."""
        sealed = dict(values)
        row: Any = self.row
        if defaults:
            row.complete(sealed)
            for key, attribute in self._defaults:
                if sealed.get(key) is None and (default := attribute.default(sealed)) is not None:
                    sealed[key] = default
        bound_to = row.bound(sealed)
        self.put(sealed, bound_to)
        if not defaults and not sealed.keys() >= self.attributes.keys():
            primary = {self.mapper.get_property_by_column(column).key for column in self.mapper.primary_key}
            for name in row.names:  # the row stays where it is: a sealed value brings this as a condition
                if name not in primary:
                    del sealed[name]
        return sealed

    def put(self, values: dict[str, Any], row: BoundRow) -> None:
        """Put the plaintext that a row has into it sealed, and its tags."""
        for group in self._groups:
            group.put(values, row)
