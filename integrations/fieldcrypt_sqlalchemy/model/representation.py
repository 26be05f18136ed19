"""What a mapped object says of itself: its protected values are in no repr that Pydantic or dataclasses have made."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from reprlib import recursive_repr
from typing import Any

from sqlalchemy.orm import Mapper

from fieldcrypt_sqlalchemy.column.type import Encrypted

__all__ = ["hide_protected"]

_GENERATED = "<string>"  # the file of the code that dataclasses make


def hide_protected(mapper: Mapper[Any], cls: Any) -> None:
    """Keep protected values out of the repr of a class: one of SQLModel, or a dataclass. A repr of its own stays."""
    hidden = {key for key, column in mapper.columns.items() if isinstance(column.type, Encrypted)}
    if not hidden:
        return
    fields = getattr(cls, "__pydantic_fields__", None)
    if isinstance(fields, dict):
        for key in hidden & fields.keys():
            fields[key].repr = False
    elif _is_made_by_dataclasses(cls.__dict__.get("__repr__")):
        cls.__repr__ = _without(hidden)


def _is_made_by_dataclasses(method: Any) -> bool:
    code = getattr(getattr(method, "__wrapped__", method), "__code__", None)
    return code is not None and code.co_filename == _GENERATED


def _without(hidden: Collection[str]) -> Callable[[Any], str]:
    """Return what dataclasses make, but for values that are not read, because that would decrypt them."""

    @recursive_repr()
    def __repr__(self: Any) -> str:  # noqa: N807
        shown = (
            f"{field.name}={'<protected>' if field.name in hidden else repr(getattr(self, field.name))}"
            for field in dataclasses.fields(self)
            if field.repr
        )
        return f"{type(self).__qualname__}({', '.join(shown)})"

    return __repr__
