"""A field whose hot path is native."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import fieldcrypt_native as native

from fieldcrypt.errors import DecryptionError, located
from fieldcrypt.field import Contexts, Field, Tenants
from fieldcrypt.format import envelope
from fieldcrypt.format.context import NoTenant, RowContext
from fieldcrypt.format.scalars import WRITE
from fieldcrypt.native.columns import NativeColumns
from fieldcrypt.native.group import NativeGroup
from fieldcrypt.native.prepared import SYSTEM, NativeReaders, NativeWriters
from fieldcrypt.prepared.columns import one_by_one

__all__ = ["NativeField"]

T = TypeVar("T")

_ONE = (str, type(None))  # tenant of all values
_NAMES = {type: type.__name__ for type in (str, bytes, object, *WRITE)}  # as the native core knows them
_OTHER = "other"


class NativeField(Field[T]):
    """A Field whose `encrypt` and `decrypt` are native.

    What the native core cannot do at once, it hands over to `encrypt_slowly` and `decrypt_slowly`: a key that has to be
    prepared, a type that it does not know, and everything that is refused. So refusals and their reasons are here.
    """

    __slots__ = ("_core", "decrypt", "encrypt")

    _writers: NativeWriters  # pyright: ignore[reportIncompatibleVariableOverride]  # set once, and to these
    _readers: NativeReaders  # pyright: ignore[reportIncompatibleVariableOverride]
    _writers_of = NativeWriters
    _readers_of = NativeReaders
    _group_class = NativeGroup

    @property
    def core(self) -> native.FieldCore:
        """The native half of it."""
        return self._core

    def _prepare(self) -> None:
        # By the type and not by its name, which an Enum class can have too.
        name = _NAMES.get(self._codec.type, _OTHER) if self._codec.pad is None else _OTHER
        prepared = self._writers.recent, self._readers.recent
        place = self._own, self._rows_are_last, RowContext
        core = native.FieldCore(self, name, *place, *prepared, SYSTEM, self._encrypted)
        self._core = self._writers.core = core
        self.encrypt = core.encrypt  # type: ignore[method-assign]  # a slot
        self.decrypt = core.decrypt  # type: ignore[method-assign]

    def _columns(self) -> NativeColumns:
        return NativeColumns(self.name, self._writers, self._readers, self._encrypted)

    def encrypt_many(self, values: Iterable[Any], *, tenant: Any = None, context: Any = None) -> list[Any]:
        """Do what `Field.encrypt_many` does, natively if all values have one tenant and one context."""
        if isinstance(values, str):
            return super().encrypt_many(values, tenant=tenant, context=context)  # type: ignore[arg-type]  # it refuses
        given = list(values)
        try:
            sealed = self._core.encrypt_many(given, tenant, context) if isinstance(tenant, _ONE) else None
            return super().encrypt_many(given, tenant=tenant, context=context) if sealed is None else sealed
        except BaseException:
            del values, given  # which are not for a traceback
            raise

    def decrypt_many(self, data: Iterable[Any], *, tenant: Tenants = None, context: Contexts = None) -> list[Any]:
        """Do what `Field.decrypt_many` does, natively if all values have one tenant and one context."""
        try:
            return one_by_one(self.decrypt, list(data), tenant, context, self.name, self._core.decrypt_many)
        except BaseException:
            del data  # which is plaintext where nothing encrypted it
            raise

    def reader(
        self, tenant: str | NoTenant | None = None, *, otherwise: Callable[[Any], T] | None = None
    ) -> Callable[[Any], T | None]:
        """Do what `Field.reader` does: the callable is native."""
        return self._core.reader(tenant, otherwise).read

    def encrypt_slowly(self, value: T, tenant: str | None, context: Any) -> bytes:
        """Do what `encrypt` does, step by step."""
        try:
            data = self._writers.seal(tenant, [self._encode(value)], [self._bound(context)])[0]
            if self._encrypted is not None:
                self._encrypted[tenant].one()
            return data
        except BaseException as error:  # noqa: BLE001 (it is raised below)
            refused = located(error, field=self.name, tenant=tenant)
        del value
        raise refused

    def decrypt_slowly(self, data: bytes, tenant: Any, context: Any) -> T:
        """Do what `decrypt` does, step by step."""
        try:
            data = envelope.as_bytes(data)
            reader, plaintext = self._readers.open(data, tenant, self._bound(context))
            if plaintext is None:
                raise DecryptionError
            value = self._decode(plaintext)
            reader.count()
            return value
        except BaseException as error:  # noqa: BLE001 (it is raised below)
            refused = self.reported_error(error, data, tenant)
        del data  # likewise
        plaintext = value = None  # type: ignore[assignment]
        raise refused

    def decode_slowly(self, plaintext: bytes, data: bytes, tenant: Any) -> T:
        """Return the value of a plaintext that is not known natively, or say what is wrong with the encrypted one."""
        try:
            return self._decode(plaintext)
        except BaseException as error:  # noqa: BLE001 (it is raised below)
            refused = self.reported_error(error, data, tenant)
        del plaintext
        raise refused

    def forget(self) -> None:
        """Drop all that was prepared, so that the next value asks the keyring again."""
        super().forget()
        self._core.forget()
