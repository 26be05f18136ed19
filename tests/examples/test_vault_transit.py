"""The key provider for Vault, against a server with Transit's interface."""

from __future__ import annotations

import base64
import traceback
from collections.abc import Iterator

import pytest

from examples.vault_transit.provider import VaultKeyProvider, provider_from_url
from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    KeyAccessDeniedError,
    KeyProviderError,
    MemoryKeyStore,
    WrappedKey,
)
from tests.examples.transit import READER, WRITER, Transit, transit
from tests.keys.provider_contract import CONTEXT, DATA_KEY, Provider


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[Transit]:
    with transit() as server:
        monkeypatch.setenv("VAULT_ADDR", server.url)
        monkeypatch.setenv("VAULT_TOKEN", WRITER)
        yield server


@pytest.fixture
def provider(vault: Transit) -> VaultKeyProvider:
    return VaultKeyProvider("shop")


class TestContract(Provider):
    """What every key provider promises."""


def test_an_encryptor_reads_what_it_wrote_with_one_call_per_process(vault: Transit, provider: VaultKeyProvider) -> None:
    store = MemoryKeyStore()
    writer, reader = (Encryptor(provider, store).field("patients.ssn", str) for _ in range(2))
    value = writer.encrypt("078-05-1120", tenant="clinic-7")
    calls = len(vault.requests)
    assert [reader.decrypt(value) for _ in range(3)] == ["078-05-1120"] * 3
    assert len(vault.requests) == calls + 1
    assert not any("078-05-1120" in str(request) for request in vault.requests)


def test_a_role_that_only_decrypts_wraps_nothing(provider: VaultKeyProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    wraps = provider.wrap(DATA_KEY, CONTEXT)
    monkeypatch.setenv("VAULT_TOKEN", READER)
    assert provider.unwrap(wraps, CONTEXT) == DATA_KEY
    with pytest.raises(KeyAccessDeniedError):
        provider.wrap(DATA_KEY, CONTEXT)


def test_an_expired_token_is_an_outage_and_no_decision(
    provider: VaultKeyProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    wraps = provider.wrap(DATA_KEY, CONTEXT)
    monkeypatch.setenv("VAULT_TOKEN", "expired")
    with pytest.raises(KeyProviderError, match="invalid token") as caught:
        provider.unwrap(wraps, CONTEXT)
    assert caught.value.retryable
    assert caught.value.grace


@pytest.mark.parametrize(("status", "said"), [(503, "Vault is sealed"), (500, "internal error"), (429, "quota")])
def test_an_outage_can_be_tried_again(vault: Transit, provider: VaultKeyProvider, status: int, said: str) -> None:
    vault.failure = status, [said]
    with pytest.raises(KeyProviderError, match=said) as caught:
        provider.wrap(DATA_KEY, CONTEXT)
    assert caught.value.retryable


def test_a_server_that_is_gone_can_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with transit() as server:
        monkeypatch.setenv("VAULT_ADDR", server.url)
    with pytest.raises(KeyProviderError, match="cannot be reached") as caught:
        VaultKeyProvider("shop").wrap(DATA_KEY, CONTEXT)
    assert caught.value.retryable


def test_what_some_versions_answer_to_a_changed_wrap_is_not_taken_for_an_outage(
    vault: Transit, provider: VaultKeyProvider
) -> None:
    wraps = provider.wrap(DATA_KEY, CONTEXT)
    vault.failure = 500, ["1 error occurred:\n\t* cipher: message authentication failed\n\n"]
    with pytest.raises(DecryptionError):
        provider.unwrap(wraps, CONTEXT)


def test_a_wrap_that_is_no_text_is_not_authentic(vault: Transit, provider: VaultKeyProvider) -> None:
    (wrap,) = provider.wrap(DATA_KEY, CONTEXT)
    with pytest.raises(DecryptionError):
        provider.unwrap([WrappedKey(wrap.name, b"\xff" * 60)], CONTEXT)
    assert len(vault.requests) == 1


def test_a_version_that_was_withdrawn_is_a_decision(vault: Transit, provider: VaultKeyProvider) -> None:
    wraps = provider.wrap(DATA_KEY, CONTEXT)
    vault.oldest = 2
    with pytest.raises(KeyAccessDeniedError, match="too old"):
        provider.unwrap(wraps, CONTEXT)


def test_an_engine_that_is_not_there_is_no_outage(vault: Transit) -> None:
    with pytest.raises(KeyProviderError, match="no handler") as caught:
        VaultKeyProvider("shop", mount="elsewhere").wrap(DATA_KEY, CONTEXT)
    assert not caught.value.retryable


def test_no_frame_of_a_failure_below_the_provider_holds_the_data_key(
    vault: Transit, provider: VaultKeyProvider
) -> None:
    """Error trackers record the locals of all frames, those of the causes too."""
    vault.failure = 503, ["Vault is sealed"]
    with pytest.raises(KeyProviderError) as caught:
        provider.wrap(DATA_KEY, CONTEXT)
    assert caught.value.__context__ is None
    below = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__) if "hvac" in frame.f_code.co_filename]
    assert below == []
    assert base64.b64encode(DATA_KEY).decode() not in str(caught.value)


def test_a_url_names_key_and_mount(vault: Transit, provider: VaultKeyProvider) -> None:
    assert provider_from_url("vault:shop") == provider
    assert provider_from_url("vault:shop?mount=keys") == VaultKeyProvider("shop", mount="keys") != provider


@pytest.mark.parametrize("url", ["vault:", "vault:shop?monut=transit"])
def test_a_url_that_is_wrong_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        provider_from_url(url)
