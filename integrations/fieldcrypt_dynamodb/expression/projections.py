"""Projections: what is read in addition to what was asked for, so that it can be decrypted, and cut off again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fieldcrypt_dynamodb.errors import ProtectedAttributeError
from fieldcrypt_dynamodb.expression.changes import HELD
from fieldcrypt_dynamodb.expression.placeholders import Placeholders
from fieldcrypt_dynamodb.expression.syntax import paths
from fieldcrypt_dynamodb.expression.tokens import Path
from fieldcrypt_dynamodb.item.description import TableDescription
from fieldcrypt_dynamodb.item.forms import WIRE, Form
from fieldcrypt_dynamodb.item.nested.met import Meaning
from fieldcrypt_dynamodb.item.unreadable import Unreadable

__all__ = ["Projection"]

Steps = tuple[Any, ...]  # the names of a path, and indexes of lists


@dataclass(frozen=True, slots=True)
class Projection:
    """What a request reads.

    Attributes:
        text: the expression as it is sent; None if all is read.
        asked: the attributes at the top that were asked for, whole or in part.
        verifies: False if the seal cannot be verified, because nothing that it covers is read.
        unasked: paths in them that are read, but were not asked for.
    """

    text: str | None
    asked: frozenset[str] = frozenset()
    verifies: bool = True
    unasked: tuple[Steps, ...] = ()

    @classmethod
    def from_text(
        cls, text: str, table: TableDescription, placeholders: Placeholders, needed: Iterable[str] = ()
    ) -> Projection:
        """Read an expression, and add what it takes to decrypt.

        Args:
            text: the expression.
            table: what is protected.
            placeholders: the request's placeholders.
            needed: attributes to read in any case, for comparison.

        Raises:
            ProtectedAttributeError: it leads into a protected attribute, or asks for tags or the seal.
        """
        found = paths(text, placeholders.names)
        sealed = table.sealed
        for path in found:
            _check(table, path, sealed)
        asked = {path.steps for path in found}
        roots = frozenset(path.root for path in found)
        more: set[Steps] = {table.paths[name].steps if name in table.paths else (name,) for name in needed}
        names = roots | {str(steps[0]) for steps in more}
        verifies = not sealed.isdisjoint(names)
        if verifies:
            more |= {(name,) for name in sealed | table.seals}
        if table.told_by or verifies or not names.isdisjoint(table.tops):
            more |= {(name,) for name in table.binding_attributes | table.previous_attributes}
        more = {steps for steps in more if not _covered(steps, asked | (more - {steps}))}
        added = (".".join(placeholders.name(str(step)) for step in steps) for steps in sorted(more, key=str))
        unasked = tuple(_unasked(steps, asked) for steps in more if steps[0] in roots)
        return cls(", ".join([text, *added]), roots, verifies, unasked)

    def cut(self, item: dict[str, Any], form: Form) -> dict[str, Any]:
        """Return the part of an item that was asked for. The item is a copy, as deep as there are protected values."""
        if self.text is None:
            return item
        kept = {name: value for name, value in item.items() if name in self.asked}
        for steps in self.unasked:
            _remove(kept, steps, form)
        return kept


def _check(table: TableDescription, path: Path, sealed: frozenset[str]) -> None:
    """Refuse a path that cannot be read on its own."""
    met = table.shape.met(path.steps)
    if path.root in table.own:
        raise ProtectedAttributeError(f"{table.name}.{path.root} is fieldcrypt's own, and no item has it here")
    if met.meaning is Meaning.INSIDE or (not path.whole and path.root in sealed):
        what = met.attribute if met.meaning is Meaning.INSIDE else path.root
        raise ProtectedAttributeError(
            f"DynamoDB cannot read a part of {table.name}.{what}, which is protected or sealed: project it as a whole",
            field=table.field_name(what),
        )
    if met.meaning is Meaning.MISSPELLED:
        raise ProtectedAttributeError(
            f"{table.name}.{met.attribute} is a path, but a name in this expression: write it as a path, with "
            "a placeholder for each of its names"
        )
    if met.meaning in HELD and not met.is_told:
        raise ProtectedAttributeError(
            f"{table.name}.{met.attribute} is bound to the member that distinguishes its element of the list, without "
            "which it does not decrypt: project the element as a whole, or the list",
            field=table.field_name(met.attribute),
        )


def _remove(content: dict[str, Any], steps: Steps, form: Form) -> None:
    """Remove a member, and maps that this leaves empty: nothing else in them was asked for, or is there."""
    if len(steps) == 1:
        content.pop(steps[0], None)
        return
    inner = content.get(steps[0])
    if inner.__class__ is Unreadable:
        return
    inner = inner.get("M") if form is WIRE and inner is not None else inner
    if inner:
        _remove(inner, steps[1:], form)
        if not inner:
            del content[steps[0]]


def _covered(steps: Steps, others: Iterable[Steps]) -> bool:
    """Return True if what a path leads to is read anyway."""
    return any(steps[: len(other)] == other for other in others)


def _unasked(steps: Steps, asked: Iterable[Steps]) -> Steps:
    """Return the first part of a path under which nothing was asked for."""
    return next(steps[:end] for end in range(1, len(steps) + 1) if not any(each[:end] == steps[:end] for each in asked))
