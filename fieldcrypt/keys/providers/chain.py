"""Several key providers, of which one wraps: for the time in which data keys move from one to the other."""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableMapping, Sequence
from typing import Any

from fieldcrypt.errors import ConfigurationError, KeyProviderError, NotWrappedHereError
from fieldcrypt.keys.providers.provider import KeyProvider, not_wrapped_error
from fieldcrypt.keys.record.record import WrappedKey
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["KeyProviderChain", "recognises"]


class KeyProviderChain(KeyProvider):
    """Wraps data keys with the first provider, and unwraps them with whichever provider can.

    Deploy it before `fieldcrypt keys rewrap` moves the data keys, and until that is done:

        KeyProviderChain(AwsKmsKeyProvider(new_key), AwsKmsKeyProvider(old_key))

    A refusal by the first is final, as always. The others are asked only if a data key is not wrapped for those before
    them, or these cannot be reached; each has a deadline of its own.

    Attributes:
        providers: the first and the others.

    Args:
        first: wraps data keys, and unwraps those that it can.
        others: only unwrap.

    Raises:
        ConfigurationError: there are no others, or one of the providers cannot unwrap.
    """

    def __init__(self, first: KeyProvider, *others: KeyProvider) -> None:
        if not others:
            raise ConfigurationError("a chain has two key providers or more; a single one needs none")
        for provider in (first, *others):
            if isinstance(provider, type) or not isinstance(provider, KeyProvider):
                raise ConfigurationError(f"an instance of {type(provider).__name__} is not a key provider")
            if provider.write_only:
                raise ConfigurationError("a key provider that cannot unwrap cannot be part of a chain")
            if provider.by_tenant:
                raise ConfigurationError(
                    "a TenantKeyProvider cannot be part of a chain: make chains its default, or its answers"
                )
        self.providers = (first, *others)
        self.public_key_wrapping = any(provider.public_key_wrapping for provider in self.providers)
        self.grace = min((other.grace for other in self.providers if other.grace is not None), default=None)

    @discreet
    def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
        """Encrypt a data key with the first provider (see `KeyProvider.wrap`)."""
        return self.providers[0].wrap(data_key, context)

    @discreet
    def unwrap(self, wraps: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
        """Decrypt a data key with the first provider that has a key of one of the wraps (see `KeyProvider.unwrap`)."""
        failures: list[KeyProviderError] = []
        for provider in sorted(self.providers, key=lambda provider: not recognises(provider, wraps)):
            try:
                return provider.unwrap(wraps, context)
            except NotWrappedHereError:
                continue
            except KeyProviderError as error:
                if not error.retryable:
                    raise
                failures.append(error)
        if failures:
            causes = {place: cause for failure in failures for place, cause in failure.causes.items()}
            grace = all(failure.grace for failure in failures)
            raise KeyProviderError("; ".join(str(failure) for failure in failures), causes=causes, grace=grace)
        raise not_wrapped_error(wraps, "no key of these providers")

    def wrapping_keys(self) -> Sequence[str]:
        """Return the keys of the first provider: no data key should stay under the others'."""
        return self.providers[0].wrapping_keys()

    def wrapping_key(self, name: str) -> str | None:
        """Return which key of the first provider a name means (see `KeyProvider.wrapping_key`)."""
        return self.providers[0].wrapping_key(name)

    def wrapping_with(self, names: Collection[str]) -> KeyProvider:
        """Return what the first provider returns (see `KeyProvider.wrapping_with`)."""
        return self.providers[0].wrapping_with(names)

    def regions(self) -> Mapping[str, KeyProvider]:
        """Return the regions of the first provider; in each, the others work in the same region if they have it."""
        others = [(provider, provider.regions()) for provider in self.providers[1:]]
        return {
            region: KeyProviderChain(first, *(regions.get(region, provider) for provider, regions in others))
            for region, first in self.providers[0].regions().items()
        }

    def share(self, connections: MutableMapping[Any, Any]) -> None:
        """Have all providers share connections (see `KeyProvider.share`)."""
        for provider in self.providers:
            provider.share(connections)

    def __eq__(self, other: object) -> bool:
        return self.providers == other.providers if isinstance(other, KeyProviderChain) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.providers)

    def __repr__(self) -> str:
        return f"KeyProviderChain({', '.join(repr(provider) for provider in self.providers)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return KeyProviderChain, self.providers


def recognises(provider: KeyProvider, wraps: Sequence[WrappedKey]) -> bool:
    """Return True if a provider should be asked first. Others may have the key too, under an alias's old target."""
    if isinstance(provider, KeyProviderChain):
        return any(recognises(each, wraps) for each in provider.providers)
    try:
        return any(provider.wrapping_key(wrap.name) is not None for wrap in wraps)
    except KeyProviderError as error:
        if not error.retryable:
            raise
        return False
