"""Classifies the stored values of a field, for plans, backfills and verification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import DecryptionError, KeyNotFoundError, KeyShreddedError
from fieldcrypt.field import Field
from fieldcrypt.format import envelope
from fieldcrypt.format.context import NO_TENANT
from fieldcrypt.mixed_mode.accepted import Accepted
from fieldcrypt.mixed_mode.previous_field import PartOf
from fieldcrypt.mixed_mode.reading import FromPlaintext, Reading
from fieldcrypt.mixed_mode.value_status import ExaminedValue, ValueStatus

__all__ = ["Examination"]

_MAX_KNOWN = 10_000  # data keys remembered as old or current


class Examination:
    """Examines the values of one field. Make one per run: it remembers which data keys are old.

    Args:
        encryptor, field: whose values.
        accepted: what else there may be; its dates do not count here.
        pad: the padding that the field is declared with, if it has any.
        from_plaintext, to_field: see `Reading`.

    Attributes:
        waits_until: when a newer data key begins to encrypt, if values were found that are to be re-encrypted then.
    """

    __slots__ = ("_accepted", "_encryptor", "_field", "_has_forms", "_old", "_pad", "_reading", "waits_until")

    def __init__(
        self,
        encryptor: Encryptor,
        field: Field[Any],
        accepted: Accepted | None = None,
        pad: int | None = None,
        from_plaintext: FromPlaintext | None = None,
        to_field: FromPlaintext | None = None,
    ) -> None:
        self._encryptor = encryptor
        self._field = field.quiet  # refused values are counted in the run's report instead
        self._accepted = accepted
        self._reading = Reading(self._field, accepted, from_plaintext, to_field)
        self._has_forms = from_plaintext is not None
        self._pad = pad
        self._old: dict[bytes, bool] = {}
        self.waits_until: float | None = None

    def examine(
        self,
        data: Any,
        tenant: str | None = None,
        context: Mapping[str, str] | None = None,
        part: PartOf | None = None,
    ) -> ExaminedValue:
        """Decrypt a stored value and classify it (see `Reading.read`).

        Raises:
            KeyProviderError, KeyStoreError: keys cannot be had for now, so that it is unknown.
        """
        if data is None:
            return ExaminedValue(ValueStatus.NULL)
        if isinstance(data, (bytearray, memoryview)):
            data = bytes(data)
        elif not self._has_forms and not isinstance(data, (bytes, str)):
            return ExaminedValue(ValueStatus.UNREADABLE)  # SQLite lets anyone put anything into a column
        try:
            found = self._reading.read(data, tenant, context, part)
        except KeyShreddedError:
            return ExaminedValue(ValueStatus.SHREDDED)
        except (DecryptionError, KeyNotFoundError):
            return ExaminedValue(ValueStatus.UNREADABLE)
        return self._own(data, found.value, tenant) if found.status is ValueStatus.ACTIVE else found

    def check_due(self, examined: ExaminedValue) -> None:
        """Check that a value may be re-encrypted: plaintext planted after its day must not become authentic.

        Raises:
            DecryptionError: it is plaintext, and the day until which that is accepted has begun.
        """
        if examined.status is ValueStatus.PLAINTEXT and not (
            self._accepted is not None and self._accepted.accepts_plaintext()
        ):
            raise DecryptionError(f"{self._field.name} no longer accepts plaintext")

    def _own(self, data: Any, value: Any, tenant: str | None) -> ExaminedValue:
        parts, head = envelope.parse(data), data[envelope.HEAD]
        old = self._old.get(head)
        if old is None:
            if len(self._old) >= _MAX_KNOWN:
                self._old.clear()
            old = self._old[head] = self._encryptor.needs_reencrypt(data, tenant=tenant or NO_TENANT)
            at = None if old else self._encryptor.followed_at(data, tenant=tenant or NO_TENANT)
            if at is not None:
                self.waits_until = max(at, self.waits_until or at)
        if old:
            return ExaminedValue(ValueStatus.OLD_KEY, value)
        if self._pad is not None:
            again = envelope.parse(self._field.encrypt(value, tenant=tenant))
            if len(again.ciphertext) != len(parts.ciphertext):
                return ExaminedValue(ValueStatus.OLD_FORM, value)
        return ExaminedValue(ValueStatus.ACTIVE, value)
