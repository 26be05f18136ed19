"""Models as plain dictionaries, with all their values as they are in Python."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, MutableSequence, Set
from datetime import date, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, RootModel

from fieldcrypt import PlaintextRefusedError
from fieldcrypt_pydantic.annotation import is_secret, mentions, protected_in
from fieldcrypt_pydantic.paths import is_within, member_path

__all__ = ["to_mapping"]

_PLAIN = (str, bytes, int, float, Decimal, date, time, UUID, type(None))
_NOTHING = object()


def to_mapping(value: Any, paths: Set[str], path: str = "", *, is_whole: bool = False) -> Any:
    """Return a model as a dictionary, the models in it as well. Serializers, aliases and `exclude` have no say in it.

    Args:
        value: the model, or what is in one.
        paths: of the protected values.
        path: where the value stands.
        is_whole: True if it is encrypted as a whole, or a part of what is.

    Raises:
        PlaintextRefusedError: something in it is protected, or a secret, and would be stored as plaintext; or can be.
    """
    if isinstance(value, _PLAIN):
        return value
    is_whole = is_whole or path in paths
    if isinstance(value, BaseModel):
        members = dict(_members(value, paths, path, is_whole))
        return members.get("root") if isinstance(value, RootModel) else members
    if is_secret(value):
        if not is_whole:
            raise PlaintextRefusedError(f"{path} is a secret of Pydantic's, and is not protected")
        return to_mapping(value.get_secret_value(), paths, path, is_whole=is_whole)
    is_dataclass = dataclasses.is_dataclass(value) and not isinstance(value, type)
    if not is_whole and (is_dataclass or hasattr(value, "_fields")) and mentions(type(value)):
        raise PlaintextRefusedError(f"{path}: something in {type(value).__name__} is protected, but not there")
    if isinstance(value, (list, tuple)):
        return [to_mapping(each, paths, f"{path}[]", is_whole=is_whole) for each in value]
    if isinstance(value, dict):
        return {name: to_mapping(each, paths, f"{path}{{}}", is_whole=is_whole) for name, each in value.items()}
    if is_dataclass:
        members = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
        plain = {name: to_mapping(each, paths, f"{path}{{}}", is_whole=is_whole) for name, each in members.items()}
        return plain if is_whole else value
    if isinstance(value, Iterator):
        raise PlaintextRefusedError(f"{path} is an iterator, and what it will return is not known before it is stored")
    if isinstance(value, (Set, Mapping, MutableSequence)):  # which stays what it is
        for each in value.values() if isinstance(value, Mapping) else value:
            to_mapping(each, paths, f"{path}{{}}", is_whole=is_whole)
    return value


def _members(model: BaseModel, paths: Set[str], path: str, is_whole: bool) -> Iterator[tuple[str, Any]]:
    fields, protected = type(model).model_fields, protected_in(type(model))
    for name in fields:
        inner = path if isinstance(model, RootModel) else member_path(path, name)
        if not is_whole and name in protected and not is_within(inner, paths):
            raise PlaintextRefusedError(
                f"{type(model).__name__}.{name} is protected, but {path or 'the model'} is declared as another class, "
                "in which it is not"
            )
        value = getattr(model, name, _NOTHING)  # which `model_construct` can leave out, and SQLAlchemy may have to load
        if value is not _NOTHING:
            yield name, to_mapping(value, paths, inner, is_whole=is_whole)
    for name, each in (model.model_extra or {}).items():
        if name in fields:
            raise PlaintextRefusedError(f"an extra value of {type(model).__name__} has the name of its field {name}")
        yield name, to_mapping(each, paths, f"{path}{{}}", is_whole=is_whole)
