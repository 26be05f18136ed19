"""Other processes: what tests run in them, and how they start them."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from fieldcrypt import (
    Encryptor,
    FieldcryptError,
    FileKeyStore,
    KeyPolicy,
    KeyProvider,
    KeyProviderChain,
    KeyRecord,
    LocalKeyProvider,
    Tombstone,
    WrappedKey,
)
from tests.support.doubles import PATIENCE, make_record

ROOT = Path(__file__).parents[2]


def add_records(path: str, count: str) -> Iterator[str]:
    """Add records to a key store in a file, and tell the id of each that was added."""
    store = FileKeyStore(path)
    provider = LocalKeyProvider.generate()
    for _ in range(int(count)):
        record = make_record(provider)
        store.add(record)
        yield record.key_id.hex()


def encrypt_values(path: str, key: str, tenant: str, count: str) -> Iterator[str]:
    """Encrypt the numbers below `count` for a tenant under keys of a store in a file."""
    field = Encryptor(LocalKeyProvider(bytes.fromhex(key)), FileKeyStore(path)).field("numbers.n", int)
    for number in range(int(count)):
        yield field.encrypt(number, tenant=tenant).hex()


def bury(path: str, by: str) -> Iterator[str]:
    """Put tombstones into the place of all records of a key store in a file, and tell the id of each that was."""
    store = FileKeyStore(path)
    for key_id in store.key_ids():
        record = store.get(key_id)
        if isinstance(record, KeyRecord):
            stone = Tombstone(key_id, record.purpose, record.created, record.tenant, int(time.time()), by, 1)
            if store.replace(record, stone):
                yield key_id.hex()


def rewrap_all(path: str, old: str, new: str) -> Iterator[str]:
    """Bring all data keys of a store in a file under a new local key, and tell how many this process changed."""
    chain = KeyProviderChain(*(LocalKeyProvider(bytes.fromhex(key)) for key in (new, old)))
    report = Encryptor(chain, FileKeyStore(path)).data_keys.rewrap()
    assert report.complete, report
    yield str(report.changed)


# Short-lived keys: they are rotated every second, and checked with the store every quarter of one.
_RESTLESS = KeyPolicy(
    cache_ttl=timedelta(seconds=0.25),
    grace=timedelta(0),
    rotate_after=timedelta(seconds=1),
    propagation_delay=timedelta(seconds=0.2),
)


def write_numbers(path: str, old: str, new: str, written: str, end: str) -> Iterator[str]:
    """Write encrypted numbers, a line each, until a file appears, and tell every data key that was used."""
    chain = KeyProviderChain(*(LocalKeyProvider(bytes.fromhex(key)) for key in (new, old)))
    field = Encryptor(chain, FileKeyStore(path), policy=_RESTLESS).field("numbers.n", int)
    used = set()
    with open(written, "a", encoding="ascii") as lines:
        for number in itertools.count():
            value = field.encrypt(number)
            print(value.hex(), file=lines, flush=True)
            if value[1:17] not in used:
                used.add(value[1:17])
                yield value[1:17].hex()
            if os.path.exists(end):
                return
            time.sleep(0.005)


def read_written(path: str, old: str, new: str, written: str, end: str) -> Iterator[str]:
    """Read what another process writes, with warm keys and with cold ones, and tell whatever cannot be read."""
    chain = KeyProviderChain(*(LocalKeyProvider(bytes.fromhex(key)) for key in (new, old)))
    warm = Encryptor(chain, FileKeyStore(path), policy=_RESTLESS).field("numbers.n", int)
    while not os.path.exists(end):
        cold = Encryptor(chain, FileKeyStore(path), policy=_RESTLESS).field("numbers.n", int)
        values: list[str] = []
        if os.path.exists(written):
            values = [line for line in Path(written).read_text("ascii").splitlines(True) if line.endswith("\n")]
        for number, value in enumerate(values):
            try:
                assert warm.decrypt(bytes.fromhex(value)) == cold.decrypt(bytes.fromhex(value)) == number
            except Exception as error:  # noqa: BLE001 (it is the test that wants to know)
                yield f"{number}: {error!r}"


def read_until_shredded(path: str, key: str, gone: str, stays: str) -> Iterator[str]:
    """Read a value until its key is lost, and tell by what error and what can be done then."""
    policy = KeyPolicy(cache_ttl=timedelta(seconds=1), grace=timedelta(seconds=PATIENCE))
    field = Encryptor(LocalKeyProvider(bytes.fromhex(key)), FileKeyStore(path), policy=policy).field("a.b", str)
    field.encrypt("x", tenant="gone")
    field.decrypt(bytes.fromhex(gone))
    yield "warm"
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            field.decrypt(bytes.fromhex(gone))
        except FieldcryptError as error:
            yield f"{type(error).__name__}: {error}"
            break
    field.decrypt(bytes.fromhex(stays))
    yield "stays is read"
    field.encrypt("x", tenant="stays")
    yield "stays is written"
    try:
        field.encrypt("x", tenant="gone")
    except FieldcryptError as error:
        yield f"gone is not written: {type(error).__name__}"


def tag_and_search(path: str, key: str, mine: str, theirs: str) -> Iterator[str]:
    """Make a tenant's first index key when another process has set about it too; tell the tag, and what is found."""

    class Meeting(KeyProvider):
        """Wraps when the other process has looked for keys as well, and found none."""

        inner = LocalKeyProvider(bytes.fromhex(key))

        def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
            Path(mine).touch()
            while not os.path.exists(theirs):
                time.sleep(0.001)
            return self.inner.wrap(data_key, context)

        def unwrap(self, wraps: Sequence[WrappedKey], context: Mapping[str, str]) -> bytes:
            return self.inner.unwrap(wraps, context)

        def wrapping_keys(self) -> Sequence[str]:
            return self.inner.wrapping_keys()

    index = Encryptor(Meeting(), FileKeyStore(path)).blind_index("a.b")
    yield index.tag("ann").hex()
    Path(mine).write_text("tagged")
    while Path(theirs).read_text() != "tagged":
        time.sleep(0.001)
    yield " ".join(tag.hex() for tag in index.tags("ann"))


