"""What administers data keys derives from them natively, if its Encryptor does."""

from __future__ import annotations

import os

import pytest

from fieldcrypt import Encryptor, KeyProviderChain, LocalKeyProvider, MemoryKeyStore, TenantKeyProvider
from fieldcrypt.backends.python import PythonBackend
from fieldcrypt.cli.doctor.examination import examine
from fieldcrypt.cli.keys.rewrapping import _check_that_it_reads
from fieldcrypt.health.finding import Verdict
from fieldcrypt.keys.providers.provider import KeyProvider
from tests.support.backends import NATIVE, needs_native

pytestmark = needs_native


@pytest.fixture(autouse=True)
def nothing_derives_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if it does: in the FIPS build that would be outside of the module."""

    def refused(*_: object) -> bytes:
        raise AssertionError("derived in Python")

    monkeypatch.setattr(PythonBackend, "key_id", refused)
    monkeypatch.setattr(PythonBackend, "record_tag", refused)


def _encryptor(provider: KeyProvider) -> Encryptor:
    return Encryptor(provider, MemoryKeyStore(), backend=NATIVE)


def test_rewrapping_and_repairing() -> None:
    """Under a new wrapping key, and under one more."""
    old, new = LocalKeyProvider(os.urandom(32)), LocalKeyProvider(os.urandom(32))
    encryptor = _encryptor(old)
    encryptor.field("a.b", str).encrypt("Ann")
    encryptor.configure(KeyProviderChain(new, old), encryptor.store)
    assert encryptor.data_keys.repair().complete
    assert encryptor.data_keys.rewrap(new).changed == 1
    _check_that_it_reads(encryptor, new, None)


def test_moving_a_tenant_to_a_key_of_its_own() -> None:
    """Which is checked before."""
    default, own = LocalKeyProvider(os.urandom(32)), LocalKeyProvider(os.urandom(32))
    encryptor = _encryptor(default)
    encryptor.field("a.b", str).encrypt("Ann", tenant="t")
    encryptor.configure(TenantKeyProvider(lambda _: KeyProviderChain(own, default), default), encryptor.store)
    assert encryptor.data_keys.move("t").rewrapped.complete
    encryptor.configure(TenantKeyProvider(lambda _: own, default), encryptor.store)
    assert encryptor.data_keys.check_tenant_key("t")


def test_doctor() -> None:
    """It opens every data key, and tries out a new one."""
    encryptor = _encryptor(LocalKeyProvider(os.urandom(32)))
    encryptor.field("a.b", str).encrypt("Ann")
    findings = examine(
        encryptor, tenant=None, reads_only=False, on_place=lambda _: None, on_progress=lambda _, __: None
    )
    assert Verdict.FAILED not in {finding.verdict for finding in findings}
