"""How the parameters of an index are written in contexts (SPEC section 14)."""

from __future__ import annotations

from datetime import datetime
from decimal import Context, Decimal, Inexact
from fractions import Fraction
from typing import Any

from fieldcrypt.errors import ConfigurationError
from fieldcrypt.format.context import key_text
from fieldcrypt.normalisers import canonical

__all__ = ["parameter_text"]

_EXACT = Context(prec=1_100, traps=[Inexact])  # digits: more than a floating point number has


def parameter_text(value: Any) -> str:
    """Return the text of a number, a date, or a date and time.

    Raises:
        ConfigurationError: it is a fraction that no decimal number equals.
        TypeError, ValueError: it has no text.
    """
    if isinstance(value, datetime):
        return str(canonical(value).isoformat())
    if isinstance(value, float):
        return key_text(Decimal(value))
    if not isinstance(value, Fraction):
        return key_text(value)
    try:
        return key_text(_EXACT.divide(Decimal(value.numerator), Decimal(value.denominator)))
    except Inexact:
        pass
    raise ConfigurationError("a resolution is a decimal number, of days for dates and of seconds for times")
