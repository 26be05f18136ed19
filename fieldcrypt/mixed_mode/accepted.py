"""What a field reads beside its own values, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Self

from fieldcrypt import _system
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.mixed_mode.former_field import FormerField
from fieldcrypt.schemes import OldReader

__all__ = ["Accepted"]

_LONGEST = timedelta(days=366)


class Accepted:
    """Plaintext, and values of other schemes or of former declarations, each until a day.

    Whoever can write to the database can plant plaintext while it is accepted: so it has an end, a year ahead at the
    most.

    Args:
        plaintext_until: the day, in UTC, from which plaintext is an error again; None: it always was.
        readers: read what else is accepted, and say by `recognises` what they should be asked about.
        readers_until: the day from which that is an error; needed if there are readers.

    Raises:
        ConfigurationError: there is no end, or it is further away than a year; or what is given are no readers.
    """

    __slots__ = ("_plaintext_ends", "_readers_end", "formers", "plaintext_until", "readers")

    def __init__(
        self,
        plaintext_until: date | None = None,
        readers: Sequence[OldReader[Any]] = (),
        readers_until: date | None = None,
    ) -> None:
        for reader in readers:
            if isinstance(reader, type) or not isinstance(reader, OldReader):
                raise ConfigurationError(f"{reader!r} reads no old values: that takes recognises and read")
        if bool(readers) != (readers_until is not None):
            raise ConfigurationError(
                "say until when old values are accepted, accept_until=date(…): every migration ends"
                if readers
                else "accept_until is for accept=[…]; for plaintext it is accept_plaintext=date(…)"
            )
        self.plaintext_until = plaintext_until
        self.readers = tuple(reader for reader in readers if not isinstance(reader, FormerField))
        self.formers = tuple(reader for reader in readers if isinstance(reader, FormerField))
        self._plaintext_ends = _end("accept_plaintext", plaintext_until)
        self._readers_end = _end("accept_until", readers_until)

    @classmethod
    def of_job(cls, readers: Sequence[OldReader[Any]]) -> Self:
        """Return what a job reads, which has no need of an end: it is one itself."""
        accepted = cls()
        accepted.readers = tuple(readers)
        return accepted

    def takes_plaintext(self) -> bool:
        """Say whether plaintext is accepted now."""
        return _system.wall_clock() < self._plaintext_ends

    def takes_old_values(self) -> bool:
        """Say whether what the readers read is accepted now."""
        return _system.wall_clock() < self._readers_end


def _end(name: str, day: date | None) -> float:
    """Return when a day begins, in seconds since 1970."""
    if day is None:
        return float("-inf")
    if not isinstance(day, date) or isinstance(day, datetime):
        raise ConfigurationError(f"{name} is a date, the day from which it ends, and not {type(day).__name__}")
    end = datetime.combine(day, time(), UTC).timestamp()
    if end > _system.wall_clock() + _LONGEST.total_seconds():
        raise ConfigurationError(f"{name}: {day} is more than a year from now, and no end; say when you will be done")
    return end
