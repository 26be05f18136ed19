"""Classify a stored value and decode it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fieldcrypt.errors import ConfigurationError, DecryptionError, KeyNotFoundError, KeyShreddedError
from fieldcrypt.field import Field
from fieldcrypt.format.context import NO_TENANT, NoTenant
from fieldcrypt.mixed_mode.accepted import Accepted
from fieldcrypt.mixed_mode.previous_field import PartOf, is_envelope
from fieldcrypt.mixed_mode.value_status import ExaminedValue, ValueStatus
from fieldcrypt.schemes import LegacyReader

__all__ = ["FromPlaintext", "Reading"]

FromPlaintext = Callable[[Any], Any]  # returns the value of a field that was stored as this plaintext

_NONE: Any = object()


class Reading:
    """Reads a field's own values, and those that are accepted besides them.

    A value in the form of an encrypted one is never plaintext: if it is not authentic, it is an error.

    Args:
        field: whose values.
        accepted: what else there may be. Its dates do not count here.
        from_plaintext: makes a value of plaintext, for databases that store each type in its own form; raises TypeError
            or ValueError if it cannot. Default: for text and bytes in binary form.
        to_field: makes a field's value of an application's value, which previous fields are converted to.

    Raises:
        ConfigurationError: plaintext is accepted of a type without a unique binary form; or values of a previous field
            could not be distinguished from current ones, or not be read as such.
    """

    __slots__ = ("_accepted", "_field", "_from_plaintext", "_plaintext", "_to_field", "_type")

    def __init__(
        self,
        field: Field[Any],
        accepted: Accepted | None,
        from_plaintext: FromPlaintext | None = None,
        to_field: FromPlaintext | None = None,
    ) -> None:
        self._field = field
        self._accepted = Accepted() if accepted is None else accepted
        self._plaintext = self._accepted.plaintext_until is not None
        self._type = field.type
        self._from_plaintext, self._to_field = from_plaintext, to_field
        for previous in self._accepted.previous_fields:
            previous.check(field)
        if self._plaintext and from_plaintext is None and self._type not in (str, bytes):
            raise ConfigurationError(
                f"{field.name}: plaintext of type {getattr(self._type, '__name__', self._type)} is not read in place: "
                "it has no unique binary form, so encrypt it into a new column"
            )

    def read(
        self,
        data: Any,
        tenant: str | NoTenant | None,
        context: Mapping[str, str] | None,
        part: PartOf | None = None,
        refused: DecryptionError | None = None,
    ) -> ExaminedValue:
        """Return a value's status (`ACTIVE` for all of the field's own), and the value.

        Args:
            data: bytes or text; anything else goes to `from_plaintext`.
            tenant, context: as for `Field.decrypt`.
            part: tells what else it may have been bound to (see `PreviousField`).
            refused: the field's own refusal, if it was asked already.

        Raises:
            DecryptionError: it is none of these; the field's own refusal, if the value has the form of its values.
            KeyProviderError, KeyStoreError: as for `Field.decrypt` and `LegacyReader.read`.
        """
        # Other schemes first, because messages of some begin as our values do; what their reader authenticates is
        # theirs.
        asked: Sequence[LegacyReader[Any]] = ()
        if self._accepted.readers and isinstance(data, (bytes, str)):
            asked = [reader for reader in self._accepted.readers if reader.recognises(data)]
            value = self._read_legacy(asked, data, tenant, context)
            if value is not _NONE:
                return ExaminedValue(ValueStatus.OTHER_SCHEME, value)
        if isinstance(data, bytes) and is_envelope(data):
            if refused is None:
                try:
                    return ExaminedValue(ValueStatus.ACTIVE, self._field.decrypt(data, tenant=tenant, context=context))
                except DecryptionError as error:
                    refused = error
                except KeyNotFoundError as error:
                    # In a forged message of another scheme, what looks like a key id is not one.
                    if not asked or isinstance(error, KeyShreddedError):
                        raise
            if self._accepted.previous_fields:
                return ExaminedValue(ValueStatus.OLD_FORM, self._read_previous(data, tenant, context, part))
            raise refused or DecryptionError()
        if self._plaintext and not asked:
            return ExaminedValue(ValueStatus.PLAINTEXT, self._read_plaintext(data))
        raise DecryptionError

    def _read_legacy(
        self, readers: Iterable[LegacyReader[Any]], data: bytes | str, tenant: str | NoTenant | None, context: Any
    ) -> Any:
        whose = None if tenant is NO_TENANT else tenant
        for reader in readers:
            try:
                return self._as_field_type(reader.read(data, tenant=whose, context=context))
            except DecryptionError:
                continue
        return _NONE

    def _read_previous(self, data: bytes, tenant: str | NoTenant | None, context: Any, part: PartOf | None) -> Any:
        refused = DecryptionError()
        for previous in self._accepted.previous_fields:
            try:
                value = previous.read(data, tenant=tenant, context=context, part=part)
                if previous.convert is not None and self._to_field is not None:
                    value = self._to_field(value)
                return self._as_field_type(value)
            except DecryptionError as error:
                refused = error
            except (TypeError, ValueError):
                refused = DecryptionError(f"{self._field.name}: a previous value was converted to another type")
        raise DecryptionError(*refused.args)  # here, where no chained exception carries a value

    def _read_plaintext(self, data: Any) -> Any:
        if self._from_plaintext is None:
            return self._as_field_type(data)
        try:
            return self._from_plaintext(data)
        except (TypeError, ValueError):
            pass  # raised below, where no chained exception carries the value
        raise DecryptionError

    def _as_field_type(self, value: Any) -> Any:
        """Return a value of the field's type, made from text or bytes if necessary."""
        if type(value) is self._type or self._type is object:
            return value
        if self._type is str and isinstance(value, bytes):
            try:
                return value.decode()
            except UnicodeDecodeError:
                pass  # raised below, where no chained exception carries the value
        elif self._type is bytes and isinstance(value, str):
            return value.encode()  # a driver's text has no surrogates
        raise DecryptionError
