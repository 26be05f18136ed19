"""A key provider that counts what another one is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from datetime import timedelta
from threading import Lock
from typing import Any

from fieldcrypt import KeyProvider, WrappedKey

__all__ = ["CountingKeyProvider"]


class CountingKeyProvider(KeyProvider):
    """Does what another key provider does, and counts the calls: so that a test can say how many there may be.

        provider = CountingKeyProvider(LocalKeyProvider.generate())
        encryptor = Encryptor(provider, MemoryKeyStore())
        …
        assert (provider.wraps, provider.unwraps) == (1, 0)

    With AwsKmsKeyProvider an unwrap is one request to KMS unless that fails, and a wrap one in each region;
    `LocalAws.calls` counts the requests themselves. Providers for regions, tenants or some of the keys count together
    with the one that they come from.

    Args:
        provider: the one that does the work.

    Attributes:
        provider: likewise.
    """

    def __init__(self, provider: KeyProvider) -> None:
        self.provider = provider
        self.public_key_wrapping = provider.public_key_wrapping
        self.write_only = provider.write_only
        self.grace: timedelta | None = provider.grace
        self.by_tenant = provider.by_tenant
        self._lock = Lock()
        self._counts: Counter[str] = Counter()
        self._made: dict[int, CountingKeyProvider] = {id(provider): self}  # by what does the work: one for each

    @property
    def wraps(self) -> int:
        """How many times a data key was to be wrapped, so far or since `reset`: whether that went well or not."""
        return self._counts["wrap"]

    @property
    def unwraps(self) -> int:
        """How many times a data key was to be unwrapped, likewise."""
        return self._counts["unwrap"]

    @property
    def calls(self) -> int:
        """Both together."""
        return self._counts.total()

    def reset(self) -> None:
        """Count from zero again."""
        with self._lock:
            self._counts.clear()

    def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
        """Count, and wrap (see `KeyProvider.wrap`)."""
        self._count("wrap")
        return self.provider.wrap(data_key, context)

    def unwrap(self, wraps: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
        """Count, and unwrap (see `KeyProvider.unwrap`)."""
        self._count("unwrap")
        return self.provider.unwrap(wraps, context)

    def wrapping_keys(self) -> Sequence[str]:
        """Return what the other provider returns."""
        return self.provider.wrapping_keys()

    def wrapping_key(self, name: str) -> str | None:
        """Return what the other provider returns (see `KeyProvider.wrapping_key`)."""
        return self.provider.wrapping_key(name)

    def wrapping_with(self, names: Collection[str]) -> KeyProvider:
        """Return what the other provider returns, counting (see `KeyProvider.wrapping_with`)."""
        return self._counting(self.provider.wrapping_with(names))

    def regions(self) -> Mapping[str, KeyProvider]:
        """Return what the other provider returns, counting (see `KeyProvider.regions`)."""
        return {region: self._counting(there) for region, there in self.provider.regions().items()}

    def share(self, connections: MutableMapping[Any, Any]) -> None:
        """Have the other provider share connections (see `KeyProvider.share`)."""
        self.provider.share(connections)

    def for_tenant(self, tenant: str | None) -> KeyProvider:
        """Return what the other provider returns, counting (see `KeyProvider.for_tenant`)."""
        return self._counting(self.provider.for_tenant(tenant))

    def _count(self, call: str) -> None:
        with self._lock:
            self._counts[call] += 1

    def _counting(self, provider: KeyProvider) -> CountingKeyProvider:
        with self._lock:
            made = self._made.get(id(provider))
            if made is None:
                made = self._made[id(provider)] = CountingKeyProvider(provider)
                made._lock, made._counts, made._made = self._lock, self._counts, self._made
            return made

    def __repr__(self) -> str:
        return f"CountingKeyProvider({self.provider!r})"
