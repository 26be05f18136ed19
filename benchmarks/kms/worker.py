"""Processes of a small fleet, as they are: real ones, with a real clock, AwsKmsKeyProvider, and KMS over HTTP.

Run as a module it is told its scenario and waits for commands, one a line. `live SEED START` forks as many processes as
the fleet has, which share no memory and begin at that moment, and prints what they counted when all have ended.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config

from benchmarks.kms.fleet import Fleet
from fieldcrypt import Encryptor, Event, EventKind, Field, FileKeyStore, KeyPolicy, KeyRecord, Tombstone
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider

__all__: list[str] = []

T = TypeVar("T")

FORMS = ("stored", "contained")
THREADS = 8


class _TimedStore(FileKeyStore):
    """A key store that notes how long it takes."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.seconds: list[float] = []

    def get(self, key_id: bytes) -> KeyRecord | Tombstone:
        return self._timed(partial(super().get, key_id))

    def list(self, tenant: str | None) -> Sequence[KeyRecord | Tombstone]:
        return self._timed(partial(super().list, tenant))

    def add(self, record: KeyRecord | Tombstone) -> None:
        self._timed(partial(super().add, record))

    def _timed(self, work: Callable[[], T]) -> T:
        began = time.monotonic()
        try:
            return work()
        finally:
            self.seconds.append(time.monotonic() - began)


class _Process:
    """One of the fleet: what it writes is in files that the others read."""

    def __init__(self, told: dict[str, Any], clients: dict[str, Any], region: str, number: int, seed: int) -> None:
        limits: dict[str, Any] = {name: timedelta(seconds=seconds) for name, seconds in told["policy"].items()}
        policy = KeyPolicy(**limits)
        self._fleet = Fleet(**told["fleet"], policy=policy)
        self._rng = random.Random(f"{seed} {number}")
        self._number = number
        self._directory = Path(told["directory"])
        self.store = _TimedStore(self._directory / "keys.sqlite")
        stores = {"stored": self.store, "contained": None}
        self._fields = {
            form: Encryptor(
                AwsKmsKeyProvider(told["key"], regions=[region], client_factory=partial(_same, clients[form])),
                store,
                policy=policy,
                observer=self._observe,
            ).field("a.b", int)
            for form, store in stores.items()
        }
        self._running: list[Future[None]] = []
        self.uses = 0
        self.seconds: list[float] = []  # that calls took

    def live(self, start: float) -> None:
        """Write and read values at random times until the end of its life, in threads, so that none holds up others."""
        due = start
        with ThreadPoolExecutor(THREADS) as executor:
            while True:
                due += self._rng.expovariate(self._fleet.rate)
                if due >= start + self._fleet.lifetime:
                    return
                time.sleep(max(0.0, due - time.monotonic()))
                tenant = self._fleet.tenant(self._rng)
                verb = self._read if self._rng.random() < self._fleet.reads else self._write
                for form, field in self._fields.items():
                    self._running.append(executor.submit(verb, form, field, tenant))
                self.uses += 1

    def check(self) -> None:
        """See to it that all went well."""
        for running in self._running:
            running.result()

    def _observe(self, event: Event) -> None:
        if event.kind is EventKind.KMS_CALL:
            self.seconds.append(event.seconds or 0.0)

    def _write(self, form: str, field: Field[int], tenant: int) -> None:
        value = field.encrypt(self.uses, tenant=str(tenant))
        written = self._directory / f"{form}-{tenant}-{self._number}"
        draft = written.with_suffix(f".{threading.get_ident()}")
        draft.write_bytes(value)
        draft.replace(written)

    def _read(self, form: str, field: Field[int], tenant: int) -> None:
        writer = self._rng.randrange(self._fleet.processes)
        try:
            value = (self._directory / f"{form}-{tenant}-{writer}").read_bytes()
        except FileNotFoundError:
            return  # he has written nothing yet
        field.decrypt(value, tenant=str(tenant))


def _same(client: Any, _: str) -> Any:
    return client


def _client(region: str, endpoint: str) -> Any:
    session = boto3.session.Session(aws_access_key_id="local", aws_secret_access_key="local")  # noqa: S106
    config = Config(retries={"total_max_attempts": 1})
    return session.client("kms", region_name=region, endpoint_url=endpoint, config=config)


def _live(
    told: dict[str, Any], clients: dict[str, Any], region: str, number: int, seed: int, start: float
) -> dict[str, Any]:
    process = _Process(told, clients, region, number, seed)
    calls: Counter[str] = Counter()

    def count(form: str, model: Any, **_: Any) -> None:
        calls[f"{form} {model.name}"] += 1

    counting = {form: partial(count, form) for form in clients}  # botocore holds them weakly
    for form, client in clients.items():
        client.meta.events.register("after-call.kms", counting[form])
    time.sleep(max(0.0, start - time.monotonic()))
    process.live(start)
    process.check()
    return {"calls": calls, "uses": process.uses, "seconds": process.seconds, "store": process.store.seconds}


def main() -> None:
    told = json.loads(sys.argv[1])
    regions = list(told["endpoints"])
    clients = {
        region: {form: _client(region, endpoint) for form in FORMS} for region, endpoint in told["endpoints"].items()
    }
    print("ready", flush=True)
    for line in sys.stdin:
        _, seed, at = line.split()
        start = time.monotonic() + float(at) - time.time()
        pipes = []
        for number in range(told["fleet"]["processes"]):
            region = regions[number % len(regions)]
            read_end, write_end = os.pipe()
            if os.fork() == 0:
                status = 1
                try:
                    counted = _live(told, clients[region], region, number, int(seed), start)
                    os.write(write_end, json.dumps(counted).encode())
                    status = 0
                except BaseException:  # noqa: BLE001 (nothing may return into the parent's loop)
                    traceback.print_exc()
                finally:
                    os._exit(status)
            os.close(write_end)
            pipes.append(read_end)
        counts = []
        for pipe in pipes:
            with open(pipe, "rb") as counted_by:
                counts.append(json.loads(counted_by.read()))
            os.wait()
        print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main()
