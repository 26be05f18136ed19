"""Local keys: where they come from, and that they unwrap only what they wrapped."""

from __future__ import annotations

import base64
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    KeyProvider,
    KeyProviderChain,
    LocalKeyProvider,
    WrappedKey,
)
from tests.keys.provider_contract import Provider
from tests.support.doubles import flips

KEY = bytes(range(32))
DATA_KEY = bytes(range(100, 132))
CONTEXT = {"fieldcrypt:key-id": "00", "fieldcrypt:tenant": "clinic-7"}


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "local.key"
    path.write_bytes(base64.b64encode(KEY))
    return path


class TestLocal(Provider):
    @pytest.fixture
    def provider(self, key_file: Path) -> KeyProvider:
        return LocalKeyProvider.from_file(key_file)


class TestChain(Provider):
    @pytest.fixture
    def provider(self, key_file: Path, tmp_path: Path) -> KeyProvider:
        other = tmp_path / "other.key"
        other.write_bytes(base64.b64encode(KEY[::-1]))
        return KeyProviderChain(LocalKeyProvider.from_file(key_file), LocalKeyProvider.from_file(other))


def test_what_is_wrapped_unwraps() -> None:
    """A data key comes back under its context, from another provider object with the same key too."""
    wraps = LocalKeyProvider(KEY).wrap(DATA_KEY, CONTEXT)
    assert LocalKeyProvider(KEY).unwrap(wraps, CONTEXT) == DATA_KEY
    assert isinstance(LocalKeyProvider(KEY), KeyProvider)


def test_the_format() -> None:
    """One wrap of 72 bytes under a name that is the same for the same key, and does not hold it (SPEC section 6)."""
    (wrap,) = LocalKeyProvider(KEY).wrap(DATA_KEY, CONTEXT)
    (again,) = LocalKeyProvider(KEY).wrap(DATA_KEY, CONTEXT)
    assert len(wrap.data) == 72
    assert wrap.name == again.name
    assert wrap.data != again.data
    prefix, digits = wrap.name.split(":")
    assert (prefix, len(bytes.fromhex(digits))) == ("local", 8)
    assert bytes.fromhex(digits) not in KEY


def test_other_keys() -> None:
    """A wrap under another key is a DecryptionError, also if it claims to be under this one."""
    provider = LocalKeyProvider(KEY)
    (theirs,) = LocalKeyProvider.generate().wrap(DATA_KEY, CONTEXT)
    (ours,) = provider.wrap(DATA_KEY, CONTEXT)
    for wraps in ([], [theirs], [theirs._replace(name=ours.name)]):
        with pytest.raises(DecryptionError):
            provider.unwrap(wraps, CONTEXT)
    assert provider.unwrap([theirs, ours], CONTEXT) == DATA_KEY


def test_a_key_that_nobody_kept_is_said_to_be_another_one_after_a_restart(tmp_path: Path) -> None:
    """Whoever tries the first example twice finds what to do; with a key from a file that is not the reason."""
    wraps = LocalKeyProvider.generate().wrap(DATA_KEY, CONTEXT)
    with pytest.raises(DecryptionError, match="a new one each time, and from_file reads one that stays"):
        LocalKeyProvider.generate().unwrap(wraps, CONTEXT)
    (tmp_path / "key").write_bytes(base64.b64encode(KEY))
    with pytest.raises(DecryptionError, match="not the local key") as caught:
        LocalKeyProvider.from_file(tmp_path / "key").unwrap(wraps, CONTEXT)
    assert "each time" not in str(caught.value)


@pytest.mark.parametrize(
    "context",
    [{}, {**CONTEXT, "fieldcrypt:tenant": "clinic-8"}, {"fieldcrypt:key-id": "00"}, {**CONTEXT, "more": ""}],
)
def test_other_contexts(context: dict[str, str]) -> None:
    """A context that is not that of the wrap is a DecryptionError."""
    provider = LocalKeyProvider(KEY)
    wraps = provider.wrap(DATA_KEY, CONTEXT)
    with pytest.raises((DecryptionError, ValueError) if not context else DecryptionError):
        provider.unwrap(wraps, context)


def test_changed_wraps() -> None:
    """No bit of a wrap can be changed, and no byte cut off or added."""
    provider = LocalKeyProvider(KEY)
    (wrap,) = provider.wrap(DATA_KEY, CONTEXT)
    changed = [data for _, data in flips(wrap.data)] + [wrap.data[:-1], wrap.data + b"\x00", b""]
    for data in changed:
        with pytest.raises(DecryptionError):
            provider.unwrap([WrappedKey(wrap.name, data)], CONTEXT)


@pytest.mark.parametrize("key", [b"", KEY[:31], KEY + b"x", KEY[:16]])
def test_a_key_has_32_bytes(key: bytes) -> None:
    """A key of another size is a ConfigurationError."""
    with pytest.raises(ConfigurationError, match="32 bytes"):
        LocalKeyProvider(key)


def test_generated_keys_differ() -> None:
    """Every generated provider has a key of its own."""
    assert len({repr(LocalKeyProvider.generate()) for _ in range(50)}) == 50