def start(work: Callable[..., Iterator[str]], *arguments: str) -> contextlib.closing[Started]:
    """Start a process that is ready to do work of this module; it is killed on leaving the context."""
    return contextlib.closing(Started(work.__name__, *arguments))


class Started:
    """A process that stands ready, and prints a line for each thing it does once it was told to go."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.processes", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.line() == "ready"

    def go(self) -> None:
        """Let it begin."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def line(self) -> str:
        """Return its next line."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().removesuffix("\n")

    def lines(self) -> list[str]:
        """Return all further lines, but no line that its death cut off."""
        assert self._process.stdout is not None
        return [line.removesuffix("\n") for line in self._process.stdout if line.endswith("\n")]

    def finished(self) -> list[str]:
        """Return all further lines of a process that ends well."""
        lines = self.lines()
        assert self._process.wait(PATIENCE) == 0
        return lines

    def kill(self) -> None:
        """Kill it, whatever it is doing."""
        self._process.kill()
        self._process.wait(PATIENCE)

    def close(self) -> None:
        self.kill()
        with self._process:  # closes the pipes
            pass


def in_child(work: Callable[[], bytes]) -> bytes:
    """Return what `work` returns in a forked child of this process; a child that hangs is killed."""
    read_end, write_end = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: that is what is tested
        child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(int(PATIENCE))
            os.write(write_end, work())
            status = 0
        except BaseException:  # noqa: BLE001 (nothing may return into the parent's tests)
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(write_end)
    with open(read_end, "rb") as pipe:
        result = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    return result


if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.readline()
    works: list[Callable[..., Iterator[str]]] = [
        read_until_shredded,
        add_records,
        encrypt_values,
        bury,
        rewrap_all,
        write_numbers,
        read_written,
        tag_and_search,
    ]
    (work,) = [work for work in works if work.__name__ == sys.argv[1]]
    for done in work(*sys.argv[2:]):
        print(done, flush=True)
