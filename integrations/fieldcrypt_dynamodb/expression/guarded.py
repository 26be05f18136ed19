"""What expressions must not do with attributes that are plain in one entity, and protected or filled in another."""

from __future__ import annotations

from collections.abc import Iterator

from fieldcrypt_dynamodb.errors import ProtectedAttributeError
from fieldcrypt_dynamodb.expression.placeholders import Placeholders
from fieldcrypt_dynamodb.expression.syntax import Node
from fieldcrypt_dynamodb.item.description import TableDescription
from fieldcrypt_dynamodb.item.forms import Form

__all__ = ["check_compared", "check_set", "unknown_entity_error"]


def check_compared(table: TableDescription, leaf: Node, placeholders: Placeholders, form: Form) -> None:
    """Refuse a condition that compares what is plain here with what another entity would have.

    Raises:
        ProtectedAttributeError: it does.
    """
    if table.guard is not None:
        nodes = list(_nodes(leaf))
        for root in table.guard.names.intersection(node.path.root for node in nodes if node.path is not None):
            for node in nodes:
                _check(table, root, placeholders.values.get(node.value or ""), form)


def check_set(table: TableDescription, root: str, value: Node, placeholders: Placeholders, form: Form) -> None:
    """Refuse an update that sets an attribute to what another entity has there, or to what is not known.

    Raises:
        ProtectedAttributeError: it does.
    """
    if table.guard is None or root not in table.guard.names:
        return
    for node in _nodes(value):
        if node.path is not None and node.path.root != root:
            raise ProtectedAttributeError(
                f"{table.name}.{root} is protected, or filled, in another entity: SET it to a plain value"
            )
        _check(table, root, placeholders.values.get(node.value or ""), form)


def _check(table: TableDescription, root: str, value: object, form: Form) -> None:
    reason = table.guard.reason(root, value, form)
    if reason is not None:
        raise ProtectedAttributeError(f"{table.name}.{root}: {reason}")


def unknown_entity_error(what: str) -> ProtectedAttributeError:
    """Return why an attribute cannot be compared while it is not known whose it is."""
    return ProtectedAttributeError(
        f"{what} is protected in an entity: name the one that is meant, of_entity(table, …), or have the key condition "
        "tell it by the form of the key"
    )


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for part in node.parts:
        yield from _nodes(part)
