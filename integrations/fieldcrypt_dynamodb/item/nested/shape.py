"""The maps and lists of an item that lead to its protected values: what is found in them, and what a path meets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fieldcrypt import ConfigurationError, key_text
from fieldcrypt.spi import Elements, Path
from fieldcrypt_dynamodb.item.forms import WIRE, Form
from fieldcrypt_dynamodb.item.nested.met import Meaning, Met

__all__ = ["Found", "Leaf", "Shape"]

_STEP = re.compile(r"\[[^\]]*\]|[^.\[\]]+")  # of a path that was taken for a name
_HOLDING = frozenset({Meaning.PROTECTED, Meaning.INSIDE, Meaning.AROUND})

Step = str | Elements


class Leaf(NamedTuple):
    """Where a declared path ends.

    Attributes:
        attribute: the protected attribute; None if what is there is plain on purpose.
    """

    attribute: str | None


class Found(NamedTuple):
    """A protected value in a copy of an item.

    Attributes:
        attribute: the protected attribute.
        container, at: the map or list that it is in, and where.
        value: as it is there.
        elements: the texts that distinguish the list elements on the way to it.
    """

    attribute: str
    container: Any
    at: Any
    value: Any
    elements: tuple[str, ...]


class Shape:
    """A map or a list that declared paths lead through; the first one is the item itself.

    Args:
        told_by: the member that distinguishes it from other elements of a list.
        is_open: False if members that are not declared are refused.

    Attributes:
        steps: what its declared members, or elements, are.
        attributes: the protected ones in it.
    """

    __slots__ = ("_avoided", "_is_list", "_is_open", "_split", "_told_by", "attributes", "steps")

    def __init__(self, told_by: str | None = None, *, is_open: bool = True) -> None:
        self.steps: dict[Step, Shape | Leaf] = {}
        self.attributes: list[str] = []
        self._told_by, self._is_open, self._is_list = told_by, is_open, False
        self._split: dict[tuple[str | int, ...], str] = {}  # by path: protected names that could be taken for it
        self._avoided: list[Shape] = []  # names here must not be spelled like paths to their values either

    # Declaration

    def protect(self, attribute: str, path: Path) -> None:
        """Declare a protected attribute.

        Raises:
            ConfigurationError: its path contradicts another one.
        """
        self._add(path.steps, Leaf(attribute), path.text)

    def let(self, path: Path) -> None:
        """Declare what is plain: a member, or all that a map with protected members has besides them.

        Raises:
            ConfigurationError: its path contradicts another one.
        """
        self._add(path.steps, Leaf(None), path.text)

    def _add(self, steps: Sequence[Step], leaf: Leaf, text: str) -> None:
        step, *further = steps
        step = self._checked(step, leaf, text)
        child, self._is_list = self.steps.get(step), isinstance(step, Elements)
        if leaf.attribute is not None:
            self.attributes.append(leaf.attribute)
            if not further and isinstance(step, str) and len(split := _steps(step)) > 1:
                self._split[split] = leaf.attribute
        if further and child is None:
            child = self.steps[step] = Shape(_told_by(step), is_open=self._is_open)
        if isinstance(child, Shape) and further:
            child._add(further, leaf, text)
        elif isinstance(child, Shape) and leaf.attribute is None:
            child._open()
        elif child is None:
            self.steps[step] = leaf
        elif child != Leaf(None):
            raise ConfigurationError(f"{text} is declared twice, on its own and as a part")

    def _checked(self, step: Step, leaf: Leaf, text: str) -> Step:
        """Return a step, if it leaves a map a map, and a list one of its kind."""
        if step == self._told_by and leaf.attribute is not None:
            raise ConfigurationError(f"{text} cannot be protected: it distinguishes the elements of a list")
        other = next(iter(self.steps), step)
        if isinstance(other, Elements) and isinstance(step, Elements) and leaf.attribute is None:
            return other
        if other != step and (isinstance(other, Elements) or isinstance(step, Elements)):
            raise ConfigurationError(f"{text} contradicts another path: one part is a map, or one kind of list")
        return step

    def _open(self) -> None:
        self._is_open = True
        for child in self.steps.values():
            if isinstance(child, Shape):
                child._open()

    # Items

    def copied(
        self, value: Any, found: list[Found], form: Form, *, reading: bool, elements: tuple[str | None, ...] = ()
    ) -> Any:
        """Copy a map or list, and collect the protected values in it.

        Args:
            value: the map or list, in the form; NULL stays as it is.
            found: the list to which protected values that are not NULL are added.
            form: see above.
            reading: True for a stored item, in which elements without protected values need not be told apart, and
                other members need not be declared.
            elements: see `Found`; None where an element lacks the member that distinguishes it.

        Raises:
            TypeError, ValueError: it has another shape, or members that are refused.
        """
        if form.is_null(value):
            return value
        is_list = self._is_list
        kind = "L" if is_list else "M"
        content = _content(value, kind, form)
        if content is None:
            raise TypeError(f"expected a {'list' if is_list else 'map'} on the path to {self._example}")
        copy: Any = list(content) if is_list else dict(content)
        if not is_list:
            if self._told_by is not None:
                elements = (*elements, self._text(copy, form, reading=reading))
            if not reading:
                self.check(copy)
        for at, child in self._children(copy, is_list):
            inner = copy[at]
            if isinstance(child, Shape):
                copy[at] = child.copied(inner, found, form, reading=reading, elements=elements)
            elif child.attribute is not None and not form.is_null(inner):
                found.append(Found(child.attribute, copy, at, inner, self._told(elements)))
        return {kind: copy} if form is WIRE else copy

    def check(self, names: Iterable[str]) -> None:
        """Refuse names of members that were meant as paths, or were not declared.

        Raises:
            TypeError: there is one.
        """
        for name in names:
            if name not in self.steps and (spelled := self._misspelled(name)) is not None:
                raise TypeError(
                    f"{name!r} is the name of one attribute here, and the path {spelled} is declared: nest it, or "
                    f"declare the name as it is, Protected(…, literal_name=True)"
                )
            if not self._is_open and name not in self.steps and name != self._told_by:
                raise TypeError(f"{name!r} is not declared, neither protected nor plain={{…}}")

    def _children(self, copy: Any, is_list: bool) -> Iterator[tuple[Any, Shape | Leaf]]:
        if is_list:
            [child] = self.steps.values()
            return ((at, child) for at in range(len(copy)))
        return ((name, child) for name, child in self.steps.items() if name in copy)

    def _text(self, element: Mapping[str, Any], form: Form, *, reading: bool) -> str | None:
        member = element.get(self._told_by or "")
        if member is None or form.is_null(member):
            if reading:
                return None
            raise TypeError(f"an element on the path to {self._example} lacks {self._told_by!r}, which tells it apart")
        return key_text(form.key_part(member))

    def _told(self, elements: tuple[str | None, ...]) -> tuple[str, ...]:
        if not elements:
            return ()
        told = tuple(text for text in elements if text is not None)
        if len(told) < len(elements):
            raise TypeError(f"an element on the path to {self._example} lacks the member that distinguishes it")
        return told

    @property
    def _example(self) -> str:
        return self.attributes[0] if self.attributes else "what is declared plain"

    def avoid(self, other: Shape) -> None:
        """Refuse here, too, names that were meant as paths of another shape."""
        self._avoided.append(other)

    def is_misspelled(self, name: str) -> bool:
        """Return True if the name of a member was meant as a path."""
        return name not in self.steps and self._misspelled(name) is not None

    # Document paths

    def met(self, steps: Sequence[str | int]) -> Met[Shape]:
        """Return what a document path meets.

        Args:
            steps: its names, and its indexes of lists.
        """
        at, is_told = self, True
        for number, step in enumerate(steps, 1):
            is_end = number == len(steps)
            if step == at._told_by:
                return Met(Meaning.TELLING, at._example)
            if isinstance(step, int) is not at._is_list:
                return Met(Meaning.ASIDE, at._example)
            child = at._child(step)
            if child is None:
                return at._unmet(steps[number - 1 :])
            if isinstance(child, Leaf):
                if child.attribute is None:
                    return Met(Meaning.PLAIN, "")
                return Met(Meaning.PROTECTED if is_end else Meaning.INSIDE, child.attribute, None, is_told)
            at, is_told = child, is_told and (is_end or child._told_by is None)
        return Met(Meaning.AROUND if at.attributes else Meaning.PLAIN, at._example, at, is_told)

    def _child(self, step: str | int) -> Shape | Leaf | None:
        if isinstance(step, str):
            return self.steps.get(step)
        [child] = self.steps.values()
        return child

    def _unmet(self, steps: Sequence[str | int]) -> Met[Shape]:
        name = str(steps[0])
        spelled = self._misspelled(name)
        if spelled is not None:
            return Met(Meaning.MISSPELLED, spelled)
        for end in range(2, len(steps) + 1) if self._split else ():
            split = self._split.get(tuple(0 if isinstance(step, int) else step for step in steps[:end]))
            if split is not None:
                return Met(Meaning.SPLIT, split)
        return Met(Meaning.PLAIN if self._is_open else Meaning.UNKNOWN, name)

    def _misspelled(self, name: str) -> str | None:
        """Return the protected attribute that a name, read as a path, leads to, into or around."""
        if "." not in name and "[" not in name:
            return None
        steps: Any = _steps(name)
        for shape in (self, *self._avoided):
            if len(steps) > 1 and isinstance(shape.steps.get(steps[0]), Shape):
                met = shape.met(steps)
                if met.meaning in _HOLDING:
                    return met.attribute
        return None


def _told_by(step: Step) -> str | None:
    return step.told_by if isinstance(step, Elements) else None


def _steps(name: str) -> tuple[str | int, ...]:
    """Return the steps of a document path that is spelled like a name."""
    return tuple(0 if step[0] == "[" else step for step in _STEP.findall(name.replace("\\", "")))


def _content(value: Any, kind: str, form: Form) -> Any:
    """Return the members of a map, or the elements of a list; None if it is not that kind."""
    if form is WIRE:
        value = value.get(kind) if isinstance(value, Mapping) and len(value) == 1 else None
    return value if isinstance(value, Mapping if kind == "M" else (list, tuple)) else None
