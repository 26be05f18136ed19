"""Processes that start together on a new tenant, and the keys that they leave behind: a part of the chaos run.

As a program it forks them. Each has clients of its own, and writes a value and a tag at the moment when all others do.
"""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import boto3
from botocore.config import Config

from benchmarks.section import Table
from fieldcrypt import BlindIndex, Encryptor, Field, FieldcryptError, FileKeyStore, KeyRecord, KeyStore, Purpose
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import FaultyProxy, LocalAws
from fieldcrypt_dynamodb import DynamoKeyStore

__all__ = ["PROCESSES", "Burst", "bursts", "complaints", "table"]

PROCESSES = 40
STORES = {"file": "a file", "dynamodb": "DynamoDB, whose index shows nothing yet"}
TENANT = "new"
SLOW = timedelta(seconds=0.15)
PATIENCE = 120.0  # seconds for all processes to get ready


class Burst(NamedTuple):
    """What became of one burst.

    Attributes:
        store: which key store it was, one of STORES.
        processes: how many started together.
        data_keys, index_keys: how many keys there were afterwards.
        used: how many different data keys and tags the processes came away with.
        failures: what processes failed with, and what values could not be read afterwards.
        seconds: from the start to the last value.
    """

    store: str
    processes: int
    data_keys: int
    index_keys: int
    used: int
    failures: list[str]
    seconds: float


def bursts(aws: LocalAws, proxies: Mapping[str, FaultyProxy]) -> list[Burst]:
    """Let processes start together over each kind of key store, while the region that all prefer is slow.

    Args:
        aws: what they use.
        proxies: by way of these, by region; the preferred one first.
    """
    key, endpoints, home = (
        aws.create_key(),
        {region: proxy.url for region, proxy in proxies.items()},
        next(iter(proxies)),
    )
    proxies[home].delay(SLOW)
    try:
        return [burst(key, endpoints, aws.endpoint(home), store) for store in STORES]
    finally:
        proxies[home].healthy()


def burst(key: str, endpoints: Mapping[str, str], dynamodb: str, store: str) -> Burst:
    """Let processes start together in another process, which has no threads that a fork would cut off.

    Args:
        key: the ARN of a KMS key.
        endpoints: where KMS is, by region, the preferred one first.
        dynamodb: where DynamoDB is, in that region.
        store: one of STORES.
    """
    setting = {"key": key, "endpoints": dict(endpoints), "dynamodb": dynamodb, "store": store}
    command = [sys.executable, "-m", "benchmarks.chaos_burst", json.dumps(setting)]
    root = Path(__file__).parent.parent
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)  # noqa: S603 (ourselves)
    if done.returncode:
        raise RuntimeError(f"the burst could not be run: {done.stderr}")
    return Burst(**json.loads(done.stdout))


def complaints(bursts: list[Burst]) -> Iterator[str]:
    """Return what is not as promised, or nothing if all is well."""
    for each in bursts:
        where = f"{each.processes} processes that started together over {STORES[each.store]}"
        if each.failures:
            yield f"{where}: {len(each.failures)} failed, the first with {each.failures[0]}"
        if (each.data_keys, each.index_keys, each.used) != (1, 1, 2):
            yield f"{where} made {each.data_keys} data keys and {each.index_keys} index keys, and used {each.used}"


def table(bursts: list[Burst]) -> Table:
    """Lay them out."""
    rows = tuple(
        (
            *(STORES[each.store], str(each.processes), str(each.data_keys), str(each.index_keys)),
            *(str(len(each.failures)), f"{each.seconds:.1f}"),
        )
        for each in bursts
    )
    columns = ("key store", "processes", "data keys", "index keys", "failed", "seconds")
    return Table("Processes that start together on a new tenant, while KMS is slow", columns, rows)


class _Setting:
    """What all processes have in common."""

    def __init__(self, key: str, endpoints: Mapping[str, str], dynamodb: str, store: str, path: str) -> None:
        self.store = store
        self._key = key
        self._endpoints = endpoints
        self._dynamodb = dynamodb
        self._path = path
        self._region = next(iter(endpoints))
        # The first client of each service takes a quarter of a second, those of children of this process a hundredth.
        self._session: Any = boto3.session.Session(aws_access_key_id="local", aws_secret_access_key="local")  # noqa: S106
        self._client("kms", self._region, endpoints[self._region])
        if store == "file":
            FileKeyStore.create(path)
        else:
            self.key_store(lags=False).create_table()

    def key_store(self, *, lags: bool) -> Any:
        """Return the key store; its list shows nothing if it lags."""
        if self.store == "file":
            return FileKeyStore(self._path)
        client = self._client("dynamodb", self._region, self._dynamodb)
        if lags:
            client.meta.events.register("after-call.dynamodb.Query", lambda parsed, **_: parsed["Items"].clear())
        return DynamoKeyStore("chaos-burst", lambda _: client)

    def encryptor(self, store: KeyStore) -> Encryptor:
        """Return an Encryptor that has no keys yet."""
        clients = {region: self._client("kms", region, url) for region, url in self._endpoints.items()}
        return Encryptor(
            AwsKmsKeyProvider(self._key, regions=list(clients), client_factory=clients.__getitem__), store=store
        )

    def _client(self, service: str, region: str, url: str) -> Any:
        config = Config(connect_timeout=20, read_timeout=20, retries={"total_max_attempts": 1})
        return self._session.client(service, region_name=region, endpoint_url=url, config=config)


def _field(encryptor: Encryptor) -> Field[str]:
    return encryptor.field("burst.text", str)


def _process(setting: _Setting, number: int, barrier: Any, results: Any) -> None:
    """Be one of them."""
    encryptor = setting.encryptor(setting.key_store(lags=True))
    index: BlindIndex[str] = encryptor.blind_index("burst.text")
    value, tag, failure = b"", b"", ""
    barrier.wait(PATIENCE)
    try:
        value = _field(encryptor).encrypt(str(number), tenant=TENANT)
        tag = index.tag("the same", tenant=TENANT)
    except FieldcryptError as error:
        failure = f"{type(error).__name__}: {error}"
    results.put((number, value, tag, failure))


def _run(setting: _Setting) -> Burst:
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(PROCESSES + 1), context.SimpleQueue()
    processes = [context.Process(target=_process, args=(setting, n, barrier, results)) for n in range(PROCESSES)]
    for process in processes:
        process.start()
    barrier.wait(PATIENCE)
    start = time.perf_counter()
    told = [results.get() for _ in processes]
    seconds = time.perf_counter() - start
    for process in processes:
        process.join()
    store = setting.key_store(lags=False)
    failures = [failure for *_, failure in told if failure]
    reader = _field(setting.encryptor(store))
    failures += [f"value {n} is another one" for n, v, *_ in told if v and reader.decrypt(v, tenant=TENANT) != str(n)]
    made = [record.purpose for record in store.list(TENANT) if isinstance(record, KeyRecord)]
    used = {value[1:17] for _, value, *_ in told if value} | {tag for _, _, tag, _ in told if tag}
    data_keys, index_keys = made.count(Purpose.ENCRYPTION), made.count(Purpose.BLIND_INDEX)
    return Burst(setting.store, PROCESSES, data_keys, index_keys, len(used), failures, seconds)


def main() -> None:
    with TemporaryDirectory() as directory:
        setting = _Setting(**json.loads(sys.argv[1]), path=f"{directory}/keys.sqlite")
        print(json.dumps(_run(setting)._asdict()))


if __name__ == "__main__":
    main()
