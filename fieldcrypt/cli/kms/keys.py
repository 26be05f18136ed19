"""A multi-Region key with replicas and aliases: what exists of it, and what is missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

__all__ = ["KeyRegion", "KeySetup", "SetupError", "default_clients"]

_MAX_WAIT = 120.0  # seconds until a new key or replica is enabled; AWS takes a few
_PAUSE = 1.0  # seconds between checks of it
_DEFAULT_ROTATION = 365  # days


class SetupError(Exception):
    """Why the key cannot be set up, in one line."""


def default_clients() -> Callable[[str], Any]:
    """Return what makes and keeps a KMS client for each region, with boto3's default credentials and endpoints.

    Raises:
        SetupError: boto3 cannot be used as it is configured.
    """
    # A CreateKey that is repeated after a time-out makes a second key: it is the command that is repeated.
    config = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 1})
    made: dict[str, Any] = {}
    with _setup_errors("boto3"):
        session = boto3.session.Session()

    def client(region: str) -> Any:
        if region not in made:
            with _setup_errors(region):
                made[region] = session.client("kms", region_name=region, config=config)
        return made[region]

    return client


@dataclass(slots=True)
class KeyRegion:
    """The key in one region.

    Attributes:
        arn: the key's ARN here; empty while there is none.
        state: its KMS state; empty while there is none.
        alias: the alias points to it here.
        made: what was made here by `KeySetup.complete`.
    """

    region: str
    arn: str = ""
    state: str = ""
    alias: bool = False
    made: list[str] = field(default_factory=list)


class KeySetup:
    """Makes a symmetric multi-Region key with an alias, replicas and automatic rotation, or completes one.

    IAM actions: `kms:DescribeKey`, `kms:GetKeyRotationStatus` to look; `kms:CreateKey`, `kms:CreateAlias`,
    `kms:EnableKeyRotation`, `kms:ReplicateKey`, `kms:GetKeyPolicy`, and once in an account
    `iam:CreateServiceLinkedRole`, to complete.

    Args:
        client: makes a boto3 KMS client for a region.
        alias: the alias, `alias/…`, the same in every region.
        regions: the primary region, then those of the replicas.
        rotation_days: the period of rotation; None to leave one that is on as it is, else a year.
    """

    def __init__(
        self, client: Callable[[str], Any], alias: str, regions: Sequence[str], rotation_days: int | None = None
    ) -> None:
        self._client = client
        self._alias = alias
        self._wanted_rotation = rotation_days
        self.home, *self.away = (KeyRegion(region) for region in regions)
        self.rotation: int | None = None  # days; None while it is off

    @property
    def regions(self) -> list[KeyRegion]:
        return [self.home, *self.away]

    def look(self) -> None:
        """Look up what exists; change nothing.

        Raises:
            SetupError: what exists is not what this would make, or KMS does not answer.
        """
        key = self._describe(self.home.region, self._alias)
        if key is not None:
            _check_primary(self._alias, self.home.region, key)
            self.home.arn, self.home.state, self.home.alias = key["Arn"], key["KeyState"], True
            with _setup_errors(self.home.region):
                status = self._client(self.home.region).get_key_rotation_status(KeyId=key["Arn"])
            self.rotation = (
                status.get("RotationPeriodInDays", _DEFAULT_ROTATION) if status["KeyRotationEnabled"] else None
            )
        replicas = {} if key is None else {at["Region"]: at["Arn"] for at in _replicas(key)}
        for place in self.away:
            named = self._describe(place.region, self._alias)
            if named is not None and named["Arn"] != replicas.get(place.region):
                raise SetupError(f"{self._alias} in {place.region} points to another key, {named['Arn']}")
            place.alias = named is not None
            if place.region in replicas:
                place.arn = replicas[place.region]
                place.state = (named or self._describe(place.region, place.arn) or {"KeyState": "Creating"})["KeyState"]
                if place.state not in ("Enabled", "Creating"):
                    raise SetupError(f"the replica in {place.region}, {place.arn}, is not enabled but {place.state}")

    def missing(self) -> list[str]:
        """Describe what `complete` would make."""
        found = [] if self.home.arn else [f"a multi-Region key in {self.home.region}"]
        found += [f"a replica in {place.region}" for place in self.away if not place.arn]
        found += [f"{self._alias} in {place.region}" for place in self.regions if not place.alias]
        return found if self._rotation_to_set() is None else [*found, f"rotation every {self._rotation_to_set()} days"]

    def complete(self, policy: str | None, description: str, tell: Callable[[str], None]) -> None:
        """Make what is missing.

        Args:
            policy: the key policy, as JSON, of keys that are made; None for AWS's default, and for a replica its
                primary's.
            description: of keys that are made.
            tell: called with what is being done.

        Raises:
            SetupError: KMS refused something; the message says what was made before.
        """
        try:
            self._complete_home(policy, description, tell)
            for place in self.away:
                if not place.arn:
                    tell(f"Replicating to {place.region}")
                    self._replicate(place, policy, description)
            for place in self.away:
                tell(f"Waiting for {place.region}")
                self._wait(place)
                self._name(place)
        except SetupError as error:
            made = [f"{what} in {place.region}" for place in self.regions for what in place.made]
            if not made:
                raise
            advice = "the same command goes on from there"
            if not self.home.alias:
                advice = f"give {self.home.arn} the alias before you repeat the command, or it makes a second key"
            raise SetupError(f"{error} (made before that: {', '.join(made)}; {advice})") from None

    def _complete_home(self, policy: str | None, description: str, tell: Callable[[str], None]) -> None:
        client = self._client(self.home.region)
        if not self.home.arn:
            tell(f"Making a key in {self.home.region}")
            given = {} if policy is None else {"Policy": policy}
            with _setup_errors(self.home.region):
                key = client.create_key(MultiRegion=True, Description=description, **given)["KeyMetadata"]
            self.home.arn, self.home.state = key["Arn"], key["KeyState"]
            self.home.made.append("key")
            self._wait(self.home)
        self._name(self.home)  # at once: a key without its alias would not be found again
        days = self._rotation_to_set()
        if days is not None:
            with _setup_errors(self.home.region):
                client.enable_key_rotation(KeyId=self.home.arn, RotationPeriodInDays=days)
            self.rotation = days
            self.home.made.append(f"rotation every {days} days")

    def _replicate(self, place: KeyRegion, policy: str | None, description: str) -> None:
        client = self._client(self.home.region)
        with _setup_errors(self.home.region):
            if policy is None:  # AWS's default would allow principals that the primary's policy may exclude
                policy = client.get_key_policy(KeyId=self.home.arn, PolicyName="default")["Policy"]
            answer = client.replicate_key(
                KeyId=self.home.arn, ReplicaRegion=place.region, Policy=policy, Description=description
            )
        place.arn, place.state = answer["ReplicaKeyMetadata"]["Arn"], "Creating"
        place.made.append("replica")

    def _name(self, place: KeyRegion) -> None:
        if not place.alias:
            with _setup_errors(place.region):
                self._client(place.region).create_alias(AliasName=self._alias, TargetKeyId=place.arn)
            place.alias = True
            place.made.append("alias")

    def _wait(self, place: KeyRegion) -> None:
        end = time.monotonic() + _MAX_WAIT
        while place.state != "Enabled":
            key = self._describe(place.region, place.arn)  # None at first, perhaps: KMS is eventually consistent
            place.state = "Creating" if key is None else key["KeyState"]
            if place.state not in ("Enabled", "Creating"):
                raise SetupError(f"{place.arn} is not enabled but {place.state}")
            if place.state == "Creating":
                if time.monotonic() >= end:
                    raise SetupError(f"{place.arn} is still being created after {_MAX_WAIT:.0f} seconds")
                time.sleep(_PAUSE)

    def _rotation_to_set(self) -> int | None:
        if self.rotation is None:
            return self._wanted_rotation or _DEFAULT_ROTATION
        return None if self._wanted_rotation in (None, self.rotation) else self._wanted_rotation

    def _describe(self, region: str, key_id: str) -> dict[str, Any] | None:
        with _setup_errors(region):
            client = self._client(region)
            try:
                metadata: dict[str, Any] = client.describe_key(KeyId=key_id)["KeyMetadata"]
            except client.exceptions.NotFoundException:
                return None
        return metadata


def _check_primary(alias: str, region: str, key: dict[str, Any]) -> None:
    """Raise SetupError if the key that an alias points to is not one that can be completed."""
    what = f"{alias} in {region} points to {key['Arn']}, which is"
    if not key.get("MultiRegion"):
        raise SetupError(f"{what} a key for that region alone: choose another alias")
    if key["KeySpec"] != "SYMMETRIC_DEFAULT":
        raise SetupError(f"{what} of the kind {key['KeySpec']}, not symmetric: choose another alias")
    if key["Origin"] != "AWS_KMS":
        raise SetupError(f"{what} of imported material ({key['Origin']}), to be imported into replicas by hand")
    if key["KeyState"] != "Enabled":
        raise SetupError(f"{what} not enabled but {key['KeyState']}")
    if key["MultiRegionConfiguration"]["MultiRegionKeyType"] != "PRIMARY":
        primary = key["MultiRegionConfiguration"]["PrimaryKey"]["Region"]
        raise SetupError(f"{what} a replica: its primary is in {primary}, so use --region {primary}")


def _replicas(key: dict[str, Any]) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = key["MultiRegionConfiguration"]["ReplicaKeys"]
    return listed


@contextmanager
def _setup_errors(where: str) -> Iterator[None]:
    """Turn boto3's exceptions into a line that says where they happened."""
    try:
        yield
    except (ClientError, BotoCoreError, ValueError) as error:  # ValueError: of an endpoint URL that is none
        raise SetupError(f"{where}: {' '.join(str(error).split())}") from None
