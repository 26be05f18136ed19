"""What has to happen to the protected attributes of a mapped class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Mapper

from fieldcrypt import RowContext
from fieldcrypt_sqlalchemy.attribute import ProtectedAttribute
from fieldcrypt_sqlalchemy.row_key import Row, RowKey, RowSpec
from fieldcrypt_sqlalchemy.types import Encrypted

__all__ = ["Plan"]

_NO_ROW: Row = (RowContext((), b""), None)


class Plan:
    """The protected attributes of a mapped class, and what they are bound to.

    Attributes:
        mapper: the class's.
        row: tells an object's row, or None if the class is not decorated.
        attributes: by key.
    """

    def __init__(self, mapper: Mapper[Any], spec: RowSpec | None) -> None:
        self.mapper = mapper
        self.row = None if spec is None else RowKey(spec, mapper)
        self.attributes = {
            key: ProtectedAttribute(key, column, mapper)
            for key, column in mapper.columns.items()
            if isinstance(column.type, Encrypted)
        }

    def seal(self, values: Mapping[str, Any], *, defaults: bool) -> dict[str, Any]:
        """Return the values of a row, of a decorated class, with the protected ones sealed for it."""
        sealed = dict(values)
        row: Any = self.row
        if defaults:
            row.complete(sealed)
            for key, attribute in self.attributes.items():
                if sealed.get(key) is None and (made := attribute.default(sealed)) is not None:
                    sealed[key] = made
        bound_to = row.of(sealed)
        for key, attribute in self.attributes.items():
            if (value := sealed.get(key)) is not None:
                self.put(sealed, attribute, value, bound_to)
            elif key in sealed and attribute.searchable:
                sealed[attribute.tag_key] = None
        return sealed

    def put(self, values: dict[str, Any], attribute: ProtectedAttribute, value: Any, row: Row = _NO_ROW) -> None:
        """Put a value into a row as it is written, and its tag."""
        context, tenant = row
        tag = None
        if attribute.searchable:
            tag = values[attribute.tag_key] = attribute.tagger.tag(value, tenant)
        values[attribute.key] = value if self.row is None else attribute.field.seal(value, context, tenant, tag)
