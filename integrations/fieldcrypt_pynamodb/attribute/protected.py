"""What DynamoDB is never asked to compute."""

from __future__ import annotations

from functools import cache
from typing import Any, NoReturn, TypeVar

from pynamodb.attributes import Attribute

from fieldcrypt.spi import discreet
from fieldcrypt_dynamodb.errors import RefusedMemberError
from fieldcrypt_pynamodb.errors import ProtectedAttributeError

__all__ = ["ProtectedAttribute", "of_map"]

T = TypeVar("T")


class ProtectedAttribute(Attribute[T]):
    """An attribute whose content DynamoDB can neither compare nor change; `exists` and `does_not_exist` work."""

    @property
    def _label(self) -> str:
        """The attribute, for messages."""
        return f"the encrypted attribute {self.attr_name!r}"

    def _refusal_error(self) -> ProtectedAttributeError:
        """Return the error that says why."""
        raise NotImplementedError

    @discreet
    def _refuse(self, *_: object) -> NoReturn:
        raise self._refusal_error()

    _operation: Any = _refuse  # whatever it takes, for it never returns
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _operation
    __add__ = __radd__ = __sub__ = __rsub__ = __getitem__ = _operation
    is_in = add = delete = is_type = _operation
    between = startswith = contains = append = prepend = _operation

    __hash__: Any = object.__hash__


class OfMap:
    """What an attribute that protects a map does besides: refuse by name what would be inside the map.

    A class of its own, because any attribute takes longer to look up where a class has a `__getattr__`.
    """

    __slots__ = ()

    def __getattr__(self: Any, name: str) -> NoReturn:
        inner = self.__dict__.get("inner")
        if inner is not None and name in inner.get_attributes():
            raise RefusedMemberError(str(self._refusal_error()))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)


@cache
def of_map(kind: type[Any]) -> type[Any]:
    """Return the class for those attributes of a class that protect maps."""
    # With the layout of the class, so that an attribute can become one of it: no slots of its own, and the class first.
    own = {"__module__": kind.__module__, "__slots__": ()}
    return kind if issubclass(kind, OfMap) else type(kind.__name__, (kind, OfMap), own)
