"""A field that also reads plaintext or legacy values, for a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import DecryptionError
from fieldcrypt.events import Event, EventKind
from fieldcrypt.field import Field
from fieldcrypt.format.context import NoTenant
from fieldcrypt.mixed_mode.accepted import Accepted
from fieldcrypt.mixed_mode.previous_field import PartOf
from fieldcrypt.mixed_mode.reading import FromPlaintext, Reading
from fieldcrypt.mixed_mode.value_status import ValueStatus
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["MixedField"]


class MixedField:
    """Decrypts like a Field, and reads what else is accepted until its day. It has no `encrypt`: a Field writes.

    How often it was needed is counted: `encryptor.stats().events["plaintext_read"]` and `["old_value_read"]`, and the
    observer is called each time, with the field's name as the place.

    Args:
        encryptor: counts.
        field: of the Encryptor's.
        accepted: what else is read.
        from_plaintext, to_field: see `Reading`.

    Raises:
        ConfigurationError: as for `Reading`.
    """

    __slots__ = ("_accepted", "_encryptor", "_field", "_has_forms", "_quiet", "_reading")

    def __init__(
        self,
        encryptor: Encryptor,
        field: Field[Any],
        accepted: Accepted,
        from_plaintext: FromPlaintext | None = None,
        to_field: FromPlaintext | None = None,
    ) -> None:
        self._encryptor = encryptor
        self._field = field
        self._accepted = accepted
        self._quiet = field.quiet
        self._reading = Reading(self._quiet, accepted, from_plaintext, to_field)
        self._has_forms = from_plaintext is not None

    @discreet
    def decrypt(
        self,
        data: Any,
        *,
        tenant: str | NoTenant | None = None,
        context: Mapping[str, str] | None = None,
        part: PartOf | None = None,
    ) -> Any:
        """Return a value.

        Args:
            data, tenant, context: as for `Field.decrypt`.
            part: see `Reading.read`.

        Raises:
            DecryptionError: it is neither authentic nor accepted; the message says so if it no longer is.
            KeyProviderError, KeyStoreError: as for `Field.decrypt`.
        """
        refusal = None
        if not self._accepted.readers and data.__class__ is bytes:
            try:
                return self._quiet.decrypt(data, tenant=tenant, context=context)
            except DecryptionError as error:
                refusal = error  # read below, where no chained exception says more than it should
        if isinstance(data, (bytearray, memoryview)):
            data = bytes(data)
        try:
            if not self._has_forms and not isinstance(data, (bytes, str)):
                raise DecryptionError  # a number, say: SQLite keeps anything in any column
            return self._read(data, tenant, context, part, refusal)
        except DecryptionError as error:
            refused = self._field.reported_error(error, data, tenant)
        raise refused

    def _read(
        self,
        data: Any,
        tenant: str | NoTenant | None,
        context: Mapping[str, str] | None,
        part: PartOf | None,
        refusal: DecryptionError | None,
    ) -> Any:
        status, value = self._reading.read(data, tenant, context, part, refusal)
        if status is ValueStatus.PLAINTEXT:
            accepted, event, what = self._accepted.accepts_plaintext(), EventKind.PLAINTEXT_READ, "plaintext"
        elif status is ValueStatus.ACTIVE:
            return value
        else:
            accepted, event, what = self._accepted.accepts_legacy_values(), EventKind.OLD_VALUE_READ, "old values"
        if not accepted:
            raise DecryptionError(f"{self._field.name} no longer accepts {what}")
        self._encryptor.report(Event(event, place=self._field.name))
        return value
