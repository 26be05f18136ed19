"""Where values lie on a scale of whole units: what a range compares, and counts its leaves by."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from typing import Any, ClassVar, Protocol

from fieldcrypt.errors import ConfigurationError
from fieldcrypt.normalisers import NothingToTagError, canonical

__all__ = ["Scale", "scale_of"]

_MAX_EXPONENT = 200  # of ten, in the numbers of a declaration, as in those of keys (SPEC section 2)
_MAX_DIGITS = 300
_EPOCH = datetime(1970, 1, 1)
_DAY, _SECOND, _MICROSECOND = timedelta(days=1), timedelta(seconds=1), timedelta(microseconds=1)
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])


class Scale(Protocol):
    """The values of one type, in units that are the same for all values of a range.

    Attributes:
        is_discrete: True if all values are whole units.
        width: the resolution, exactly; of times in microseconds.
        step: the same, in units.
    """

    is_discrete: ClassVar[bool]
    width: Fraction
    step: int

    def key(self, value: Any) -> Any:
        """Return the number by which a value is compared.

        Raises:
            NothingToTagError: the value is not a number.
            ValueError: it is a time of another kind than the bounds of the range.
        """

    def floor(self, key: Any) -> tuple[int, bool]:
        """Return the last whole unit that is not beyond a finite number, and True if it is that number."""
        ...


class _Integers:
    is_discrete: ClassVar[bool] = True

    def __init__(self, minimum: int, resolution: Any) -> None:
        self.step = _whole(resolution)
        self.width = Fraction(self.step)

    def key(self, value: Any) -> int:
        return value  # type: ignore[no-any-return]

    def floor(self, key: int) -> tuple[int, bool]:
        return key, True


class _Dates(_Integers):
    def __init__(self, minimum: date, resolution: Any) -> None:
        self.step = _units(resolution, _DAY, _DAY)
        self.width = Fraction(self.step)

    def key(self, value: date) -> int:
        return value.toordinal() - _EPOCH.toordinal()


class _Times(_Integers):
    def __init__(self, minimum: datetime, resolution: Any) -> None:
        self.step = _units(resolution, _SECOND, _MICROSECOND)
        self.width = Fraction(self.step)

    def key(self, value: datetime) -> int:
        if value.utcoffset() is not None:
            raise ValueError("the range is one of times without an offset, and this time has one")
        return (value.replace(tzinfo=None) - _EPOCH) // _MICROSECOND


class _Instants(_Times):
    def key(self, value: datetime) -> int:
        offset = value.utcoffset()  # which heeds `fold`; comparing two times of one zone does not
        if offset is None:
            raise ValueError("the range is one of times with an offset, and this time has none")
        return (value.replace(tzinfo=None) - _EPOCH - offset) // _MICROSECOND


class _Decimals:
    is_discrete: ClassVar[bool] = False

    def __init__(self, minimum: Decimal, resolution: Any) -> None:
        width = resolution if isinstance(resolution, Decimal) else Decimal(_whole(resolution))
        _check_size(width)
        self._shift = max(0, -_exponent(minimum), -_exponent(width))
        self.width = Fraction(width)
        self.step = self.floor(width)[0]
        if self.step <= 0:
            raise _resolution_error()

    def key(self, value: Decimal) -> Decimal:
        if value.is_nan():
            raise NothingToTagError("what is not a number has no place in a range")
        return value

    def floor(self, key: Decimal) -> tuple[int, bool]:
        if not key:
            return 0, True
        shifted = _EXACT.scaleb(key, self._shift)
        found = shifted.to_integral_value(ROUND_FLOOR, _EXACT)
        return int(found), found == shifted


class _Floats:
    is_discrete: ClassVar[bool] = False

    def __init__(self, minimum: float, resolution: Any) -> None:
        width = resolution if isinstance(resolution, float) else float(_whole(resolution))
        _check_size(Decimal(width))
        self._units = max(each.as_integer_ratio()[1] for each in (minimum, width))
        self.width = Fraction(width)
        self.step = self.floor(width)[0]
        if self.step <= 0:
            raise _resolution_error()

    def key(self, value: float) -> float:
        if value != value:
            raise NothingToTagError("what is not a number has no place in a range")
        return value

    def floor(self, key: float) -> tuple[int, bool]:
        numerator, denominator = key.as_integer_ratio()
        found, rest = divmod(numerator * self._units, denominator)
        return found, rest == 0


def scale_of(minimum: Any, maximum: Any, resolution: Any) -> Scale:
    """Return the scale of a range.

    Args:
        minimum, maximum: its bounds.
        resolution: the width of a leaf; None for 1, a day or a second.

    Raises:
        ConfigurationError: they do not fit together, or numbers are too large or too precise to compute with.
    """
    if type(minimum) is not type(maximum) or type(minimum) not in _SCALES:
        raise ConfigurationError("Range(minimum, maximum): both of one type: int, float, Decimal, date or datetime")
    for bound in (minimum, maximum):
        if isinstance(bound, (int, float, Decimal)):
            _check_size(Decimal(bound))
    of_type: Any = _SCALES[type(minimum)]
    if of_type is _Times and minimum.utcoffset() is not None:
        of_type = _Instants
    scale: Scale = of_type(minimum, 1 if resolution is None else resolution)
    try:
        scale.key(maximum)
    except ValueError:
        raise ConfigurationError("one of the bounds of the range has an offset, and the other one has none") from None
    return scale


_SCALES: dict[type, Any] = {int: _Integers, float: _Floats, Decimal: _Decimals, date: _Dates, datetime: _Times}


def _units(resolution: Any, one: timedelta, unit: timedelta) -> int:
    """Return how many units make up a resolution, which is a whole number of `one`, or a timedelta."""
    width = resolution if isinstance(resolution, timedelta) else _whole(resolution) * one
    if width <= timedelta(0) or width % unit:
        raise _resolution_error()
    return width // unit


def _whole(resolution: Any) -> int:
    if type(resolution) is not int or not 0 < resolution <= 10**_MAX_EXPONENT:
        raise _resolution_error()
    return resolution


def _resolution_error() -> ConfigurationError:
    return ConfigurationError(
        "the resolution of a range is more than 0: for numbers an integer, or of the type of the bounds; for dates "
        "whole days, and for times seconds, or a timedelta of either"
    )


def _check_size(number: Decimal) -> None:
    """Refuse a number of a declaration that would take for ever to compute with."""
    if not number.is_finite():
        raise ConfigurationError("the bounds of a range are finite numbers, and so is its resolution")
    if number and (abs(number.adjusted()) > _MAX_EXPONENT or -_exponent(number) > _MAX_DIGITS):
        raise ConfigurationError(
            "the numbers that declare a range are within 10^-200 and 10^200, with at most 300 digits behind the point"
        )


def _exponent(number: Decimal) -> int:
    return int(canonical(number).as_tuple().exponent)
