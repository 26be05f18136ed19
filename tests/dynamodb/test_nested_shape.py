"""What is found in an item, and what the document paths of expressions meet, are the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fieldcrypt import ConfigurationError
from fieldcrypt.spi import Path
from fieldcrypt_dynamodb.item.forms import PYTHON
from fieldcrypt_dynamodb.item.nested.met import Meaning
from fieldcrypt_dynamodb.item.nested.shape import Found, Shape
from tests.support.strategies import relaxed

NAMES = st.sampled_from(["a", "b"])
LEAF = "leaf"
_MORE = st.lists(st.sampled_from([".a", ".b", "[]", "[id].a", "[id].b"]), max_size=4).map("".join)
PATHS = st.lists(st.builds(lambda first, more: first + more, NAMES, _MORE), min_size=1, max_size=3, unique=True)
VALUES = st.recursive(
    st.just(LEAF),
    lambda inner: (
        st.lists(inner, max_size=2) | st.fixed_dictionaries({"id": st.just("1")}, optional={"a": inner, "b": inner})
    ),
    max_leaves=8,
)
ITEMS = st.fixed_dictionaries({}, optional={"a": VALUES, "b": VALUES})


def declared(paths: list[str]) -> Shape | None:
    """The shape of these paths; None if they contradict each other."""
    shape = Shape()
    try:
        for path in paths:
            shape.protect(path, Path(path))
    except ConfigurationError:
        return None
    return shape


def document_paths(value: Any, before: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """All paths in a value, and what is there."""
    if before:
        yield before, value
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in inside:
        yield from document_paths(inner, (*before, step))


def located(copy: Any, found: list[Found]) -> set[tuple[str | int, ...]]:
    """Where in a copy protected values were found."""
    places = {id(each.container): [other.at for other in found if other.container is each.container] for each in found}
    return {path for path, _ in document_paths(copy) if _is_found(copy, path, places)}


def _is_found(copy: Any, path: tuple[str | int, ...], places: dict[int, list[Any]]) -> bool:
    container = copy
    for step in path[:-1]:
        container = container[step]
    return path[-1] in places.get(id(container), ())


@given(PATHS, ITEMS)
@settings(relaxed, max_examples=150)
def test_a_path_meets_a_protected_value_where_one_is_found(paths: list[str], item: dict[str, Any]) -> None:
    """And around it, within it, and nowhere else."""
    shape, found = declared(paths), []  # type: ignore[var-annotated]
    if shape is None:
        return
    try:
        copy = shape.copied(item, found, PYTHON, reading=False)
    except TypeError:
        return  # it has another shape
    protected = located(copy, found)
    for path, _ in document_paths(copy):
        within = any(path[: len(other)] == other for other in protected if len(other) < len(path))
        meaning = shape.met(path).meaning
        assert (meaning is Meaning.PROTECTED) == (path in protected)
        assert (meaning is Meaning.INSIDE) == within
        if any(other[: len(path)] == path for other in protected if len(other) > len(path)):
            assert meaning is Meaning.AROUND
