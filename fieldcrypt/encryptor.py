"""What a program configures once, and makes its fields from."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any, TypeVar, overload

from fieldcrypt import _system
from fieldcrypt.codecs import Codec
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.field import Field
from fieldcrypt.keys.keyring import Keyring
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.provider import KeyProvider
from fieldcrypt.keys.store import KeyStore

__all__ = ["Encryptor"]

T = TypeVar("T")

_DEFAULT_POLICY = KeyPolicy()


class Encryptor:
    """Keys and limits for any number of fields. Makes no call to store or provider before the first value.

    Models are declared at import and keys are configured at start-up, so an Encryptor may be made empty and configured
    later: `encryptor = Encryptor()`, then `encryptor.configure(provider, store)`.

    Args:
        provider: wraps and unwraps data keys.
        store: keeps wrapped data keys beside the data. None makes every value carry its wrapped data key.
        policy: how long keys live.
    """

    def __init__(
        self,
        provider: KeyProvider | None = None,
        store: KeyStore | None = None,
        policy: KeyPolicy = _DEFAULT_POLICY,
    ) -> None:
        self._fields: weakref.WeakSet[Field[Any]] = weakref.WeakSet()
        self._keyring: Keyring | None = None
        _system.call_after_fork(self._forget)
        if provider is not None:
            self.configure(provider, store, policy)
        elif store is not None or policy is not _DEFAULT_POLICY:
            raise ConfigurationError("an Encryptor with a key store or a policy needs a key provider too")

    def configure(
        self, provider: KeyProvider, store: KeyStore | None = None, policy: KeyPolicy = _DEFAULT_POLICY
    ) -> None:
        """Set or replace keys and limits; fields made before follow. For start-up and tests, not for use under load.

        Raises:
            ConfigurationError: provider, store or policy are not what they should be.
        """
        if isinstance(provider, type) or not isinstance(provider, KeyProvider):
            raise ConfigurationError(f"{_kind(provider)} is no key provider: it has no wrap and unwrap")
        if isinstance(store, type) or (store is not None and not isinstance(store, KeyStore)):
            raise ConfigurationError(f"{_kind(store)} is no key store: it has no get, add and list")
        if not isinstance(policy, KeyPolicy):
            raise ConfigurationError(f"{_kind(policy)} is no KeyPolicy")
        self._keyring = Keyring(provider, store, policy)
        self._forget()

    @overload
    def field(
        self, name: str, type: type[T], *, context: Mapping[str, str] | None = None, pad: int | None = None
    ) -> Field[T]: ...

    @overload
    def field(self, name: str, *, context: Mapping[str, str] | None = None, pad: int | None = None) -> Field[bytes]: ...

    def field(
        self,
        name: str,
        type: Any = bytes,
        *,
        context: Mapping[str, str] | None = None,
        pad: int | None = None,
    ) -> Field[Any]:
        """Make a field.

        Args:
            name: 1 to 255 bytes of UTF-8, by convention `table.column`. It is bound to every value: a value of one
                name does not decrypt under another, so choose it for good.
            type: bytes, str, int, float, bool, Decimal, date, datetime, time, timedelta, UUID, list, dict, set, an
                Enum class, or `object` for any of these but Enum members.
            context: constant encryption context beside the name; keys must not begin with `fieldcrypt:`.
            pad: hide the exact length of values by padding them to a multiple of so many bytes (2 to 65,535).

        Raises:
            TypeError: the type is none of these, or name and context are not text.
            ValueError: name, context or pad are out of range.
        """
        field: Field[Any] = Field(name, Codec(type, pad), context, self._configured)
        self._fields.add(field)
        return field

    def _configured(self) -> Keyring:
        if self._keyring is None:
            raise ConfigurationError(
                "this Encryptor has no keys yet: call encryptor.configure(provider, store) at start-up, before the "
                "first value is encrypted or decrypted"
            )
        return self._keyring

    def _forget(self) -> None:
        for field in self._fields:
            field.forget()

    def __repr__(self) -> str:
        return f"<Encryptor {'configured' if self._keyring else 'not configured'} at {id(self):#x}>"

    def __reduce__(self) -> str:
        raise TypeError("an Encryptor holds live keys and cannot be pickled")


def _kind(value: object) -> str:
    return f"a {type(value).__name__}"  # not the value itself, which may be a key in the wrong place
