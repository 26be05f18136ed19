"""Encryptors and fields in other processes: what is pickled is configuration, and one Encryptor stays one."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine

from fieldcrypt import (
    ConfigurationError,
    Encryptor,
    Field,
    FileKeyStore,
    IndexedBy,
    KeyPolicy,
    KeyProviderChain,
    KeyRecord,
    KeyState,
    LocalKeyProvider,
    MemoryKeyStore,
    Progress,
    Purpose,
    RewrapReport,
    RowContext,
    TagPlan,
    Tombstone,
    WrappedKey,
    _system,
    encryptor,
)
from fieldcrypt._base.unpickle_registry import UnpickleRegistry
from fieldcrypt.events import Event
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider, AwsKmsRsaKeyProvider
from fieldcrypt_dynamodb import DynamoKeyStore
from fieldcrypt_sqlalchemy import SqlKeyStore
from tests.core.logged_provider import LoggedProvider
from tests.support.spellings import spellings

SSN = "078-05-1120"
PASSWORD = "hunter2-of-the-database"
DATABASE = "FIELDCRYPT_TEST_DATABASE"  # in the environment, which other processes inherit
ARN = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
OTHER_ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
POLICY = KeyPolicy(timedelta(minutes=1), 7, timedelta(minutes=2), timedelta(days=3), timedelta(seconds=4))


def kms_client(region: str) -> Any:
    raise AssertionError("no client is made by pickling")


def kms_session(account: str, region: str) -> Any:
    raise AssertionError("no session is made by pickling")


def observe(event: Event) -> None:
    """An observer that can be pickled, because other processes can import it."""


def database() -> Engine:
    return create_engine(os.environ[DATABASE])


def client(region: str | None) -> Any:
    raise AssertionError("no client is made by pickling")


def no_database() -> Any:
    return os.environ[DATABASE]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A file with a local key."""
    path = tmp_path / "local.key"
    path.write_text("ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM=\n")
    return path


@pytest.fixture
def local(key_file: Path) -> LocalKeyProvider:
    """A key provider that can be pickled: as the path of its file."""
    return LocalKeyProvider.from_file(key_file)


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """All random 32 bytes that are drawn during the test, data keys among them, and the local key."""
    secrets, genuine = [bytes(range(100, 132))], _system.random_bytes

    def recorded(size: int) -> bytes:
        drawn = genuine(size)
        if size == 32:
            secrets.append(drawn)
        return drawn

    monkeypatch.setattr(_system, "random_bytes", recorded)
    return secrets


