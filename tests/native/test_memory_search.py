"""What is found of keys in a process's memory, by another process that searches all of it."""

from __future__ import annotations

import struct
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest

from tests.native.derived import compressed, expanded, inverse_mixed
from tests.native.searched_process import Found, searched
from tests.support.backends import NATIVE

pytestmark = pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="only Linux shows a process's memory")


@pytest.fixture(scope="module")
def found() -> tuple[Found, Found]:
    """What is found natively, before and after close()."""
    if NATIVE is None:
        pytest.skip("no native core is installed: see `make native`")
    return searched(NATIVE)


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
