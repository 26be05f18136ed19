"""The paths by which attributes are declared, and the shape that they make of an item."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from fieldcrypt import ConfigurationError, Protection
from fieldcrypt.spi import Elements, Path
from fieldcrypt_dynamodb.item.nested.shape import Shape

__all__ = ["declared_path", "declared_shape", "with_path"]

_OF_PATHS = frozenset({"path", "element"})  # entries of the context that a path makes


def declared_path(attribute: str, protection: Protection) -> Path:
    """Return the path of an attribute.

    Raises:
        ValueError: it is not a valid path.
        ConfigurationError: it is a name with backslashes, or has an index of a list.
    """
    path = Path.of_declared(attribute, is_literal=protection.literal_name)
    if len(path.steps) == 1 and path.first != attribute:
        raise ConfigurationError(
            f"{attribute} names an attribute, and is not a path: Protected(…, literal_name=True), without backslashes"
        )
    told_by = [step.told_by for step in path.steps if isinstance(step, Elements) and step.told_by is not None]
    if any(name == "*" or name.isdecimal() for name in told_by):
        raise ConfigurationError(f"{attribute}: a declaration is for each element of a list, which is spelled []")
    return path


def with_path(where: str, path: Path, protection: Protection) -> Protection:
    """Return a protection with the context of its path, as it is at the top.

    Args:
        where: the attribute, for messages.

    Raises:
        ConfigurationError: its context has such entries already; or it is searchable and in a list.
    """
    if not path.context:
        return protection
    constant = protection.context or {}
    if any(key.partition(".")[0] in _OF_PATHS for key in constant):
        raise ConfigurationError(f"the context of {where} has an entry that its path makes")
    if protection.indexes and any(isinstance(step, Elements) for step in path.steps):
        raise ConfigurationError(f"{where} stands for elements of a list, and their tags would be one attribute")
    return replace(protection, context={**constant, **path.context})


def declared_shape(paths: Mapping[str, Path], known: Collection[str], plain: Collection[str] | None) -> Shape:
    """Return the shape of an item.

    Args:
        paths: of the protected attributes.
        known: the attributes at the top that are plain in any case.
        plain: those that are plain on purpose, by path; None if all others are.

    Raises:
        ConfigurationError: the paths contradict each other.
        ValueError: one of them is not valid.
    """
    if isinstance(plain, str):
        raise ConfigurationError('plain={"ward", …}: the names of attributes, not a single one')
    shape = Shape(is_open=plain is None)
    for attribute, path in paths.items():
        shape.protect(attribute, path)
    if plain is not None:
        for path in [*map(Path.of_member, known), *map(Path, plain)]:
            shape.let(path)
    return shape
