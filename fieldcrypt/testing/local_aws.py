"""AWS regions on this machine, which can be lost and come back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any

import boto3
from botocore.config import Config

__all__ = ["LocalAws"]


class LocalAws:
    """KMS, DynamoDB and whatever else moto speaks, over HTTP on a loopback port a region.

        with LocalAws() as aws:
            arn = aws.create_key()
            provider = AwsKmsKeyProvider(arn, client_factory=aws.kms)

    moto encrypts as KMS does, but checks no permissions and does not replicate tables.

    Args:
        regions: the regions to run; the first is where keys are made.

    Attributes:
        calls: answered requests so far, by (service, operation, region), of the clients made here.
    """

    def __init__(self, regions: Sequence[str] = ("us-east-1", "eu-west-1")) -> None:
        self.regions = tuple(regions)
        self.calls: Counter[tuple[str, str, str]] = Counter()
        self._process: subprocess.Popen[str] | None = None
        self._ports: dict[str, int] = {}

    def __enter__(self) -> LocalAws:
        self._process = subprocess.Popen(  # noqa: S603 (our own module)
            [sys.executable, "-m", "fieldcrypt.testing.aws_server", *self.regions],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._ports = json.loads(self._answer())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def endpoint(self, region: str) -> str:
        """Return the URL of a region."""
        return f"http://127.0.0.1:{self._ports[region]}"

    def kms(self, region: str) -> Any:
        """Make a KMS client for a region: the `client_factory` of an AwsKmsKeyProvider."""
        return self.client("kms", region)

    def client(self, service: str, region: str, timeout: timedelta = timedelta(seconds=2)) -> Any:
        """Make a boto3 client for a region, with one attempt a call and a count of the answers in `calls`."""
        session: Any = boto3.session.Session(aws_access_key_id="local", aws_secret_access_key="local")  # noqa: S106
        client = session.client(
            service,
            region_name=region,
            endpoint_url=self.endpoint(region),
            config=Config(
                connect_timeout=timeout.total_seconds(),
                read_timeout=timeout.total_seconds(),
                retries={"total_max_attempts": 1},
            ),
        )
        client.meta.events.register(f"after-call.{service}", self._count(service, region))
        return client

    def _count(self, service: str, region: str) -> Any:
        def count(model: Any, **_: Any) -> None:
            self.calls[service, model.name, region] += 1

        return count

    def create_key(self, *, multi_region: bool = True) -> str:
        """Make a symmetric key in the first region, and replicas in the others; return its ARN."""
        primary = self.kms(self.regions[0])
        metadata = primary.create_key(MultiRegion=multi_region)["KeyMetadata"]
        if multi_region:
            for region in self.regions[1:]:
                primary.replicate_key(KeyId=metadata["KeyId"], ReplicaRegion=region)
        arn: str = metadata["Arn"]
        return arn

    def cut(self, region: str) -> None:
        """Close a region's port: connections to it are refused from now on."""
        self._command("cut", region)

    def restore(self, region: str) -> None:
        """Open a region's port again."""
        self._command("restore", region)

    def _command(self, command: str, region: str) -> None:
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("LocalAws is not running: use it in a with statement")
        self._process.stdin.write(f"{command} {region}\n")
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> str:
        if self._process is None or self._process.stdout is None:
            raise RuntimeError("LocalAws is not running: use it in a with statement")
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the local AWS server ended; its own message is above")
        return line
