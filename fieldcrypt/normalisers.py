"""What happens to a value before a blind index compares it (SPEC section 11).

A normaliser decides which texts count as equal; equal numbers and times always get one form.
These give the same under every version of Python: they follow Unicode 14.0, and a text with a newer character has no
tag.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any, TypeVar

from fieldcrypt._unicode import is_assigned
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["NORMALISERS", "Normaliser", "NothingToTagError", "canonical", "casefold", "digits", "nfkc"]

T = TypeVar("T")

Normaliser = Callable[[T], T]  # returns the form that all values have that count as equal


class NothingToTagError(ValueError):
    """A value has nothing that it could be searched by, such as digits: store it without a tag.

    Your own normaliser may raise it; any other error that it raises refuses the value.
    """


@discreet
def nfkc(text: str) -> str:
    """Return the text in Unicode's normalisation form KC: é is one character, ﬁ two, and ① is 1.

    Raises:
        NothingToTagError: Unicode 14.0 does not assign all of its characters.
    """
    _check_assigned(text)
    return unicodedata.normalize("NFKC", text)


@discreet
def casefold(text: str) -> str:
    """Return the text in form KC and without case: STRASSE and Straße are one.

    Two texts are one if they are a compatibility caseless match (The Unicode Standard, section 3.13, D146).

    Raises:
        NothingToTagError: as for `nfkc`.
    """
    if text.isascii():
        return text.lower()
    _check_assigned(text)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", text).casefold())
    return unicodedata.normalize("NFKC", folded.casefold())


@discreet
def digits(text: str) -> str:
    """Return the decimal digits of the text, of whatever script, as ASCII: 078-05-1120 and ٠٧٨ ٠٥ ١١٢٠ are one.

    Raises:
        NothingToTagError: there are none, so it would count as equal to every other text without digits; or as for
            `nfkc`.
    """
    _check_assigned(text)
    found = "".join(str(unicodedata.decimal(character)) for character in text if character.isdecimal())
    if not found:
        raise NothingToTagError("a text without digits cannot be tagged by its digits")
    return found


def _check_assigned(text: str) -> None:
    if not is_assigned(text):
        raise NothingToTagError("the text has a character that Unicode 14.0 does not assign, so it has no tag")


# Those of texts, by the names that declarations may use for them.
NORMALISERS: dict[str, Normaliser[str]] = {"nfkc": nfkc, "casefold": casefold, "digits": digits}


def canonical(value: T) -> T:
    """Return the one form of all values that are equal to this one, and of its type.

    Raises:
        ValueError: it has none.
    """
    form = _FORMS.get(type(value))
    return value if form is None else form(value)


def _decimal(value: Decimal) -> Decimal:
    """Return the one spelling of a number, exactly: without trailing zeros, and zero without a sign."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        if value.is_nan():
            raise NothingToTagError("a decimal number that is none is equal to nothing")
        return value
    kept = len(digits)
    while kept and digits[kept - 1] == 0:
        kept -= 1
    if not kept:
        return Decimal(0)
    return Decimal((sign, digits[:kept], exponent + len(digits) - kept))


def _datetime(value: datetime) -> datetime:
    """Return an instant in UTC; a time without an offset is no instant, and stays as it is."""
    if value.utcoffset() is None:
        return value
    try:
        return value.astimezone(UTC)
    except OverflowError:
        pass
    raise NothingToTagError("the time is out of the range of years in UTC")


def _time(value: time) -> time:
    if value.utcoffset() is not None:
        raise ValueError("a time of day with an offset has no form that equal ones share: index one without")
    return value


_FORMS: dict[Any, Callable[[Any], Any]] = {
    Decimal: _decimal,
    datetime: _datetime,
    time: _time,
}
