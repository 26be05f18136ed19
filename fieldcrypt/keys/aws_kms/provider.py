"""Data keys under symmetric KMS keys: one multi-Region key, or several keys, used from several regions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableMapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any, Literal, Unpack

from fieldcrypt.errors import ConfigurationError, KeyProviderError
from fieldcrypt.events import Event, EventKind, report
from fieldcrypt.keys.aws_kms.access import MAX_CIPHERTEXT_SIZE, Access, KmsAccess, without_defaults
from fieldcrypt.keys.aws_kms.aliases import Aliases
from fieldcrypt.keys.aws_kms.answers import IncompleteAnswerError, is_missing_key, part_of
from fieldcrypt.keys.aws_kms.arn import KeyArn
from fieldcrypt.keys.aws_kms.clients import Place, client_config
from fieldcrypt.keys.aws_kms.failover import MAX_PASSES
from fieldcrypt.keys.providers.provider import KeyProvider, not_wrapped_error
from fieldcrypt.keys.record.record import WrappedKey
from fieldcrypt.tracebacks.frames import discreet

__all__ = ["AwsKmsKeyProvider"]


class AwsKmsKeyProvider(KeyProvider):
    """Wraps data keys under symmetric AWS KMS keys.

    A multi-Region key is used in any of its regions: in the order given, or the caller's own region first. If a region
    cannot be reached or fails, the next one is asked, and the failed one is skipped during the cool-down. A refusal (no
    permission, key disabled or pending deletion) is a decision, and is final once every region before the one that
    refuses has answered.

    With several keys, each wraps every data key, and any of them unwraps it.

    IAM actions: `kms:Encrypt` to make data keys, `kms:Decrypt` to use them, on the key in every region; for aliases
    also `kms:DescribeKey`, which for other keys tells the state of one that KMS calls invalid. The first two can be
    restricted by `kms:EncryptionContext:fieldcrypt:tenant` and the other keys of SPEC section 6.

    Args:
        keys: the ARN of a KMS key (of any of a multi-Region key's regions), or several ARNs. The ARN of an alias
            stands for the key that it points to. Data keys wrapped under an earlier target are read as long as the
            process lives, and later with that key as one of the `others` of a `KeyProviderChain`.
        regions: the only regions in which to use a multi-Region key or an alias, best first.
            Default: the region that boto3 is configured for, then that of the ARN. Keys that are not multi-Region are
            used in their own regions, in the order of this list and then of the keys.
        require: of several keys, how many must wrap a data key when it is made: "all", "any" (one), or a number. A wrap
            that is missing because a region failed is reported as an event, shown by `fieldcrypt keys list`, and added
            by `fieldcrypt keys repair`.
        access: session_factory, endpoint_urls, grant_tokens, client_factory, timeout, deadline, cooldown, grace and
            failover_on_denied: see `KmsAccess`.

    Raises:
        ConfigurationError: an ARN or a region is malformed, none of the keys can be used in a region, or an endpoint
            has no TLS; the message says what to use instead.
        TypeError: a time is not a timedelta.
        ValueError: the grace is negative.
    """

    def __init__(
        self,
        keys: str | Sequence[str],
        regions: Sequence[str] | None = None,
        *,
        require: Literal["all", "any"] | int = "all",
        **access: Unpack[KmsAccess],
    ) -> None:
        self._keys = _configured_keys(keys)
        self._access = Access(self._keys, regions, access)
        self.grace = self._access.grace
        self._required = _required(require, len(self._keys))
        self._configuration = {"keys": keys, "require": require, **self._access.configuration}
        self._aliases = Aliases(self._describe)

    client_config = staticmethod(client_config)

    @discreet
    def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
        """Encrypt a data key under the configured keys (see `KeyProvider.wrap`). IAM action: `kms:Encrypt`."""
        end = self._access.failover.end()
        if self._required == len(self._keys):
            wraps = [self._wrap_under(key, data_key, context, end) for key in self._keys]
        else:
            wraps = self._wrap_under_enough(data_key, context, end)
        named = [KeyArn.configured(wrap.name) for wrap in wraps]
        if any(one.same_key(other) for one, other in combinations(named, 2)):
            raise ConfigurationError("an alias and another of the configured keys are one and the same key")
        return wraps

    @discreet
    def unwrap(self, wraps: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
        """Decrypt a data key by the nearest key that works (see `KeyProvider.unwrap`). IAM action: `kms:Decrypt`."""
        end = self._access.failover.end()
        wraps = [wrap for wrap in wraps if len(wrap.data) <= MAX_CIPHERTEXT_SIZE]
        failures = self._look_up_aliases(wraps, end)
        usable = {str(arn): wrap for wrap in wraps for arn in self._usable_for(wrap.name)}
        if not usable and failures:
            raise failures[0]
        if not usable:
            raise not_wrapped_error(
                wraps, "none of the configured KMS keys, " + ", ".join(repr(str(key)) for key in self._keys)
            )

        def decrypt(client: Any, **key: Any) -> bytes:
            blob = usable[key["KeyId"]].data
            answer = client.decrypt(CiphertextBlob=blob, EncryptionContext=dict(context), **key)
            return part_of(answer, "Plaintext", bytes)

        nearest = self._access.nearest_first([KeyArn.configured(arn) for arn in usable])
        return self._access.ask("Decrypt", nearest, decrypt, end=end)

    def wrapping_keys(self) -> Sequence[str]:
        """Return the ARNs of the configured keys (see `KeyProvider.wrapping_keys`).

        IAM action, if one is an alias: `kms:DescribeKey`.
        """
        end = self._access.failover.end()
        return [str(self._aliases.current(key, end) if key.is_alias else key) for key in self._keys]

    def wrapping_key(self, name: str) -> str | None:
        """Return the configured key that an ARN means (see `KeyProvider.wrapping_key`)."""
        arn = KeyArn.match(name)
        if arn is None:
            return None
        return next((key for key in self.wrapping_keys() if KeyArn.configured(key).same_key(arn)), None)

    def regions(self) -> Mapping[str, AwsKmsKeyProvider]:
        """Return, by region, a provider that works in that region alone (see `KeyProvider.regions`)."""
        everywhere = [arn for key in self._keys for arn in self._access.in_its_regions(key)]
        regions = dict.fromkeys(arn.region for arn in self._access.nearest_first(everywhere))
        return {region: self._restricted_to(region) for region in regions}

    def wrapping_with(self, names: Collection[str]) -> AwsKmsKeyProvider:
        """Return a provider that wraps under only some of its keys (see `KeyProvider.wrapping_with`)."""
        if len(self._keys) == 1:
            return self
        some = [key for key, name in zip(self._keys, self.wrapping_keys(), strict=True) if name in names]
        fewer = {"keys": [str(key) for key in some], "regions": self._access.regions_of(some), "require": "any"}
        return AwsKmsKeyProvider(**{**self._configuration, **fewer})

    def share(self, connections: MutableMapping[Any, Any]) -> None:
        """Share clients, and which regions are sick (see `KeyProvider.share`)."""
        self._access.share(connections)

    def keys_at(self, region: str) -> list[KeyArn]:
        """Return the configured keys and aliases as they are named in a region, for inspection."""
        return [arn for key in self._keys for arn in self._access.in_its_regions(key) if arn.region == region]

    def client(self, arn: KeyArn) -> Any:
        """Return the boto3 client that is used for a key, for inspection."""
        return self._access.clients.at(Place.from_arn(arn))

    def _restricted_to(self, region: str) -> AwsKmsKeyProvider:
        there = [str(arn) for arn in self.keys_at(region)]
        changed: Any = {"keys": there, "regions": [region], "require": "all"}
        return AwsKmsKeyProvider(**{**self._configuration, **changed})

    def _look_up_aliases(self, wraps: Sequence[WrappedKey], end: float) -> list[KeyProviderError]:
        """Ask which keys the aliases point to, if that may make a wrap usable; return the errors."""
        known = sum(bool(self._usable_for(wrap.name)) for wrap in wraps)
        failures: list[KeyProviderError] = []
        for alias in self._keys:
            if not alias.is_alias or known == len(wraps) or (known and self._access.is_away(alias)):
                continue
            try:
                self._aliases.current(alias, end)
            except KeyProviderError as error:
                if not error.retryable:
                    raise
                failures.append(error)
        return failures

    def _usable_for(self, name: str) -> list[KeyArn]:
        """Return the key that a wrap names, in each region where it may be used: none if it was not configured."""
        arn = KeyArn.match(name)
        if arn is None:
            return []
        for key in self._keys:
            if self._aliases.meant(key, arn) if key.is_alias else key.same_key(arn):
                # The region of a multi-Region key's ARN is whatever the wrap says: what counts is what was configured.
                return self._access.in_its_regions(arn._replace(region=key.region) if arn.multi_region else arn)
        return []

    def _wrap_under_enough(self, data_key: bytes, context: Mapping[str, str], end: float) -> list[WrappedKey]:
        """Wrap under as many keys as are required, and under the others if that takes no waiting."""
        wraps: list[WrappedKey] = []
        causes: dict[str, Exception] = {}
        missing = list(self._keys)
        for number in range(MAX_PASSES):
            for key in sorted(missing, key=self._access.is_away):
                if len(wraps) >= self._required and self._access.is_away(key):
                    continue
                try:
                    wraps.append(self._wrap_under(key, data_key, context, end, passes=1))
                    missing.remove(key)
                except KeyProviderError as error:
                    if not error.retryable and not all(is_missing_key(cause) for cause in error.causes.values()):
                        raise
                    causes.update({f"{key} in {place}": cause for place, cause in error.causes.items()})
            if len(wraps) >= self._required or not self._access.failover.pause(number, end):
                break
        if len(wraps) < self._required:
            raise KeyProviderError(
                f"only {len(wraps)} of {len(self._keys)} KMS keys could wrap a data key, and {self._required} are "
                f"required ({'; '.join(f'{place}: {cause}' for place, cause in causes.items())})",
                causes=causes,
            )
        for key in missing:
            report(Event(EventKind.WRAP_MISSING, context.get("fieldcrypt:key-id"), place=str(key), operation="Encrypt"))
        return wraps

    def _wrap_under(
        self, key: KeyArn, data_key: bytes, context: Mapping[str, str], end: float, passes: int = MAX_PASSES
    ) -> WrappedKey:
        def encrypt(client: Any, KeyId: str, **grants: Any) -> WrappedKey:  # noqa: N803 (KMS's name)
            answer = client.encrypt(KeyId=KeyId, Plaintext=data_key, EncryptionContext=dict(context), **grants)
            if key.is_alias:
                named = _key_named(answer, "KeyId")
                self._aliases.note(key, named)
            else:
                named = KeyArn.configured(KeyId)
            return WrappedKey(str(named), part_of(answer, "CiphertextBlob", bytes, MAX_CIPHERTEXT_SIZE))

        return self._access.ask("Encrypt", self._access.in_its_regions(key), encrypt, end=end, passes=passes)

    def _describe(self, alias: KeyArn, end: float) -> KeyArn:
        def describe(client: Any, **key: Any) -> KeyArn:
            return _key_named(part_of(client.describe_key(**key), "KeyMetadata", dict), "Arn")

        return self._access.ask("DescribeKey", self._access.in_its_regions(alias), describe, end=end, passes=1)

    def __eq__(self, other: object) -> bool:
        return self._configuration == other._configuration if isinstance(other, AwsKmsKeyProvider) else NotImplemented

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"AwsKmsKeyProvider({[str(key) for key in self._keys]!r}, {self._configuration['regions']!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(AwsKmsKeyProvider, **without_defaults(self._configuration)), ()


def _key_named(answer: Mapping[str, Any], name: str) -> KeyArn:
    arn = KeyArn.match(part_of(answer, name, str))
    if arn is None:
        raise IncompleteAnswerError(f"an answer whose {name} is not the ARN of a key: is this KMS?")
    return arn


def _configured_keys(keys: str | Sequence[str] | None) -> list[KeyArn]:
    arns: list[KeyArn] = []
    for text in [keys] if keys is None or isinstance(keys, str) else keys:
        arn = KeyArn.configured(text)
        if any(arn.same_key(other) for other in arns):
            raise ConfigurationError(f"{text} is named twice; the regions of a multi-Region key go into `regions`")
        arns.append(arn)
    if not arns:
        raise ConfigurationError("no KMS key is configured")
    return arns


def _required(require: object, keys: int) -> int:
    number = {"all": keys, "any": 1}.get(require, 0) if isinstance(require, str) else require
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= keys:
        raise ConfigurationError(f'require is "all", "any" or a number from 1 to {keys}, not {require!r}')
    return number
