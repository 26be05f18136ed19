"""Records that turned out not to be authentic, so that a key service is not asked about the same bytes repeatedly."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256, Hash

from fieldcrypt._base.remembered import Remembered
from fieldcrypt.errors import DecryptionError
from fieldcrypt.keys.record.record import KeyRecord

__all__ = ["Fingerprint", "RefusedRecords", "fingerprint"]

Fingerprint = tuple[bytes, bytes]  # key id, SHA-256 of the record


class RefusedRecords:
    """Remembers refused records and their errors.

    Args:
        seconds: for how long, because their wrapping keys may be configured under another name later.
        limit: how many; the oldest go first.
    """

    def __init__(self, seconds: float, limit: int) -> None:
        self._refused: Remembered[Fingerprint, DecryptionError] = Remembered(seconds, limit)

    def error_for(self, record: KeyRecord) -> DecryptionError | None:
        """Return why a record was refused, if it was."""
        return self._refused.get(fingerprint(record)) if self._refused else None  # usually there are none

    def note(self, record: KeyRecord, error: DecryptionError) -> None:
        """Remember that a record is not authentic."""
        self._refused.put(fingerprint(record), error.with_traceback(None))

    def forget(self) -> None:
        """Forget all of them, so that they are tried again."""
        self._refused.clear()


def fingerprint(record: KeyRecord) -> Fingerprint:
    """Return what distinguishes a record from all others, including others of the same data key."""
    digest = Hash(SHA256())
    digest.update(record.to_bytes())
    return record.key_id, digest.finalize()
