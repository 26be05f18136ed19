"""How KMS is reached: in which regions, with which clients, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from datetime import timedelta
from typing import Any, TypedDict, TypeVar

from fieldcrypt.errors import ConfigurationError
from fieldcrypt.keys.aws_kms.answers import part_of
from fieldcrypt.keys.aws_kms.arn import KeyArn
from fieldcrypt.keys.aws_kms.clients import ClientFactory, Clients, SessionFactory
from fieldcrypt.keys.aws_kms.failover import MAX_PASSES, Attempt, Failover
from fieldcrypt.keys.aws_kms.regions import check_region, partition_of

__all__ = ["MAX_CIPHERTEXT_SIZE", "Access", "KmsAccess", "without_defaults"]

T = TypeVar("T")

MAX_CIPHERTEXT_SIZE = 6144  # bytes; KMS takes no longer ones
_CLIENTS = (
    "session_factory",
    "endpoint_urls",
    "client_factory",
    "timeout",
    "cooldown",
)  # what they are made of


class KmsAccess(TypedDict, total=False):
    """How KMS is reached: the keyword arguments that both key providers of AWS KMS take, each of them optional.

        access = KmsAccess(timeout=timedelta(seconds=1), endpoint_urls={"eu-west-1": "https://…"})
        AwsKmsKeyProvider("arn:…", ["eu-west-1"], **access)

    Attributes:
        session_factory: makes the boto3 session, hence the credentials, for an account and a region.
        endpoint_urls: by region, where to find KMS if not at its public address.
        grant_tokens: sent with every call, until a new grant is known everywhere.
        client_factory: makes a boto3 KMS client for a region, in place of sessions and endpoints. It should set short
            time-outs and no retries of its own, as `AwsKmsKeyProvider.client_config` does.
        timeout: how long to wait for a connection, and for an answer. Default: 2 seconds.
        deadline: how long after its start an operation may still start a call to a region. Default: 10 seconds.
        cooldown: how long a failed region is left alone. Default: 30 seconds.
        grace: how long after `KeyPolicy.cache_ttl` live keys go on at most while KMS cannot be asked; more than
            `KeyPolicy.grace` it never is. Default: as that says while KMS is away, and none while KMS answers that a
            custom or external key store does not, or that imported material is gone, for so their owners say no.
        failover_on_denied: take a refusal in one region as an outage there.
    """

    session_factory: SessionFactory | None
    endpoint_urls: Mapping[str, str] | None
    grant_tokens: Sequence[str]
    client_factory: ClientFactory | None
    timeout: timedelta
    deadline: timedelta
    cooldown: timedelta
    grace: timedelta | None
    failover_on_denied: bool


_DEFAULT = KmsAccess(
    session_factory=None,
    endpoint_urls=None,
    grant_tokens=(),
    client_factory=None,
    timeout=timedelta(seconds=2),
    deadline=timedelta(seconds=10),
    cooldown=timedelta(seconds=30),
    grace=None,
    failover_on_denied=False,
)


class Access:
    """The regions and clients of a key provider.

    Args:
        keys: those that it uses.
        regions: in which it uses them, best first.
        access: see `KmsAccess`.

    Raises:
        ConfigurationError: regions that do not exist, are named twice, are not a list, or in which no key can be used;
            arguments that exclude each other; an endpoint without TLS.
        TypeError: a time is not a timedelta; or there is no such argument.
        ValueError: the grace is negative.
    """

    def __init__(self, keys: Sequence[KeyArn], regions: Sequence[str] | None, access: KmsAccess) -> None:
        if unknown := access.keys() - _DEFAULT.keys():
            raise TypeError(f"a key provider of KMS got an unexpected keyword argument {min(unknown)!r}")
        access = {**_DEFAULT, **access}
        _check_times(access)
        self.grace = access["grace"]
        self.clients = Clients(
            access["client_factory"], access["session_factory"], access["endpoint_urls"], access["timeout"]
        )
        self._regions = _checked(regions, self.clients.own_region)
        self.configuration: dict[str, Any] = {"regions": self._regions, **access}
        for key in keys:
            if partition_of(key.region) != key.partition:
                raise ConfigurationError(f"{key} is in an unknown region: {key.partition} has no {key.region}")
            if self._regions and not self.in_its_regions(key):
                raise ConfigurationError(f"{key} cannot be used in any of the regions")
        for region in self._regions or ():
            if not any(_usable_in(region, key) for key in keys):
                raise ConfigurationError(
                    f"none of the keys can be used in {region}: a multi-Region key is used in the regions of its "
                    "partition of AWS, any other key in its own region alone"
                )
        self._grants = {"GrantTokens": list(access["grant_tokens"])} if access["grant_tokens"] else {}
        self.failover = Failover(
            self.clients,
            access["deadline"].total_seconds(),
            access["cooldown"].total_seconds(),
            failover_on_denied=access["failover_on_denied"],
            grace_without_key=self.grace is not None,
        )

    def in_its_regions(self, key: KeyArn) -> list[KeyArn]:
        """Return a key as it is named in each region where it is used, best first."""
        if not (key.multi_region or key.is_alias):
            return [key]
        regions = dict.fromkeys(self._regions or [*self._preferred(), key.region])
        return [key._replace(region=region) for region in regions if _usable_in(region, key)]

    def regions_of(self, keys: Sequence[KeyArn]) -> list[str] | None:
        """Return the configured regions in which one of these keys can be used; None if there are none."""
        return [region for region in self._regions or () if any(_usable_in(region, key) for key in keys)] or None

    def nearest_first(self, arns: Sequence[KeyArn]) -> list[KeyArn]:
        """Return keys in the given order, but those in the preferred regions first."""
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
        """Call KMS in the first region where it answers.

        Args:
            operation: as KMS names it.
            arns: the key in each region, or several keys; best first.
            call: gets a client, KeyId and (if configured) GrantTokens.
            end: when the operation has to end; default: the deadline from now.
            passes: see `Failover.first_success`.

        Raises:
            DecryptionError, KeyAccessDeniedError, KeyProviderError: as `KeyProvider` says.
        """

        def attempt(arn: KeyArn) -> Attempt[T]:
            named = {"KeyId": str(arn), **self._grants}
            return Attempt(arn, lambda client: call(client, **named), lambda client: _state_of(client, named))

        until = self.failover.end() if end is None else end
        return self.failover.first_success(operation, [attempt(arn) for arn in arns], until, passes)

    def share(self, connections: MutableMapping[Any, Any]) -> None:
        """Share clients with providers that make them in the same way, and the record of which regions are sick."""
        made = {name: self.configuration[name] for name in _CLIENTS}
        made["endpoint_urls"] = tuple(sorted((made["endpoint_urls"] or {}).items()))
        try:
            self.failover.health = connections.setdefault(("health", *made.values()), self.failover.health)
        except TypeError:  # a factory that cannot be compared with others
            return
        self.clients = self.failover.clients = connections.setdefault(("clients", *made.values()), self.clients)

    def is_away(self, key: KeyArn) -> bool:
        """Return True if all of a key's regions failed recently."""
        return self.failover.all_sick(self.in_its_regions(key))

    def _preferred(self) -> list[str]:
        """Return the regions that were configured, or the one that boto3 is configured for."""
        if self._regions is not None:
            return self._regions
        own = self.clients.own_region()
        return [own] if own else []


