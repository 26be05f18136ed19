"""KMS clients, one for each account and region; the one importer of boto3 in the core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from threading import Lock
from typing import Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from fieldcrypt import _system
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.keys.aws_kms.arn import KeyArn, check_region

__all__ = ["ClientFactory", "Clients", "Place", "SessionFactory", "client_config"]

ClientFactory = Callable[[str], Any]  # region -> boto3 KMS client
SessionFactory = Callable[[str, str], boto3.session.Session]  # account, region -> session


class Place(NamedTuple):
    """Where a key is used: what shares a client, and fails together."""

    account: str
    region: str

    @classmethod
    def of(cls, key: KeyArn) -> Place:
        return cls(key.account, key.region)


def client_config(timeout: timedelta = timedelta(seconds=2)) -> Config:
    """Return the botocore configuration of the default clients: short time-outs, and one attempt a call."""
    seconds = timeout.total_seconds()
    return Config(connect_timeout=seconds, read_timeout=seconds, retries={"total_max_attempts": 1}, tcp_keepalive=True)


class Clients:
    """Makes clients when they are needed, and again in a forked child, which must not use its parent's connections.

    Args:
        client_factory: makes a client for a region; None to make them here, of the following.
        session_factory: makes the session, hence the credentials, for an account and a region. Default: boto3's own.
        endpoint_urls: by region, where to find KMS if not at its public address: a VPC endpoint, for example.
        timeout: how long to wait for a connection, and for an answer.

    Raises:
        ConfigurationError: arguments that exclude each other, or a region that is none.
    """

    def __init__(
        self,
        client_factory: ClientFactory | None,
        session_factory: SessionFactory | None,
        endpoint_urls: Mapping[str, str] | None,
        timeout: timedelta,
    ) -> None:
        if client_factory is not None and (session_factory is not None or endpoint_urls is not None):
            raise ConfigurationError("client_factory makes whole clients: leave session_factory and endpoint_urls out")
        self._client_factory = client_factory
        self._session_factory = session_factory
        self._endpoint_urls = {check_region(region): url for region, url in (endpoint_urls or {}).items()}
        self._timeout = timeout
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        self._lock = Lock()
        self._clients: dict[Place, Any] = {}
        self._session: boto3.session.Session | None = None
        self._own_region: str | None = None  # not yet asked for; empty if there is none

    def at(self, place: Place) -> Any:
        """Return the client for a place."""
        client = self._clients.get(place)
        if client is None:
            with self._lock:  # boto3 sessions are not thread-safe, clients are
                client = self._clients.get(place)
                if client is None:
                    client = self._clients[place] = self._make(place)
        return client

    def _make(self, place: Place) -> Any:
        if self._client_factory is not None:
            return self._client_factory(place.region)
        session = self._session_factory(*place) if self._session_factory is not None else self._default_session()
        return session.client(
            "kms",
            region_name=place.region,
            endpoint_url=self._endpoint_urls.get(place.region),
            config=client_config(self._timeout),
        )

    def _default_session(self) -> boto3.session.Session:
        if self._session is None:
            self._session = boto3.session.Session()
        return self._session

    def own_region(self) -> str | None:
        """Return the region that boto3 is configured for, if there is one."""
        if self._own_region is None:
            try:
                self._own_region = boto3.session.Session().region_name or ""
            except BotoCoreError as error:
                raise ConfigurationError(f"boto3 cannot be used as it is configured: {error}") from None
        return self._own_region or None
