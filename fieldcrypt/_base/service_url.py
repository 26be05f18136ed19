"""Settings in the form of URLs, which name a key provider or a key store."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Self
from urllib.parse import parse_qsl, unquote

from fieldcrypt.errors import ConfigurationError

__all__ = ["ServiceUrl", "iso_duration", "scheme_of"]

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.ASCII)  # RFC 3986 section 3.1, in its canonical form
_DURATION = re.compile(
    r"P(?=.*\d[DHMS]$)(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?",
    re.ASCII,
)
_FLAGS = {"true": True, "false": False}


class ServiceUrl:
    """A URL of the form `scheme:path?name=value&…`, for those who make key providers and key stores from one.

    A function under the entry points `fieldcrypt.key_providers` or `fieldcrypt.key_stores` takes every parameter that
    it knows, and then calls `finish`, which refuses all others. Paths and values are percent-encoded. Errors name the
    scheme and the parameter, and show no value, because that may be a password.

    Attributes:
        scheme: before the first colon.
        path: between that and the first question mark, decoded.
    """

    __slots__ = ("_parameters", "path", "scheme")

    def __init__(self, scheme: str, path: str, parameters: dict[str, str]) -> None:
        self.scheme = scheme
        self.path = path
        self._parameters = parameters

    @classmethod
    def parse(cls, url: str) -> Self:
        """Take a URL apart.

        Raises:
            ConfigurationError: it has no scheme, a malformed parameter, or one that is named twice.
        """
        scheme = scheme_of(url)
        path, mark, query = url[len(scheme) + 1 :].partition("?")
        try:
            pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict") if mark else []
            decoded = unquote(path, errors="strict")
        except ValueError:
            raise ConfigurationError(f"{scheme}: is malformed: its form is {scheme}:path?name=value&…") from None
        names = [name for name, _ in pairs]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ConfigurationError(f"{scheme}: has the parameter {twice[0]!r} twice")
        return cls(scheme, decoded, dict(pairs))

    def text(self, name: str) -> str | None:
        """Take a parameter; None if it is not there.

        Raises:
            ConfigurationError: it is empty.
        """
        found = self._parameters.pop(name, None)
        if found == "":
            raise ConfigurationError(f"{self.scheme}: has an empty parameter {name!r}: leave it out instead")
        return found

    def names(self, name: str) -> list[str] | None:
        """Take a parameter that lists names, with commas between them; None if it is not there."""
        found = self.text(name)
        return None if found is None else found.split(",")

    def flag(self, name: str) -> bool | None:
        """Take a parameter that is true or false; None if it is not there.

        Raises:
            ConfigurationError: it is neither.
        """
        found = self.text(name)
        if found is not None and found not in _FLAGS:
            raise ConfigurationError(f"{self.scheme}: has a parameter {name!r} that is neither true nor false")
        return None if found is None else _FLAGS[found]

    def duration(self, name: str) -> timedelta | None:
        """Take a parameter that is a duration, as ISO 8601 writes it; None if it is not there.

        Raises:
            ConfigurationError: it is none.
        """
        found = self.text(name)
        try:
            return None if found is None else iso_duration(found)
        except ValueError as error:
            raise ConfigurationError(f"{self.scheme}: has a parameter {name!r} that is no duration: {error}") from None

    def each(self, prefix: str) -> dict[str, str]:
        """Take all parameters whose names begin with a prefix and a dot; return them by what follows that."""
        names = [name for name in self._parameters if name.startswith(f"{prefix}.")]
        return {name[len(prefix) + 1 :]: self.text(name) or "" for name in names}

    def file(self) -> str:
        """Return the path of a file: `scheme:name`, `scheme:/path` or `scheme:///path`. Call `finish` as well.

        Raises:
            ConfigurationError: there is none, or it names a host.
        """
        path = self.path[2:] if self.path.startswith("///") else self.path
        if not path or path.startswith("//"):
            raise ConfigurationError(
                f"{self.scheme}: takes the path of a file on this machine: {self.scheme}:/path, or {self.scheme}:name "
                "for one in the working directory"
            )
        return path

    def finish(self) -> None:
        """Refuse the parameters that were not taken.

        Raises:
            ConfigurationError: there are some.
        """
        if self._parameters:
            raise ConfigurationError(f"{self.scheme}: knows no parameter {min(self._parameters)!r}")

    def __repr__(self) -> str:
        return f"ServiceUrl({self.scheme!r})"


def scheme_of(url: str) -> str:
    """Return the scheme of a URL.

    Raises:
        ConfigurationError: it has none.
    """
    found = _SCHEME.match(url)
    if found is None:
        raise ConfigurationError(
            "it is a URL that begins with a scheme in lower case, such as awskms: or local: for a key provider, "
            "and sql: or dynamodb: for a key store"
        )
    return found[1]


def iso_duration(text: str) -> timedelta:
    """Return a duration that is written as ISO 8601 does: PT15M, P90D, P1DT12H, PT1.5S.

    Raises:
        ValueError: it is none.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError("write it as ISO 8601 does: PT30S, PT15M, P90D")
    try:
        return timedelta(**{unit: float(number) for unit, number in found.groupdict("0").items()})
    except OverflowError:
        raise ValueError("it is too long") from None
