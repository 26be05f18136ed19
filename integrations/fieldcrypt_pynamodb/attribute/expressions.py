"""What conditions and updates say about encrypted attributes, whose values are encrypted or tagged on the way."""

from __future__ import annotations

from typing import Any, TypeVar

from pynamodb.constants import BINARY
from pynamodb.expressions.condition import Comparison, Condition
from pynamodb.expressions.operand import Path, Value, _IfNotExists
from pynamodb.expressions.update import RemoveAction, SetAction

from fieldcrypt import Field, IndexedBy
from fieldcrypt_pynamodb.attribute.pending import PendingOperand, PendingValue, equal, is_expression, one_of
from fieldcrypt_pynamodb.attribute.protected import ProtectedAttribute
from fieldcrypt_pynamodb.errors import ProtectedAttributeError

__all__ = ["EncryptedExpressions"]

T = TypeVar("T")


class EncryptedExpressions(ProtectedAttribute[T]):
    """The part of an `EncryptedAttribute` that makes conditions and actions."""

    index: IndexedBy | None
    _bound_to_items: bool
    origin: Any  # the attribute of which maps have copies

    @property
    def field(self) -> Field[Any]:
        """The field of an attribute that is not bound to items."""
        raise NotImplementedError

    @property
    def field_name(self) -> str:
        """The name of the field, for messages."""
        raise NotImplementedError

    def _to_field(self, value: Any) -> Any:
        """Return a value as the field takes it."""
        raise NotImplementedError

    def __eq__(self, other: Any) -> Comparison:  # type: ignore[override]
        return equal(self, PendingOperand(self._searched_value(other)))

    def is_in(self, *values: Any) -> Condition:  # type: ignore[override]
        """Return the condition that the attribute has one of these values."""
        return one_of(self, *(PendingOperand(self._searched_value(value)) for value in values))

    def __or__(self, other: Any) -> _IfNotExists:
        """Return what an item has, or this value if it has none: for `set`."""
        return _IfNotExists(Path(self), self._operand(other))

    def set(self, value: Any) -> SetAction | RemoveAction:
        """Set the attribute; None and empty sets remove it."""
        if isinstance(value, _IfNotExists) and value.values[0].path == self.attr_path:
            return SetAction(Path(self), value)
        if value is None or (not is_expression(value) and self._to_field(value) is None):
            return RemoveAction(Path(self))
        return SetAction(Path(self), self._operand(value))

    def _pending(self, value: Any) -> PendingValue:
        """Return a value that is searched for.

        Raises:
            ProtectedAttributeError: DynamoDB cannot be asked for it.
            TypeError, ValueError: it is not a value of the attribute's.
        """
        plain = None if is_expression(value) else self._to_field(value)
        if plain is None or self.index is None:
            raise self._refusal_error()
        return PendingValue(self, plain)

    def _searched_value(self, value: Any) -> PendingValue:
        if self.index is not None and self.index.per_tenant:
            raise ProtectedAttributeError(
                f"{self._label} has tags per tenant: name the tenant, of_tenant(attribute, tenant) == value",
                field=self.field_name,
            )
        return self._pending(value)

    def _operand(self, value: Any) -> Value:
        plain = None if value is None or is_expression(value) else self._to_field(value)
        if plain is None:
            raise ProtectedAttributeError(
                f"{self._label} takes plain values only, which are encrypted before DynamoDB has them",
                field=self.field_name,
            )
        return (
            PendingOperand(PendingValue(self, plain))
            if self.origin._bound_to_items
            else Value({BINARY: self.field.encrypt(plain)})
        )

    def _refusal_error(self) -> ProtectedAttributeError:
        """Return the error for having DynamoDB compare or change ciphertext."""
        equality = ", and == and is_in() with plain values" if self.index is not None else ""
        return ProtectedAttributeError(
            f"DynamoDB cannot compare or change {self._label}: it holds ciphertext, which differs each time that a "
            f"value is encrypted. exists(), does_not_exist(), set() and remove() work{equality}",
            field=self.field_name,
        )

    __hash__ = object.__hash__
