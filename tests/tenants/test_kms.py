"""Tenants whose wrapping keys are KMS keys: what their providers share, and what one of them does to the others."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from fieldcrypt import (
    USE_DEFAULT,
    ConfigurationError,
    Encryptor,
    KeyAccessDeniedError,
    KeyPolicy,
    MemoryKeyStore,
    TenantKeyProvider,
)
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.keys.providers.provider import KeyProvider
from fieldcrypt.keys.providers.tenant_providers import TenantProviders
from fieldcrypt.testing import LocalAws
from tests.conftest import Clock

HOME, AWAY = "us-east-1", "eu-west-1"
SILENT = ClientError(
    {"Error": {"Code": "KMSInvalidStateException", "Message": "The external key store proxy did not respond."}},
    "Decrypt",
)


class Kms:
    """The clients of both regions. Some keys are away in the first, as one in an external key store may be."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws
        self.away: set[str] = set()
        self.made: list[str] = []
        self.calls: list[tuple[str, str]] = []  # key and region

    def __call__(self, region: str) -> Any:
        self.made.append(region)
        return _Client(self, self._aws.kms(region), region)

    def called(self, key: str, region: str) -> None:
        self.calls.append((key.rpartition("/")[2], region))
        if region == HOME and key.rpartition("/")[2] in self.away:
            raise SILENT


class _Client:
    def __init__(self, kms: Kms, client: Any, region: str) -> None:
        self._kms, self._client, self._region = kms, client, region

    def encrypt(self, **arguments: Any) -> Any:
        self._kms.called(arguments["KeyId"], self._region)
        return self._client.encrypt(**arguments)

    def decrypt(self, **arguments: Any) -> Any:
        self._kms.called(arguments["KeyId"], self._region)
        return self._client.decrypt(**arguments)

    def describe_key(self, **arguments: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}, "DescribeKey")


@pytest.fixture
def kms(aws: LocalAws) -> Kms:
    return Kms(aws)


@pytest.fixture
def keys(aws: LocalAws) -> dict[str, str]:
    return {tenant: aws.create_key() for tenant in ("a", "b", "default")}


def provider(kms: Kms, keys: dict[str, str]) -> TenantKeyProvider:
    """A lookup that makes a provider for every answer."""

    def made(name: str) -> KeyProvider:
        return AwsKmsKeyProvider(keys[name], [HOME, AWAY], client_factory=kms)

    return TenantKeyProvider(lambda tenant: made(tenant) if tenant in keys else USE_DEFAULT, made("default"))


def test_a_thousand_tenants_share_a_client_for_each_region(kms: Kms, keys: dict[str, str]) -> None:
    """However often each of them is looked up."""
    tenants = [f"t{number}" for number in range(1_000)]
    of = provider(kms, keys | dict.fromkeys(tenants, keys["a"]))
    held = [of.for_tenant(tenant) for tenant in tenants]
    wraps = [each.wrap(bytes(32), {"fieldcrypt:tenant": "t"}) for each in held[:20]]
    assert [each.unwrap(wrap, {"fieldcrypt:tenant": "t"}) for each, wrap in zip(held, wraps, strict=False)]
    assert kms.made == [HOME]


def test_a_key_that_is_away_is_its_tenants_affair(kms: Kms, keys: dict[str, str]) -> None:
    """Its tenant is served from the next region at once, and all others where they were."""
    encryptor = Encryptor(provider(kms, keys), MemoryKeyStore())
    kms.away = {keys["a"].rpartition("/")[2]}
    for tenant in ("a", "b", "other"):
        encryptor.field("t.c", str).encrypt("x", tenant=tenant)
    assert [region for _, region in kms.calls] == [HOME, AWAY, HOME, HOME]


def test_the_default_key_in_another_provider_is_no_key_of_a_tenant(kms: Kms, keys: dict[str, str]) -> None:
    """A lookup that makes the default's provider again is told to say so, as if it had returned that one."""
    of = provider(kms, keys | {"c": keys["default"]})
    with pytest.raises(ConfigurationError, match="return USE_DEFAULT"):
        of.for_tenant("c")


def test_an_equal_answer_is_no_other_one(kms: Kms, keys: dict[str, str], clock: Clock) -> None:
    """A lookup may make a provider for every answer: live keys are checked as ever, and those in use do not end."""
    changed: list[str] = []
    providers = TenantProviders(provider(kms, keys), KeyPolicy(), changed.append)
    first = providers.for_tenant("a")
    clock.advance(10_000)
    assert providers.for_tenant("a") is first
    keys["a"] = keys["b"]
    clock.advance(10_000)
    assert providers.for_tenant("a") is not first
    assert changed == ["a"]


def test_a_disabled_key_ends_its_tenant_and_nobody_else(
    aws: LocalAws, kms: Kms, keys: dict[str, str], clock: Clock
) -> None:
    """The customer's own switch works within cache_ttl, without a word to anybody."""
    encryptor = Encryptor(provider(kms, keys), MemoryKeyStore())
    field = encryptor.field("t.c", str)
    values = {tenant: field.encrypt("x", tenant=tenant) for tenant in ("a", "b", "other")}
    aws.kms(HOME).disable_key(KeyId=keys["a"])
    clock.advance(encryptor.policy.cache_ttl.total_seconds() - 1)
    with pytest.raises(KeyAccessDeniedError):
        field.decrypt(values["a"], tenant="a")
    assert [field.decrypt(values[tenant], tenant=tenant) for tenant in ("b", "other")] == ["x", "x"]
