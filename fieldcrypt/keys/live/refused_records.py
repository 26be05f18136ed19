"""Records that turned out not to be authentic: nobody asks a key service about the same bytes again and again."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from cryptography.hazmat.primitives.hashes import SHA256, Hash

from fieldcrypt import _system
from fieldcrypt.errors import DecryptionError
from fieldcrypt.keys.records import KeyRecord

__all__ = ["RefusedRecords"]

_Place = tuple[bytes, bytes]  # key id, SHA-256 of the record


class RefusedRecords:
    """Remembers records, and why each was refused.

    Args:
        seconds: for how long, for what they are wrapped under may be configured under another name later.
        limit: how many; those that were refused longest ago go first.
    """

    def __init__(self, seconds: float, limit: int) -> None:
        self._seconds = seconds
        self._limit = limit
        self._refused: OrderedDict[_Place, tuple[float, DecryptionError]] = OrderedDict()
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        self._lock = Lock()

    def why(self, record: KeyRecord) -> DecryptionError | None:
        """Return why a record was refused, if it was."""
        until, error = self._refused.get(_place(record), (float("-inf"), None))
        return error if until > _system.monotonic() else None

    def note(self, record: KeyRecord, error: DecryptionError) -> None:
        """Remember that a record is not authentic."""
        place, until = _place(record), _system.monotonic() + self._seconds
        with self._lock:
            self._refused[place] = until, error.with_traceback(None)
            self._refused.move_to_end(place)
            while len(self._refused) > self._limit:
                self._refused.popitem(last=False)

    def forget(self) -> None:
        """Have all of them looked at again."""
        with self._lock:
            self._refused.clear()


def _place(record: KeyRecord) -> _Place:
    digest = Hash(SHA256())
    digest.update(record.to_bytes())
    return record.key_id, digest.finalize()
