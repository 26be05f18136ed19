"""What a model's annotations name: protections, secrets and other models."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterable, Sequence, Set
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from weakref import WeakKeyDictionary

from pydantic import BaseModel, RootModel
from typing_extensions import is_typeddict  # which knows its own and those of `typing`

from fieldcrypt import ConfigurationError, Protection

__all__ = ["bare", "hints_of", "is_model", "is_secret", "mentions", "models_in", "protected_in", "protection_of"]

_UNIONS = (Union, types.UnionType)


def protection_of(metadata: Iterable[Any]) -> Protection | None:
    """Return the protection among the metadata of an annotation.

    Raises:
        ConfigurationError: the class is among them.
    """
    if any(each is Protection for each in metadata):
        raise ConfigurationError("Annotated[…, Protected] lacks its brackets: Protected()")
    return next((each for each in metadata if isinstance(each, Protection)), None)


def mentions(
    annotation: Any, metadata: Sequence[Any] = (), *, through_models: bool = True, seen: Set[Any] = frozenset()
) -> bool:
    """Return True if something is protected, or a secret of Pydantic's, anywhere in an annotation."""
    if _is_alias(annotation):
        named, inner = _alias(annotation)
        if named in seen:
            return any(mentions(each, through_models=through_models, seen=seen) for each in inner)
        seen = {*seen, named}
    annotation, metadata = bare(annotation, metadata)
    if protection_of(metadata) is not None or (through_models and is_secret(annotation)):
        return True
    inner = _arguments(annotation)
    inner_metadata: list[Sequence[Any]] = [()] * len(inner)
    if isinstance(annotation, type) and annotation not in seen:
        seen = {*seen, annotation}
        if issubclass(annotation, BaseModel):
            fields = annotation.model_fields.values() if through_models and is_model(annotation) else ()
            inner += [field.annotation for field in fields]
            inner_metadata += [field.metadata for field in fields]
        elif dataclasses.is_dataclass(annotation) or is_typeddict(annotation) or hasattr(annotation, "_fields"):
            hints = hints_of(annotation).values()
            inner += hints
            inner_metadata += [()] * len(hints)
    return any(
        mentions(each, more, through_models=through_models, seen=seen)
        for each, more in zip(inner, inner_metadata, strict=True)
    )


def models_in(annotation: Any, seen: Set[Any] = frozenset()) -> set[type[BaseModel]]:
    """Return the models that an annotation names, itself or in another one."""
    if _is_alias(annotation):
        named, inner = _alias(annotation)
        if named in seen:
            return set().union(*(models_in(each, seen) for each in inner))
        seen = {*seen, named}
    annotation, _ = bare(annotation, ())
    inner, found = _arguments(annotation), set()
    if is_model(annotation) and annotation not in seen:
        found, seen = {annotation}, {*seen, annotation}
        inner += [field.annotation for field in annotation.model_fields.values()]
    return found.union(*(models_in(each, seen) for each in inner))


def protected_in(model: type[BaseModel]) -> Set[str]:
    """Return the names of the fields in which something is protected, other than in a model that they name."""
    found = _protected_in.get(model)
    if found is None:
        found = frozenset(
            name
            for name, field in model.model_fields.items()
            if mentions(field.annotation, field.metadata, through_models=False)
        )
        if model.__pydantic_fields_complete__:
            _protected_in[model] = found
    return found


_protected_in: WeakKeyDictionary[type[BaseModel], Set[str]] = WeakKeyDictionary()


def is_model(annotation: Any) -> bool:
    """Return True if it is a model class, and not one that says nothing of its fields."""
    return (
        isinstance(annotation, type)
        and issubclass(annotation, BaseModel)
        and annotation is not BaseModel
        and annotation is not RootModel
    )


def is_secret(annotation: Any) -> bool:
    """Return True for SecretStr, SecretBytes, Secret[…], and values of these."""
    return hasattr(annotation, "get_secret_value")


def bare(annotation: Any, metadata: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    """Return an annotation without the names, metadata and `None` around it, and all of that metadata."""
    while True:
        if _is_alias(annotation):
            annotation = _aliased(annotation)
        elif hasattr(annotation, "__supertype__"):  # a NewType
            annotation = annotation.__supertype__
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


def hints_of(annotated: Any, names: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the annotations of a class, or those that name what is among the names.

    Raises:
        ConfigurationError: they name something that is not there.
    """
    try:
        return get_type_hints(annotated, names, include_extras=True)
    except NameError as error:
        raise ConfigurationError(f"an annotation names {error.name}, which is not in the module where it is") from None


def _is_alias(annotation: Any) -> bool:
    return hasattr(annotation, "__value__")


def _alias(alias: Any) -> tuple[Any, list[Any]]:
    """Return the `type` statement that an annotation refers to, and what its parameters are."""
    return get_origin(alias) or alias, list(get_args(alias))


def _aliased(alias: Any) -> Any:
    """Return what a `type` statement names, with its parameters filled in."""
    value, generic = alias.__value__, get_origin(alias)
    if generic is None:
        return value
    given = dict(zip(generic.__type_params__, get_args(alias), strict=False))
    if isinstance(value, TypeVar):
        return given[value]
    wanted = getattr(value, "__parameters__", ())
    return value[tuple(given[each] for each in wanted)] if wanted else value


def _arguments(annotation: Any) -> list[Any]:
    return list(get_args(annotation)) if get_origin(annotation) is not Literal else []
