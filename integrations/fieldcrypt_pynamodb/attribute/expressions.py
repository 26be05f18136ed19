"""What conditions and updates say about encrypted attributes, whose values are encrypted or tagged on the way."""

from __future__ import annotations

from typing import Any, TypeVar

from pynamodb.constants import BINARY
from pynamodb.expressions.condition import Condition, Not
from pynamodb.expressions.operand import Path, Value, _IfNotExists
from pynamodb.expressions.update import RemoveAction, SetAction

from fieldcrypt import Field, IndexedBy, Protection
from fieldcrypt.spi import Between, EndsWith, Equal, PartIs, Question, StartsWith, advice, discreet
from fieldcrypt_pynamodb.attribute.pending import Asked, PendingOperand, PendingValue, is_expression
from fieldcrypt_pynamodb.attribute.protected import ProtectedAttribute
from fieldcrypt_pynamodb.errors import ProtectedAttributeError

__all__ = ["EncryptedExpressions", "Questions"]

T = TypeVar("T")


class Questions:
    """The questions that a searchable attribute takes. The model that is searched says which index answers them."""

    __slots__ = ()

    def _asked(self, question: Question) -> Condition:
        """Return the condition of a question whose values are those that the field takes."""
        raise NotImplementedError

    def _sought(self, value: Any) -> Any:
        """Return a value that is searched for, as the field takes it.

        Raises:
            ProtectedAttributeError: DynamoDB cannot be asked for it.
            TypeError, ValueError: it is not a value of the attribute's.
        """
        raise NotImplementedError

    @discreet
    def __eq__(self, other: Any) -> Condition:  # type: ignore[override]
        return self._asked(Equal((self._sought(other),)))

    @discreet
    def __ne__(self, other: Any) -> Condition:  # type: ignore[override]
        return Not(self == other)

    @discreet
    def is_in(self, *values: Any) -> Condition:
        """Return the condition that the attribute has one of these values."""
        return self._asked(Equal(tuple(map(self._sought, values))))

    def part(self, name: str) -> _PartQuestions:
        """Return a part of the attribute, to be compared: `Patient.ssn.part("last 4") == "1120"`.

        Args:
            name: the part's, or that of its index.
        """
        return _PartQuestions(self, name)

    @discreet
    def startswith(self, prefix: str) -> Condition:
        """Return the condition that the text begins with this: for `Prefixes` and `first`."""
        return self._asked(StartsWith(_text(prefix)))

    @discreet
    def endswith(self, suffix: str) -> Condition:
        """Return the condition that the text ends with this: for `Suffixes` and `last`."""
        return self._asked(EndsWith(_text(suffix)))

    @discreet
    def between(self, lower: Any, upper: Any) -> Condition:
        """Return the condition that the value lies between two, or is one of them: for `Range`, as <, <=, > and >=."""
        return self._asked(Between(self._sought(lower), self._sought(upper)))

    @discreet
    def __lt__(self, other: Any) -> Condition:
        return self._asked(Between(None, self._sought(other), with_high=False))

    @discreet
    def __le__(self, other: Any) -> Condition:
        return self._asked(Between(None, self._sought(other)))

    @discreet
    def __gt__(self, other: Any) -> Condition:
        return self._asked(Between(self._sought(other), None, with_low=False))

    @discreet
    def __ge__(self, other: Any) -> Condition:
        return self._asked(Between(self._sought(other), None))

    __hash__ = object.__hash__


class _PartQuestions:
    """The questions that a part of a searchable attribute takes."""

    __slots__ = ("_name", "_whole")

    def __init__(self, whole: Questions, name: str) -> None:
        self._whole, self._name = whole, name

    @discreet
    def __eq__(self, other: Any) -> Condition:  # type: ignore[override]
        return self.is_in(other)

    @discreet
    def __ne__(self, other: Any) -> Condition:  # type: ignore[override]
        return Not(self.is_in(other))

    __hash__ = None  # type: ignore[assignment]

    @discreet
    def is_in(self, *values: Any) -> Condition:
        """Return the condition that the part is one of these values."""
        return self._whole._asked(PartIs(self._name, values))


class EncryptedExpressions(Questions, ProtectedAttribute[T]):  # type: ignore[misc]  # other classes of conditions
    """The part of an `EncryptedAttribute` that makes conditions and actions."""

    protection: Protection
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

    @property
    def indexes(self) -> tuple[IndexedBy, ...]:
        """Its indexes; empty if it is not searchable."""
        return self.protection.indexes

    @discreet
    def __or__(self, other: Any) -> _IfNotExists:
        """Return what an item has, or this value if it has none: for `set`."""
        return _IfNotExists(Path(self), self._operand(other))

    @discreet
    def set(self, value: Any) -> SetAction | RemoveAction:
        """Set the attribute; None and empty sets remove it."""
        if isinstance(value, _IfNotExists) and value.values[0].path == self.attr_path:
            return SetAction(Path(self), value)
        if value is None or (not is_expression(value) and self._to_field(value) is None):
            return RemoveAction(Path(self))
        return SetAction(Path(self), self._operand(value))

    def _sought(self, value: Any) -> Any:
        plain = None if is_expression(value) else self._to_field(value)
        if plain is None:
            raise self._refusal_error()
        return plain

    def _asked(self, question: Question) -> Condition:
        if not self.indexes:
            raise ProtectedAttributeError(
                f"{self._refusal_error()}. It has no index that answers {advice(question)}", field=self.field_name
            )
        if all(index.per_tenant for index in self.indexes):
            raise ProtectedAttributeError(
                f"{self._label} has tags per tenant: name the tenant, of_tenant(attribute, tenant) == value",
                field=self.field_name,
            )
        return Asked(self, question)

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
        works = ", and what its indexes answer" if self.indexes else ""
        return ProtectedAttributeError(
            f"DynamoDB cannot compare or change {self._label}: it holds ciphertext, which differs each time that a "
            f"value is encrypted. exists(), does_not_exist(), set() and remove() work{works}",
            field=self.field_name,
        )

    __hash__ = object.__hash__


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected str, got {type(value).__name__}")
    return str.__str__(value)
