"""The maps and lists of a record that paths lead through, to find its protected values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from typing import Any, NamedTuple

from fieldcrypt.declaration.path import Elements
from fieldcrypt.declaration.record.record_field import RecordField
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.format.context import key_text

__all__ = ["Found", "Shape"]

_NOTHING: frozenset[str] = frozenset()
_STEP = re.compile(r"\[[^\]]*\]|[^.\[\]]+")  # of a path that was taken for a name


class Found(NamedTuple):
    """A protected value in a copy of a record.

    Attributes:
        field: whose it is.
        container, at: the map or list that it is in, and where.
        value: as it is there.
        elements: the texts that distinguish the list elements on the way to it.
    """

    field: RecordField
    container: Any
    at: Any
    value: Any
    elements: tuple[str, ...]


class Shape:
    """A map or a list on the way to protected values.

    Args:
        fields: the fields of the whole record.
        reserved: members at its top that are needed as they are.
        filled: the members at its top that hold a seal, or the tags of several members.

    Raises:
        ConfigurationError: the paths contradict each other, or a member cannot be protected, or cannot hold tags.
    """

    __slots__ = ("_companions", "_example", "_is_deep", "_steps")

    def __init__(
        self, fields: Iterable[RecordField] = (), reserved: frozenset[str] = _NOTHING, filled: Iterable[str] = ()
    ) -> None:
        self._steps: dict[str | Elements, RecordField | Shape] = {}
        self._companions: set[str] = set()  # what is filled, and read, by fieldcrypt alone
        self._fill(filled)
        self._example = ""  # a path that leads through it, for messages
        self._is_deep = False
        for field in fields:
            self._add(field, 0)
        self._check(reserved)

    def _add(self, field: RecordField, depth: int) -> None:
        """Add a field whose path has that many steps before this one."""
        step, path = field.path.steps[depth], field.path.text
        for other in self._steps:
            if other != step and isinstance(other, Elements) | isinstance(step, Elements):
                raise ConfigurationError(
                    f"{path} and {self._example} contradict each other: one part is a map, or one kind of list"
                )
        self._example = path
        child = self._steps.get(step)
        at_end = depth == len(field.path.steps) - 1
        if isinstance(child, RecordField) or (at_end and child is not None):
            raise ConfigurationError(f"{path} is protected twice, on its own and as a part")
        if at_end:
            self._steps[step] = field
            self._add_companions(field)
            return
        if child is None:
            child = self._steps[step] = Shape()
        self._is_deep = True
        child._add(field, depth + 1)

    def _add_companions(self, field: RecordField) -> None:
        companions = field.indexes.companions
        if companions and isinstance(field.path.steps[-1], Elements):
            raise ConfigurationError(f"{field.path.text} stands for elements of a list, next to which no tag can stand")
        self._fill(companions)

    def _fill(self, names: Iterable[str]) -> None:
        for name in names:
            if name in self._companions:
                raise ConfigurationError(f"{name!r} cannot hold the tags of two indexes, or a seal as well")
            self._companions.add(name)

    @property
    def filled(self) -> Set[str]:
        """The members here that fieldcrypt fills: tags, and a seal."""
        return self._companions

    def _check(self, reserved: frozenset[str]) -> None:
        protected = self._steps.keys() & reserved
        if protected:
            raise ConfigurationError(
                f"{protected.pop()!r} cannot be protected: values are bound to it, so it is needed as it is"
            )
        for companion in self._companions:
            if companion in self._steps or companion in reserved:
                raise ConfigurationError(
                    f"{companion!r} holds something else already: tags, and a seal, need a member of their own"
                )
        for step, child in self._steps.items():
            if isinstance(child, Shape):
                told_by = step.told_by if isinstance(step, Elements) else None
                child._check(_NOTHING if told_by is None else frozenset((told_by,)))

    def copied(self, value: Any, found: list[Found], *, reading: bool, elements: tuple[str, ...] = ()) -> Any:
        """Copy a record, or a part of it, and collect its protected values.

        Args:
            value: the record, or the part.
            found: the list to which protected values that are not None are added.
            reading: leave out tags and seal; otherwise they must not be present.
            elements: see `Found`.

        Raises:
            TypeError, ValueError: it has another shape, or tags already.
        """
        if any(step.__class__ is Elements for step in self._steps):
            return self._copied_list(value, found, reading, elements)
        if value.__class__ is not dict and not isinstance(value, Mapping):
            raise self._misshapen_error("map", value)
        copy = dict(value)
        if self._is_deep and not reading:
            self._refuse_misspelled(copy)
        for companion in self._companions:
            if reading:
                copy.pop(companion, None)
            elif copy.get(companion) is not None:
                raise TypeError(f"{companion} is filled by fieldcrypt, and cannot be set")
        for name, child in self._steps.items():
            inner = copy.get(name)
            if inner is None:
                if not reading and name in copy and isinstance(child, RecordField):
                    # No tag of a previous value stays in the store.
                    copy.update(dict.fromkeys(child.indexes.companions))
            elif isinstance(child, RecordField):
                found.append(Found(child, copy, name, inner, elements))
            else:
                copy[name] = child.copied(inner, found, reading=reading, elements=elements)
        return copy

    def _refuse_misspelled(self, names: Iterable[Any]) -> None:
        """Refuse names of members that were meant as paths: their values would be stored in plaintext."""
        for name in names:
            if not isinstance(name, str) or ("." not in name and "[" not in name) or name in self._steps:
                continue
            path = self._spelled(name)
            if path is not None:
                raise TypeError(
                    f"{name!r} is the name of one member here, and the path {path} is declared: nest it, or declare "
                    "the name as it is, Protection(…, literal_name=True)"
                )

    def _spelled(self, name: str) -> str | None:
        """Return the declared path that a name, read as a path, leads to, into or around."""
        at: RecordField | Shape = self
        steps = _STEP.findall(name.replace("\\", ""))
        for number, step in enumerate(steps):
            if isinstance(at, RecordField):
                return at.path.text if number > 1 else None
            child = at._steps.get(step)
            if child is None and step[0] == "[":
                child = next((each for wanted, each in at._steps.items() if isinstance(wanted, Elements)), None)
            if child is None:
                return None
            at = child
        return (at.path.text if isinstance(at, RecordField) else at._example) if len(steps) > 1 else None

    def _copied_list(self, value: Any, found: list[Found], reading: bool, elements: tuple[str, ...]) -> list[Any]:
        if not isinstance(value, (list, tuple)):
            raise self._misshapen_error("list", value)
        copy = list(value)
        [(step, child)] = self._steps.items()
        for at, inner in enumerate(copy):  # and not the list itself, which another thread may change
            if inner is None:
                continue
            if isinstance(child, RecordField):
                found.append(Found(child, copy, at, inner, elements))
                continue
            told_by = step.told_by if isinstance(step, Elements) else None
            told = elements
            if told_by is not None:
                inner = dict(inner) if isinstance(inner, Mapping) else inner  # bound to what is written: likewise
                told = (*elements, _text(inner, told_by, child._example))
            copy[at] = child.copied(inner, found, reading=reading, elements=told)
        return copy

    def _misshapen_error(self, wanted: str, value: Any) -> TypeError:
        return TypeError(f"expected a {wanted} on the path to {self._example}, got {type(value).__name__}")


def _text(element: Any, told_by: str, example: str) -> str:
    """Return the text that distinguishes an element of a list."""
    member = element.get(told_by) if isinstance(element, Mapping) else None
    if member is None:
        raise TypeError(f"an element on the path to {example} lacks {told_by!r}, which tells it apart from the others")
    return key_text(member)
