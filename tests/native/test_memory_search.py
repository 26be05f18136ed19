"""What is found of keys in a process's memory, by another process that searches all of it."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fieldcrypt import KeyRecord, LocalKeyProvider
from tests.native.derived import Secrets, compressed, derived_from, expanded, inverse_mixed, selected_by

ROOT = Path(__file__).parents[2]
NATIVE = "fieldcrypt_native"

pytestmark = pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="only Linux shows a process's memory")


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
            env=os.environ | {"FIELDCRYPT_BACKEND": backend},
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
        wanted = {name: secret[-16:] for name, secret in self.derived.items()}  # what frees may overwrite the beginning
        derived: Counter[str] = Counter()
        data_keys = 0
        for memory in _memory(self._process.pid):
            for name, half in wanted.items():
                derived[name] += memory.count(half)
            data_keys += sum(memory.count(key[-16:]) for key in self.data_keys)
        return Found(+derived, data_keys)

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())  # type: ignore[no-any-return]

    def _say(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()


def _memory(pid: int) -> Iterator[bytes]:
    """All that a process can write, or has as its own; what comes from files unchanged holds no keys."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, mode, _, _, inode, *name = line.split(maxsplit=5)
            if mode[0] != "r" or (mode[1] != "w" and inode != "0") or name[:1] in (["[vvar]"], ["[vsyscall]"]):
                continue
            start, end = (int(each, 16) for each in place.split("-"))
            memory.seek(start)
            try:
                yield memory.read(end - start)
            except OSError:
                continue  # a mapping of the kernel


def searched(backend: str) -> tuple[Found, Found]:
    """What is found before and after an Encryptor is closed."""
    process = Process(backend)
    before = process.search()
    process.go_on()
    after = process.search()
    process.end()
    return before, after


@pytest.fixture(scope="module")
def found() -> tuple[Found, Found]:
    """What is found natively, before and after close()."""
    pytest.importorskip(NATIVE)
    return searched("native")


class TestNative:
    """With the native core."""

    def test_keys_in_use_are_found(self, found: tuple[Found, Found]) -> None:
        """So the search knows what to look for, and would find it."""
        names = " ".join(found[0].derived)
        assert all(what in names for what in ("encryption key, round", "subkey", "index key, inner state"))

    def test_no_derived_key_is_left_after_close(self, found: tuple[Found, Found]) -> None:
        """Neither a key, nor its AES round keys, nor the states of its HMAC."""
        assert found[1].derived == Counter()

    def test_data_keys_are_counted(self, found: tuple[Found, Found]) -> None:
        """They came through Python, which wipes nothing; SECURITY.md says how many are left (`pytest -rP` shows it)."""
        print(f"data keys found: {found[0].data_keys} before close(), {found[1].data_keys} after")
        assert found[1].data_keys <= found[0].data_keys


class TestPython:
    """With the backend in Python."""

    def test_derived_keys_are_left_after_close(self) -> None:
        """Python frees memory without wiping it: which is why there is a native core, and SECURITY.md says so."""
        before, after = searched("python")
        assert before.derived
        assert after.derived


class TestLookedFor:
    """What the search looks for is what AES and SHA-256 make of keys."""

    def test_round_keys(self) -> None:
        """FIPS 197, appendix C.3, and the first round key of its equivalent inverse cipher."""
        rounds = expanded(bytes(range(32)))
        assert rounds[14].hex() == "24fc79ccbf0979e9371ac23c6d68de36"
        assert inverse_mixed(rounds[13]).hex() == "34f1d1ffbfceaa2ffce9e25f2558016e"

    def test_states(self) -> None:
        """The state of SHA-256 after the only block of a short text is its hash."""
        padded = b"abc\x80".ljust(56, b"\0") + (24).to_bytes(8, "big")
        assert struct.pack(">8I", *compressed(padded)) == sha256(b"abc").digest()
