"""AWS KMS as a key provider: one multi-Region key, or several keys, used from several regions."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from threading import Lock
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    NoCredentialsError,
    PartialCredentialsError,
)

from fieldcrypt import _system
from fieldcrypt.errors import ConfigurationError, DecryptionError, KeyAccessDeniedError, KeyProviderError
from fieldcrypt.keys.arn import KeyArn, check_region
from fieldcrypt.keys.kms_answers import Answer, answer
from fieldcrypt.keys.records import WrappedKey
from fieldcrypt.keys.region_health import RegionHealth

__all__ = ["AwsKmsKeyProvider"]

T = TypeVar("T")

_MAX_CIPHERTEXT_SIZE = 6144  # bytes; KMS takes no longer ones

_MAX_PASSES = 3  # over all regions, while they answer with errors that a moment's patience may cure
_FIRST_PAUSE = 0.1  # seconds between passes, doubled each time


# A key in one region, and what to ask of KMS there.
_Attempt = tuple[KeyArn, Callable[[Any], T]]


class AwsKmsKeyProvider:
    """Wraps data keys under symmetric AWS KMS keys.

    A multi-Region key is used in any of its regions: in the order given, or the caller's own region first. If a region
    cannot be reached or fails, the next one is asked, and the failed one is left alone for the cool-down. A refusal
    (no permission, key disabled or pending deletion) is a decision and ends the attempt.

    Of several keys each wraps every data key, and any of them unwraps it.

    IAM actions: `kms:Encrypt` to make data keys, `kms:Decrypt` to use them, on the key in every region. Both can be
    restricted by `kms:EncryptionContext:fieldcrypt:tenant` and the other keys of SPEC section 6.

    Args:
        keys: the ARN of a KMS key (of any of a multi-Region key's regions), or several ARNs.
        regions: the regions in which to use a multi-Region key, best first; it is used in no others. Default: the
            region that boto3 is configured for, then that of the ARN. Keys that are not multi-Region are used in their
            own regions, in the order of this list and then of the keys.
        client_factory: makes a boto3 KMS client for a region: for other credentials, endpoints or accounts. It should
            set short time-outs and no retries of its own, as `AwsKmsKeyProvider.client_config` does.
        timeout: how long to wait for a connection, and for an answer.
        deadline: after each region was asked once, they are asked again only within this time.
        cooldown: how long a failed region is left alone.
        failover_on_denied: take a refusal in one region as an outage there.

    Raises:
        ConfigurationError: an ARN or a region is malformed; the message says what to use instead.
        TypeError: a time is not a timedelta.
    """

    def __init__(
        self,
        keys: str | Sequence[str],
        regions: Sequence[str] | None = None,
        *,
        client_factory: Callable[[str], Any] | None = None,
        timeout: timedelta = timedelta(seconds=2),
        deadline: timedelta = timedelta(seconds=10),
        cooldown: timedelta = timedelta(seconds=30),
        failover_on_denied: bool = False,
    ) -> None:
        self._keys = _configured_keys([keys] if isinstance(keys, str) else keys)
        if isinstance(regions, str):
            raise ConfigurationError("regions is a list of regions, best first, not a single name")
        self._regions = None if regions is None else [check_region(region) for region in regions]
        if self._regions is not None and len(set(self._regions)) != len(self._regions):
            raise ConfigurationError("a region is named twice")
        if not self._regions and self._regions is not None:
            raise ConfigurationError("regions is empty: leave it out, or name at least one region")
        for name, value in (("timeout", timeout), ("deadline", deadline), ("cooldown", cooldown)):
            if not isinstance(value, timedelta):
                raise TypeError(f"{name} is a timedelta, not {type(value).__name__}")
        self._client_factory = client_factory
        self._timeout = timeout
        self._deadline = deadline.total_seconds()
        self._health = RegionHealth(cooldown.total_seconds())
        self._failover_on_denied = failover_on_denied
        self._reset()
        _system.call_after_fork(self._reset)

    def _reset(self) -> None:
        """Start without clients; also in a forked child, which must not share its parent's connections."""
        self._health.reset()
        self._session: boto3.session.Session | None = None
        self._own_region: str | None = None  # not yet asked for; empty if there is none
        self._clients: dict[str, Any] = {}
        self._lock = Lock()

    @staticmethod
    def client_config(timeout: timedelta = timedelta(seconds=2)) -> Config:
        """Return the botocore configuration of the default clients: short time-outs, and one attempt a call."""
        seconds = timeout.total_seconds()
        return Config(
            connect_timeout=seconds, read_timeout=seconds, retries={"total_max_attempts": 1}, tcp_keepalive=True
        )

    def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
        """Encrypt a data key under every configured key (see `KeyProvider.wrap`). IAM action: `kms:Encrypt`."""
        return [self._wrap_under(key, data_key, dict(context)) for key in self._keys]

    def unwrap(self, wraps: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
        """Decrypt a data key by the nearest key that works (see `KeyProvider.unwrap`). IAM action: `kms:Decrypt`."""
        named = [
            (arn, wrap)
            for wrap in wraps
            if len(wrap.data) <= _MAX_CIPHERTEXT_SIZE and (arn := KeyArn.match(wrap.name)) is not None
        ]

        def attempt(arn: KeyArn, wrap: WrappedKey) -> _Attempt[bytes]:
            def decrypt(client: Any) -> bytes:
                answer = client.decrypt(KeyId=str(arn), CiphertextBlob=wrap.data, EncryptionContext=dict(context))
                plaintext: bytes = answer["Plaintext"]
                return plaintext

            return arn, decrypt

        attempts = [
            attempt(usable, wrap)
            for key in self._keys
            for arn, wrap in named
            if key.same_key(arn)
            for usable in self._in_its_regions(key)
        ]
        if not attempts:
            raise DecryptionError("the data key is wrapped under none of the configured KMS keys")
        return self._first_success("unwrap", attempts)

    def _wrap_under(self, key: KeyArn, data_key: bytes, context: dict[str, str]) -> WrappedKey:
        def attempt(arn: KeyArn) -> _Attempt[WrappedKey]:
            def encrypt(client: Any) -> WrappedKey:
                answer = client.encrypt(KeyId=str(arn), Plaintext=data_key, EncryptionContext=context)
                return WrappedKey(str(arn), answer["CiphertextBlob"])

            return arn, encrypt

        return self._first_success("wrap", [attempt(arn) for arn in self._in_its_regions(key)])

    def _first_success(self, verb: str, attempts: Sequence[_Attempt[T]]) -> T:
        """Make attempts, those in the best regions first, until one succeeds.

        Raises:
            DecryptionError, KeyAccessDeniedError, KeyProviderError: as `KeyProvider` says.
        """
        end = _system.monotonic() + self._deadline
        causes: dict[str, Exception] = {}
        answers: set[Answer] = set()
        usable = dict.fromkeys([*(self._preferred_regions()), *(arn.region for arn, _ in attempts)])
        order = self._health.order(list(usable))
        remaining = [attempt for region in order for attempt in attempts if attempt[0].region == region]
        for number in range(_MAX_PASSES):
            again = []
            for arn, call in remaining:
                if number and _system.monotonic() >= end:
                    break
                place = arn.region if len(self._keys) == 1 else str(arn)
                self._health.begin(arn.region)
                try:
                    result = call(self._client(arn.region))
                except ClientError as error:
                    causes[place] = _reduced(error)
                    said = _answer(error)
                    answers.add(said)
                    if said is Answer.OUTAGE:
                        again.append((arn, call))
                    else:
                        self._health.succeeded(arn.region)  # it works, whatever it says
                        self._stop_unless_elsewhere(said, verb, place, causes)
                except (NoCredentialsError, PartialCredentialsError) as error:
                    causes[place] = _reduced(error)
                    raise KeyProviderError(_message(verb, causes), causes=causes, retryable=False) from None
                except ConnectionClosedError as error:  # often just a connection that idled for too long
                    causes[place] = _reduced(error)
                    answers.add(Answer.OUTAGE)
                    again.append((arn, call))
                except BotoCoreError as error:  # no connection, TLS, time-outs
                    causes[place] = _reduced(error)
                    answers.add(Answer.OUTAGE)
                else:
                    self._health.succeeded(arn.region)
                    return result
                self._health.failed(arn.region)
            remaining = again
            pause = random.uniform(0.5, 1) * _FIRST_PAUSE * 2**number  # noqa: S311 (spreads callers, no secret)
            if not remaining or number + 1 == _MAX_PASSES or _system.monotonic() + pause >= end:
                break
            time.sleep(pause)
        if answers == {Answer.DENIED}:
            raise KeyAccessDeniedError(_message(verb, causes), causes=causes)
        raise KeyProviderError(_message(verb, causes), causes=causes, retryable=Answer.OUTAGE in answers)

    def _stop_unless_elsewhere(self, said: Answer, verb: str, place: str, causes: Mapping[str, Exception]) -> None:
        """Raise, unless an answer leaves hope for the next region."""
        if said is Answer.NOT_AUTHENTIC:
            raise DecryptionError(f"KMS in {place} finds that the wrapped data key is not authentic") from None
        if said is Answer.DENIED and not self._failover_on_denied:
            raise KeyAccessDeniedError(_message(verb, causes), causes=causes) from None
        if said is Answer.WRONG:
            raise KeyProviderError(_message(verb, causes), causes=causes, retryable=False) from None

    def _client(self, region: str) -> Any:
        client = self._clients.get(region)
        if client is None:
            with self._lock:  # boto3 sessions are not thread-safe, clients are
                client = self._clients.get(region)
                if client is None:
                    client = self._clients[region] = (self._client_factory or self._default_client)(region)
        return client

    def _default_client(self, region: str) -> Any:
        if self._session is None:
            self._session = boto3.session.Session()
        client: Any = self._session.client("kms", region_name=region, config=self.client_config(self._timeout))
        return client

    def _preferred_regions(self) -> list[str]:
        """The regions that were configured, or the one that boto3 is configured for, best first."""
        if self._regions is not None:
            return self._regions
        if self._own_region is None:
            try:
                self._own_region = boto3.session.Session().region_name or ""
            except BotoCoreError as error:
                raise ConfigurationError(f"boto3 cannot be used as it is configured: {error}") from None
        return [self._own_region] if self._own_region else []

    def _in_its_regions(self, key: KeyArn) -> list[KeyArn]:
        if not key.multi_region:
            return [key]
        regions = self._preferred_regions() if self._regions else [*self._preferred_regions(), key.region]
        return [key._replace(region=region) for region in dict.fromkeys(regions)]

    def __repr__(self) -> str:
        return f"AwsKmsKeyProvider({[str(key) for key in self._keys]!r}, {self._regions!r})"


def _configured_keys(keys: Sequence[str]) -> list[KeyArn]:
    arns: list[KeyArn] = []
    for text in keys:
        arn = KeyArn.configured(text)
        if any(arn.same_key(other) for other in arns):
            raise ConfigurationError(f"{text} is named twice; the regions of a multi-Region key go into `regions`")
        arns.append(arn)
    if not arns:
        raise ConfigurationError("no KMS key is configured")
    return arns


def _answer(error: ClientError) -> Answer:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return answer(error.response.get("Error", {}).get("Code", ""), status)


def _reduced(error: Exception) -> Exception:
    """Return an error of botocore without the request, whose body is a data key and whose headers are credentials."""
    for name in ("request", "response"):
        if isinstance(error, BotoCoreError) and hasattr(error, name):
            setattr(error, name, None)
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)


def _message(verb: str, causes: Mapping[str, Exception]) -> str:
    tried = "; ".join(f"{region}: {error}" for region, error in causes.items())
    return f"KMS could not {verb} a data key ({tried})"
