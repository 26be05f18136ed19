"""What is left of a data key that was destroyed (SPEC section 6)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from fieldcrypt.errors import DecryptionError, KeyShreddedError
from fieldcrypt.format._reader import Reader
from fieldcrypt.format._text import utf8
from fieldcrypt.format.envelope import KEY_ID_SIZE
from fieldcrypt.keys.record.record import TIME_SIZE, KeyState, Purpose, head_bytes, read_head, time_bytes

__all__ = ["MAX_BY_SIZE", "Tombstone", "check_by"]

MAX_BY_SIZE = 1024  # bytes of UTF-8

_FORMAT = 0x02
_COUNT_SIZE = 4
_LENGTH_SIZE = 2


class Tombstone(NamedTuple):
    """Takes the place of a key record in a key store, so that its values are known to be lost on purpose.

    Attributes:
        key_id: 16 bytes.
        purpose, created, tenant: those of the data key.
        shredded: when it was destroyed, seconds since 1970, UTC.
        by: who did it: 1 to 1,024 bytes of UTF-8.
        keys: how many data keys of the tenant were destroyed together.
    """

    key_id: bytes
    purpose: Purpose
    created: int
    tenant: str | None
    shredded: int
    by: str
    keys: int

    @property
    def state(self) -> KeyState:
        """As for a key record; the only one that there is."""
        return KeyState.SHREDDED

    def to_bytes(self) -> bytes:
        """Encode the tombstone.

        Raises:
            TypeError, ValueError: a part is out of range.
        """
        by = check_by(self.by)
        if not 1 <= self.keys < 1 << 8 * _COUNT_SIZE:
            raise ValueError("the number of shredded keys is out of range")
        return b"".join(
            (
                head_bytes(_FORMAT, self.purpose, self.created, self.tenant),
                time_bytes(self.shredded),
                self.keys.to_bytes(_COUNT_SIZE, "big"),
                len(by).to_bytes(_LENGTH_SIZE, "big"),
                by,
            )
        )

    @classmethod
    def from_bytes(cls, key_id: bytes, data: bytes) -> Tombstone:
        """Decode a tombstone.

        Raises:
            DecryptionError: the bytes are none.
        """
        try:
            reader = Reader(data)
            purpose, created, tenant = read_head(reader, _FORMAT)
            shredded, keys = reader.number(TIME_SIZE), reader.number(_COUNT_SIZE)
            by = reader.take(reader.number(_LENGTH_SIZE)).decode()
            reader.finish()
            tombstone = cls(key_id, purpose, created, tenant, shredded, by, keys)
            if len(key_id) != KEY_ID_SIZE or tombstone.to_bytes() != data:
                raise ValueError("no key id, or not canonical")
        except ValueError:  # UnicodeDecodeError is one
            raise DecryptionError("not a valid tombstone") from None
        return tombstone

    def lost_error(self, key_id: bytes | None = None) -> KeyShreddedError:
        """Return the error of reading a value under this key, or under another key that it ends."""
        return self._error(f"the data key {(key_id or self.key_id).hex()}", "values under it are lost permanently")

    def tenant_error(self) -> KeyShreddedError:
        """Return the error of writing for the tenant."""
        return self._error(f"tenant {self.tenant!r}", "nothing more is encrypted for it")

    def _error(self, what: str, consequence: str) -> KeyShreddedError:
        when = datetime.fromtimestamp(self.shredded, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return KeyShreddedError(
            f"{what} was shredded on {when} by {self.by!r}: {consequence}",
            shredded=self.shredded,
            by=self.by,
            keys=self.keys,
        )


def check_by(by: str) -> bytes:
    """Return who shredded a key as UTF-8.

    Raises:
        TypeError: it is not a str.
        ValueError: it is empty, longer than 1,024 bytes, or not valid Unicode.
    """
    if not isinstance(by, str):
        raise TypeError(f"the name of who shredded a key is a str, not {type(by).__name__}")
    encoded = utf8(by, "who shredded a key")
    if not 1 <= len(encoded) <= MAX_BY_SIZE:
        raise ValueError(f"the name of who shredded a key has 1 to {MAX_BY_SIZE} bytes, not {len(encoded)}")
    return encoded
