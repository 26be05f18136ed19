"""KMS clients, one per account and region; the only importer of boto3 in the core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from fieldcrypt import _system
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.keys.aws_kms.arn import KeyArn
from fieldcrypt.keys.aws_kms.regions import check_endpoint, check_region

__all__ = ["ClientFactory", "Clients", "Place", "SessionFactory", "client_config", "close_connections"]

ClientFactory = Callable[[str], Any]  # region -> boto3 KMS client
SessionFactory = Callable[[str, str], boto3.session.Session]  # account, region -> session

# Seconds after which an idle connection is not used again: NAT gateways and VPC endpoints of AWS drop it after 350,
# many firewalls after 300, some of them silently.
_MAX_IDLE = 240.0


class Place(NamedTuple):
    """An account and a region: keys that share a client, and fail together."""

    account: str
    region: str

    @classmethod
    def from_arn(cls, key: KeyArn) -> Place:
        return cls(key.account, key.region)


@dataclass(slots=True)
class _Kept:
    client: Any
    number: int  # of all clients that were made
    used: float  # when, on the monotonic clock


def client_config(timeout: timedelta = timedelta(seconds=2)) -> Config:
    """Return the botocore configuration of the default clients: short time-outs, and one attempt per call."""
    seconds = timeout.total_seconds()
    return Config(connect_timeout=seconds, read_timeout=seconds, retries={"total_max_attempts": 1}, tcp_keepalive=True)


def close_connections(client: Any) -> None:
    """Make a client open a fresh connection for its next call; calls in progress go on."""
    if hasattr(client, "close"):  # a factory may make a stand-in that only has the calls of KMS
        client.close()


class Clients:
    """Makes clients when they are needed, and again in a forked child, which must not use its parent's connections.

    Args:
        client_factory: makes a client for a region; None to make clients from the following arguments.
        session_factory: makes the session, hence the credentials, for an account and a region. Default: boto3's own.
        endpoint_urls: by region, where to find KMS if not at its public address: a VPC endpoint, for example.
        timeout: how long to wait for a connection, and for an answer.

    Attributes:
        made: how many clients were made so far.

    Raises:
        ConfigurationError: arguments that exclude each other, a region that is none, an endpoint without TLS.
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
        self._endpoint_urls = {
            check_region(region): check_endpoint(url) for region, url in (endpoint_urls or {}).items()
        }
        self._timeout = timeout
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        self._lock = Lock()
        self._clients: dict[Place, _Kept] = {}
        self.made = 0
        self._session: boto3.session.Session | None = None
        self._own_region: str | None = None  # not yet asked for; empty if there is none

    def at(self, place: Place, *, after: int = 0) -> Any:
        """Return the client for an account and region, without connections that were idle for long.

        Args:
            place: the account and region.
            after: make a fresh client with fresh credentials, unless one was made since there had been this many.
        """
        kept, now = self._clients.get(place), _system.monotonic()
        if kept is None or kept.number <= after or now - kept.used > _MAX_IDLE:
            with self._lock:  # boto3 sessions are not thread-safe, clients are
                kept = self._clients.get(place)
                if kept is not None and kept.number <= after:
                    self._drop(place)
                    kept = None
                if kept is None:
                    client = self._make(place)
                    self.made += 1
                    kept = self._clients[place] = _Kept(client, self.made, now)
                elif now - kept.used > _MAX_IDLE:
                    close_connections(kept.client)
                kept.used = now
        kept.used = now
        return kept.client

    def give_up(self, place: Place, client: Any) -> None:
        """Make the next call create its own client, because this one has no credentials that work."""
        with self._lock:
            kept = self._clients.get(place)
            if kept is not None and kept.client is client:
                self._drop(place)

    def _drop(self, place: Place) -> None:
        del self._clients[place]
        self._session = None  # which keeps the credentials that it found

    def _make(self, place: Place) -> Any:
        if self._client_factory is not None:
            return self._client_factory(place.region)
        session = self._session_factory(*place) if self._session_factory is not None else self._default_session()
        client = session.client(
            "kms",
            region_name=place.region,
            endpoint_url=self._endpoint_urls.get(place.region),
            config=client_config(self._timeout),
        )
        check_endpoint(client.meta.endpoint_url)  # which may come from the environment
        return client

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
