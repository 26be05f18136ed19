"""The protocol of key providers, and a provider for a key that the application holds."""

from __future__ import annotations

import binascii
import contextlib
import os
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from datetime import timedelta
from typing import Any, Protocol, runtime_checkable

from fieldcrypt import _system
from fieldcrypt.backends.python import derive
from fieldcrypt.errors import ConfigurationError, NotWrappedHereError
from fieldcrypt.format.aead import KEY_SIZE, NONCE_SIZE, TAG_SIZE, Xaes256Gcm
from fieldcrypt.format.context import encode_context
from fieldcrypt.keys.record.data_key import DATA_KEY_SIZE
from fieldcrypt.keys.record.record import WrappedKey
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["KeyProvider", "LocalKeyProvider", "not_wrapped_error"]

_NAME_LABEL = b"fieldcrypt/v1 local name"
_WRAP_LABEL = b"fieldcrypt/v1 local wrap"
_NAME_SIZE = 8
_MAX_FILE_SIZE = 1024  # more than a key in base64 with white space around it
_NAMES, _NAME_CHARACTERS = 4, 300  # shown of the names in a record, which may be forged
_WRAPPED_SIZE = NONCE_SIZE + DATA_KEY_SIZE + TAG_SIZE


@runtime_checkable
class KeyProvider(Protocol):
    """Wraps data keys under wrapping keys, and unwraps them. Called from several threads at once.

    A provider uses only wrapping keys that it was configured with. The name in a wrapped key is looked up among
    them, and never followed: anyone who can write to the database can write a name.

    Your own providers derive from this class and define `wrap`, `unwrap` and `wrapping_keys`. What they have to keep,
    with code that runs, is in docs/guides/extending.md.

    Attributes:
        public_key_wrapping: True if anyone who knows a public key can wrap, so that an unwrapped key proves nothing
            about its maker. Each field has to accept that.
        write_only: True if this provider can wrap but not unwrap.
        grace: for how long live keys may go on while the provider cannot be asked, if less than `KeyPolicy.grace`: zero
            where silence is how the owner of the wrapping key says no.
        by_tenant: True if `for_tenant` does not return the provider itself: then readers have to name the tenant.
    """

    public_key_wrapping: bool = False
    write_only: bool = False
    grace: timedelta | None = None
    by_tenant: bool = False

    def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
        """Encrypt a data key under every wrapping key.

        Args:
            data_key: 32 bytes.
            context: authenticated with the key, and needed to unwrap it (SPEC section 6): a cipher with additional
                data gets `fieldcrypt.spi.encode_context(context)`. Not empty.

        Returns:
            One wrapped key or more, under different names.

        Raises:
            KeyProviderError: it failed, with `retryable=False` if it will again; `KeyAccessDeniedError` if it was
                refused.
        """
        ...

    def unwrap(self, wraps: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
        """Decrypt a data key from whichever wrap works.

        Returns:
            32 bytes.

        Raises:
            NotWrappedHereError: no wrap is under a key of this provider.
            DecryptionError: key and context are not authentic.
            KeyProviderError: it failed; `KeyAccessDeniedError` if it was refused.
        """
        ...

    def wrapping_keys(self) -> Sequence[str]:
        """Return the names of the keys under which a data key should be wrapped.

        Raises:
            KeyProviderError: a key service has to be asked for that, and does not answer.
        """
        ...

    def wrapping_key(self, name: str) -> str | None:
        """Return which of `wrapping_keys()` the name in a wrapped key means, or None if it is a foreign key."""
        return name if name in self.wrapping_keys() else None

    def wrapping_with(self, names: Collection[str]) -> KeyProvider:
        """Return a provider that wraps under only some of `wrapping_keys()`; one with a single key returns itself."""
        return self

    def regions(self) -> Mapping[str, KeyProvider]:
        """Return the regions in which the keys are used, best first, each with a provider that works there alone.

        A provider without regions is its only one, under the name of its class.
        """
        return {type(self).__name__: self}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if hasattr(cls, "places"):  # also from a mixin
            raise TypeError(f"{cls.__name__}.places has the name `regions` since 0.2: rename the method")

    def share(self, connections: MutableMapping[Any, Any]) -> None:
        """Share connections to key services with all other providers that get the same mapping."""
        return

    def for_tenant(self, tenant: str | None) -> KeyProvider:
        """Return the provider that wraps and unwraps a tenant's data keys, or those of no tenant: usually itself.

        Raises:
            KeyProviderError: it cannot be looked up.
        """
        return self


class LocalKeyProvider(KeyProvider):
    """Wraps data keys under one 32-byte key that the application holds: for tests, development, and a single machine.

    Only that key stands between an attacker and the data; in production prefer a key service.

    Args:
        key: 32 bytes.
    """

    @discreet
    def __init__(self, key: bytes) -> None:
        if not isinstance(key, bytes) or len(key) != KEY_SIZE:
            raise ConfigurationError(f"a local key is {KEY_SIZE} bytes")
        self._name = f"local:{derive(key, _NAME_LABEL, _NAME_SIZE).hex()}"
        self._cipher = Xaes256Gcm(derive(key, _WRAP_LABEL, KEY_SIZE))
        self._path: str | None = None

    @classmethod
    def generate(cls) -> LocalKeyProvider:
        """Make a provider with a new key, which is lost with the provider: for tests."""
        return cls(_system.random_bytes(KEY_SIZE))

    @classmethod
    @discreet
    def from_file(cls, path: str | os.PathLike[str], *, create: bool = False) -> LocalKeyProvider:
        """Read the key from a file: 32 bytes in base64, as `openssl rand -base64 32` writes them.

        Args:
            path: of the file.
            create: make the file, with a new key and for its owner alone (mode 0600), if it does not exist. For
                development: where data is kept, a file that is missing should be an error, and not a new key.

        Raises:
            ConfigurationError: the file cannot be read or made, or is not 32 bytes in base64.
        """
        if create and not os.path.exists(path):
            _create_key_file(os.fspath(path))
        try:
            with open(path, "rb") as file:  # not pathlib, which would double the time of `import fieldcrypt`
                text = file.read(_MAX_FILE_SIZE)
        except OSError as error:
            raise ConfigurationError(
                f"the key file {path} cannot be read: {error.strerror}. Where an application is set up, "
                f"`openssl rand -base64 {KEY_SIZE}` makes one; for development, so does from_file(…, create=True), "
                "and in settings local:…?create=true"
            ) from None
        try:
            key = binascii.a2b_base64(text.strip(), strict_mode=True)
        except binascii.Error:
            key = b""
        if len(key) != KEY_SIZE:
            raise ConfigurationError(
                f"the key file {path} does not hold {KEY_SIZE} bytes in base64; make one with "
                f"`openssl rand -base64 {KEY_SIZE}`"
            )
        provider = cls(key)
        provider._path = os.path.abspath(path)
        return provider

    @discreet
    def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
        """Encrypt a data key (see `KeyProvider.wrap`)."""
        nonce = _system.random_bytes(NONCE_SIZE)
        return [WrappedKey(self._name, nonce + self._cipher.encrypt(nonce, data_key, encode_context(context)))]

    @discreet
    def unwrap(self, wraps: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
        """Decrypt a data key (see `KeyProvider.unwrap`)."""
        for wrap in wraps:
            if wrap.name == self._name and len(wrap.data) == _WRAPPED_SIZE:
                nonce, ciphertext = wrap.data[:NONCE_SIZE], wrap.data[NONCE_SIZE:]
                return self._cipher.decrypt(nonce, ciphertext, encode_context(context))
        kept = "" if self._path else "; generate() makes a new one each time, and from_file reads one that stays"
        raise not_wrapped_error(wraps, f"not the local key of this provider, {self._name!r}{kept}")

    def wrapping_keys(self) -> Sequence[str]:
        """Return the name of the key, which is derived from it."""
        return [self._name]

    def __eq__(self, other: object) -> bool:
        return self._name == other._name if isinstance(other, LocalKeyProvider) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return f"LocalKeyProvider({self._name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._path is None:
            raise TypeError("a local key provider holds a key and cannot be pickled, unless from_file made it")
        return LocalKeyProvider.from_file, (self._path,)


def _create_key_file(path: str) -> None:
    """Make a file with a new key, or leave the one that another process made meanwhile."""
    draft = f"{path}.{_system.random_bytes(_NAME_SIZE).hex()}"
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(binascii.b2a_base64(_system.random_bytes(KEY_SIZE)))
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)  # at once and whole, so that nobody reads half a key or replaces one
        finally:
            os.unlink(draft)
    except OSError as error:
        raise ConfigurationError(f"the key file {path} cannot be made: {error.strerror}") from None


def not_wrapped_error(wraps: Sequence[WrappedKey], wanted: str) -> NotWrappedHereError:
    """Return an error that names the wrapping keys of a data key, quoted, and `wanted`, those of the provider."""
    names = [repr(wrap.name[:_NAME_CHARACTERS]) for wrap in wraps[:_NAMES]]
    return NotWrappedHereError(f"the data key is wrapped under {', '.join(names)}: that is {wanted}")
