"""Searching for encrypted values by tags: equal values have equal tags (SPEC section 11)."""

from __future__ import annotations

import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from uuid import UUID

from cryptography.hazmat.primitives.hmac import HMAC

from fieldcrypt import _system
from fieldcrypt._base.cache import GenerationCache
from fieldcrypt.errors import ConfigurationError, FieldcryptError, located
from fieldcrypt.format.codecs import Codec
from fieldcrypt.format.context import FIELD_KEY, NO_TENANT, PATH_KEY, NoTenant, check_field_name, encode_context
from fieldcrypt.keys.index.index_key import IndexLease
from fieldcrypt.normalisers import NORMALISERS, Normaliser, canonical
from fieldcrypt.offload import Offload, in_place

if TYPE_CHECKING:
    from fieldcrypt.keys.keyring import Keyring

__all__ = ["DEFAULT_TAG_SIZE", "MAX_TAG_SIZE", "MIN_MEMBERS", "BlindIndex"]

T = TypeVar("T")

DEFAULT_TAG_SIZE = 16  # bytes, at which no two values of a table ever share a tag
MAX_TAG_SIZE = 32
_LENGTH_SIZE = 4
MIN_MEMBERS = 16  # of an Enum; with fewer, the tags reveal the values
_TENANTS = 4096  # whose prepared HMACs are kept

_TYPES = (bytes, str, int, bool, Decimal, date, datetime, time, timedelta, UUID)

# The HMACs of a tenant's index keys, already fed with the head of the message, the active one first.
_Prepared = tuple[IndexLease, tuple[HMAC, ...]]


class _Encryptor(Protocol):
    """What a blind index uses of the Encryptor that made it."""

    def _configured(self) -> Keyring: ...

    @property
    def blind_index(self) -> Any: ...


