"""Values that are bound to their row: they open with the row's key, which a type never sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

from fieldcrypt import ConfigurationError
from fieldcrypt.spi import discreet
from fieldcrypt_sqlalchemy.column.companion import Tag, Tags
from fieldcrypt_sqlalchemy.errors import ProtectedColumnError
from fieldcrypt_sqlalchemy.row_key.bound_row import BoundRow

__all__ = ["UNOPENED", "Origin", "Sealed"]


class _Unopened:
    __slots__ = ()


UNOPENED: Any = _Unopened()  # stands for the plaintext of a value that was not opened yet


class Sealed:
    """An encrypted value of a row. A model opens it when the attribute is read; a selected column comes so.

    It shows nothing of the value, and opens with the key of the row that it was written for. It can be compared with
    another one, and has neither truth nor text: those of the value are meant, which `open` returns.

    Made by rows that are read, and by `seal`.
    """

    __slots__ = ("_data", "_field", "_opened", "_origin")

    def __init__(self, data: Any, field: Any, known: Any = UNOPENED, origin: Origin | BoundRow | None = None) -> None:
        self._data = data  # None for NULL, where a statement has to tell for which row that is
        self._field = field  # a SealedField, which is made of this
        self._opened = known  # once it was opened, or before it was sealed
        self._origin = origin

    @discreet
    def open(self, *row: Any, tenant: Any = None) -> Any:
        """Return the value.

        Args:
            row: the key of the row, all its parts, as the model's attributes have them.
            tenant: the row's tenant, if the model has one.

        Raises:
            TypeError: these are not the parts of a key.
            DecryptionError: the value is not of this row, column and tenant, or was changed.
            KeyProviderError, KeyStoreError: as for `Field.decrypt`.
        """
        context, of_tenant = self._field.row_key.named(row, tenant)
        return self._field.decrypted(self._data, context, of_tenant)

    @discreet
    def __eq__(self, other: object) -> bool:
        if other is None:
            return False
        if type(other) is not Sealed:
            raise self._opaque_error("cannot be compared with a value")
        return bool(self._data == other._data and self._field.name == other._field.name)

    def __hash__(self) -> int:
        data = self._data.__class__ if self._data.__class__.__hash__ is None else self._data  # of a document of JSON
        return hash((data, self._field.name))

    def __bool__(self) -> bool:
        raise self._opaque_error("is neither true nor false")

    def __str__(self) -> str:
        raise self._opaque_error("has no text")

    def __format__(self, spec: str) -> str:
        raise self._opaque_error("has no text")

    def _opaque_error(self, what: str) -> ProtectedColumnError:
        return ProtectedColumnError(
            f"a sealed value of {self._field.name} {what}: open it with the key of its row, "
            "sealed.open(key, tenant=tenant), or select objects of the model",
            field=self._field.name,
        )

    def __copy__(self) -> Sealed:
        return self

    def __deepcopy__(self, memo: Any) -> Sealed:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (self._data, self._field.name)

    def __repr__(self) -> str:
        return f"<Sealed {self._field.name}>"


class Origin(NamedTuple):
    """What belongs to a value that was sealed in this process, when it is written.

    Attributes:
        row: the row that it was sealed for.
        tags: what its column's companions hold, if it is searchable.
        replaces: the value that has to be in the row until then, or None if it may be any.
    """

    row: BoundRow
    tags: Mapping[str, Tag | Tags | None] | None = None
    replaces: Sealed | None = None


class _Unpickled:
    """The field of a Sealed that was unpickled: only a model can open it."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def row_key(self) -> NoReturn:
        raise ConfigurationError(
            f"a pickled value of {self.name} cannot be opened alone: pickle the object, whose attribute opens it, or "
            "open the value before it is pickled"
        )


def _unpickle(data: bytes | None, name: str) -> Sealed:
    return Sealed(data, _Unpickled(name), UNOPENED if data is not None else None)


_unpickle.__module__ = "fieldcrypt_sqlalchemy.sealed"  # what pickles call it, as in 0.1
