"""AWS regions on this machine, which can fail and recover."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from threading import Lock
from types import TracebackType
from typing import Any

import boto3
from botocore.config import Config

from fieldcrypt.testing.child_process import ChildProcess

__all__ = ["LocalAws"]

_TIMEOUT = timedelta(seconds=20)  # nothing here waits for a network, but a loaded machine may take long for an RSA key


class LocalAws:
    """KMS, DynamoDB and much else that moto speaks, over HTTP on one loopback port per region.

        with LocalAws() as aws:
            arn = aws.create_key()
            provider = AwsKmsKeyProvider(arn, client_factory=aws.kms)
            aws.cut("us-east-1")    # the region is lost, until aws.restore("us-east-1")

    Its processes end with the `with` block, or with this process, however that ends. moto encrypts as KMS does, but
    checks no permissions and does not replicate tables.

    Args:
        regions: the regions to run; the first is where keys are made.
        isolated: run every region in a process of its own, so that one of them can be killed. They share the material
            of the keys that `create_key` made, but neither state nor CPU time.

    Attributes:
        calls: answered requests so far, by (service, operation, region), of the clients made here:
            `calls["kms", "Decrypt", "us-east-1"]`. `calls.clear()` starts again.
    """

    def __init__(self, regions: Sequence[str] = ("us-east-1", "eu-west-1"), isolated: bool = False) -> None:
        self.regions = tuple(regions)
        self.calls: Counter[tuple[str, str, str]] = Counter()
        self._counting = Lock()
        self._making = Lock()
        # One for all clients: the first of a session takes a tenth of a second, the others a hundredth.
        self._session: Any = boto3.session.Session(aws_access_key_id="local", aws_secret_access_key="local")  # noqa: S106
        self._isolated = isolated
        self._servers: dict[str, ChildProcess] = {}  # of each region; one and the same unless isolated
        self._ports: dict[str, int] = {}
        self._lost: set[str] = set()

    def __enter__(self) -> LocalAws:
        try:
            for group in [[region] for region in self.regions] if self._isolated else [self.regions]:
                self._servers |= dict.fromkeys(group, ChildProcess("fieldcrypt.testing.aws_server", *group))
            for server in set(self._servers.values()):  # all of them are starting by now
                self._ports |= json.loads(server.answer())
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._kill()

    def _kill(self) -> None:
        for server in self._servers.values():
            server.kill()
        self._servers = {}
        self._lost.clear()

    def endpoint(self, region: str) -> str:
        """Return the URL of a region."""
        return f"http://127.0.0.1:{self._ports[region]}"

    def kms(self, region: str, *, endpoint_url: str | None = None) -> Any:
        """Make a KMS client for a region: the `client_factory` of an AwsKmsKeyProvider."""
        return self.client("kms", region, endpoint_url=endpoint_url)

    def client(
        self,
        service: str,
        region: str,
        timeout: timedelta = _TIMEOUT,
        *,
        endpoint_url: str | None = None,
        access_key: str = "local",
    ) -> Any:
        """Make a boto3 client for a region, with one attempt a call and a count of the answers in `calls`.

        Args:
            service: by boto3's name, such as "kms".
            region: one of those that run.
            timeout: how long to wait for a connection, and for an answer.
            endpoint_url: where to reach the region instead of its own port: a FaultyProxy before it.
            access_key: what the client signs with. moto takes any.
        """
        config = Config(
            connect_timeout=timeout.total_seconds(),
            read_timeout=timeout.total_seconds(),
            retries={"total_max_attempts": 1},
        )
        with self._making:  # sessions are not thread-safe
            client = self._session.client(
                service,
                region_name=region,
                endpoint_url=endpoint_url or self.endpoint(region),
                aws_access_key_id=access_key,
                aws_secret_access_key="local",  # noqa: S106
                config=config,
            )
        client.meta.events.register(f"after-call.{service}", self._count(service, region))
        return client

    def _count(self, service: str, region: str) -> Any:
        def count(model: Any, **_: Any) -> None:
            with self._counting:
                self.calls[service, model.name, region] += 1

        return count

    def create_key(self, *, multi_region: bool = True) -> str:
        """Make a symmetric key in the first region, and replicas in the others; return its ARN."""
        primary = self.kms(self.regions[0])
        metadata = primary.create_key(MultiRegion=multi_region)["KeyMetadata"]
        if multi_region:
            for region in self.regions[1:]:
                primary.replicate_key(KeyId=metadata["KeyId"], ReplicaRegion=region)
            if self._isolated:
                self._copy_replicas(metadata["KeyId"])
        arn: str = metadata["Arn"]
        return arn

    def _copy_replicas(self, key_id: str) -> None:
        """Take the replicas that the first region's process made for itself to the processes they belong in."""
        for region in self.regions[1:]:
            replica = self._server(self.regions[0]).ask(f"export {region} {key_id}").strip()
            self._server(region).ask(f"import {region} {replica}")

    @property
    def lost(self) -> tuple[str, ...]:
        """The regions that were cut and not restored, or killed."""
        return tuple(region for region in self.regions if region in self._lost)

    def cut(self, region: str) -> None:
        """Close a region's port: connections to it are refused from now on. A second time does nothing."""
        if region not in self._lost:
            self._server(region).ask(f"cut {region}")
            self._lost.add(region)

    def restore(self, region: str) -> None:
        """Open a region's port again, if it was cut."""
        if region in self._lost:
            self._server(region).ask(f"restore {region}")
            self._lost.remove(region)

    def kill(self, region: str) -> None:
        """Kill a region's process, as `kill -9` does: it is gone, with its keys, for the rest of the run.

        Raises:
            RuntimeError: the regions share a process.
        """
        if not self._isolated:
            raise RuntimeError("one process serves all regions: use LocalAws(isolated=True)")
        self._server(region).kill()
        self._lost.add(region)

    def _server(self, region: str) -> ChildProcess:
        if not self._servers:
            raise RuntimeError("LocalAws is not running: use it in a with statement")
        return self._servers[region]
