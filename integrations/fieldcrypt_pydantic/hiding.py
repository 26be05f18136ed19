"""Keeping protected values out of what models say of themselves: their repr, and the texts of validation errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, RootModel

from fieldcrypt_pydantic.annotation import protected_in

__all__ = ["hide"]


def hide(models: Iterable[type[BaseModel]]) -> None:
    """Have models and their subclasses show none of their protected values, and errors about their input none of it."""
    for model in set(_with_subclasses(models)):
        for name in protected_in(model):
            model.model_fields[name].repr = False
            if issubclass(model, RootModel):  # whose repr asks no field
                model.__repr_args__ = _nothing  # type: ignore[assignment]
        if not model.model_config.get("hide_input_in_errors"):
            model.model_config = {**model.model_config, "hide_input_in_errors": True}
            model.model_rebuild(force=True, raise_errors=False, _types_namespace={})


def _with_subclasses(models: Iterable[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    for model in models:
        yield model
        if protected_in(model):
            yield from _with_subclasses(model.__subclasses__())


def _nothing(model: BaseModel) -> Iterator[tuple[str | None, Any]]:
    return iter(())
