"""The HMACs of index keys, already fed with what their messages begin with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from fieldcrypt import _system
from fieldcrypt._base.cache import GenerationCache
from fieldcrypt.backends import Mac
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.format.context import NO_TENANT, NoTenant, encode_context
from fieldcrypt.keys.index.index_key import IndexLease
from fieldcrypt.offload import Offload

if TYPE_CHECKING:
    from fieldcrypt.keys.keyring import Keyring

__all__ = ["IndexMacs", "IndexingEncryptor", "message_head"]

_LENGTH_SIZE = 4
_TENANTS = 4096  # whose prepared HMACs are kept

Heads = tuple[Mac, ...]  # one for each head, under one key
_Prepared = tuple[IndexLease, tuple[Heads, ...]]  # of the keys, the active one first


class IndexingEncryptor(Protocol):
    """What an index uses of the Encryptor that made it."""

    def _configured(self) -> Keyring: ...

    @property
    def blind_index(self) -> Any: ...

    @property
    def search_index(self) -> Any: ...


class IndexMacs:
    """Prepares the HMACs of each tenant.

    Args:
        heads: what messages begin with, one for each context.
        encryptor: where keys come from.
        offload, per_tenant, accepts_default_key, rotates: see `Encryptor.blind_index`.
    """

    __slots__ = (
        "__weakref__",
        "_accepts_default_key",
        "_encryptor",
        "_heads",
        "_offload",
        "_per_tenant",
        "_prepared",
        "_recent",
        "_rotates",
    )

    def __init__(
        self,
        heads: tuple[bytes, ...],
        encryptor: IndexingEncryptor,
        offload: Offload,
        per_tenant: bool,
        accepts_default_key: bool,
        rotates: bool,
    ) -> None:
        self._heads = heads
        self._encryptor = encryptor
        self._offload = offload
        self._per_tenant = per_tenant
        self._accepts_default_key = accepts_default_key
        self._rotates = rotates
        self._prepared: GenerationCache[str | None, _Prepared] = GenerationCache(_TENANTS)
        self._recent = self._prepared.recent

    def tagging(self, tenant: str | None) -> Heads:
        """Return the HMACs under the key that tags, one for each head.

        Raises:
            As `BlindIndex.tag`.
        """
        if not self._per_tenant:
            self._check_owner(tenant)
            tenant = None
        prepared = self._recent.get(tenant)
        if prepared is None or prepared[0].at_hand_until <= _system.monotonic():
            keyring = self._encryptor._configured()
            lease = keyring.index_keys.for_tagging(tenant, self._offload)
            prepared = self._prepare(tenant, lease, keyring.policy.max_cached_keys)
        return prepared[1][0]

    def searching(self, tenant: str | NoTenant | None) -> tuple[Heads, ...]:
        """Return the HMACs under each key with which a row may have been tagged, the active one first.

        Raises:
            As `BlindIndex.tags`.
        """
        if tenant is None and self._per_tenant:
            self._encryptor._configured().providers.check_named(tenant)
        owner = None if tenant is NO_TENANT or not self._per_tenant else tenant
        prepared = self._recent.get(owner)
        if prepared is None or prepared[0].at_hand_until <= _system.monotonic() or not prepared[0].complete:
            keyring = self._encryptor._configured()
            lease = keyring.index_keys.for_searching(owner, self._offload)
            prepared = self._prepare(owner, lease, keyring.policy.max_cached_keys)
        return prepared[1]

    def unsettled_until(self, tenant: str | None) -> float | None:
        """Return until when a process may tag under a key that another one follows; None if it stays as it is.

        Raises:
            As `BlindIndex.tags`.
        """
        if not self._rotates:
            return None
        return self._encryptor._configured().index_keys.unsettled_until(tenant if self._per_tenant else None)

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

    def _prepare(self, tenant: str | None, lease: IndexLease, most: int) -> _Prepared:
        known = self._prepared.find(tenant)
        if known is not None and known[0] is lease:
            return known
        keys = lease.keys
        if keys and not self._rotates:
            keys = (self._encryptor._configured().index_keys.first(tenant, lease, self._offload),)
        prepared = (lease, tuple(tuple(key.mac(head) for head in self._heads) for key in keys))
        if lease.keys:
            self._prepared.narrow(most)
            self._prepared.put(tenant, prepared)
        if lease.at_hand_until <= _system.monotonic():
            self._prepared.drop(tenant)  # ended, perhaps by close(), which is past: it serves its caller only
        return prepared


def message_head(context: Mapping[str, str]) -> bytes:
    """Return what the messages of a context begin with: its encoding, and before that its length (SPEC section 11)."""
    encoded = encode_context(context)
    return len(encoded).to_bytes(_LENGTH_SIZE, "big") + encoded
