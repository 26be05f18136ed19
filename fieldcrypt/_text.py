"""Text to UTF-8, without leaving the text behind in an exception."""

from __future__ import annotations

_INVALID = "the text is not valid Unicode (it has lone surrogates)"


def without_text(error: UnicodeEncodeError) -> ValueError:
    """Empty an error that is being handled, and return the one to raise instead."""
    error.object = ""
    error.args = ()
    return ValueError(_INVALID)


def utf8(text: str) -> bytes | None:
    """Return the UTF-8 of a text, or None if it has lone surrogates and so none.

    The caller raises its own error after that and not in an `except` block: a UnicodeEncodeError in the chain of
    exceptions would carry the text.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        return None


def encoded_text(text: str) -> bytes:
    """Return the UTF-8 of a text.

    Raises:
        ValueError: it has lone surrogates.
    """
    encoded = utf8(text)
    if encoded is None:
        raise ValueError(_INVALID)
    return encoded
