"""Seals the values of a row together, in less time than one by one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.sql.elements import ClauseElement

from fieldcrypt import FieldcryptError
from fieldcrypt.spi import FieldGroup, located, text_form
from fieldcrypt_sqlalchemy.errors import parameterless_error
from fieldcrypt_sqlalchemy.row_key.bound_row import BoundRow
from fieldcrypt_sqlalchemy.rows.attribute import ProtectedAttribute
from fieldcrypt_sqlalchemy.rows.sealed import Origin, Sealed

__all__ = ["SealGroup", "seal_groups"]


def seal_groups(attributes: Iterable[ProtectedAttribute]) -> list[SealGroup]:
    """Return the groups of attributes that are sealed together: those of one Encryptor."""
    groups: dict[Any, list[ProtectedAttribute]] = {}
    for attribute in attributes:
        alone = not attribute.type.write  # it writes plaintext
        groups.setdefault(attribute if alone else attribute.type.encryptor, []).append(attribute)
    return list(map(SealGroup, groups.values()))


class SealGroup:
    """Attributes that are sealed together: at least one, of one Encryptor."""

    def __init__(self, attributes: list[ProtectedAttribute]) -> None:
        self._attributes = attributes
        self._reads = [(each.key, each.field.as_is, each.field) for each in attributes]
        self._puts = [
            (
                each.key,
                each.field,
                each if each.searchable else None,
                None if each.type.text is None else text_form.encode,
            )
            for each in attributes
        ]
        self._group = FieldGroup(attribute.field.field for attribute in attributes) if len(attributes) > 1 else None

    def put(self, values: dict[str, Any], row: BoundRow) -> None:
        """Put the plaintext that a row has into it sealed, and its tags. SQL expressions stay, and are refused later.

        Raises:
            As `SealedField.seal` and `Tagger.stored_tags`.
        """
        if self._group is None:
            self._put_one(values, row)
            return
        tenant, plain, left = row.tenant, [], set()
        field: Any = None
        try:
            for key, as_is, field in self._reads:
                value = values.get(key)
                if value.__class__ is not as_is and value is not None:
                    if isinstance(value, ClauseElement):
                        left.add(key)
                        value = None
                    elif field.to_field is not None:
                        value = field.to_field(value)
                plain.append(value)
            data = self._group.encrypt(plain, tenant=tenant, context=row.context)
        except (TypeError, ValueError, FieldcryptError) as error:
            refused = parameterless_error(located(error, field=field.name, tenant=tenant))
        else:
            for (key, field, searchable, encode), stored in zip(self._puts, data):  # noqa: B905 (there are as many)
                if stored is None and (key not in values or key in left):
                    continue
                value = values[key]
                tags = None if searchable is None else searchable.put_tags(values, value, row)
                if stored is None:
                    values[key] = None
                else:
                    origin = row if tags is None else Origin(row, tags)
                    values[key] = Sealed(stored if encode is None else encode(stored), field, value, origin)
            return
        raise refused

    def _put_one(self, values: dict[str, Any], row: BoundRow) -> None:
        attribute = self._attributes[0]
        key = attribute.key
        value = values.get(key)
        if key in values and not isinstance(value, ClauseElement):
            tags = attribute.put_tags(values, value, row) if attribute.searchable else None
            values[key] = None if value is None else attribute.field.seal(value, row, tags)