class BlindIndex(Generic[T]):
    """Tags of the values of one field. Made by `Encryptor.blind_index`; safe to use from many threads.

    Values are equal if they are after normalising; the numbers 1.0 and 1.00 are, and so are times of one instant.

    Attributes:
        name: the field's.
        type: the Python type of its values.
        tag_size: bytes of a tag.
    """

    __slots__ = (
        "__weakref__",
        "_accepts_default_key",
        "_accepts_low_cardinality",
        "_codec",
        "_encryptor",
        "_head",
        "_normalise",
        "_normaliser",
        "_offload",
        "_path",
        "_per_tenant",
        "_prepared",
        "_recent",
        "_rotates",
        "name",
        "tag_size",
        "type",
    )

    def __init__(
        self,
        name: str,
        type: Any,
        tag_size: int,
        normaliser: Normaliser[T] | str | None,
        encryptor: _Encryptor,
        accept_low_cardinality: bool = False,
        offload: Offload = in_place,
        per_tenant: bool = True,
        accept_default_key: bool = False,
        path: str | None = None,
        rotates: bool = True,
    ) -> None:
        self.name = check_field_name(name)
        self.type = _checked_type(type, accept_low_cardinality)
        self.tag_size = _checked_size(tag_size)
        self._codec = Codec(type)
        self._normaliser = normaliser
        self._normalise = _found(normaliser, type)
        self._accepts_low_cardinality = accept_low_cardinality
        self._encryptor = encryptor
        self._offload = offload
        self._per_tenant = per_tenant
        self._accepts_default_key = accept_default_key
        self._path = path
        self._rotates = rotates
        context = encode_context({FIELD_KEY: name} if path is None else {FIELD_KEY: name, PATH_KEY: path})
        self._head = len(context).to_bytes(_LENGTH_SIZE, "big") + context
        self._prepared: GenerationCache[str | None, _Prepared] = GenerationCache(_TENANTS)
        self._recent = self._prepared.recent

    @property
    def truncated(self) -> bool:
        """True if different values may share a tag, so that search results have to be checked (see `matches`)."""
        return self.tag_size < DEFAULT_TAG_SIZE

    def tag(self, value: T, *, tenant: str | None = None) -> bytes:
        """Return the tag to store beside a value.

        Args:
            value: exactly of the index's type.
            tenant: whose index key to use; it is made if there is none.

        Raises:
            TypeError: the value is None or not of the index's type; the tenant is not text.
            ValueError: value or tenant are out of range, or the normaliser refuses the value.
            NothingToTagError: a ValueError, for a value that is stored without a tag: a text without digits, with the
                normaliser "digits", a decimal number that is none, a time that has no year in UTC.
            KeyProviderError: the tenant's index key cannot be had from the key provider.
            KeyStoreError: it cannot be had from, or put into, the key store.
            ConfigurationError: the Encryptor has not been configured, or so that there can be no index keys.
        """
        try:
            message = self._codec.encode(self.normalise(value))
            if not self._per_tenant:
                self._check_owner(tenant)
                tenant = None
            prepared = self._recent.get(tenant)
            if prepared is None or prepared[0].at_hand_until <= _system.monotonic():
                keyring = self._encryptor._configured()
                lease = keyring.index_keys.for_tagging(tenant, self._offload)
                prepared = self._prepare(tenant, lease, keyring.policy.max_cached_keys)
            return self._tag(prepared[1][0], message)
        except (FieldcryptError, TypeError, ValueError) as error:
            refused = located(error, field=self.name, tenant=tenant)
        raise refused

    def tags(self, value: T, *, tenant: str | NoTenant | None = None) -> list[bytes]:
        """Return the tags to search for: under every key with which a row may have been tagged, the active one first.

        Args:
            value: as for `tag`.
            tenant: whose rows to search. If it has no index key yet, there is nothing to find and no key is made.
                `NO_TENANT` for rows of no tenant, which None means too unless tenants have wrapping keys of their own.

        Raises:
            As `tag`.
        """
        try:
            message = self._codec.encode(self.normalise(value))
            if tenant is None and self._per_tenant:
                self._encryptor._configured().providers.check_named(tenant)
            owner = None if tenant is NO_TENANT or not self._per_tenant else tenant
            prepared = self._recent.get(owner)
            if prepared is None or prepared[0].at_hand_until <= _system.monotonic() or not prepared[0].complete:
                keyring = self._encryptor._configured()
                lease = keyring.index_keys.for_searching(owner, self._offload)
                prepared = self._prepare(owner, lease, keyring.policy.max_cached_keys)
            return [self._tag(mac, message) for mac in prepared[1]]
        except (FieldcryptError, TypeError, ValueError) as error:
            refused = located(error, field=self.name, tenant=tenant)
        raise refused

    def normalise(self, value: T) -> T:
        """Return the value that stands for all values that count as equal to this one.

        Raises:
            TypeError, ValueError: as for `tag`.
        """
        if self._normalise is not None:
            self._check(value)
            value = self._normalise(value)
        self._check(value)
        return canonical(value)

    def matches(self, one: T, other: T) -> bool:
        """Return True if two values count as equal: to drop the false positives of a search by truncated tags.

        Raises:
            TypeError, ValueError: as for `tag`.
        """
        try:
            return self._codec.encode(self.normalise(one)) == self._codec.encode(self.normalise(other))
        except (TypeError, ValueError) as error:
            refused = located(error, field=self.name)
        raise refused

    def forget(self) -> None:
        """Drop all that was prepared, so that the next value asks the keyring again."""
        self._prepared.clear()

    def _check_owner(self, tenant: str | None) -> None:
        """Refuse to tag the values of a tenant with wrapping keys of its own under an index key of no tenant."""
        providers = self._encryptor._configured().providers
        if self._accepts_default_key or not providers.by_tenant or not isinstance(tenant, str):
            return
        if providers.is_default(tenant, self._offload):
            return
        raise ConfigurationError(
            "the tenant has a wrapping key of its own, and tags that are not per tenant are under the default key: "
            "declare the index with per_tenant=True, or if that is acceptable with accept_default_key=True"
        )

    def _check(self, value: Any) -> None:
        if type(value) is not self.type:
            raise TypeError(f"expected {self.type.__name__}, got {type(value).__name__}")

    def _prepare(self, tenant: str | None, lease: IndexLease, most: int) -> _Prepared:
        known = self._prepared.find(tenant)
        if known is not None and known[0] is lease:
            return known
        keys = lease.keys
        if keys and not self._rotates:
            keys = (self._encryptor._configured().index_keys.first(tenant, lease, self._offload),)
        prepared = (lease, tuple(key.mac(self._head) for key in keys))
        if lease.keys:
            self._prepared.narrow(most)
            self._prepared.put(tenant, prepared)
        return prepared

    def _tag(self, mac: HMAC, message: bytes) -> bytes:
        mac = mac.copy()
        mac.update(message)
        return mac.finalize()[: self.tag_size]

    def __reduce__(self) -> tuple[Any, ...]:
        how = {
            "tag_size": self.tag_size,
            "normaliser": self._normaliser,
            "accept_low_cardinality": self._accepts_low_cardinality,
            "offload": self._offload,
        }
        newer = {"per_tenant": self._per_tenant, "accept_default_key": self._accepts_default_key, "path": self._path}
        newer["rotates"] = self._rotates
        default = {"per_tenant": True, "accept_default_key": False, "path": None, "rotates": True}
        how |= dict(newer.items() - default.items())  # if there is none, 0.1 unpickles it as well
        return partial(self._encryptor.blind_index, self.name, self.type, **how), ()

    def __repr__(self) -> str:
        return f"BlindIndex({self.name!r}, {self.type.__name__}, tag_size={self.tag_size})"


def _checked_type(type: Any, accept_low_cardinality: bool) -> Any:
    is_enum = isinstance(type, enum.EnumMeta)
    if not is_enum and type not in _TYPES:
        names = ", ".join(known.__name__ for known in _TYPES)
        raise TypeError(f"a blind index has one of the types {names} or an Enum class; not {type!r}")
    if not accept_low_cardinality and (type is bool or (is_enum and len(type) < MIN_MEMBERS)):
        raise ConfigurationError(
            f"equal values have equal tags, so among the few values of {type.__name__} the tags' frequencies tell "
            "which is which: search by something else, or if that is acceptable set accept_low_cardinality=True"
        )
    return type


def _checked_size(size: int) -> int:
    if not isinstance(size, int) or isinstance(size, bool):
        raise TypeError("tag_size is a number of bytes")
    if not 1 <= size <= MAX_TAG_SIZE:
        raise ValueError(f"tag_size is 1 to {MAX_TAG_SIZE} bytes, not {size}")
    return size


def _found(normaliser: Normaliser[Any] | str | None, type: Any) -> Normaliser[Any] | None:
    if isinstance(normaliser, str):
        if type is not str:
            raise TypeError(f"the normaliser {normaliser!r} is one for str, not for {type.__name__}")
        if normaliser not in NORMALISERS:
            *most, last = NORMALISERS
            raise ValueError(f"unknown normaliser {normaliser!r}: use {', '.join(most)} or {last}")
        return NORMALISERS[normaliser]
    if normaliser is not None and not callable(normaliser):
        raise TypeError("a normaliser is a name or a function")
    return normaliser
