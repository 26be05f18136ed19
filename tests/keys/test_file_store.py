"""A key store in a file is made once, in words; what is not that store later on is an error, and never a new one."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest

from fieldcrypt import (
    ConfigurationError,
    Encryptor,
    FileKeyStore,
    KeyNotFoundError,
    KeyPolicy,
    KeyStoreError,
    LocalKeyProvider,
)
from tests.conftest import Clock
from tests.frozen.data import DATA
from tests.support.doubles import PATIENCE, make_record
from tests.support.processes import in_child
from tests.support.servers import NOBODY, is_root

PROVIDER = LocalKeyProvider.generate()
SSN = "078-05-1120"
TTL = 900.0
POLICY = KeyPolicy(cache_ttl=timedelta(seconds=TTL))
CALLS: dict[str, Callable[[FileKeyStore], object]] = {
    "get": lambda store: store.get(bytes(16)),
    "add": lambda store: store.add(make_record(PROVIDER)),
    "list": lambda store: store.list(None),
    "replace": lambda store: store.replace(make_record(PROVIDER), make_record(PROVIDER)),
    "key_ids": lambda store: list(store.key_ids()),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
Call = Callable[[FileKeyStore], object]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that does not exist yet."""
    return tmp_path / "keys.sqlite"


def refused(store: FileKeyStore, call: Call) -> str:
    """The words of a KeyStoreError that does not say that there is no such key."""
    with pytest.raises(KeyStoreError) as caught:
        call(store)
    assert not isinstance(caught.value, KeyNotFoundError)
    return str(caught.value)


