"""Keeping protected values out of what models say of themselves: their repr, and the texts of validation errors."""

from __future__ import annotations

from pydantic import BaseModel

from fieldcrypt_pydantic.annotation import protection_of

__all__ = ["hide"]


def hide(models: set[type[BaseModel]]) -> None:
    """Have models show none of their protected values, and errors about their input none of it."""
    for model in models:
        for field in model.model_fields.values():
            if protection_of(field.metadata) is not None:
                field.repr = False
        if not model.model_config.get("hide_input_in_errors"):
            model.model_config = {**model.model_config, "hide_input_in_errors": True}
            model.model_rebuild(force=True)
