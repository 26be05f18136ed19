"""Encryption contexts and their canonical bytes (SPEC section 2)."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from fieldcrypt.format._text import utf8

__all__ = [
    "FIELD_KEY",
    "NO_TENANT",
    "PATH_KEY",
    "RESERVED_PREFIX",
    "ROW_KEY",
    "TENANT_KEY",
    "NoTenant",
    "RowContext",
    "application_context",
    "check_field_name",
    "encode_context",
    "key_text",
    "row_context",
]

RESERVED_PREFIX = "fieldcrypt:"
FIELD_KEY = "fieldcrypt:field"
TENANT_KEY = "fieldcrypt:tenant"  # in contexts that others see: those of key services, and of exported values
ROW_KEY = "row"
PATH_KEY = "path"

MAX_NAME_SIZE = 255  # of a field's name, in bytes of UTF-8
_MAX_LENGTH = 0xFFFF  # of a key and of a value, in bytes
_LENGTH_SIZE = 2
_MAX_EXPONENT = 200  # of a Decimal in a key; DynamoDB's numbers go from 10^-130 to 10^126
_EXACT_TEXTS: dict[type, Callable[[Any], str]] = {str: str, int: int.__repr__, UUID: UUID.__str__}
_ROW_KEY_ENCODED = len(ROW_KEY).to_bytes(_LENGTH_SIZE, "big") + ROW_KEY.encode()
_BEFORE_ROWS = [_ROW_KEY_ENCODED + size.to_bytes(_LENGTH_SIZE, "big") for size in range(256)]  # of ASCII, by its size
_made = object.__new__


class NoTenant(enum.Enum):
    """The type of `NO_TENANT`."""

    NO_TENANT = "no tenant"


NO_TENANT: Final = NoTenant.NO_TENANT
"""Given to `decrypt`, it requires a value of no tenant, where None accepts any tenant's."""


def encode_context(context: Mapping[str, str]) -> bytes:
    """Encode an encryption context; equal contexts, and only those, give equal bytes.

    Args:
        context: at least one entry; keys of 1 to 65,535 bytes of UTF-8, values of 0 to 65,535.

    Raises:
        TypeError: a key or value is not a str.
        ValueError: the context is empty, or an entry is out of range or has a lone surrogate.
    """
    if not context:
        raise ValueError("an encryption context needs at least one entry")
    entries = sorted((_utf8(key), _utf8(value)) for key, value in context.items())
    if not entries[0][0]:
        raise ValueError("an encryption context cannot have an empty key")
    return b"".join(len(part).to_bytes(_LENGTH_SIZE, "big") + part for key, value in entries for part in (key, value))


def application_context(context: Mapping[str, str]) -> dict[str, str]:
    """Return a copy of a context that an application gave, refusing keys that belong to the format.

    Raises:
        TypeError: it is not a mapping from str to str.
        ValueError: a key begins with `fieldcrypt:`.
    """
    if not isinstance(context, Mapping):
        raise TypeError(f"a context is a mapping from str to str, not {type(context).__name__}")
    for key in context:
        if isinstance(key, str) and key.startswith(RESERVED_PREFIX):
            raise ValueError(f"context keys that begin with {RESERVED_PREFIX!r} are reserved: {key!r}")
    return dict(context)


def check_field_name(name: str) -> str:
    """Return the name of a field.

    Raises:
        TypeError: it is not a str.
        ValueError: it is empty or longer than 255 bytes.
    """
    if not isinstance(name, str):
        raise TypeError(f"a field's name is a str, not {type(name).__name__}")
    if not 1 <= len(name.encode(errors="replace")) <= MAX_NAME_SIZE:
        raise ValueError(f"a field's name has 1 to {MAX_NAME_SIZE} bytes")
    return name