def elsewhere(pickled: bytes, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Unpickle as another process does, which has never seen the Encryptor."""
    with monkeypatch.context() as patched:
        patched.setattr(encryptor, "_registry", UnpickleRegistry())
        return pickle.loads(pickled)


class TestProviders:
    """Key providers travel as their configuration."""

    def test_kms_with_all_options(self) -> None:
        """Every argument arrives; functions by their names."""
        options: dict[str, Any] = {
            "keys": [ARN, OTHER_ARN],
            "regions": ["eu-west-1", "us-east-1"],
            "require": 1,
            "session_factory": kms_session,
            "endpoint_urls": {"eu-west-1": "https://kms.example.org"},
            "grant_tokens": ["token"],
            "client_factory": None,
            "timeout": timedelta(seconds=1),
            "deadline": timedelta(seconds=3),
            "cooldown": timedelta(seconds=5),
            "grace": timedelta(minutes=5),
            "failover_on_denied": True,
        }
        arrived = pickle.loads(pickle.dumps(AwsKmsKeyProvider(**options)))
        assert arrived._configuration == options

    def test_kms_with_a_client_factory(self) -> None:
        """A function of a module arrives as itself."""
        arrived = pickle.loads(pickle.dumps(AwsKmsKeyProvider(ARN, client_factory=kms_client)))
        assert arrived._configuration["client_factory"] is kms_client

    def test_kms_after_use(self, aws: Any, kms_key: str) -> None:
        """A provider that has made clients, which do not pickle, does."""
        provider = AwsKmsKeyProvider(kms_key, ["us-east-1"], client_factory=aws.kms)
        provider.wrap(bytes(32), {"a": "b"})
        rebuild, _ = provider.__reduce__()
        assert rebuild().wrapping_keys() == provider.wrapping_keys()

    def test_a_function_that_cannot_be_imported(self) -> None:
        """A lambda is refused when it is pickled, and not when it is missed elsewhere."""
        with pytest.raises((pickle.PicklingError, AttributeError)):
            pickle.dumps(AwsKmsKeyProvider(ARN, client_factory=lambda region: None))

    def test_rsa(self) -> None:
        """An RSA key's provider arrives with its options."""
        provider = AwsKmsRsaKeyProvider(ARN, ["us-east-1"], write_only=True, grant_tokens=["token"])
        assert pickle.loads(pickle.dumps(provider))._configuration == provider._configuration

    def test_a_chain(self, local: LocalKeyProvider) -> None:
        """A chain arrives with all its links, in order."""
        chain = KeyProviderChain(AwsKmsKeyProvider(ARN), local)
        arrived = pickle.loads(pickle.dumps(chain))
        assert repr(arrived) == repr(chain)
        assert arrived.wrapping_keys() == [ARN]

    def test_a_local_key_in_a_file(self, local: LocalKeyProvider, key_file: Path, secrets: list[bytes]) -> None:
        """It travels as the path of the file, without the key."""
        pickled = pickle.dumps(local)
        assert os.fsencode(key_file) in pickled
        assert not [secret for secret in secrets if secret in pickled]
        wraps = local.wrap(bytes(32), {"a": "b"})
        assert pickle.loads(pickled).unwrap(wraps, {"a": "b"}) == bytes(32)

    def test_a_local_key_is_refused(self) -> None:
        """One that is in memory only does not travel; the message names what does."""
        with pytest.raises(TypeError, match="from_file"):
            pickle.dumps(LocalKeyProvider(bytes(32)))


class TestStores:
    """Key stores travel as the place where they keep records."""

    def test_a_file(self, tmp_path: Path) -> None:
        """A file's path is absolute, so that it means the same in a process with another directory."""
        store = FileKeyStore.create(tmp_path / "keys.sqlite")
        assert repr(pickle.loads(pickle.dumps(store))) == repr(store)

    def test_a_dynamodb_table(self) -> None:
        """A table's name travels, its region, and the function that makes clients."""
        arrived = pickle.loads(pickle.dumps(DynamoKeyStore("keys", client, region="eu-west-1")))
        assert (arrived.table, arrived._client_factory, arrived._region) == ("keys", client, "eu-west-1")

    def test_a_dynamodb_table_of_0_1(self) -> None:
        """Its region was in the function that made clients."""
        module = "cfieldcrypt_dynamodb.key_store\n"
        factory = f"cfunctools\npartial\n({module}_default_client\ntR({module}_default_client\n(Veu-west-1\nt}}NtbtR."
        store = pickle.loads(f"{module}DynamoKeyStore\n(Vkeys\n{factory}".encode())
        assert store._client().meta.region_name == "eu-west-1"

    def test_a_sql_table_by_a_function(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The function that returns the Engine travels by its name, and the Engine's URL does not."""
        monkeypatch.setenv(DATABASE, f"sqlite:///{tmp_path / PASSWORD}.sqlite")
        store = SqlKeyStore(database, "keys_of_ours")
        store.create_table()
        pickled = pickle.dumps(store)
        assert PASSWORD.encode() not in pickled
        arrived = pickle.loads(pickled)
        assert (arrived.table.name, arrived.table.schema, list(arrived.key_ids())) == ("keys_of_ours", None, [])

    def test_a_schema_travels_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The table is looked for in the same schema."""
        monkeypatch.setenv(DATABASE, f"sqlite:///{tmp_path}/keys.sqlite")
        assert pickle.loads(pickle.dumps(SqlKeyStore(database, "keys", "ours"))).table.fullname == "ours.keys"

    def test_a_sql_table_by_an_engine_is_refused(self, tmp_path: Path) -> None:
        """An Engine's URL may hold a password; the message says what to use, and not the password."""
        store = SqlKeyStore(create_engine(f"sqlite:///{tmp_path / PASSWORD}.sqlite"))
        with pytest.raises(TypeError, match="function of a module") as caught:
            pickle.dumps(store)
        assert PASSWORD not in str(caught.value)

    def test_a_function_that_returns_no_engine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is no Engine is refused without being told: it may be a URL with a password."""
        monkeypatch.setenv(DATABASE, PASSWORD)
        with pytest.raises(ConfigurationError, match="an Engine, not str") as caught:
            SqlKeyStore(no_database)
        assert PASSWORD not in str(caught.value)

    def test_memory_is_refused(self) -> None:
        """A copy would have other keys."""
        with pytest.raises(TypeError, match="ends with its process"):
            pickle.dumps(MemoryKeyStore())

    def test_memory_is_refused_with_what_to_use_instead(self) -> None:
        """The message names a key store that processes can share."""
        with pytest.raises(TypeError, match=r"FileKeyStore|SqlKeyStore|DynamoKeyStore"):
            pickle.dumps(MemoryKeyStore())


class TestEncryptors:
    """An Encryptor travels as its parts."""

    def test_all_of_it_arrives(self, local: LocalKeyProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Provider, store, policy and observer."""
        original = Encryptor(local, FileKeyStore.create(tmp_path / "keys.sqlite"), policy=POLICY, observer=observe)
        arrived = elsewhere(pickle.dumps(original), monkeypatch)
        assert arrived is not original
        assert arrived.provider.wrapping_keys() == local.wrapping_keys()
        assert repr(arrived.store) == repr(original.store)
        assert repr(arrived._keyring.policy) == repr(POLICY)
        assert arrived._observer is observe

    def test_keys_and_plaintext_stay(self, local: LocalKeyProvider, tmp_path: Path, secrets: list[bytes]) -> None:
        """Nothing that was drawn, derived or encrypted in use is in the pickle of Encryptor or field."""
        original = Encryptor(local, FileKeyStore.create(tmp_path / "keys.sqlite"), observer=observe)
        field = original.field("patients.ssn", str)
        original.field("patients.ssn", str).decrypt(field.encrypt(SSN, tenant="clinic-7"))
        assert len(secrets) > 1
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            if protocol < 2:  # for what has slots
                continue
            for thing in (original, field, field.decrypt, field.encrypt):
                pickled = pickle.dumps(thing, protocol)
                text = repr(pickled) + pickled.hex()
                assert not [secret for secret in secrets if any(spelt in text for spelt in spellings(secret))]
                assert SSN not in text
                assert "clinic-7" not in text

    def test_an_encryptor_without_keys(self, local: LocalKeyProvider, monkeypatch: pytest.MonkeyPatch) -> None:
        """One that was not configured arrives so, and is configured there, with the fields that came with it."""
        original = Encryptor()
        field = original.field("a.b", str)
        pickled = pickle.dumps((original, field))
        arrived, its_field = elsewhere(pickled, monkeypatch)
        with pytest.raises(ConfigurationError, match="configure"):
            its_field.encrypt(SSN)
        arrived.configure(local)
        assert its_field.decrypt(its_field.encrypt(SSN)) == SSN
        with pytest.raises(ConfigurationError, match="configure"):
            field.encrypt(SSN)

    @pytest.mark.parametrize("configured", [True, False])
    def test_a_backend_that_was_asked_for_arrives(
        self, configured: bool, local: LocalKeyProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where another one is the default, it is the one that was asked for."""
        original = Encryptor(local, backend="python") if configured else Encryptor(backend="python")
        arrived = elsewhere(pickle.dumps(original), monkeypatch)
        assert arrived is not original
        assert arrived._backend_name == "python"

    def test_two_pickles_are_one_encryptor(self, local: LocalKeyProvider, monkeypatch: pytest.MonkeyPatch) -> None:
        """What was pickled twice arrives as one, so that tasks share its keys; two Encryptors stay two."""
        one, other = Encryptor(local), Encryptor(local)
        with monkeypatch.context() as patched:
            pickles = [pickle.dumps(thing) for thing in (one, one, other)]
            patched.setattr(encryptor, "_registry", UnpickleRegistry())
            first, again, third = map(pickle.loads, pickles)
        assert first is again
        assert first is not third

    def test_at_home_it_is_itself(self, local: LocalKeyProvider) -> None:
        """Unpickled in the process that pickled it, it is no copy."""
        original = Encryptor(local)
        assert pickle.loads(pickle.dumps(original)) is original

    def test_what_was_configured_anew_is_another(
        self, local: LocalKeyProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After `configure` its pickles are not taken for the Encryptor that it was."""
        original = Encryptor(local)
        before = pickle.dumps(original)
        original.configure(LocalKeyProvider.from_file(local._path or ""))
        after = pickle.dumps(original)
        monkeypatch.setattr(encryptor, "_registry", UnpickleRegistry())
        assert pickle.loads(before) is not pickle.loads(after)


class TestFields:
    """A field travels as its declaration."""

    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda field: pickle.loads(pickle.dumps(field))])
    def test_a_copy_has_the_same_encryptor(self, copied: Any, local: LocalKeyProvider) -> None:
        """Copies read and write what the original does, under the same live keys."""
        field = Encryptor(local).field("a.b", str, context={"table": "x"}, pad=32)
        made = copied(field)
        assert made is not field
        assert made._encryptor is field._encryptor
        assert made.decrypt(field.encrypt(SSN)) == field.decrypt(made.encrypt(SSN)) == SSN

    def test_all_of_it_arrives(self, local: LocalKeyProvider, monkeypatch: pytest.MonkeyPatch) -> None:
        """Name, type, context, padding and whether it accepts public keys."""
        field = Encryptor(local).field("a.b", list, context={"table": "x"}, pad=32, accept_public_key=True)
        arrived: Field[list[Any]] = elsewhere(pickle.dumps(field), monkeypatch)
        assert (arrived.name, arrived.type, arrived._codec.pad) == ("a.b", list, 32)
        assert (arrived._context, arrived._accepts_public_key) == (field._context, True)
        assert arrived.decrypt(field.encrypt([SSN])) == [SSN]

    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
    def test_a_copy_needs_no_pickle(self, copied: Any) -> None:
        """A field whose keys cannot travel is copied all the same, within the process."""
        field = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore()).field("a.b", str)
        assert copied(field).decrypt(field.encrypt(SSN)) == SSN

    def test_one_in_memory_does_not_travel(self) -> None:
        """A field whose keys cannot travel is not pickled, and says why."""
        with pytest.raises(TypeError, match="from_file"):
            pickle.dumps(Encryptor(LocalKeyProvider.generate()).field("a.b", str))


