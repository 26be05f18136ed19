"""Prepared readers, which decrypt under a data key and a salt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from fieldcrypt import _system
from fieldcrypt._base.cache import GenerationCache
from fieldcrypt.backends.python import Crypt
from fieldcrypt.counting.tally import Tally, counted
from fieldcrypt.errors import ConfigurationError, DecryptionError
from fieldcrypt.events import Event, EventKind
from fieldcrypt.format import envelope
from fieldcrypt.format.context import NO_TENANT, NoTenant
from fieldcrypt.format.envelope import HEAD, PREFIX, SALT
from fieldcrypt.keys.live.live_key import Deadline, LiveKey
from fieldcrypt.keys.live.wiped import unless_wiped
from fieldcrypt.offload import Offload

if TYPE_CHECKING:
    from fieldcrypt.keys.keyring import Keyring

__all__ = ["NO_READER", "CanaryError", "Reader", "Readers"]

_LIMIT = 1024  # readers kept, one per data key and salt
_NOBODY: Any = object()

# AESGCM.decrypt, additional data of the field alone, live key, infix, where infix and ciphertext stand in a value, and
# what to name as the tenant if anybody's value will do: None, or what nobody can name. A plain tuple, because Python
# unpacks those three times faster than named ones.
Reader = tuple[Crypt, bytes, LiveKey, bytes, slice, slice, Any]
NO_READER = cast("Reader", (None, b"", Deadline(), b"", None, None, None))  # whose key is over


class CanaryError(DecryptionError):
    """A canary is to be decrypted among other values: it has to be decrypted alone, so that it is reported."""


class Readers:
    """The prepared readers of a field, by the first bytes of a value: version, key id and salt.

    Args:
        name: the field's.
        keyring: returns the keyring that is configured.
        offload: does what has to wait.
        context: the canonical encoding of the field's own.
        accepts_public_key, accepts_foreign_keys, names_tenant: see `Encryptor.field`.

    Attributes:
        recent: the most recently used ones: a value with one here, whose key is at hand, needs no preparation.
        decrypted: the tallies of values that were decrypted, by tenant; None if nobody counts them.
    """

    __slots__ = (
        "_accepts_foreign_keys",
        "_accepts_public_key",
        "_cache",
        "_context",
        "_keyring",
        "_name",
        "_names_tenant",
        "_offload",
        "decrypted",
        "recent",
    )

    def __init__(
        self,
        name: str,
        keyring: Callable[[], Keyring],
        offload: Offload,
        context: bytes,
        *,
        accepts_public_key: bool,
        accepts_foreign_keys: bool,
        names_tenant: bool,
    ) -> None:
        self._name = name
        self._keyring = keyring
        self._offload = offload
        self._context = context
        self._accepts_public_key = accepts_public_key
        self._accepts_foreign_keys = accepts_foreign_keys
        self._names_tenant = names_tenant
        self._cache: GenerationCache[bytes, Reader] = GenerationCache(_LIMIT)
        self.recent = self._cache.recent
        self.decrypted: Mapping[str | None, Tally] | None = None

    def prepare(self, data: bytes, tenant: str | NoTenant | None, *, for_one: bool = True) -> Reader:
        """Return a reader for a value whose data key and key record are authentic; the value may still not be.

        Each canary is reported, so its reader is never kept.

        Args:
            data, tenant: the value, and whose it is to be.
            for_one: the reader is for this value alone.

        Raises:
            CanaryError: it is not, and the value is a canary.
        """
        return unless_wiped(lambda: self._prepare(data, tenant, for_one))

    def _prepare(self, data: bytes, tenant: str | NoTenant | None, for_one: bool) -> Reader:
        value = envelope.parse(data)
        keyring = self._keyring()
        if tenant is None and self._names_tenant:
            tenant = NO_TENANT
        self._check_acceptable(keyring, tenant)
        try:
            key = keyring.for_decryption(value.key_id, value.record, self._offload, tenant=tenant)
        except DecryptionError:
            if value.record is None or not keyring.reads_self_contained:
                raise  # the fault is in the key store or the configuration, whose keepers need the reason
            key = None
        if key is None:
            raise DecryptionError
        infix = b"" if value.record is None else envelope.infix(value.record)
        known = self._cache.find(data[PREFIX])
        if known is not None and self._is_of(known, key, infix):
            return known
        is_canary = value.salt in key.canary_salts
        if is_canary and not for_one:
            raise CanaryError
        anyone = not keyring.providers.by_tenant or (self._names_tenant and key.tenant is None)
        reader: Reader = self._made(data[PREFIX], key, infix, anyone)
        if is_canary:
            keyring.events.report(Event(EventKind.CANARY_READ, key.key_id.hex(), key.tenant, self._name))
            return reader
        self._cache.narrow(keyring.policy.max_cached_keys)
        self._cache.put(data[PREFIX], reader)
        if key.at_hand_until <= _system.monotonic():
            self._cache.drop(data[PREFIX])  # ended, perhaps by close(), which is past: it serves its caller only
        return reader

    def _is_of(self, reader: Any, key: LiveKey, infix: bytes) -> bool:
        """Return True if a reader is that of a key, and of values with this infix."""
        return reader[2] is key and reader[3] == infix

    def _made(self, prefix: bytes, key: LiveKey, infix: bytes, anyone: bool) -> Any:
        """Return a reader of values with these first bytes, and this infix."""
        decrypt = key.xaes.cipher(prefix[SALT]).decrypt
        return (
            decrypt if self.decrypted is None else counted(decrypt, self.decrypted[key.record.tenant]),
            prefix[HEAD] + self._context,
            key,
            infix,
            envelope.infix_slice(infix),
            envelope.body_slice(infix),
            None if anyone else _NOBODY,
        )

    def check_nobody(self, tenant: object, key: LiveKey) -> None:
        """Raise an error unless a value should be, and is, no tenant's."""
        if tenant is None and not self._names_tenant:
            raise self._keyring().providers.unnamed_error()
        if tenant is not None and not isinstance(tenant, (str, NoTenant)):
            raise TypeError(f"a tenant is a str, not {type(tenant).__name__}")
        if tenant is not NO_TENANT or key.record.tenant is not None:
            raise DecryptionError

    def count(self, key: LiveKey, number: int) -> None:
        """Count a value that was decrypted without a reader: 1; or of which it turned out that it is none: -1."""
        if self.decrypted is not None:
            self.decrypted[key.record.tenant].add(number)

    def clear(self) -> None:
        """Forget them, so that the next value asks the keyring again."""
        self._cache.clear()

    def _check_acceptable(self, keyring: Keyring, tenant: str | NoTenant | None) -> None:
        """Raise an error if others may make values of the field, and it does not accept that."""
        if not self._accepts_public_key and keyring.providers.for_reader(tenant, self._offload).public_key_wrapping:
            raise ConfigurationError(
                f"the data keys of field {self._name!r} are wrapped with a public key, so anyone who knows it can make "
                "values: if that is acceptable here, declare the field with accept_public_key=True"
            )
        if not self._accepts_foreign_keys and keyring.policy.own_keys_only:
            raise ConfigurationError(
                f"the policy is own_keys_only, because others may plant data keys, and so make values of "
                f"field {self._name!r}: if that is acceptable here, declare the field with accept_foreign_keys=True"
            )
