"""How KMS is reached: in which regions, with which clients, and how patiently."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from fieldcrypt.errors import ConfigurationError
from fieldcrypt.keys.aws_kms.arn import KeyArn, check_region
from fieldcrypt.keys.aws_kms.clients import ClientFactory, Clients, SessionFactory
from fieldcrypt.keys.aws_kms.failover import MAX_PASSES, Attempt, Failover

__all__ = ["MAX_CIPHERTEXT_SIZE", "Access"]

T = TypeVar("T")

MAX_CIPHERTEXT_SIZE = 6144  # bytes; KMS takes no longer ones


class Access:
    """What all providers of KMS share. Their docstrings say what the arguments mean.

    Raises:
        ConfigurationError: regions that are none, are named twice, or are no list; arguments that exclude each other.
        TypeError: a time is not a timedelta.
    """

    def __init__(
        self,
        *,
        regions: Sequence[str] | None,
        session_factory: SessionFactory | None,
        endpoint_urls: Mapping[str, str] | None,
        grant_tokens: Sequence[str],
        client_factory: ClientFactory | None,
        timeout: timedelta,
        deadline: timedelta,
        cooldown: timedelta,
        failover_on_denied: bool,
    ) -> None:
        for name, value in (("timeout", timeout), ("deadline", deadline), ("cooldown", cooldown)):
            if not isinstance(value, timedelta):
                raise TypeError(f"{name} is a timedelta, not {type(value).__name__}")
        self.configuration: dict[str, Any] = {
            "regions": _checked(regions),
            "session_factory": session_factory,
            "endpoint_urls": endpoint_urls,
            "grant_tokens": grant_tokens,
            "client_factory": client_factory,
            "timeout": timeout,
            "deadline": deadline,
            "cooldown": cooldown,
            "failover_on_denied": failover_on_denied,
        }
        self._regions = _checked(regions)
        self._grants = {"GrantTokens": list(grant_tokens)} if grant_tokens else {}
        self.clients = Clients(client_factory, session_factory, endpoint_urls, timeout)
        self.failover = Failover(
            self.clients, deadline.total_seconds(), cooldown.total_seconds(), failover_on_denied=failover_on_denied
        )

    def in_its_regions(self, key: KeyArn) -> list[KeyArn]:
        """Return a key as it is named in each region where it is used, best first."""
        if not (key.multi_region or key.is_alias):
            return [key]
        regions = self._regions or [*self._preferred(), key.region]
        return [key._replace(region=region) for region in dict.fromkeys(regions)]

    def nearest_first(self, arns: Sequence[KeyArn]) -> list[KeyArn]:
        """Return keys, those in the preferred regions first, else in the given order."""
        order = self._preferred()
        return sorted(arns, key=lambda arn: order.index(arn.region) if arn.region in order else len(order))

    def ask(
        self,
        operation: str,
        arns: Sequence[KeyArn],
        call: Callable[..., T],
        *,
        end: float | None = None,
        passes: int = MAX_PASSES,
    ) -> T:
        """Ask KMS for something, in the first region where it answers.

        Args:
            operation: as KMS names it.
            arns: the key in each region, or several keys; best first.
            call: is given a client, KeyId and (if configured) GrantTokens.
            end: when the operation has to end; default: the deadline from now.
            passes: see `Failover.first_success`.

        Raises:
            DecryptionError, KeyAccessDeniedError, KeyProviderError: as `KeyProvider` says.
        """

        def attempt(arn: KeyArn) -> Attempt[T]:
            return Attempt(arn, lambda client: call(client, KeyId=str(arn), **self._grants))

        until = self.failover.end() if end is None else end
        return self.failover.first_success(operation, [attempt(arn) for arn in arns], until, passes)

    def is_away(self, key: KeyArn) -> bool:
        """Say whether a key's regions all failed lately."""
        return self.failover.all_sick(self.in_its_regions(key))

    def _preferred(self) -> list[str]:
        """Return the regions that were configured, or the one that boto3 is configured for."""
        if self._regions is not None:
            return self._regions
        own = self.clients.own_region()
        return [own] if own else []


def _checked(regions: Sequence[str] | None) -> list[str] | None:
    if regions is None:
        return None
    if isinstance(regions, str):
        raise ConfigurationError("regions is a list of regions, best first, not a single name")
    if not regions:
        raise ConfigurationError("regions is empty: leave it out, or name at least one region")
    checked = [check_region(region) for region in regions]
    if len(set(checked)) != len(checked):
        raise ConfigurationError("a region is named twice")
    return checked
