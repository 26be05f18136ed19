"""Loads the key and the tenant of a row with its protected values, which do not open without them.

SQLAlchemy does the same for primary keys. Options that leave columns out (`load_only`, `defer`, `raiseload`) do not
count for what a row is bound to, and neither do the names that `refresh` is given.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from sqlalchemy.orm import ColumnProperty, Mapper

from fieldcrypt import FieldcryptError
from fieldcrypt_sqlalchemy.internals.orm import loaded_names, never_defer
from fieldcrypt_sqlalchemy.rows.sealed import Sealed
from fieldcrypt_sqlalchemy.rows.sealed_field import SealedField

__all__ = ["load_with_key"]


class _KeyProperty(ColumnProperty[Any]):
    """A part of a row's key, or its tenant: always loaded with the row."""

    __slots__ = ()
    inherit_cache = True

    def _get_context_loader(self, context: Any, path: Any) -> None:
        """Return no option, whatever the statement has."""


class _ProtectedProperty(ColumnProperty[Any]):
    """A protected attribute of a decorated class: it brings the key of its row when attributes are loaded by name."""

    __slots__ = ()
    inherit_cache = True

    def setup(
        self, context: Any, query_entity: Any, path: Any, adapter: Any, only_load_props: Any = None, **kw: Any
    ) -> None:
        super().setup(context, query_entity, path, adapter, only_load_props=only_load_props, **kw)
        missing = self._missing(only_load_props)
        if missing:
            kw["memoized_populators"].pop(self, None)  # so that `create_row_processor` is asked
        for part in missing:
            part.setup(context, query_entity, path, adapter, only_load_props=None, **kw)

    def create_row_processor(
        self, context: Any, query_entity: Any, path: Any, mapper: Any, result: Any, adapter: Any, populators: Any
    ) -> None:
        super().create_row_processor(context, query_entity, path, mapper, result, adapter, populators)
        for part in self._missing(loaded_names(context)):
            of_part: dict[str, Any] = {kind: [] for kind in populators}
            part.create_row_processor(context, query_entity, path, mapper, result, adapter, of_part)
            populators["new"] += [(key, _unless_changed(key, getter)) for key, getter in of_part["quick"]]

    def merge(
        self,
        session: Any,
        source_state: Any,
        source_dict: Any,
        dest_state: Any,
        dest_dict: Any,
        load: bool,
        _recursive: Any,
        _resolve_conflict_map: Any,
    ) -> None:
        """Merge a value that was not read yet: it opens with the key of its own object."""
        sealed = source_dict.get(self.key)
        if sealed.__class__ is Sealed:
            column: Any = self.columns[0]
            with suppress(FieldcryptError):  # reading it raises that
                field = SealedField(column.type, tells=False)
                field.open(sealed, *column.type.row_key.place(source_state, source_dict))
        super().merge(
            session, source_state, source_dict, dest_state, dest_dict, load, _recursive, _resolve_conflict_map
        )

    def _missing(self, loaded: Any) -> list[Any]:
        """Return the parts of the key that are not among attributes which are loaded by name."""
        if not loaded:
            return []
        row_key = self.columns[0].type.row_key  # type: ignore[attr-defined]
        return [self.parent.attrs[name] for name in row_key.binding_names if name not in loaded]


def _unless_changed(key: str, getter: Any) -> Any:
    """Return what sets an attribute from a row, unless the application has changed it."""

    def populate(state: Any, values: Any, row: Any) -> None:
        if key not in values or key not in state.committed_state:
            values[key] = getter(row)

    return populate


def load_with_key(mapper: Mapper[Any], key: Iterable[str], protected: Iterable[str]) -> None:
    """Have the attributes of a class loaded together.

    Args:
        mapper: the class's.
        key: the attributes that its values are bound to.
        protected: the attributes with protected values.
    """
    for names, kind in ((key, _KeyProperty), (protected, _ProtectedProperty)):
        for name in names:
            prop = mapper.get_property_by_column(mapper.columns[name])
            if type(prop) is ColumnProperty:
                prop.__class__ = kind
                if kind is _KeyProperty:
                    never_defer(prop)
