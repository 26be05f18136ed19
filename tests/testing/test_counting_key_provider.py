"""A key provider that counts the calls of another one, and is otherwise like it."""

from __future__ import annotations

import pytest

from fieldcrypt import (
    Encryptor,
    KeyPolicy,
    KeyProvider,
    KeyProviderChain,
    KeyProviderError,
    LocalKeyProvider,
    MemoryKeyStore,
    TenantKeyProvider,
)
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import CountingKeyProvider, LocalAws
from tests.support.doubles import CountingProvider, PublicKeyProvider, outage

CONTEXT = {"a": "b"}
KEY = bytes(32)


def test_a_thousand_values_take_one_call() -> None:
    """What the count is for."""
    provider = CountingKeyProvider(LocalKeyProvider.generate())
    field = Encryptor(provider, MemoryKeyStore()).field("a.b", str)
    for data in field.encrypt_many(["x"] * 1000):
        field.decrypt(data)
    assert (provider.wraps, provider.unwraps, provider.calls) == (1, 0, 1)


def test_it_counts_from_zero_again() -> None:
    """So that a test can leave out its preparations."""
    provider = CountingKeyProvider(LocalKeyProvider.generate())
    store = MemoryKeyStore()
    data = Encryptor(provider, store).field("a.b", str).encrypt("x")
    provider.reset()
    Encryptor(provider, store).field("a.b", str).decrypt(data)
    assert (provider.wraps, provider.unwraps) == (0, 1)


def test_calls_that_fail_are_counted() -> None:
    """They were calls."""
    inner = CountingProvider()
    inner.wrap_failure = outage
    provider = CountingKeyProvider(inner)
    with pytest.raises(KeyProviderError):
        provider.wrap(KEY, CONTEXT)
    assert provider.wraps == 1


def test_each_region_counts_with_the_others(aws: LocalAws, kms_key: str) -> None:
    """As `fieldcrypt doctor` uses them one by one."""
    provider = CountingKeyProvider(AwsKmsKeyProvider(kms_key, aws.regions, client_factory=aws.kms))
    wraps = provider.wrap(KEY, CONTEXT)
    for there in provider.regions().values():
        assert there.unwrap(wraps, CONTEXT) == KEY
    assert (provider.wraps, provider.unwraps) == (1, 2)


def test_tenants_with_keys_of_their_own_count_together() -> None:
    """And tenants of one provider still have the same one."""
    default, own = LocalKeyProvider.generate(), LocalKeyProvider.generate()
    provider = CountingKeyProvider(TenantKeyProvider({"a": own, "b": own}.__getitem__, default))
    field = Encryptor(provider, MemoryKeyStore()).field("a.b", str)
    for tenant in ("a", "b"):
        field.encrypt("x", tenant=tenant)
    assert provider.wraps == 2
    assert provider.for_tenant("a") is provider.for_tenant("b")


def test_data_keys_are_rewrapped_under_some_of_the_keys() -> None:
    """What administration asks of a provider goes through."""
    old, new = LocalKeyProvider.generate(), LocalKeyProvider.generate()
    store = MemoryKeyStore()
    data = Encryptor(old, store).field("a.b", str).encrypt("x")
    encryptor = Encryptor(CountingKeyProvider(KeyProviderChain(new, old)), store)
    assert encryptor.data_keys.rewrap().complete
    assert Encryptor(new, store).field("a.b", str).decrypt(data) == "x"


@pytest.mark.parametrize(
    "inner", [PublicKeyProvider(), LocalKeyProvider.generate()], ids=["a public key", "a local key"]
)
def test_what_the_other_provider_says_of_itself_holds(inner: KeyProvider) -> None:
    """So that nothing is allowed that would not be without the count."""
    provider = CountingKeyProvider(inner)
    names = ("public_key_wrapping", "write_only", "grace", "by_tenant")
    assert [getattr(provider, name) for name in names] == [getattr(inner, name) for name in names]
    assert provider.wrapping_keys() == inner.wrapping_keys()


def test_an_encryptor_that_counts_reads_what_one_without_wrote() -> None:
    """The count is not in the data."""
    inner, store = LocalKeyProvider.generate(), MemoryKeyStore()
    data = Encryptor(inner, store, KeyPolicy()).field("a.b", str).encrypt("x")
    assert Encryptor(CountingKeyProvider(inner), store).field("a.b", str).decrypt(data) == "x"