class TestCreate:
    def test_a_new_store_is_empty(self, path: Path) -> None:
        """It lists nothing, and has no key."""
        store = FileKeyStore.create(path)
        assert (list(store.list(None)), list(store.key_ids())) == ([], [])
        with pytest.raises(KeyNotFoundError):
            store.get(bytes(16))

    @pytest.mark.parametrize("content", [b"", b"x", None], ids=["empty", "a byte", "a store"])
    def test_what_is_there_is_left_alone(self, path: Path, content: bytes | None) -> None:
        """Whatever it is."""
        if content is None:
            FileKeyStore.create(path).add(make_record(PROVIDER))
        else:
            path.write_bytes(content)
        before = path.read_bytes()
        with pytest.raises(KeyStoreError, match="the file exists already"):
            FileKeyStore.create(path)
        assert path.read_bytes() == before

    def test_a_directory_that_is_not_there_is_not_made(self, tmp_path: Path) -> None:
        """It may be a volume that is not mounted."""
        with pytest.raises(KeyStoreError, match="No such file or directory"):
            FileKeyStore.create(tmp_path / "missing" / "keys.sqlite")

    def test_one_of_several_makes_it(self, path: Path) -> None:
        """The others are told."""
        meeting, made = Barrier(8, timeout=PATIENCE), []

        def create() -> None:
            meeting.wait()
            try:
                made.append(FileKeyStore.create(path))
            except KeyStoreError:
                return

        threads = [Thread(target=create) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (store,) = made
        store.add(make_record(PROVIDER))

    def test_a_path_is_a_path(self, tmp_path: Path) -> None:
        """Whatever it means in a URI; but SQLite takes none with a zero byte."""
        for name in ("a b", "a%20b", "a?mode=memory", "a#b", "ä"):
            record = make_record(PROVIDER)
            FileKeyStore.create(tmp_path / name).add(record)
            assert FileKeyStore(tmp_path / name).get(record.key_id) == record
        assert len(list(tmp_path.iterdir())) == 5
        with pytest.raises(ConfigurationError):
            FileKeyStore("a\0b")


class TestWhatIsNoStore:
    @each_call
    def test_a_missing_file(self, path: Path, call: Call) -> None:
        """It is not made; the error says where to look for it first, and then how one is made."""
        said = refused(FileKeyStore(path), call)
        assert "there is no such file; mount its volume" in said
        assert "FileKeyStore.create() makes a new one" in said
        assert list(path.parent.iterdir()) == []

    @each_call
    def test_a_directory(self, path: Path, call: Call) -> None:
        """As a container engine makes one in place of a file that it is to mount: the error says so."""
        path.mkdir()
        assert refused(FileKeyStore(path), call).endswith("it is a directory")

    @each_call
    @pytest.mark.parametrize("size", [0, 1])
    def test_a_file_that_was_cut(self, path: Path, call: Call, size: int) -> None:
        """To nothing, or nearly: SQLite would take it for a new database."""
        FileKeyStore.create(path).add(make_record(PROVIDER))
        os.truncate(path, size)
        refused(FileKeyStore(path), call)
        assert path.stat().st_size == size

    @each_call
    def test_a_file_whose_last_byte_is_missing(self, path: Path, call: Call) -> None:
        """SQLite does not mind, and gives zeros in its place."""
        store = FileKeyStore.create(path)
        for _ in range(60):
            store.add(make_record(PROVIDER))
        os.truncate(path, path.stat().st_size - 1)
        assert "is truncated" in refused(FileKeyStore(path), call)

    @each_call
    def test_a_directory_that_cannot_be_searched(self, tmp_path: Path, call: Call) -> None:
        """What is in there cannot be said."""
        directory = tmp_path / "locked"
        directory.mkdir()
        FileKeyStore.create(directory / "keys.sqlite")
        directory.chmod(0)

        def use() -> bytes:
            if is_root():  # whom nothing stops
                os.setuid(NOBODY)
            return refused(FileKeyStore(directory / "keys.sqlite"), call).encode()

        try:
            assert b"Permission denied" in in_child(use)
        finally:
            directory.chmod(0o700)


class TestARunningProcess:
    def test_a_volume_that_went_away_is_an_outage(self, path: Path, clock: Clock) -> None:
        """Live keys go on for their grace, and nothing is made that nobody could read when it is back."""
        field = Encryptor(PROVIDER, FileKeyStore.create(path), policy=POLICY).field("a.b", str)
        value = field.encrypt(SSN, tenant="a")
        path.rename(path.with_name("unmounted"))
        clock.advance(TTL + 1)
        assert field.decrypt(field.encrypt(SSN, tenant="a")) == field.decrypt(value) == SSN
        with pytest.raises(KeyStoreError, match="there is no such file"):
            field.encrypt(SSN, tenant="new")
        path.with_name("unmounted").rename(path)
        assert field.decrypt(field.encrypt(SSN, tenant="new")) == SSN
        assert len(list(FileKeyStore(path).key_ids())) == 2

    @each_call
    @pytest.mark.parametrize("old", [True, False], ids=["made before stores had ids", "made now"])
    def test_another_store_in_its_place_is_an_error(self, path: Path, old: bool, call: Call) -> None:
        """Nothing is put into it, or missed in it."""
        if old:
            shutil.copy(DATA / "keys" / "life.sqlite", path)
        store = FileKeyStore(path) if old else FileKeyStore.create(path)
        store.list(None)
        path.unlink()
        FileKeyStore.create(path)
        assert "is not the key store" in refused(store, call)
        assert list(FileKeyStore(path).key_ids()) == []

    def test_a_copy_of_it_is_the_same_store(self, path: Path) -> None:
        """One that was restored from a backup, say."""
        store, record = FileKeyStore.create(path), make_record(PROVIDER)
        store.add(record)
        shutil.copy(path, path.with_name("backup"))
        path.unlink()
        path.with_name("backup").rename(path)
        assert store.get(record.key_id) == record

    def test_it_pickles(self, path: Path) -> None:
        """As the path."""
        store, record = FileKeyStore.create(path), make_record(PROVIDER)
        store.add(record)
        assert pickle.loads(pickle.dumps(store)).get(record.key_id) == record


def test_a_store_from_before_they_had_ids_is_written_to(tmp_path: Path) -> None:
    """It goes on as it is."""
    path, record = tmp_path / "keys.sqlite", make_record(PROVIDER)
    shutil.copy(DATA / "keys" / "life.sqlite", path)
    store = FileKeyStore(path)
    store.add(record)
    assert FileKeyStore(path).get(record.key_id) == store.get(record.key_id) == record
