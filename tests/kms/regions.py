"""Three regions of KMS whose clients are made once, providers over them, and a region that a test switches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from fieldcrypt import WrappedKey
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import LocalAws

HOME, AWAY, THIRD = REGIONS = ("us-east-1", "eu-west-1", "ap-south-1")
ARN = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
SINGLE_ARN = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
CONTEXT = {"fieldcrypt:purpose": "encryption"}
DATA_KEY = bytes(range(32))
TIMEOUT = timedelta(milliseconds=300)


SESSION: Any = boto3.session.Session(aws_access_key_id="local", aws_secret_access_key="local")


def session(account: str, region: str) -> Any:
    """A session factory with made-up credentials."""
    return SESSION


class Aws(LocalAws):
    """Regions whose clients are made once, for that takes time."""

    def __init__(self, regions: Sequence[str]) -> None:
        super().__init__(regions)
        self._clients: dict[str, Any] = {}

    def kms(self, region: str, *, endpoint_url: str | None = None) -> Any:
        if region not in self._clients:
            self._clients[region] = super().kms(region)
        return self._clients[region]


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    """Three regions."""
    with Aws(REGIONS) as aws:
        yield aws


@pytest.fixture(scope="module")
def key(aws: LocalAws) -> str:
    """The ARN of a multi-Region key in all regions."""
    return aws.create_key()


@pytest.fixture(scope="module")
def keys(aws: LocalAws) -> list[str]:
    """The ARNs of keys that are not multi-Region, one in each region."""
    return [aws.kms(region).create_key()["KeyMetadata"]["Arn"] for region in REGIONS]


@pytest.fixture(scope="module")
def wraps(aws: LocalAws, key: str) -> list[WrappedKey]:
    """A wrapped data key."""
    return list(AwsKmsKeyProvider(key, [AWAY], client_factory=aws.kms).wrap(DATA_KEY, CONTEXT))


def provider(aws: LocalAws, key: str, home: str, **options: Any) -> AwsKmsKeyProvider:
    """A provider whose first region is somewhere else, and whose second one works."""
    urls = {HOME: home, AWAY: aws.endpoint(AWAY)}
    return AwsKmsKeyProvider(
        key, [HOME, AWAY], session_factory=session, endpoint_urls=urls, **{"timeout": TIMEOUT, **options}
    )


class FlakyClient:
    """A client of KMS that fails, hangs or works as its region does."""

    def __init__(self, region: Region) -> None:
        self._region = region

    def decrypt(self, **_: Any) -> Any:
        self._region.calls += 1
        if self._region.before_answer is not None:
            self._region.before_answer()
        if self._region.away:
            raise EndpointConnectionError(endpoint_url="http://made.up")
        return {"Plaintext": DATA_KEY}


class Region:
    """A region of KMS that a test switches."""

    def __init__(self) -> None:
        self.calls = 0
        self.away = False
        self.before_answer: Callable[[], object] | None = None
