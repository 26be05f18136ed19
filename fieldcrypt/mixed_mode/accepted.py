"""What a field accepts besides its own values, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Self

from fieldcrypt import _system
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.mixed_mode.previous_field import PreviousField
from fieldcrypt.schemes import LegacyReader

__all__ = ["Accepted"]

_LONGEST = timedelta(days=366)


class Accepted:
    """Plaintext, and values of other schemes or of previous declarations, each until a day.

    Anyone who can write to the database can plant plaintext while it is accepted, so that ends within a year.

    Args:
        plaintext_until: the day, in UTC, from which plaintext is an error again; None: it always was.
        readers: read what else is accepted; `recognises` says what to ask them about.
        readers_until: the day from which that is an error; needed if there are readers.

    Raises:
        ConfigurationError: there is no end, or it is more than a year away; or an argument is not a reader.
    """

    __slots__ = ("_plaintext_ends", "_readers_end", "plaintext_until", "previous_fields", "readers")

    def __init__(
        self,
        plaintext_until: date | None = None,
        readers: Sequence[LegacyReader[Any]] = (),
        readers_until: date | None = None,
    ) -> None:
        for reader in readers:
            if isinstance(reader, type) or not isinstance(reader, LegacyReader):
                raise ConfigurationError(f"{reader!r} is not a reader: it needs recognises and read")
        if bool(readers) != (readers_until is not None):
            raise ConfigurationError(
                "say until when old values are accepted, accept_until=date(…): every migration ends"
                if readers
                else "accept_until is for accept=[…]; for plaintext it is accept_plaintext=date(…)"
            )
        self.plaintext_until = plaintext_until
        self.readers = tuple(reader for reader in readers if not isinstance(reader, PreviousField))
        self.previous_fields = tuple(reader for reader in readers if isinstance(reader, PreviousField))
        self._plaintext_ends = _end("accept_plaintext", plaintext_until)
        self._readers_end = _end("accept_until", readers_until)

    @classmethod
    def for_job(cls, readers: Sequence[LegacyReader[Any]]) -> Self:
        """Return what a job accepts, which needs no last day because the job ends by itself."""
        accepted = cls()
        accepted.readers = tuple(readers)
        return accepted

    def accepts_plaintext(self) -> bool:
        """Return True if plaintext is accepted now."""
        return _system.wall_clock() < self._plaintext_ends

    def accepts_legacy_values(self) -> bool:
        """Return True if values of other schemes or previous declarations are accepted now."""
        return _system.wall_clock() < self._readers_end


def _end(name: str, day: date | None) -> float:
    """Return when a day begins, in seconds since 1970."""
    if day is None:
        return float("-inf")
    if not isinstance(day, date) or isinstance(day, datetime):
        raise ConfigurationError(f"{name} is a date, the first day on which it is over, not {type(day).__name__}")
    end = datetime.combine(day, time(), UTC).timestamp()
    if end > _system.wall_clock() + _LONGEST.total_seconds():
        raise ConfigurationError(f"{name}: {day} is more than a year from now: choose the day when you will be done")
    return end