class RowContext(Mapping[str, str]):
    """The context of a row, as `row_context` makes it; encoded once, because all fields of the row need it.

    Args:
        texts: of the parts of the row's primary key, at least one.

    Raises:
        TypeError: it is no tuple of str, or an empty one.
        ValueError: a text is longer than 65,535 bytes, or has a lone surrogate.
    """

    __slots__ = ("_texts", "encoded")

    def __init__(self, texts: tuple[str, ...]) -> None:
        if texts.__class__ is not tuple or not texts:
            raise TypeError("a row is named by the parts of its primary key, at least one")
        self._texts = texts
        if len(texts) == 1:  # the usual row, for which sorting and joining would take three times as long
            text = texts[0]
            if text.__class__ is str and len(text) < len(_BEFORE_ROWS) and text.isascii():
                self.encoded = _BEFORE_ROWS[len(text)] + text.encode()
                return
            value = _utf8(text)
            self.encoded = _ROW_KEY_ENCODED + len(value).to_bytes(_LENGTH_SIZE, "big") + value
        else:
            self.encoded = encode_context(_row_entries(texts))

    def __getitem__(self, key: str) -> str:
        return _row_entries(self._texts)[key]

    def __iter__(self) -> Iterator[str]:
        return iter(_row_entries(self._texts))

    def __len__(self) -> int:
        return len(self._texts)

    def __repr__(self) -> str:
        return f"RowContext({dict(self)!r})"


def _row_entries(texts: tuple[str, ...]) -> dict[str, str]:
    if len(texts) == 1:
        return {ROW_KEY: texts[0]}
    return {f"{ROW_KEY}.{number}": text for number, text in enumerate(texts, 1)}


def row_context(*key: Any) -> RowContext:
    """Return the context that binds a value to a row.

    Args:
        key: the row's primary key, all parts of it in their order (see `key_text`).

    Returns:
        `{"row": text}` for a key of one part, `{"row.1": text, "row.2": text, ...}` for one of several.

    Raises:
        TypeError: there is no part, or one that has no text.
        ValueError: a part is longer than 65,535 bytes, or has a lone surrogate.
    """
    if len(key) == 1:
        (part,) = key
        if part.__class__ is int:  # the usual key: what `RowContext` does, in half of the time
            row = _made(RowContext)
            row._texts = (text,) = (f"{part}",)
            if len(text) < len(_BEFORE_ROWS):
                row.encoded = _BEFORE_ROWS[len(text)] + text.encode()
                return row
        return RowContext(key if part.__class__ is str else (key_text(part),))
    return RowContext(tuple(map(key_text, key)))


def key_text(value: Any) -> str:
    """Return the text of a part of a primary key in a context (SPEC section 2).

    Parts of one type have equal texts if and only if they are equal. Between types that does not hold (1 and "1"), and
    need not: a column has one type.

    Args:
        value: a str, int, Decimal, UUID, bytes, date or Enum member.

    Raises:
        TypeError: it is something else; a bool or a datetime, for example.
        ValueError: it is a Decimal that is no number, or is not within 10^-200 and 10^200.
    """
    exact = _EXACT_TEXTS.get(value.__class__)
    if exact is not None:
        return exact(value)
    if isinstance(value, enum.Enum):
        if value.name in type(value).__members__ and value is not NO_TENANT:
            return value.name
    elif isinstance(value, str):
        return str.__str__(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        return int.__repr__(value)
    elif isinstance(value, Decimal):
        return _decimal_text(value)
    elif isinstance(value, UUID):
        return UUID.__str__(value)
    elif isinstance(value, bytes):
        return value.hex()
    elif isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(
        f"a {type(value).__name__} has no text as a part of a key: use str, int, Decimal, UUID, bytes, date or Enum"
    )


def _decimal_text(value: Decimal) -> str:
    """Return the text of an int of the same value; else digits, a point, digits, and no zero at the end."""
    if not value.is_finite() or (value and abs(value.adjusted()) > _MAX_EXPONENT):
        raise ValueError("a Decimal that is a part of a key is a number, and within 10^-200 and 10^200")
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _utf8(text: str) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"keys and values of an encryption context are str, not {type(text).__name__}")
    encoded = utf8(text, "a key or value of an encryption context")
    if len(encoded) > _MAX_LENGTH:
        raise ValueError(f"a key or value of an encryption context is longer than {_MAX_LENGTH} bytes")
    return encoded