class TestCraftedPickles:
    """What a pickle of an Encryptor says is a configuration, checked like any other."""

    @pytest.mark.parametrize(
        "state", [(b"a key, maybe",), ("provider", "store"), (LocalKeyProvider,), (None, b"store")]
    )
    def test_what_is_no_configuration(self, state: tuple[Any, ...]) -> None:
        """It is refused as the constructor refuses it, without being told, and leaves nothing behind."""
        before = len(encryptor._registry._kept)
        with pytest.raises(ConfigurationError) as caught:
            encryptor._unpickle(bytes(16), *state)
        assert "a key, maybe" not in str(caught.value)
        assert (len(encryptor._registry._kept), bytes(16) in encryptor._registry._known) == (before, False)

    def test_more_than_a_configuration(self, local: LocalKeyProvider) -> None:
        """There is no part of an Encryptor that only a pickle could set."""
        with pytest.raises(TypeError, match="argument"):
            encryptor._unpickle(bytes(16), local, None, POLICY, None, "more")  # type: ignore[call-arg, arg-type]

    def test_one_that_claims_to_be_another(self, local: LocalKeyProvider) -> None:
        """It does not change the configuration of the Encryptor whose identity it has."""
        original = Encryptor(local)
        pickle.dumps(original)
        assert original._identity is not None
        assert encryptor._unpickle(original._identity, LocalKeyProvider.generate()) is original
        assert original.provider is local

    def test_many_do_not_fill_the_memory(self) -> None:
        """Only so many Encryptors that came from elsewhere are kept."""
        for i in range(200):
            encryptor._unpickle(i.to_bytes(16, "big"), LocalKeyProvider.generate())
        assert len(encryptor._registry._kept) <= 64


