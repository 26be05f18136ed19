"""Two regions of KMS behind proxies, and clients whose errors are scripted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import boto3
from botocore.stub import Stubber

from fieldcrypt import Encryptor, Field, KeyPolicy, KeyProvider, MemoryKeyStore, WrappedKey
from fieldcrypt.events import Event, EventKind
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import FaultyProxy, LocalAws
from tests.kms.regions import AWAY, DATA_KEY, HOME

TTL, GRACE = timedelta(minutes=15), timedelta(hours=1)


class World:
    """Two regions, each behind a proxy, with one key whose policy in each region a test can change."""

    def __init__(self, aws: LocalAws, proxies: dict[str, FaultyProxy]) -> None:
        self.aws = aws
        self.proxies = proxies
        self.key = aws.create_key()
        self.events: list[Event] = []
        self._policy = aws.kms(HOME).get_key_policy(KeyId=self.key_id, PolicyName="default")["Policy"]

    @property
    def key_id(self) -> str:
        return self.key.rpartition("/")[2]

    def client(self, region: str) -> Any:
        """A client that goes through the proxy."""
        return self.aws.kms(region, endpoint_url=self.proxies[region].url)

    def provider(self, *regions: str, **options: Any) -> AwsKmsKeyProvider:
        return AwsKmsKeyProvider(self.key, regions or (HOME, AWAY), client_factory=self.client, **options)

    def field(self, provider: KeyProvider, store: MemoryKeyStore) -> Field[str]:
        return Encryptor(provider, store, policy=KeyPolicy(TTL, grace=GRACE), observer=self.events.append).field(
            "a.b", str
        )

    def deny(self, region: str) -> None:
        """Have the region's replica of the key refuse everybody."""
        denial = {"Effect": "Deny", "Principal": "*", "Action": ["kms:Decrypt", "kms:Encrypt"], "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [*json.loads(self._policy)["Statement"], denial]}
        self.aws.kms(region).put_key_policy(KeyId=self.key_id, PolicyName="default", Policy=json.dumps(policy))

    def allow(self, region: str) -> None:
        """Have it do as before."""
        self.aws.kms(region).put_key_policy(KeyId=self.key_id, PolicyName="default", Policy=self._policy)

    def asked(self) -> list[tuple[str | None, str | None]]:
        """Where KMS was asked since this was called last, and the cause if it failed."""
        calls = [(event.place, event.cause) for event in self.events if event.kind is EventKind.KMS_CALL]
        self.events.clear()
        return calls


@contextmanager
def stubbed(
    clients: Sequence[Sequence[tuple[str, str]]], state: str | None = None
) -> Iterator[tuple[AwsKmsKeyProvider, list[WrappedKey]]]:
    """A provider of one region, whose clients are botocore's, with the errors that each answers before it decrypts.

    Args:
        clients: for each client that is made, code and message of its errors.
        state: what DescribeKey says after an error; None if it may not be asked.
    """
    arn = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
    waiting = list(clients)

    def factory(region: str) -> Any:
        client = boto3.client("kms", region_name=region, aws_access_key_id="x", aws_secret_access_key="x")
        stub = Stubber(client)
        for code, message in waiting.pop(0):
            stub.add_client_error("decrypt", code, message, 400)
            if code == "KMSInvalidStateException" and state is not None:
                stub.add_response("describe_key", {"KeyMetadata": {"KeyId": arn, "KeyState": state}})
            elif code == "KMSInvalidStateException":
                stub.add_client_error("describe_key", "AccessDeniedException", "not authorized", 400)
        stub.add_response("decrypt", {"Plaintext": DATA_KEY})
        stub.activate()
        return client

    yield AwsKmsKeyProvider(arn, [HOME], client_factory=factory), [WrappedKey(arn, b"x")]
