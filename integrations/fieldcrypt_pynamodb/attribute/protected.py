"""What DynamoDB is never asked to compute."""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

from pynamodb.attributes import Attribute

from fieldcrypt_pynamodb.errors import ProtectedAttributeError

__all__ = ["ProtectedAttribute"]

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

    def _refuse(self, *_: object) -> NoReturn:
        raise self._refusal_error()

    _operation: Any = _refuse  # whatever it takes, for it never returns
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _operation
    __add__ = __radd__ = __sub__ = __rsub__ = __getitem__ = _operation
    is_in = add = delete = is_type = _operation
    between = startswith = contains = append = prepend = _operation

    __hash__: Any = object.__hash__
