"""A process that uses keys, and what is found of them in its memory, which is searched from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fieldcrypt import KeyRecord, LocalKeyProvider
from tests.native.derived import Secrets, derived_from, selected_by

__all__ = ["Found", "searched"]

ROOT = Path(__file__).parents[2]
UNUSED = bytes(4096)  # a page that nothing was written to
HALF = 16  # bytes of a key
KERNELS = (["[vvar]"], ["[vvar_vclock]"], ["[vsyscall]"])  # the kernel's own pages, which it does not show
SMALL = {"ARROW_DEFAULT_MEMORY_POOL": "system"}  # Arrow's own reserves a gigabyte


class Found(NamedTuple):
    """How often each secret is in the memory of a process."""

    derived: Counter[str]
    data_keys: int


class Process:
    """A process that uses keys: see `at_work`."""

    def __init__(self, backend: str) -> None:
        master = os.urandom(32)
        command = [sys.executable, "-m", "tests.native.at_work", master.hex()]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | SMALL | {"FIELDCRYPT_BACKEND": backend},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        said = self._hear()
        provider = LocalKeyProvider(master)
        records = [KeyRecord.from_bytes(bytes.fromhex(key_id), bytes.fromhex(body)) for key_id, body in said["records"]]
        keys = {record.key_id: provider.unwrap(record.wraps, record.context()) for record in records}
        self.data_keys = list(keys.values())
        self.derived: Secrets = {}
        for key_id, key in keys.items():
            self.derived |= {f"{key_id.hex()}: {name}": secret for name, secret in derived_from(key).items()}
        for value in map(bytes.fromhex, said["values"]):
            self.derived |= selected_by(value[17:29], keys[value[1:17]])

    def go_on(self) -> None:
        """Let it close its Encryptor."""
        self._say()
        self._hear()

    def end(self) -> None:
        """Let it end."""
        assert self._process.communicate("\n", timeout=60)
        assert self._process.returncode == 0

    def search(self) -> Found:
        """Search all its memory."""
        derived: Counter[str] = Counter()
        data_keys = 0
        for memory in _memory(self._process.pid):
            for name, secret in self.derived.items():
                derived[name] += _count(memory, secret)
            data_keys += sum(_count(memory, key) for key in self.data_keys)
        return Found(+derived, data_keys)

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())  # type: ignore[no-any-return]

    def _say(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()


def _count(memory: bytes, secret: bytes) -> int:
    """How often a secret is there, or a half of it: what frees memory may overwrite the beginning."""
    return max(memory.count(half) for half in {secret[:HALF], secret[-HALF:]})


def _memory(pid: int) -> Iterator[bytes]:
    """All that a process can read and either write or has as its own; what comes from files unchanged holds no keys."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, mode, _, _, inode, *name = line.split(maxsplit=5)
            if mode[0] != "r" or (mode[1] != "w" and inode != "0") or name[:1] in KERNELS:
                continue
            start, end = (int(each, 16) for each in place.split("-"))
            memory.seek(start)
            part = memory.read(end - start)
            assert len(part) == end - start, line  # or some of it would not be searched
            pages = (part[at : at + len(UNUSED)] for at in range(0, len(part), len(UNUSED)))
            yield b"".join(page for page in pages if page != UNUSED)


def searched(backend: str) -> tuple[Found, Found]:
    """What is found before and after an Encryptor is closed."""
    process = Process(backend)
    before = process.search()
    process.go_on()
    after = process.search()
    process.end()
    return before, after
