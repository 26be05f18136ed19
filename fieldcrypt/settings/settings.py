"""What a deployment decides: where keys come from, where they are kept, and how long they live."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any, Final

from fieldcrypt._base.service_url import iso_duration, scheme_of
from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.events import Observer
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.providers.provider import KeyProvider
from fieldcrypt.keys.stores.store import KeyStore
from fieldcrypt.settings.schemes import KEY_PROVIDERS, KEY_STORES, make

__all__ = ["Settings"]

_PREFIX: Final = "FIELDCRYPT_"
_NO_STORE: Final = "none:"
_TIMES: Final = ("cache_ttl", "grace", "rotate_after", "propagation_delay", "replication_wait")
_LIMITS: Final = (*_TIMES, "not_before", "own_keys_only")  # of a KeyPolicy
_FLAGS: Final = {"true": True, "false": False}
_IN_CODE: Final = ("max_cached_keys", "unknown_records_per_second", "index_keys")  # of a KeyPolicy too
_ELSEWHERE: Final = ("BACKEND", "ENCRYPTOR", "MIGRATIONS")  # variables that other parts of fieldcrypt read
_ALIKE: Final = 0.8  # of difflib: a misspelt name


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """Keys and limits of an Encryptor, in a form that fits into environment variables.

    It is a plain dataclass, so that it can be a field of a class of pydantic-settings. What follows a URL's scheme
    shows in no repr and in no error, because it may hold a password.

    Args:
        provider: the key provider as a URL, such as `awskms:arn:…?regions=eu-west-1,us-east-1` or `local:local.key`.
        store: the key store as a URL, such as `dynamodb:data-keys` or `file:keys.sqlite`; `none:` to have every value
            carry its data key. None if `configure` is given the store.
        cache_ttl, grace, rotate_after, propagation_delay, replication_wait, not_before, own_keys_only: see `KeyPolicy`;
            None for its defaults.
        read_self_contained: see `Encryptor`.

    Raises:
        ConfigurationError: provider or store are no URLs.
    """

    provider: str
    store: str | None = None
    cache_ttl: timedelta | None = None
    grace: timedelta | None = None
    rotate_after: timedelta | None = None
    propagation_delay: timedelta | None = None
    replication_wait: timedelta | None = None
    not_before: datetime | None = None
    own_keys_only: bool | None = None
    read_self_contained: bool | None = None
    _prefix: str = field(default="", init=False, compare=False)  # of the variables that they come from

    def __post_init__(self) -> None:
        _check_url("provider", self.provider)
        if self.store is not None:
            _check_url("store", self.store)

    @classmethod
    def from_environment(cls, prefix: str = _PREFIX) -> Settings:
        """Read environment variables: `FIELDCRYPT_PROVIDER`, `FIELDCRYPT_STORE`, `FIELDCRYPT_CACHE_TTL`, ….

        Durations are written as in ISO 8601: `PT15M`, `P90D`. So is the moment `FIELDCRYPT_NOT_BEFORE`:
        `2026-11-29T14:00:00Z`. `FIELDCRYPT_OWN_KEYS_ONLY` and `FIELDCRYPT_READ_SELF_CONTAINED` are `true` or `false`.

        Args:
            prefix: what the names of these variables begin with, and of no others. Misspelt ones are found by it.

        Raises:
            ConfigurationError: a variable is missing, empty, malformed or misspelt. The message names it.
        """
        try:
            return cls._read(prefix)
        except ConfigurationError as error:
            raise error.with_traceback(None) from None  # whose frames hold URLs, and trackers of errors send locals

    @classmethod
    def _read(cls, prefix: str) -> Settings:
        found: dict[str, Any] = {}
        for name in (each.name for each in fields(cls) if each.init):
            text = os.environ.get(prefix + name.upper())
            if text is not None:
                found[name] = _parsed(prefix + name.upper(), name, text)
        _check_spelling(prefix, {each.name.upper() for each in fields(cls) if each.init})
        if "provider" not in found:
            raise ConfigurationError(
                f"{prefix}PROVIDER is not set: it names the key provider, such as awskms:arn:…, or for development "
                "local:local.key?create=true"
            )
        settings = cls(**found)
        object.__setattr__(settings, "_prefix", prefix)
        return settings

    @property
    def policy(self) -> KeyPolicy:
        """The limits.

        Raises:
            ConfigurationError: they are out of range, or cannot work together.
        """
        limits: dict[str, Any] = {name: getattr(self, name) for name in _LIMITS}
        try:
            return KeyPolicy(**{name: limit for name, limit in limits.items() if limit is not None})
        except (TypeError, ValueError) as error:
            place = f"{self._prefix}…: " if self._prefix else ""
            raise ConfigurationError(f"{place}{error}") from None

    def configure(
        self, encryptor: Encryptor, *, store: KeyStore | None = None, observer: Observer | None = None
    ) -> None:
        """Configure an Encryptor. Makes no call of key service or key store, but reads the file of a local key.

        Args:
            encryptor: which.
            store: the key store, in place of a setting: one over the application's own engine, for example.
            observer: see `Encryptor.configure`.

        Raises:
            ConfigurationError: no installed package knows a URL's scheme, or a URL is refused; there is no key store,
                or there are two; or as `policy` and `Encryptor.configure`.
        """
        if store is not None and self.store is not None:
            raise ConfigurationError(f"there are two key stores: {self._named('store')} and the argument")
        if store is None and self.store is None:
            raise ConfigurationError(
                f"there is no key store: set {self._named('store')}, or pass store=; with {_NO_STORE} values carry "
                "their data keys"
            )
        try:
            provider: KeyProvider = make(KEY_PROVIDERS, self.provider, self._named("provider"))
            if self.store is not None and self.store != _NO_STORE:
                store = make(KEY_STORES, self.store, self._named("store"))
        except ConfigurationError as error:
            raise error.with_traceback(None) from None  # whose frames hold URLs, and trackers of errors send locals
        encryptor.configure(
            provider, store, self.policy, observer=observer, read_self_contained=self.read_self_contained
        )

    def _named(self, name: str) -> str:
        return f"{self._prefix}{name.upper()}" if self._prefix else name

    def __repr__(self) -> str:
        shown = {name: _shown(url) for name in ("provider", "store") if (url := getattr(self, name))}
        limits = {name: getattr(self, name) for name in (*_LIMITS, "read_self_contained")}
        shown |= {name: repr(limit) for name, limit in limits.items() if limit is not None}
        return f"Settings({', '.join(f'{name}={text}' for name, text in shown.items())})"


def _shown(url: object) -> str:
    """Return the scheme of a URL, for a repr: also of what is none, which a tracker of errors may want to show."""
    try:
        return f"{scheme_of(url)}:…" if isinstance(url, str) else "…"
    except ConfigurationError:
        return "…"


def _check_url(name: str, url: object) -> None:
    if not isinstance(url, str):
        raise ConfigurationError(f"{name} is a URL, not {type(url).__name__}")
    try:
        scheme_of(url)
    except ConfigurationError as error:
        raise ConfigurationError(f"{name}: {error}") from None


def _parsed(variable: str, name: str, text: str) -> Any:
    if not text:
        raise ConfigurationError(f"{variable} is empty: give it a value, or unset it")
    try:
        if name in _TIMES:
            return iso_duration(text)
        if name == "not_before":
            return _moment(text)
        if name in ("own_keys_only", "read_self_contained"):
            return _flag(text)
        _check_url(variable, text)
    except ValueError as error:
        raise ConfigurationError(f"{variable}: {error}") from None
    return text


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("write it as ISO 8601 does: 2026-11-29T14:00:00Z") from None


def _flag(text: str) -> bool:
    if text not in _FLAGS:
        raise ValueError("it is true or false")
    return _FLAGS[text]


def _check_spelling(prefix: str, known: set[str]) -> None:
    """Refuse a variable that looks like a setting: a limit that is not in force would be noticed too late."""
    for variable in os.environ:
        name = variable.removeprefix(prefix)
        if name == variable or name in known or name in _ELSEWHERE:
            continue
        if name.lower() in _IN_CODE:
            raise ConfigurationError(f"{variable} is no setting: pass KeyPolicy({name.lower()}=…) in code")
        if meant := get_close_matches(name, known, 1, _ALIKE):
            raise ConfigurationError(f"there is no setting {variable}: {prefix}{meant[0]} is the one that is like it")
