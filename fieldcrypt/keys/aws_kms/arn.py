"""ARNs of KMS keys and aliases: which are accepted, and when two mean the same key."""

from __future__ import annotations

import re
from typing import NamedTuple

from fieldcrypt.errors import ConfigurationError

__all__ = ["KeyArn"]

_HINT = (
    "use the ARN of a customer managed key, like arn:aws:kms:us-east-1:111122223333:key/mrk-… (`aws kms describe-key`)"
)
_MOTO_HINT = (
    "call fieldcrypt.testing.correct_moto() before the key is made, for with moto alone such keys do not decrypt "
    "(docs/guides/testing.md)"
)

_KEY_ID = r"mrk-[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ALIAS = r"alias/(?!aws/)[a-zA-Z0-9/_-]{1,250}"
_REGION = r"[a-z]{2,}(?:-[a-z]+)+-[0-9]+"
_PLACE = rf"arn:(aws[a-z-]*):kms:({_REGION}):([0-9]{{12}})"
_KEY_ARN = re.compile(rf"{_PLACE}:key/({_KEY_ID})", re.ASCII)
_ALIAS_ARN = re.compile(rf"{_PLACE}:({_ALIAS})", re.ASCII)


class KeyArn(NamedTuple):
    """The parts of the ARN of a KMS key, or of an alias, whose key id is then `alias/…`."""

    partition: str
    region: str
    account: str
    key_id: str

    @classmethod
    def match(cls, text: str) -> KeyArn | None:
        """Return the parts of a key's ARN, or None if the text is not one: the ARN of an alias is not."""
        found = _KEY_ARN.fullmatch(text)
        return cls(*found.groups()) if found else None

    @classmethod
    def configured(cls, text: object) -> KeyArn:
        """Return the parts of the configured ARN of a key or alias.

        Raises:
            ConfigurationError: it is not such an ARN; the message says what to use instead.
        """
        found = (_KEY_ARN.fullmatch(text) or _ALIAS_ARN.fullmatch(text)) if isinstance(text, str) else None
        if found is None:
            raise ConfigurationError(_defect(text))
        return cls(*found.groups())

    @property
    def is_alias(self) -> bool:
        return self.key_id.startswith("alias/")

    @property
    def multi_region(self) -> bool:
        return self.key_id.startswith("mrk-")

    def same_key(self, other: KeyArn) -> bool:
        """Return True if each unwraps what the other wraps: for multi-Region keys the region is ignored."""
        return self == (other._replace(region=self.region) if self.multi_region else other)

    def __str__(self) -> str:
        resource = self.key_id if self.is_alias else f"key/{self.key_id}"
        return f"arn:{self.partition}:kms:{self.region}:{self.account}:{resource}"


def _defect(text: object) -> str:
    if not isinstance(text, str):
        return f"a KMS key is named by a str, not {type(text).__name__}: {_HINT}"
    if not text.strip():
        return f"the name of a KMS key is empty: is an environment variable not set? {_HINT}"
    if "alias/aws/" in text:
        return f"{text!r} is an AWS managed key, which only AWS services can use: {_HINT}"
    if not text.startswith("arn:"):
        return f"{text!r} does not name the account of the key: {_HINT}"
    if ":key/mrk-" in text and "-" in text.partition(":key/mrk-")[2]:
        return f"{text!r} is a multi-Region key as moto makes it, and AWS does not: {_MOTO_HINT}"
    return f"{text!r} is not the ARN of a KMS key: {_HINT}"
