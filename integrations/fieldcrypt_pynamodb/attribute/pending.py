"""Values on their way through PynamoDB, which serializes attributes before it knows the item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from pynamodb.attributes import Attribute, MapAttribute
from pynamodb.constants import BINARY
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path, Value, _Operand

from fieldcrypt.spi import Question, discreet
from fieldcrypt_pynamodb.errors import ProtectedAttributeError

__all__ = ["Asked", "PendingOperand", "PendingValue", "is_expression", "refuse_pending"]


class PendingValue:
    """A value that is encrypted, or tagged, when its item is known. It shows nothing, and cannot be sent as it is."""

    __slots__ = ("attribute", "plain")

    def __init__(self, attribute: Any, plain: Any) -> None:
        self.attribute = attribute
        self.plain = plain

    def __reduce__(self) -> NoReturn:
        raise TypeError("a value that is not encrypted yet cannot be pickled")

    def __repr__(self) -> str:
        return f"<PendingValue {self.attribute.attr_name}>"


class PendingOperand(Value):
    """A pending value in an update."""

    def __init__(self, pending: PendingValue) -> None:
        super().__init__({BINARY: pending})
        self.pending = pending

    @discreet
    def serialize(self, placeholder_names: dict[str, str], expression_attribute_values: dict[str, str]) -> str:
        """Refuse: the value got past what could have encrypted it."""
        raise _passed_by_error(self.pending.attribute)


class Asked(Condition):
    """A question about protected attributes, which becomes a condition on tags. It does not show what is asked.

    Args:
        attribute: an encrypted attribute; for a question about several, the companion of their index.
        question: its values are those that the field takes; for several attributes, those that the model takes.
        tenant: whose tags are meant, as the model's attribute has it, if they are per tenant.
    """

    format_string = "{0} {operator} …"

    def __init__(self, attribute: Any, question: Question, tenant: Any = None) -> None:
        super().__init__(type(question).__name__, Path(attribute))
        self.attribute, self.question, self.tenant = attribute, question, tenant

    def serialize(self, placeholder_names: dict[str, str], expression_attribute_values: dict[str, str]) -> str:
        """Refuse: the question got past what could have made tags."""
        raise _passed_by_error(self.attribute)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __reduce__(self) -> NoReturn:
        raise TypeError("a question about protected attributes cannot be pickled")


def _passed_by_error(attribute: Any) -> ProtectedAttributeError:
    return ProtectedAttributeError(
        f"{attribute._label} is bound to its item, which is not known here: write it through an "
        "instance of its model, item.update(actions=[…]), transaction.update(item, actions=[…]) or item.save(), "
        "and search it through the model's own methods. The model is decorated with @encrypted",
        field=getattr(attribute, "field_name", None),
    )


def is_expression(value: Any) -> bool:
    """Return True if a value is one that DynamoDB would have to compute; a map that somebody filled is not."""
    if isinstance(value, MapAttribute):
        return "attribute_values" not in value.__dict__  # only a map that is a value has that, not a model's attribute
    return isinstance(value, (Attribute, _Operand))


def refuse_pending(form: Any) -> None:
    """Refuse what is in DynamoDB's form, and has a value in it that nothing will encrypt.

    Raises:
        ProtectedAttributeError: there is one.
    """
    if isinstance(form, PendingValue):
        raise ProtectedAttributeError(
            f"{form.attribute._label} of a map is bound to its item, which is not known here: make a dictionary of "
            "the decorated model's item that has the map; to encrypt a whole map, give it another class"
        )
    for each in form.values() if isinstance(form, Mapping) else form if isinstance(form, list) else ():
        refuse_pending(each)