class TestProcessPools:
    """Tasks in other processes, which get the field pickled with every one of them."""

    @pytest.fixture(params=["spawn", "fork"])
    def pool(self, request: pytest.FixtureRequest) -> Iterator[ProcessPoolExecutor]:
        """Two processes, which know nothing or what their parent knows."""
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(request.param)) as pool:
            yield pool

    @pytest.mark.parametrize("stored", [True, False], ids=["stored", "self-contained"])
    def test_calls_do_not_grow_with_tasks(
        self, pool: ProcessPoolExecutor, key_file: Path, tmp_path: Path, stored: bool
    ) -> None:
        """Each process unwraps a data key once at most, however many tasks it is given."""
        log = tmp_path / "log"
        log.touch()
        store = FileKeyStore.create(tmp_path / "keys.sqlite") if stored else None
        field = Encryptor(LoggedProvider(str(key_file), str(log)), store).field("a.b", str)
        values = [field.encrypt(f"{SSN}-{i}") for i in range(60)]
        assert list(pool.map(field.decrypt, values)) == [f"{SSN}-{i}" for i in range(60)]
        askers = log.read_text().split()
        assert len(askers) == len(set(askers)) <= 2
        assert str(os.getpid()) not in askers

    def test_over_a_sql_key_store(
        self, pool: ProcessPoolExecutor, local: LocalKeyProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Processes find the keys in the database, over an Engine that each makes for itself; they write, too."""
        monkeypatch.setenv(DATABASE, f"sqlite:///{tmp_path}/keys.sqlite")
        store = SqlKeyStore(database)
        store.create_table()
        field = Encryptor(local, store).field("a.b", int)
        values = [field.encrypt(number) for number in range(20)]
        assert list(pool.map(field.decrypt, values)) == list(range(20))
        assert list(map(field.decrypt, pool.map(field.encrypt, range(20)))) == list(range(20))
        assert len(list(store.key_ids())) == 1

    def test_fields_that_were_pickled_together(self, pool: ProcessPoolExecutor, local: LocalKeyProvider) -> None:
        """Two fields of one Encryptor arrive with one Encryptor."""
        original = Encryptor(local)
        fields = [original.field(name, str) for name in ("a.a", "a.b")]
        assert pool.submit(_share_an_encryptor, *fields).result(60)


def _share_an_encryptor(one: Field[str], other: Field[str]) -> bool:
    return one._encryptor is other._encryptor


def test_the_pickle_of_a_field_is_small(local: LocalKeyProvider) -> None:
    """It goes with every task: no caches travel."""
    field = Encryptor(local).field("a.b", str)
    before = len(pickle.dumps(field))
    for i in range(100):
        field.decrypt(field.encrypt(SSN, tenant=f"clinic-{i}"))
    assert len(pickle.dumps(field)) == before < 2000
    assert not re.search(rb"live_key|keyring|aead", pickle.dumps(field))


@pytest.mark.parametrize(
    "public",
    [
        FileKeyStore,
        KeyProviderChain,
        KeyRecord,
        KeyState,
        Purpose,
        WrappedKey,
        Tombstone,
        IndexedBy,
        RowContext,
        TagPlan,
    ],
)
def test_pickles_name_the_front_door(public: type) -> None:
    """So they go on loading, and load in releases that had the class elsewhere."""
    assert pickle.loads(f"cfieldcrypt\n{public.__name__}\n.".encode()) is public
    assert b"fieldcrypt." not in pickle.dumps(public)


def test_the_context_of_a_row_that_0_1_pickled() -> None:
    """It named the module that it stood in then."""
    assert pickle.loads(b"cfieldcrypt.context\nRowContext\n.") is RowContext


@pytest.mark.parametrize(
    ("path", "public"),
    [(b"fieldcrypt.keys.rewrap\nRewrapReport", RewrapReport), (b"fieldcrypt.migration.progress\nProgress", Progress)],
)
def test_what_jobs_of_0_1_told(path: bytes, public: type) -> None:
    """A worker of 0.1 may have sent it through a queue."""
    assert pickle.loads(b"c" + path + b"\n.") is public
