"""Models as plain dictionaries, with all their values as they are in Python."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr

from fieldcrypt import PlaintextRefusedError
from fieldcrypt_pydantic.annotation import protection_of

__all__ = ["to_mapping"]


def to_mapping(value: Any, paths: Set[str], path: str = "") -> Any:
    """Return a model as a dictionary, the models in it as well. Serializers, aliases and `exclude` have no say in it.

    Args:
        value: the model, or what is in one.
        paths: of the protected values.
        path: where the value stands.

    Raises:
        PlaintextRefusedError: a model in it protects more than the class that is declared there.
    """
    if isinstance(value, BaseModel):
        return dict(_members(value, paths, path))
    if isinstance(value, (SecretStr, SecretBytes)):
        return value.get_secret_value()
    if isinstance(value, (list, tuple)):
        return [to_mapping(each, paths, f"{path}[]") for each in value]
    if isinstance(value, dict):
        return {name: to_mapping(each, paths, f"{path}{{}}") for name, each in value.items()}
    return value


def _members(model: BaseModel, paths: Set[str], path: str) -> Iterator[tuple[str, Any]]:
    is_whole = any(path == each or path.startswith((f"{each}.", f"{each}[", f"{each}{{")) for each in paths)
    for name, field in type(model).model_fields.items():
        inner = f"{path}.{name}" if path else name
        if protection_of(field.metadata) is not None and not is_whole and inner not in paths:
            raise PlaintextRefusedError(
                f"{type(model).__name__}.{name} is protected, but {path or 'the model'} is declared as another class, "
                "in which it is not"
            )
        yield name, to_mapping(getattr(model, name), paths, inner)
    for name, each in (model.model_extra or {}).items():
        yield name, to_mapping(each, paths, f"{path}{{}}")