def without_defaults(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a key provider but for those with their defaults, which older releases may not know."""
    default: Mapping[str, object] = _DEFAULT
    return {name: value for name, value in configuration.items() if name not in default or value != default[name]}


def _check_times(access: Mapping[str, object]) -> None:
    for name in ("timeout", "deadline", "cooldown", "grace"):
        time = access[name]
        if name == "grace" and time is None:
            continue
        if not isinstance(time, timedelta):
            raise TypeError(f"{name} is a timedelta, not {type(time).__name__}")
        if name == "grace" and time < timedelta(0):
            raise ValueError("grace cannot be negative")


def _usable_in(region: str, key: KeyArn) -> bool:
    """Return True if a key may exist in a region; which replicas a multi-Region key has is known once KMS is asked."""
    if key.multi_region or key.is_alias:
        return region == key.region or partition_of(region) == key.partition
    return region == key.region


def _state_of(client: Any, named: Mapping[str, Any]) -> str:
    return part_of(part_of(client.describe_key(**named), "KeyMetadata", dict), "KeyState", str)


def _checked(regions: Sequence[str] | None, own: Callable[[], str | None]) -> list[str] | None:
    if regions is None:
        return None
    if isinstance(regions, str):
        raise ConfigurationError("regions is a list of regions, best first, not a single name")
    if not regions:
        raise ConfigurationError("regions is empty: leave it out, or name at least one region")
    checked = [_known(region, own) for region in regions]
    if len(set(checked)) != len(checked):
        raise ConfigurationError("a region is named twice")
    return checked


def _known(region: str, own: Callable[[], str | None]) -> str:
    try:
        return check_region(region)
    except ConfigurationError:
        if not region or region != own():
            raise  # the region that a program runs in exists, though botocore may be too old to know it
        return region
