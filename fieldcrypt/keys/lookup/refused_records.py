"""Records that turned out not to be authentic: nobody asks a key service about the same bytes again and again."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256, Hash

from fieldcrypt._base.remembered import Remembered
from fieldcrypt.errors import DecryptionError
from fieldcrypt.keys.record.record import KeyRecord

__all__ = ["Place", "RefusedRecords", "place_of"]

Place = tuple[bytes, bytes]  # key id, SHA-256 of the record


class RefusedRecords:
    """Remembers records, and why each was refused.

    Args:
        seconds: for how long, for what they are wrapped under may be configured under another name later.
        limit: how many; those that were refused longest ago go first.
    """

    def __init__(self, seconds: float, limit: int) -> None:
        self._refused: Remembered[Place, DecryptionError] = Remembered(seconds, limit)

    def why(self, record: KeyRecord) -> DecryptionError | None:
        """Return why a record was refused, if it was."""
        return self._refused.get(place_of(record)) if self._refused else None  # as a rule there is none to look for

    def note(self, record: KeyRecord, error: DecryptionError) -> None:
        """Remember that a record is not authentic."""
        self._refused.put(place_of(record), error.with_traceback(None))

    def forget(self) -> None:
        """Have all of them looked at again."""
        self._refused.clear()


def place_of(record: KeyRecord) -> Place:
    """Return what tells a record from all others, also from one of the same data key."""
    digest = Hash(SHA256())
    digest.update(record.to_bytes())
    return record.key_id, digest.finalize()
