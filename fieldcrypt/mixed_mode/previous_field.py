"""Values that fieldcrypt itself wrote when the field was declared differently."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from fieldcrypt.errors import ConfigurationError, DecryptionError
from fieldcrypt.field import Field
from fieldcrypt.format import envelope
from fieldcrypt.format.context import NO_TENANT, NoTenant, key_text, row_context
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["PreviousField", "PartOf", "is_envelope"]

T = TypeVar("T")

# Returns another value of the row or item, by name, as `row_context` takes it; None if it has none.
PartOf = Callable[[str], Any]

_VERSIONS = frozenset({bytes([envelope.STORED]), bytes([envelope.SELF_CONTAINED])})


def is_envelope(data: object) -> bool:
    """Return True if a stored value has the form of an encrypted one, whether authentic or not."""
    if not isinstance(data, bytes) or data[:1] not in _VERSIONS:  # an exception for each would take its time
        return False
    try:
        envelope.parse(data)
    except DecryptionError:
        return False
    return True


class PreviousField(Generic[T]):
    """Reads values that were written under another name, type or binding: a `LegacyReader`.

        Encrypted(String, accept=[PreviousField(encryptor.field("patients.social", str))], accept_until=date(…))
        PreviousField(encryptor.field("patients.born", str), row=True, convert=date.fromisoformat)
        PreviousField(encryptor.field("patients.ssn", str), row="number", tenant="region")

    A value that is authentic under the current declaration is never read by a previous one. Values are accepted with
    their previous binding only: one that is not bound to its row can be moved to another row unnoticed while it is
    accepted.

    Args:
        field: as it was declared.
        row: what its values were bound to: True for the same key as now; the names of the attributes that were the key,
            in their order, whose values the row still has; False for nothing.
        tenant: the attribute that was the tenant. None: with `row=True` the current tenant, else there was none.
        convert: converts a previous value, if its type was different. It raises ValueError or TypeError for a value
            that it does not accept.
    """

    __slots__ = ("_field", "_row", "_tenant", "convert")

    def __init__(
        self,
        field: Field[T],
        *,
        row: bool | str | Sequence[str] = False,
        tenant: str | None = None,
        convert: Callable[[T], Any] | None = None,
    ) -> None:
        self._field = field.quiet  # because its caller reports refusals
        self._row = row if isinstance(row, bool) else (row,) if isinstance(row, str) else tuple(row)
        self._tenant = tenant
        self.convert = convert
        if self._row == ():
            raise ConfigurationError("PreviousField(…, row=…): the names of at least one attribute, True or False")

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes of a row that it needs besides those that values are bound to now."""
        named = () if isinstance(self._row, bool) else self._row
        return named if self._tenant is None else (*named, self._tenant)

    @property
    def journal_text(self) -> str:
        """What stands for it in the journal of a migration, also of one that 0.1 began, which named it FormerField."""
        return repr(self).replace("Previous", "Former", 1)

    def check(self, field: Field[Any]) -> None:
        """Check that its values can be distinguished from the current ones, and be read as such.

        Raises:
            ConfigurationError: they cannot; the message says what to declare instead.
        """
        then, now = self._field, field
        are_alike = object in (then.type, now.type) or _travels_as(then.type) is _travels_as(now.type)
        if self.convert is not None and then.name == now.name and are_alike:
            raise ConfigurationError(
                f"{now.name}: values of {_named(then.type)} to be converted cannot be told from converted ones: "
                "give the field a new name, name=…"
            )
        are_texts = {then.type, now.type} == {str, bytes}
        if self.convert is None and then.type is not now.type and now.type is not object and not are_texts:
            raise ConfigurationError(
                f"{now.name}: the values were {_named(then.type)}, and are now {_named(now.type)}: declare how they "
                "are converted, PreviousField(…, convert=…)"
            )

    def recognises(self, data: bytes | str, /) -> bool:
        """Return True if a value has the form of fieldcrypt's values."""
        return is_envelope(data)

    @discreet
    def read(
        self,
        data: bytes | str,
        /,
        *,
        tenant: str | NoTenant | None = None,
        context: Mapping[str, str] | None = None,
        part: PartOf | None = None,
    ) -> Any:
        """Return a previous value, converted.

        Args:
            data: the value.
            tenant, context: what values are bound to now; None: to no tenant.
            part: tells what they were bound to, if that is something else.

        Raises:
            DecryptionError: it was not, or what it may have been bound to is not known.
            As `Field.decrypt`.
        """
        if isinstance(data, str):
            raise DecryptionError
        if tenant is None or self._row is not True:
            tenant = NO_TENANT
        if isinstance(self._row, bool):
            context = context if self._row else None
        else:
            context = row_context(*[self._part(part, name) for name in self._row])
        if self._tenant is not None:
            tenant = key_text(self._part(part, self._tenant))
        value = self._field.decrypt(data, tenant=tenant, context=context)
        if self.convert is None:
            return value
        try:
            return self.convert(value)
        except Exception:  # noqa: BLE001 (whatever the application's function raises)
            refused = DecryptionError(f"{self._field.name}: a previous value cannot be converted")
        raise refused  # here, where no chained exception carries the value

    def _part(self, part: PartOf | None, name: str) -> Any:
        found = None if part is None else part(name)
        if found is None:
            raise DecryptionError(
                f"{self._field.name} was bound to {name!r}, whose value is not available here. Read it through an "
                "object of the model, or as a whole item, or run the backfill first"
            )
        return found

    def __repr__(self) -> str:
        more = "" if self._tenant is None else f", tenant={self._tenant!r}"
        if self.convert is not None:
            more += f", convert={getattr(self.convert, '__qualname__', type(self.convert).__qualname__)}"
        return f"PreviousField({self._field!r}, row={self._row}{more})"


def _travels_as(type_: Any) -> Any:
    """Return the type as which encrypted values of a type are stored: an Enum's are texts."""
    return str if isinstance(type_, enum.EnumMeta) else type_


def _named(type_: Any) -> str:
    return getattr(type_, "__name__", str(type_))
