"""What DynamoDB is never asked to compute."""

from __future__ import annotations

from typing import NoReturn, TypeVar

from pynamodb.attributes import Attribute

from fieldcrypt_pynamodb.errors import ProtectedAttributeError

__all__ = ["ProtectedAttribute"]

T = TypeVar("T")


class ProtectedAttribute(Attribute[T]):
    """An attribute whose content DynamoDB can neither compare nor change; `exists` and `does_not_exist` work."""

    @property
    def label(self) -> str:
        """The attribute, for messages."""
        return f"the encrypted attribute {self.attr_name!r}"

    def refusal_error(self) -> ProtectedAttributeError:
        """Return the error that says why."""
        raise NotImplementedError

    def _refuse(self, *_: object) -> NoReturn:
        raise self.refusal_error()

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __getitem__ = _refuse
    is_in = add = delete = is_type = _refuse
    between = startswith = contains = append = prepend = _refuse  # type: ignore[assignment]  # it never returns

    __hash__ = object.__hash__
