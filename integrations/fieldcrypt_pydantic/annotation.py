"""What a model's annotations say: which of its values are protected, and where they stand."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import (
    AwareDatetime,
    BaseModel,
    EmailStr,
    FutureDate,
    FutureDatetime,
    NaiveDatetime,
    PastDate,
    PastDatetime,
    SecretBytes,
    SecretStr,
)
from typing_extensions import is_typeddict  # which knows its own and those of `typing`

from fieldcrypt import ConfigurationError, Protection
from fieldcrypt.spi import Codec

__all__ = ["models_in", "protection_of", "protections"]

_UNIONS = (Union, types.UnionType)
_LISTS = (list, tuple, Sequence)
_VALUES: dict[Any, type] = {
    SecretStr: str,
    SecretBytes: bytes,
    EmailStr: str,
    **dict.fromkeys((AwareDatetime, NaiveDatetime, PastDatetime, FutureDatetime), datetime),
    **dict.fromkeys((PastDate, FutureDate), date),
}


def protections(model: type[BaseModel]) -> dict[str, Protection]:
    """Return the protections of a model and of the models in it, by path.

    Raises:
        ConfigurationError: something protected stands where no path leads, a type is none that can be encrypted, or a
            secret of Pydantic's would be stored as plaintext.
    """
    found: dict[str, Protection] = {}
    _collect_model(model, "", found, ())
    return found


def models_in(annotation: Any, seen: frozenset[Any] = frozenset()) -> set[type[BaseModel]]:
    """Return the models that an annotation names, itself or in another one."""
    annotation, _ = _bare(annotation, ())
    inner, found = list(get_args(annotation)) if get_origin(annotation) is not Literal else [], set()
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in seen:
        found, seen = {annotation}, seen | {annotation}
        inner += [field.annotation for field in annotation.model_fields.values()]
    return found.union(*(models_in(each, seen) for each in inner))


def protection_of(metadata: Iterable[Any]) -> Protection | None:
    """Return the protection among the metadata of an annotation."""
    return next((each for each in metadata if isinstance(each, Protection)), None)


def _collect_model(
    model: type[BaseModel], path: str, found: dict[str, Protection], around: tuple[type[BaseModel], ...]
) -> None:
    if model in around:
        if _mentions(model):
            raise ConfigurationError(f"{model.__name__} contains itself, and no path leads to what is protected there")
        return
    for name, field in model.model_fields.items():
        inner = f"{path}.{name}" if path else name
        _collect(field.annotation, field.metadata, inner, found, (*around, model))


def _collect(
    annotation: Any,
    metadata: Sequence[Any],
    path: str,
    found: dict[str, Protection],
    around: tuple[type[BaseModel], ...],
) -> None:
    annotation, metadata = _bare(annotation, metadata)
    protection = protection_of(metadata)
    if protection is not None:
        type_ = _value_type(annotation, path) if protection.type is None else protection.type
        found[path] = dataclasses.replace(protection, type=type_)
    elif annotation in (SecretStr, SecretBytes):
        raise ConfigurationError(
            f"{path} would be stored as plaintext: Annotated[{annotation.__name__}, Protected()] protects it"
        )
    elif get_origin(annotation) in _LISTS and len(_element_types(annotation)) == 1:
        _collect(_element_types(annotation)[0], (), f"{path}[]", found, around)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        _collect_model(annotation, path, found, around)
    elif _mentions(annotation):
        raise ConfigurationError(
            f"something in {path} is protected, but no path leads to it: protect models in models and in lists, or the "
            "whole of it"
        )


def _bare(annotation: Any, metadata: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    """Return an annotation without the names, metadata and `None` around it, and all of that metadata."""
    while True:
        if hasattr(annotation, "__value__"):  # a `type` statement
            annotation = annotation.__value__
        elif get_origin(annotation) is Annotated:
            annotation, *inner = get_args(annotation)
            metadata = (*metadata, *inner)
        elif get_origin(annotation) in _UNIONS:
            members = [each for each in get_args(annotation) if each is not types.NoneType]
            if len(members) > 1:
                return annotation, metadata
            annotation = members[0]
        else:
            return annotation, metadata


def _element_types(annotation: Any) -> list[Any]:
    return [each for each in get_args(annotation) if each is not ...]


def _value_type(annotation: Any, path: str) -> Any:
    """Return the type of a field for values of an annotation."""
    origin = get_origin(annotation)
    if origin is Literal:
        kinds = {type(each) for each in get_args(annotation)}
        origin = kinds.pop() if len(kinds) == 1 else None
    known = _VALUES.get(annotation, origin or annotation)
    try:
        Codec(known)
    except TypeError:
        raise ConfigurationError(
            f"{path}: values of {annotation} cannot be encrypted. Use a type of `Encryptor.field`, or say what they "
            "are: Protected(str)"
        ) from None
    return known


def _mentions(annotation: Any, seen: frozenset[Any] = frozenset()) -> bool:
    """Return True if something is protected anywhere in an annotation."""
    annotation, metadata = _bare(annotation, ())
    if protection_of(metadata) is not None:
        return True
    inner = list(get_args(annotation)) if get_origin(annotation) is not Literal else []
    if isinstance(annotation, type) and annotation not in seen:
        seen |= {annotation}
        if issubclass(annotation, BaseModel):
            fields = annotation.model_fields.values()
            if any(protection_of(field.metadata) is not None for field in fields):
                return True
            inner += [field.annotation for field in fields]
        elif dataclasses.is_dataclass(annotation) or is_typeddict(annotation) or hasattr(annotation, "_fields"):
            inner += get_type_hints(annotation, include_extras=True).values()
    return any(_mentions(each, seen) for each in inner)
