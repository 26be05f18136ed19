"""Seals and opens the values of one column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fieldcrypt import ConfigurationError, DecryptionError, FieldcryptError
from fieldcrypt.spi import PartOf, located
from fieldcrypt_sqlalchemy.column.companion import Tag, Tags
from fieldcrypt_sqlalchemy.column.type import Encrypted
from fieldcrypt_sqlalchemy.errors import parameterless_error
from fieldcrypt_sqlalchemy.row_key.bound_row import BoundRow
from fieldcrypt_sqlalchemy.rows.sealed import UNOPENED, Origin, Sealed

__all__ = ["SealedField"]


class SealedField:
    """Seals and opens the values of one column.

    Args:
        type_: the column's type, with name and encryptor.
        tells: report values that are refused (see `Field.quiet`).

    Attributes:
        as_is: the class whose values are encrypted as they are (see `Conversion`), or None.
        decrypt: decrypts a value, given its tenant and context.
        attempt: does so, and tells nobody if the value is refused.
    """

    __slots__ = (
        "_encrypt",
        "_is_mixed",
        "as_is",
        "attempt",
        "decrypt",
        "field",
        "from_field",
        "name",
        "row_key",
        "to_field",
    )

    def __init__(self, type_: Encrypted, *, tells: bool = True) -> None:
        if type_.encryptor is None or type_.name is None:
            raise ConfigurationError(f"{type_.described} has no encryptor")
        self.to_field, self.from_field, field = type_.prepared()
        self.as_is = type_.as_is
        self.field = field if tells else field.quiet
        self.name = type_.name
        self.row_key: Any = getattr(type_, "row_key", None)
        self._encrypt, self.decrypt = type_.encrypting(self.field), type_.decrypting(self.field)
        self.attempt = type_.decrypting(self.field.quiet)
        self._is_mixed = type_.accepted is not None

    def seal(
        self,
        value: Any,
        row: BoundRow,
        tags: Mapping[str, Tag | Tags | None] | None = None,
        replaces: Sealed | None = None,
    ) -> Sealed | None:
        """Return a value encrypted for a row, together with its tags; None stays None.

        Args:
            value: as the application has it.
            row: the row.
            tags: what the column's companions hold, if it is searchable.
            replaces: the value that has to be in the row until this one is written.

        Raises:
            As `Field.encrypt`, in a form that SQLAlchemy does not wrap with the statement's parameters.
        """
        try:
            plain = value if self.to_field is None else self.to_field(value)
            if plain is None:
                return None if replaces is None else self.null(row, replaces)
            data = self._encrypt(plain, tenant=row.tenant, context=row.context)
            origin = row if tags is None and replaces is None else Origin(row, tags, replaces)
            return Sealed(data, self, value, origin)
        except (TypeError, ValueError, FieldcryptError) as error:
            refused = parameterless_error(located(error, field=self.name, tenant=row.tenant))
        raise refused

    def null(self, row: BoundRow, replaces: Sealed | None = None) -> Sealed:
        """Return NULL, as the value that a row has, or that it gets in place of another one."""
        return Sealed(None, self, None, Origin(row, None, replaces))

    def open(self, sealed: Sealed, context: Mapping[str, str], tenant: str | None, part: PartOf | None = None) -> Any:
        """Return the value in a Sealed, whatever column it says that it is of, and have it remembered there."""
        if sealed._opened is UNOPENED:
            sealed._opened = self.decrypted(sealed._data, context, tenant, part)
        return sealed._opened

    def decrypted(
        self,
        data: Any,
        context: Mapping[str, str],
        tenant: str | None,
        part: PartOf | None = None,
        *,
        tells: bool = True,
    ) -> Any:
        """Return the value that was encrypted for a row; of NULL, None."""
        if data is None:
            return None
        former = {} if part is None or not self._is_mixed else {"part": part}
        value = (self.decrypt if tells else self.attempt)(data, tenant=tenant, context=context, **former)
        return value if self.from_field is None else self.converted(value, data, tenant)

    def converted(self, value: Any, data: Any, tenant: str | None) -> Any:
        """Return a decrypted value as the application has it."""
        try:
            return value if self.from_field is None else self.from_field(value)
        except DecryptionError as error:
            raise self.field.reported_error(error, data, tenant) from None
