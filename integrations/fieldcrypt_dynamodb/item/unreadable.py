"""What stands for a value that cannot be read, where the reader goes on without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any, Literal, NoReturn, Protocol

from fieldcrypt import DecryptionError, FieldcryptError, KeyNotFoundError, UnknownTenantError
from fieldcrypt.spi import located
from fieldcrypt_dynamodb.errors import placed_error
from fieldcrypt_dynamodb.item.forms import Form
from fieldcrypt_dynamodb.item.plaintext import key_of

__all__ = ["OnUnreadable", "Unreadable", "is_unreadable", "marked_item", "marks", "unread"]

OnUnreadable = Literal["raise", "mark"]


class Unreadable:
    """Stands for a value that cannot be read, where the reader said `on_unreadable="mark"`.

        readable = [item for item in page if not isinstance(item.get("ssn"), Unreadable)]

    It is not a value itself. Comparing it, testing whether it is true, and converting it to text raise what reading the
    value would have raised. It has no hash, no JSON and no pickle, and is refused where it would be written.

    Attributes:
        error: what reading the value would have raised: where it is, and what is wrong with it.
    """

    __slots__ = ("error",)

    def __init__(self, error: FieldcryptError) -> None:
        self.error: FieldcryptError = located(error).with_traceback(None)  # whose frames hold the item

    def _raise(self) -> NoReturn:
        raise located(self.error) from self.error.__cause__

    def __bool__(self) -> NoReturn:
        self._raise()

    def __eq__(self, other: object) -> NoReturn:
        self._raise()

    def __ne__(self, other: object) -> NoReturn:
        self._raise()

    def __str__(self) -> NoReturn:
        self._raise()

    def __format__(self, spec: str) -> NoReturn:
        self._raise()

    def __repr__(self) -> str:
        return f"<unreadable: {self.error}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("what stands for a value that cannot be read cannot be pickled: it would be taken for one")


class Table(Protocol):
    """Whose items they are."""

    @property
    def name(self) -> str: ...

    @property
    def key(self) -> Sequence[str]: ...


def is_unreadable(error: FieldcryptError) -> bool:
    """Return True if an error is about the value, or about a key that is gone: not an outage, nor a decision of KMS."""
    if isinstance(error, KeyNotFoundError):
        return error.final
    return isinstance(error, (DecryptionError, UnknownTenantError))


def unread(error: FieldcryptError, table: Table, attribute: str, item: Mapping[str, Any], *, mark: bool) -> Unreadable:
    """Return what stands for a value that cannot be read, or raise the error, which then says where it is.

    Args:
        error: about the value, or an outage, which is raised in any case.
        table: whose item it is.
        attribute: the attribute; "" if it is about the item.
        item: as it is stored.
        mark: False if it is to be raised.
    """
    if not is_unreadable(error):
        raise error
    placed = placed_error(error, f"{table.name}.{attribute}" if attribute else table.name, key_of(item, table.key))
    if mark:
        return Unreadable(placed)
    raise placed from error.__cause__


def marked_item(
    item: Mapping[str, Any], names: Set[str], marker: Unreadable, own: Set[str], form: Form
) -> dict[str, Any]:
    """Return an item as the application has it, with marks for attributes that cannot be read, or were taken away.

    Args:
        item: as it is stored.
        names: of these attributes.
        marker: stands for them.
        own: the attributes that fieldcrypt fills, which no application sees.
        form: the application's.
    """
    return {**form.deserialize_item(item, names | own), **dict.fromkeys(names - own, marker)}


def marks(on_unreadable: Any) -> bool:
    """Return True if what cannot be read is to be marked, and False if it is to be raised.

    Raises:
        ValueError: neither was said.
    """
    if on_unreadable not in ("raise", "mark"):
        raise ValueError(f'on_unreadable="raise" or on_unreadable="mark", not {on_unreadable!r}')
    return bool(on_unreadable == "mark")
