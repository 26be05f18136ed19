"""Data keys under a key of Vault's Transit engine, which never leaves Vault."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import hvac
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, VaultError
from requests import RequestException

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    FieldcryptError,
    KeyAccessDeniedError,
    KeyProvider,
    KeyProviderError,
    WrappedKey,
)
from fieldcrypt.spi import ServiceUrl, encode_context, not_wrapped_error

SECONDS = 5  # for a request: fieldcrypt goes on with live keys rather than wait
NOT_AUTHENTIC = ("invalid ciphertext", "message authentication failed")  # of a 400, and of a 500 from some versions
DISALLOWED = "disallowed by policy"  # min_decryption_version was raised: somebody decided that


def connect() -> hvac.Client:
    """Return a client for VAULT_ADDR, with the token in VAULT_TOKEN or the file of `vault login`."""
    return hvac.Client(timeout=SECONDS)


def provider_from_url(url: str) -> VaultKeyProvider:
    """Make a provider of `vault:KEY?mount=transit`, for settings.

    Raises:
        ConfigurationError: there is no key, or there is a parameter that it does not know.
    """
    named = ServiceUrl.parse(url)
    mount = named.text("mount") or "transit"
    named.finish()
    if not named.path:
        raise ConfigurationError("vault: takes the name of a key: vault:shop")
    return VaultKeyProvider(named.path, mount=mount)


class VaultKeyProvider(KeyProvider):
    """Wraps data keys under one key of the Transit engine. Vault keeps its versions apart by itself.

    Who writes needs `update` on MOUNT/encrypt/KEY and MOUNT/decrypt/KEY, who only reads on the latter.

    Args:
        key: the name of the key, of the type aes256-gcm96.
        mount: where the engine is mounted.
        connect: makes a client. A function of a module, if the provider is to be pickled.
    """

    def __init__(self, key: str, *, mount: str = "transit", connect: Callable[[], hvac.Client] = connect) -> None:
        self._key = key
        self._mount = mount
        self._connect = connect
        self._name = f"vault:{mount}/{key}"

    def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
        answer = self._ask("encrypt_data", context, plaintext=_base64(data_key))
        return [WrappedKey(self._name, str(answer["ciphertext"]).encode())]

    def unwrap(self, wraps: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
        for wrap in wraps:
            if (
                wrap.name == self._name
            ):  # compared, and never followed: anyone who writes to the key store can write one
                if not wrap.data.isascii():
                    raise DecryptionError
                answer = self._ask("decrypt_data", context, ciphertext=wrap.data.decode())
                return binascii.a2b_base64(answer["plaintext"])
        raise not_wrapped_error(wraps, f"not {self._name!r}")

    def wrapping_keys(self) -> Sequence[str]:
        return [self._name]

    def _ask(self, operation: str, context: Mapping[str, str], **arguments: str) -> dict[str, Any]:
        """Call Vault. Each call has a connection of its own: they are few, and no thread or forked child shares one."""
        client = self._connect()
        try:
            call = getattr(client.secrets.transit, operation)
            additional = _base64(encode_context(context))
            answer = call(self._key, mount_point=self._mount, associated_data=additional, **arguments)
            return dict(answer["data"])
        except VaultError as error:
            failure = _meaning(error)
        except RequestException as error:
            failure = KeyProviderError(f"Vault cannot be reached: {type(error).__name__}")
        finally:
            client.adapter.close()
        raise failure  # here, so that it does not bring the error above along, whose frames hold the data key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VaultKeyProvider) and self._same() == other._same()

    def __hash__(self) -> int:
        return hash(self._same())

    def _same(self) -> tuple[object, ...]:
        return self._name, self._connect

    def __repr__(self) -> str:
        return f"VaultKeyProvider({self._key!r}, mount={self._mount!r})"


def _meaning(error: VaultError) -> FieldcryptError:
    """Return it as one of the three kinds of failures: not authentic, a decision, or an outage."""
    said = "; ".join(error.errors or [type(error).__name__])
    if any(text in said for text in NOT_AUTHENTIC):
        return DecryptionError()
    if DISALLOWED in said:
        return KeyAccessDeniedError(f"Vault refused: {said}")
    if isinstance(error, Forbidden) and "invalid token" not in said:
        return KeyAccessDeniedError(f"Vault refused: {said}")
    lasting = isinstance(error, InvalidRequest | InvalidPath)  # the key or the mount does not exist
    return KeyProviderError(f"Vault could not do it: {said}", retryable=not lasting)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
