"""Which changes of an item an update expression may make."""

from __future__ import annotations

from fieldcrypt_dynamodb.errors import ProtectedAttributeError
from fieldcrypt_dynamodb.expression.tokens import Path
from fieldcrypt_dynamodb.item.description import TableDescription
from fieldcrypt_dynamodb.item.nested.met import Meaning, Met
from fieldcrypt_dynamodb.item.nested.shape import Shape

__all__ = ["HELD", "check_change", "check_companion"]

HELD = frozenset({Meaning.PROTECTED, Meaning.AROUND})  # what holds protected values
_SEALED = "is sealed together with other attributes: read the item, change it, and put it as a whole"


def check_change(table: TableDescription, clause: str, path: Path) -> None:
    """Refuse a change that would leave an item unreadable, or store plaintext.

    Args:
        table: the description.
        clause: "SET", "REMOVE", "ADD" or "DELETE".
        path: what is changed.

    Raises:
        ProtectedAttributeError: it does.
    """
    met = table.shape.met(path.steps)
    reason = _reason_at_top(table, path.root) or _reason(clause, met)
    if reason is None and clause in ("ADD", "DELETE") and table.guard is not None:
        reason = table.guard.reason_to_be_absent(path.root)
    if reason:
        is_name = path.whole or met.attribute not in table.attributes
        what = path.root if is_name or _reason_at_top(table, path.root) else met.attribute
        raise ProtectedAttributeError(f"{table.name}.{what} {reason}", field=table.field_name(what))


def check_companion(table: TableDescription, companion: str) -> None:
    """Refuse a change of tags that would leave an item with a seal that is not its own.

    Raises:
        ProtectedAttributeError: the seal covers them.
    """
    if companion in table.sealed:
        attribute = table.indexes.companions[companion].attribute
        raise ProtectedAttributeError(
            f"{table.name}.{attribute} has tags in {companion!r}, which {_SEALED}", field=table.field_name(attribute)
        )


def _reason_at_top(table: TableDescription, name: str) -> str | None:
    if name in table.key_tags.values():
        return "is in the key of the item, as its tag: put another item, and delete this one"
    if name in table.told_by:
        return "tells which entity the item is: put the whole item to change it"
    if name in table.own:
        return "is filled by fieldcrypt, and cannot be set"
    if name == table.tenant:
        return "is the tenant, under whose keys the item is encrypted: put the whole item to change it"
    if name in table.previous_attributes:
        return "is what values were bound to before, and may be until all are re-encrypted: put the item to change it"
    if name in table.sealed:
        return _SEALED
    return None


def _reason(clause: str, met: Met[Shape]) -> str | None:
    meaning, is_removed = met.meaning, clause == "REMOVE"
    if meaning is Meaning.INSIDE:
        return "is protected, and DynamoDB cannot change a part of it: set it as a whole"
    if meaning is Meaning.TELLING:
        return "is bound to the member that distinguishes its element of the list: set the element as a whole"
    if meaning is Meaning.ASIDE:
        return "is a list where the expression has a map, or the other way round"
    if meaning is Meaning.MISSPELLED and not is_removed:
        return "is a path, but a name in this expression: write it as a path, with a placeholder for each of its names"
    if meaning is Meaning.SPLIT and not is_removed:
        return "is one name, but a path in this expression: write a placeholder for all of it"
    if meaning is Meaning.UNKNOWN and not is_removed:
        return "is not declared, neither protected nor plain={…}"
    if meaning in HELD and not is_removed:
        if clause != "SET":
            return (
                f"holds ciphertext, with which DynamoDB cannot compute ({clause}): SET with a plain value, "
                "if_not_exists on the attribute itself, and REMOVE work"
            )
        if not met.is_told:
            return "is bound to the member that distinguishes its element of the list: set the element as a whole"
    return None
