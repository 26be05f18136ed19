"""The paths to what is protected in a model."""

from __future__ import annotations

import dataclasses
import enum
import re
import sys
import types
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Literal, get_args, get_origin

from pydantic import (
    AwareDatetime,
    BaseModel,
    EmailStr,
    FutureDate,
    FutureDatetime,
    Json,
    NaiveDatetime,
    PastDate,
    PastDatetime,
    RootModel,
    SecretBytes,
    SecretStr,
)
from typing_extensions import Format, get_annotations  # which look up no names; `inspect` does, from Python 3.14 on

from fieldcrypt import ConfigurationError, Protection
from fieldcrypt.spi import MIN_MEMBERS, Codec
from fieldcrypt_pydantic.annotation import bare, hints_of, is_model, is_secret, mentions, protection_of

__all__ = ["is_within", "member_path", "protections"]

_LISTS = (list, tuple, Sequence)
_VALUES: dict[Any, type] = {
    SecretStr: str,
    SecretBytes: bytes,
    EmailStr: str,
    **dict.fromkeys((AwareDatetime, NaiveDatetime, PastDatetime, FutureDatetime), datetime),
    **dict.fromkeys((PastDate, FutureDate), date),
}
_JSON: Any = Json
_SPECIAL = re.compile(r"[.\[\]\\]")


def protections(model: type[BaseModel]) -> dict[str, Protection]:
    """Return the protections of a model and of the models in it, by path.

    Raises:
        ConfigurationError: something protected stands where no path leads, a type is none that can be encrypted, or a
            secret of Pydantic's would be stored as plaintext.
    """
    found: dict[str, Protection] = {}
    _collect_model(model, "", found, ())
    return found


def is_within(path: str, paths: Iterable[str]) -> bool:
    """Return True if one of the paths is this one, or that of the elements of the list at it."""
    return any(each.startswith(path) and not each[len(path) :].strip("[]") for each in paths)


def member_path(path: str, name: str) -> str:
    """Return the path of a member of what stands at a path, at the top if that is empty."""
    name = name if name.isidentifier() else _SPECIAL.sub(r"\\\g<0>", name)
    return f"{path}.{name}" if path else name


def _collect_model(
    model: type[BaseModel], path: str, found: dict[str, Protection], around: tuple[type[BaseModel], ...]
) -> None:
    if model in around:
        if mentions(model):
            raise ConfigurationError(f"{model.__name__} contains itself, and no path leads to what is protected there")
        return
    _complete(model)
    if issubclass(model, RootModel):  # which is what its root is
        root = model.model_fields["root"]
        _collect(root.annotation, root.metadata, path, found, (*around, model))
        return
    for name, field in model.model_fields.items():
        inner = member_path(path, name)
        if isinstance(field.default, Protection):
            raise ConfigurationError(f"{inner} has a protection as its default: Annotated[…, Protected()] protects it")
        _collect(field.annotation, field.metadata, inner, found, (*around, model))
        if model.model_config.get("use_enum_values") and any(
            isinstance(how.type, enum.EnumMeta) and is_within(inner, (at,)) for at, how in found.items()
        ):
            raise ConfigurationError(
                f"{inner}: with use_enum_values {model.__name__} has values, not members: Protected(str), say"
            )
    if mentions(_extra_annotation(model)):
        raise ConfigurationError(f"no path leads to what is protected in the extra values of {model.__name__}")


def _complete(model: type[BaseModel]) -> None:
    """Look up the names in a model's annotations that were not defined yet when it was."""
    if not model.__pydantic_fields_complete__:
        model.model_rebuild(raise_errors=False, _types_namespace={})
    if not model.__pydantic_fields_complete__:
        raise ConfigurationError(
            f"{model.__name__} names types that are not defined yet, or in a function: declare the ProtectedModel "
            f"after them, and call {model.__name__}.model_rebuild() where they are"
        )


def _extra_annotation(model: type[BaseModel]) -> Any:
    """Return what a model says of its extra values; None if nothing."""
    for each in model.__mro__[: model.__mro__.index(BaseModel)]:
        said = get_annotations(each, format=Format.FORWARDREF).get("__pydantic_extra__")
        if said is not None:
            shown = hints_of(types.SimpleNamespace(__annotations__={"extra": said}), vars(sys.modules[each.__module__]))
            return shown["extra"]
    return None


def _collect(
    annotation: Any,
    metadata: Sequence[Any],
    path: str,
    found: dict[str, Protection],
    around: tuple[type[BaseModel], ...],
) -> None:
    annotation, metadata = bare(annotation, metadata)
    protection = protection_of(metadata)
    if annotation is _JSON or any(each is _JSON or isinstance(each, _JSON) for each in metadata):
        raise ConfigurationError(
            f"{path} is Json, which only reads text, and is no text when it is decrypted: say what is in it instead"
        )
    if protection is not None:
        type_ = _value_type(annotation, path) if protection.type is None else protection.type
        few = get_origin(annotation) is Literal and len(get_args(annotation)) < MIN_MEMBERS
        if few and not all(index.accept_low_cardinality for index in protection.indexes):
            raise ConfigurationError(
                f"{path}: a Literal has so few values that the tags' frequencies tell which is which: search by "
                "something else, or if that is acceptable set accept_low_cardinality=True"
            )
        found[path] = dataclasses.replace(protection, type=type_)
    elif is_secret(annotation):
        raise ConfigurationError(
            f"{path} would be stored as plaintext: Annotated[{annotation.__name__}, Protected()] protects it"
        )
    elif get_origin(annotation) in _LISTS and len(_element_types(annotation)) == 1:
        _collect(_element_types(annotation)[0], (), f"{path}[]", found, around)
    elif is_model(annotation):
        _collect_model(annotation, path, found, around)
    elif mentions(annotation):
        raise ConfigurationError(
            f"something in {path} is protected or secret, but no path leads to it: protect models in models and in "
            "lists, or the whole of it"
        )


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
            f"{path}: values of {annotation} cannot be encrypted. Use a type of `Encryptor.field`, or let a validator "
            "make one, and name it: Annotated[…, AfterValidator(str), Protected(str)]"
        ) from None
    return known
