"""Fixtures of pytest for applications that use fieldcrypt. See docs/guides/testing.md.

Loaded in every run where fieldcrypt is installed, so it imports what takes long only for a test that uses it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fieldcrypt import Encryptor, KeyPolicy, KeyProvider, KeyStore
    from fieldcrypt.testing import LocalAws, PlaintextWatch

__all__: list[str] = []  # fixtures are asked for by name

_running: pytest.StashKey[LocalAws] = pytest.StashKey()


# Keys in memory


@pytest.fixture(scope="session")
def fieldcrypt_encryptor() -> Encryptor:
    """The Encryptor of the application: override it in conftest.py. By default a new one, for tests without models."""
    from fieldcrypt import Encryptor

    return Encryptor()


@pytest.fixture
def fieldcrypt_provider() -> KeyProvider:
    """The key provider of a test: a new local key, and a count of its calls. Override it to use another one."""
    from fieldcrypt import LocalKeyProvider
    from fieldcrypt.testing import CountingKeyProvider

    return CountingKeyProvider(LocalKeyProvider.generate())


@pytest.fixture
def fieldcrypt_store() -> KeyStore | None:
    """The key store of a test: a new one in memory. Override it to use another one, or None for no key store."""
    from fieldcrypt import MemoryKeyStore

    return MemoryKeyStore()


@pytest.fixture
def fieldcrypt_policy() -> KeyPolicy:
    """The policy of a test: nobody waits, neither for new keys to spread nor for missing ones to arrive."""
    from fieldcrypt import KeyPolicy

    return KeyPolicy(propagation_delay=timedelta(0), replication_wait=timedelta(0))


@pytest.fixture
def fieldcrypt_keys(
    fieldcrypt_encryptor: Encryptor,
    fieldcrypt_provider: KeyProvider,
    fieldcrypt_store: KeyStore | None,
    fieldcrypt_policy: KeyPolicy,
) -> Iterator[Encryptor]:
    """The Encryptor of the application with keys for this test alone; afterwards it is configured as it was before."""
    with fieldcrypt_encryptor.override(fieldcrypt_provider, fieldcrypt_store, fieldcrypt_policy):
        yield fieldcrypt_encryptor


# AWS


@pytest.fixture(scope="session")
def fieldcrypt_regions() -> Sequence[str]:
    """The regions that `fieldcrypt_aws` runs, the one where keys are made first. Override it to have others."""
    return ("us-east-1", "eu-west-1")


@pytest.fixture(scope="session")
def fieldcrypt_aws(fieldcrypt_regions: Sequence[str], pytestconfig: pytest.Config) -> Iterator[LocalAws]:
    """Regions of AWS on this machine. A test may lose one, by `cut`: it is there again for the next test."""
    from fieldcrypt.testing import LocalAws

    with LocalAws(fieldcrypt_regions) as aws:
        pytestconfig.stash[_running] = aws
        yield aws
        del pytestconfig.stash[_running]


@pytest.fixture(scope="session")
def fieldcrypt_kms_key(fieldcrypt_aws: LocalAws) -> str:
    """The ARN of a multi-Region KMS key in all of these regions."""
    return fieldcrypt_aws.create_key()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Restore the regions that a test lost, before fixtures clean up, and count the next test's calls from zero."""
    aws = item.config.stash.get(_running, None)
    if aws is not None:
        for region in aws.lost:
            aws.restore(region)
        aws.calls.clear()


@pytest.fixture
def fieldcrypt_mock_aws() -> Iterator[None]:
    """moto's `mock_aws`, with multi-Region keys as AWS has them."""
    from moto import mock_aws

    from fieldcrypt.testing import correct_moto

    correct_moto()
    with mock_aws():
        yield


# Plaintext


@pytest.fixture
def fieldcrypt_watch() -> Iterator[PlaintextWatch]:
    """A watch over all that the test sends to databases and AWS; the test fails if plaintext was among it."""
    from fieldcrypt.testing import PlaintextWatch

    with PlaintextWatch() as watch:
        yield watch
    leaks = watch.leaks()
    if leaks:
        pytest.fail("plaintext was sent:\n" + "\n".join(leaks), pytrace=False)