class TestFiles:
    """Keys from files."""

    @pytest.mark.parametrize(
        "content",
        [base64.b64encode(KEY), base64.b64encode(KEY) + b"\n", b"\n  " + base64.b64encode(KEY) + b"\r\n"],
        ids=["bare", "line", "spaces"],
    )
    def test_base64(self, tmp_path: Path, content: bytes) -> None:
        """A file as `openssl rand -base64 32` makes it is that key."""
        path = tmp_path / "key"
        path.write_bytes(content)
        wraps = LocalKeyProvider(KEY).wrap(DATA_KEY, CONTEXT)
        for name in (path, str(path)):
            assert LocalKeyProvider.from_file(name).unwrap(wraps, CONTEXT) == DATA_KEY

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            KEY,
            os.urandom(31) + b"\xff",
            KEY.hex().encode(),
            base64.b64encode(KEY[:31]),
            base64.b64encode(KEY + b"x"),
            base64.b64encode(KEY)[:-1],
            base64.b64encode(KEY) * 2,
            base64.b64encode(KEY).replace(b"A", b"A\n", 1),
            base64.b64encode(KEY) + b" # the key",
            "🔑".encode(),
        ],
        ids=["empty", "raw", "random", "hex", "short", "long", "cut", "twice", "broken", "comment", "emoji"],
    )
    def test_anything_else(self, tmp_path: Path, content: bytes) -> None:
        """Any other content is a ConfigurationError that says how to make a key, and does not show the content."""
        path = tmp_path / "key"
        path.write_bytes(content)
        with pytest.raises(ConfigurationError, match="openssl rand -base64 32") as caught:
            LocalKeyProvider.from_file(path)
        assert str(path) in str(caught.value)
        assert not content or content.decode(errors="replace") not in str(caught.value)

    def test_no_file(self, tmp_path: Path) -> None:
        """A file that is not there, or a directory, is a ConfigurationError with the path and the reason."""
        with pytest.raises(ConfigurationError, match=r"missing cannot be read: No such file"):
            LocalKeyProvider.from_file(tmp_path / "missing")
        with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
            LocalKeyProvider.from_file(tmp_path)


def test_a_provider_with_the_method_name_of_0_1_is_refused_with_the_new_one() -> None:
    """`places` is `regions` now: a provider written for 0.1 would silently lose its regions."""
    with pytest.raises(TypeError, match=r"OldProvider\.places has the name `regions`"):

        class OldProvider(LocalKeyProvider):
            places = LocalKeyProvider.regions

    class Regions:
        """What several providers have in common."""

        places = LocalKeyProvider.regions

    with pytest.raises(TypeError, match=r"OtherProvider\.places has the name `regions`"):

        class OtherProvider(Regions, LocalKeyProvider):
            pass


class TestMakingTheFile:
    """What `from_file(…, create=True)` does where there is no file yet."""

    def test_a_second_run_has_the_key_of_the_first(self, tmp_path: Path) -> None:
        """The first run makes the file, and every later one reads it."""
        wraps = LocalKeyProvider.from_file(tmp_path / "local.key", create=True).wrap(DATA_KEY, CONTEXT)
        assert LocalKeyProvider.from_file(tmp_path / "local.key", create=True).unwrap(wraps, CONTEXT) == DATA_KEY
        assert os.listdir(tmp_path) == ["local.key"]

    def test_the_file_is_for_its_owner_alone(self, tmp_path: Path) -> None:
        """Nobody else on the machine may read the key, whatever the umask allows."""
        before = os.umask(0)
        try:
            LocalKeyProvider.from_file(tmp_path / "local.key", create=True)
        finally:
            os.umask(before)
        assert (tmp_path / "local.key").stat().st_mode & 0o777 == 0o600

    def test_processes_that_start_together_have_one_key(self, tmp_path: Path) -> None:
        """None replaces the file that another one has made."""
        path = tmp_path / "local.key"
        with ThreadPoolExecutor(16) as pool:
            made = pool.map(lambda _: LocalKeyProvider.from_file(path, create=True), range(64))
        assert len(set(made)) == 1

    def test_a_damaged_file_stays_as_it_is(self, key_file: Path) -> None:
        """It may be the rest of a key that data depends on."""
        key_file.write_text("c2hvcnQ=")
        with pytest.raises(ConfigurationError, match="does not hold 32 bytes"):
            LocalKeyProvider.from_file(key_file, create=True)
        assert key_file.read_text() == "c2hvcnQ="

    def test_a_folder_that_is_missing(self, tmp_path: Path) -> None:
        """It is not made: perhaps it is a volume that is not mounted yet."""
        with pytest.raises(ConfigurationError, match="cannot be made: No such file or directory"):
            LocalKeyProvider.from_file(tmp_path / "secrets" / "local.key", create=True)

    def test_a_worker_that_unpickles_it_makes_no_file(self, tmp_path: Path) -> None:
        """It is to have the key of its parent, or none."""
        pickled = pickle.dumps(LocalKeyProvider.from_file(tmp_path / "local.key", create=True))
        (tmp_path / "local.key").unlink()
        with pytest.raises(ConfigurationError, match="cannot be read"):
            pickle.loads(pickled)
