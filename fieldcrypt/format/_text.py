"""Text to UTF-8 without leaving the text in an exception, and numbers in messages."""

from __future__ import annotations

from datetime import timedelta

from fieldcrypt.errors import redacted_error


def utf8(text: str, what: str = "the text") -> bytes:
    """Return the UTF-8 of a text.

    Raises:
        ValueError: it has lone surrogates; `what` says in the message what has them.
    """
    try:
        return str.encode(text)  # a subclass has no say in it
    except UnicodeEncodeError as error:
        raise redacted_error(error, what) from None


def duration_text(time: timedelta) -> str:
    """Return a duration for a message: "15 minutes", "1 hour", "90 seconds"."""
    for unit in ("day", "hour", "minute"):
        number, rest = divmod(time, timedelta(**{f"{unit}s": 1}))
        if number and not rest:
            return counted(number, unit)
    return f"{time.total_seconds():,g} second{'' if time == timedelta(seconds=1) else 's'}"


def counted(number: int, thing: str) -> str:
    """Return a number of things for a message: "1 data key", "2,000 data keys"."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def tenant_text(tenant: str | None) -> str:
    """Return whose something is, for a message. Quoted, so that a name forges no log lines."""
    return "no tenant" if tenant is None else f"tenant {tenant!r}"
