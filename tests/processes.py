"""Other processes: what tests run in them, and how they start them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from fieldcrypt import Encryptor, FileKeyStore, LocalKeyProvider
from tests.doubles import PATIENCE, make_record

ROOT = Path(__file__).parent.parent


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


def start(work: Callable[..., Iterator[str]], *arguments: str) -> contextlib.closing[Started]:
    """Start a process that is ready to do work of this module; it is killed on leaving the context."""
    return contextlib.closing(Started(work.__name__, *arguments))


class Started:
    """A process that stands ready, and prints a line for each thing it does once it was told to go."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.processes", *arguments],
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
    work: dict[str, Callable[..., Iterator[str]]] = {"add_records": add_records, "encrypt_values": encrypt_values}
    for done in work[sys.argv[1]](*sys.argv[2:]):
        print(done, flush=True)
