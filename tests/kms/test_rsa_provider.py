"""RSA keys of KMS: services that write without KMS and cannot read, and readers who take that upon themselves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model
from sqlalchemy import Engine, String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    Field,
    KeyAccessDeniedError,
    KeyPolicy,
    KeyProviderChain,
    KeyProviderError,
    KeyRecord,
    KeyStore,
    KeyStoreError,
    MemoryKeyStore,
    WrappedKey,
)
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider, AwsKmsRsaKeyProvider
from fieldcrypt.testing import LocalAws
from fieldcrypt_pynamodb import EncryptedAttribute
from fieldcrypt_pynamodb import encrypted as encrypted_items
from fieldcrypt_sqlalchemy import Encrypted, encrypted
from tests.conftest import Clock
from tests.support.doubles import PATIENCE, RowStore, Toll, store_outage, until_waiting
from tests.support.dynamodb import DynamoDb

HOME, AWAY = "us-east-1", "eu-west-1"
ARN = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
SSN = "078-05-1120"
TTL, GRACE, DELAY = 900.0, 3600.0, 300.0
DAY = 86_400.0
POLICY = KeyPolicy(rotate_after=timedelta(days=90), propagation_delay=timedelta(seconds=DELAY))


@pytest.fixture(scope="module")
def key(aws: LocalAws) -> str:
    """The ARN of a multi-Region RSA key in both regions."""
    made = aws.kms(HOME).create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT", MultiRegion=True)["KeyMetadata"]
    aws.kms(HOME).replicate_key(KeyId=made["KeyId"], ReplicaRegion=AWAY)
    arn: str = made["Arn"]
    return arn


@pytest.fixture(scope="module")
def pem(aws: LocalAws, key: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the public half of the key."""
    public = serialization.load_der_public_key(aws.kms(HOME).get_public_key(KeyId=key)["PublicKey"])
    path = tmp_path_factory.mktemp("rsa") / "public.pem"
    path.write_bytes(_pem(public))
    return path


@pytest.fixture(params=["stored", "self-contained"])
def store(request: pytest.FixtureRequest) -> KeyStore | None:
    """The key store, or None for self-contained values."""
    return MemoryKeyStore() if request.param == "stored" else None


def no_client(region: str) -> Any:
    raise AssertionError(f"KMS in {region} is asked")


def writer(key: str, pem: Path, store: KeyStore | None) -> Field[str]:
    """The field of a service that only writes, and never asks KMS."""
    provider = AwsKmsRsaKeyProvider(key, public_key=pem, write_only=True, client_factory=no_client)
    return Encryptor(provider, store, policy=POLICY).field("patients.ssn", str)


def reader(key: str, aws: LocalAws, store: KeyStore | None, region: str = AWAY, *, accept: bool = True) -> Field[str]:
    """The field of a service that reads, in one region."""
    provider = AwsKmsRsaKeyProvider(key, [region], client_factory=aws.kms)
    return Encryptor(provider, store, policy=POLICY).field("patients.ssn", str, accept_public_key=accept)


def _pem(public: Any) -> bytes:
    pem: bytes = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem


class TestWriteOnly:
    """A service that has the public key, and nothing else."""

    @pytest.mark.parametrize("region", [HOME, AWAY])
    def test_what_it_writes_others_read(
        self, aws: LocalAws, key: str, pem: Path, store: KeyStore | None, region: str
    ) -> None:
        """It asks KMS nothing; readers in every region of the key read, each with its own."""
        value = writer(key, pem, store).encrypt(SSN, tenant="clinic-7")
        before = aws.calls.copy()
        assert reader(key, aws, store, region).decrypt(value, tenant="clinic-7") == SSN
        assert aws.calls - before == {("kms", "Decrypt", region): 1}

    def test_it_cannot_read(self, key: str, pem: Path, store: KeyStore | None) -> None:
        """Not even what it wrote itself; KMS is not asked, for it would only refuse."""
        field = writer(key, pem, store)
        encryptor: Any = field._encryptor
        value = field.encrypt(SSN)
        with pytest.raises(KeyAccessDeniedError, match="write_only"):
            encryptor.field("patients.ssn", str, accept_public_key=True).decrypt(value)

    def test_a_provider_that_only_writes_unwraps_nothing(self, key: str, pem: Path) -> None:
        """Whoever asks the provider itself is refused as well."""
        provider = AwsKmsRsaKeyProvider(key, public_key=pem, write_only=True, client_factory=no_client)
        with pytest.raises(KeyAccessDeniedError, match="write_only"):
            provider.unwrap(provider.wrap(bytes(32), {"a": "b"}), {"a": "b"})

    @pytest.mark.parametrize("idle", [0.8 * TTL, TTL + 1, TTL + GRACE + 1, 30 * DAY])
    def test_it_keeps_its_data_key(
        self, key: str, pem: Path, store: KeyStore | None, clock: Clock, idle: float
    ) -> None:
        """However seldom it writes, it makes no second data key before the first is old enough."""
        field = writer(key, pem, store)
        first = field.encrypt(SSN)[1:17]
        clock.advance(idle)
        assert field.encrypt(SSN)[1:17] == field.encrypt(SSN)[1:17] == first
        clock.advance(idle)
        assert field.encrypt(SSN)[1:17] == first

    def test_it_rotates_by_age(self, key: str, pem: Path, store: KeyStore | None, clock: Clock) -> None:
        """A data key is followed by the next at rotate_after, when that has waited out its delay."""
        field = writer(key, pem, store)
        seen = []
        for _ in range(200):
            seen.append(field.encrypt(SSN)[1:17])
            clock.advance(DAY)
        assert len(set(seen)) == 3
        assert [seen.index(key_id) // 10 for key_id in dict.fromkeys(seen)] == [0, 9, 18]

    def test_it_needs_no_keys_of_others(self, aws: LocalAws, key: str, pem: Path) -> None:
        """Several of them share a store, and each has a data key of its own; readers read all."""
        store = MemoryKeyStore()
        writers = [writer(key, pem, store) for _ in range(3)]
        values = [field.encrypt(SSN, tenant="A") for field in writers for _ in range(2)]
        assert len(list(store.key_ids())) == 3
        field = reader(key, aws, store)
        assert [field.decrypt(value, tenant="A") for value in values] == [SSN] * 6

    def test_it_puts_its_key_back_that_was_taken_from_the_store(self, key: str, pem: Path, clock: Clock) -> None:
        """Else nobody could read what it goes on to write."""
        store = RowStore()
        field = writer(key, pem, store)
        first = field.encrypt(SSN)[1:17]
        del store.rows[first]
        clock.advance(TTL + 1)
        assert field.encrypt(SSN)[1:17] == first
        assert first in store.rows

    def test_the_grace_is_bounded(self, key: str, pem: Path, clock: Clock) -> None:
        """Without the store it goes on as long as any other writer."""
        store = RowStore()
        field = writer(key, pem, store)
        first = field.encrypt(SSN)[1:17]
        store.go_down()
        clock.advance(TTL + GRACE - 1)
        assert field.encrypt(SSN)[1:17] == first
        clock.advance(1)
        with pytest.raises(KeyStoreError):
            field.encrypt(SSN)
        store.get_failure = store.list_failure = store.add_failure = None
        assert field.encrypt(SSN)[1:17] in store.rows

    def test_an_outage_is_not_the_end_of_its_key(self, key: str, pem: Path, clock: Clock) -> None:
        """When the store is back within the grace the data key is the same."""
        store = RowStore()
        field = writer(key, pem, store)
        first = field.encrypt(SSN)[1:17]
        store.get_failure = store.list_failure = store_outage
        clock.advance(TTL + 1)
        field.encrypt(SSN)
        store.get_failure = store.list_failure = None
        clock.advance(TTL)
        assert field.encrypt(SSN)[1:17] == first

    def test_a_record_that_was_rewrapped(self, key: str, pem: Path, clock: Clock) -> None:
        """A write goes on, under another data key, when somebody rewrapped the record of the one it had."""
        store = RowStore()
        field = writer(key, pem, store)
        first = field.encrypt(SSN)[1:17]
        record = store.get(first)
        assert isinstance(record, KeyRecord)
        store.replace(record, record._replace(wraps=(*record.wraps, WrappedKey("other", b"x")), tag=bytes(32)))
        clock.advance(TTL + 1)
        assert field.encrypt(SSN)[1:17] != first


class TestPlantedKeys:
    """Whoever knows the public key can put a data key that they know into the key store."""

    @pytest.fixture
    def planted(self, key: str, pem: Path) -> RowStore:
        """A key store with a record that somebody else made, well wrapped and well sealed."""
        store = RowStore()
        writer(key, pem, store).encrypt("bait")
        return store

    def test_a_reader_that_writes_does_not_encrypt_under_it(self, aws: LocalAws, key: str, planted: RowStore) -> None:
        """Else they could read what is written from then on."""
        (theirs,) = planted.rows
        provider = AwsKmsRsaKeyProvider(key, [HOME, AWAY], client_factory=aws.kms)
        encryptor = Encryptor(provider, planted)
        field = encryptor.field("a.b", str, accept_public_key=True)
        encryptor.warm_up([None])  # which opens it, for it is authentic as far as anybody can say
        value = field.encrypt(SSN)
        assert value[1:17] != theirs
        assert field.encrypt(SSN)[1:17] == value[1:17]

    def test_nor_through_a_chain(self, aws: LocalAws, key: str, kms_key: str, planted: RowStore) -> None:
        """A chain is as good as the worst of its providers."""
        (theirs,) = planted.rows
        rsa = AwsKmsRsaKeyProvider(key, [HOME, AWAY], client_factory=aws.kms)
        chain = KeyProviderChain(AwsKmsKeyProvider(kms_key, [HOME], client_factory=aws.kms), rsa)
        assert Encryptor(chain, planted).field("a.b", str).encrypt(SSN)[1:17] != theirs


class TestThePublicKey:
    """From a file, or from KMS."""

    def test_it_is_fetched_once(self, aws: LocalAws, key: str) -> None:
        """However many data keys are made."""
        provider = AwsKmsRsaKeyProvider(key, [HOME], client_factory=aws.kms, write_only=True)
        field = Encryptor(provider, MemoryKeyStore()).field("a.b", str)
        before = aws.calls.copy()
        for i in range(10):
            field.encrypt(SSN, tenant=f"clinic-{i}")
        assert aws.calls - before == {("kms", "GetPublicKey", HOME): 1}

    def test_nothing_is_fetched_before_it_is_needed(self) -> None:
        """Making a provider asks nobody."""
        AwsKmsRsaKeyProvider(ARN, client_factory=no_client)

    def test_threads_share_a_failure(self) -> None:
        """Of threads that wait for the public key one asks: they do not wait for a lost region one after the other."""
        hanging, calls = Toll(), []

        class Client:
            def get_public_key(self, **_: Any) -> Any:
                calls.append(1)
                hanging.wait()
                raise EndpointConnectionError(endpoint_url="http://made.up")

        provider = AwsKmsRsaKeyProvider(
            ARN, [HOME], client_factory=lambda region: Client(), deadline=timedelta(milliseconds=1)
        )
        errors: list[KeyProviderError] = []

        def work() -> None:
            try:
                provider.wrap(bytes(32), {"a": "b"})
            except KeyProviderError as error:
                errors.append(error)

        threads = [Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        hanging.until_reached()
        until_waiting(threads)
        hanging.open()
        for thread in threads:
            thread.join(PATIENCE)
        assert (len(calls), len(errors)) == (1, 8)
        assert {str(error) for error in errors} == {str(errors[0])}

    @pytest.mark.parametrize(
        ("spec", "usage", "said"),
        [
            ("RSA_2048", "SIGN_VERIFY", "SIGN_VERIFY"),
            ("ECC_NIST_P256", "SIGN_VERIFY", "SIGN_VERIFY"),
        ],
    )
    def test_a_key_that_could_not_unwrap(self, aws: LocalAws, spec: str, usage: str, said: str) -> None:
        """It is refused before anything is encrypted that nobody could ever read."""
        arn = aws.kms(HOME).create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["Arn"]
        store = MemoryKeyStore()
        field = Encryptor(AwsKmsRsaKeyProvider(arn, client_factory=aws.kms), store).field("a.b", str)
        with pytest.raises(ConfigurationError, match=said):
            field.encrypt(SSN)
        assert list(store.key_ids()) == []

    @pytest.mark.parametrize(
        "content",
        [
            _pem(ec.generate_private_key(ec.SECP256R1()).public_key()),
            _pem(rsa.generate_private_key(65_537, 1024).public_key()),  # noqa: S505 (that is what is refused)
            rsa.generate_private_key(65_537, 2048).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
            b"",
            b"no PEM",
            bytes(100_000),
        ],
        ids=["an EC key", "too short", "a private key", "empty", "no PEM", "too large"],
    )
    def test_a_file_with_something_else(self, tmp_path: Path, content: bytes) -> None:
        """One line names the file, and does not show what is in it."""
        path = tmp_path / "public.pem"
        path.write_bytes(content)
        _refused(path, lambda text: len(content) < 100 or repr(content[40:60])[2:-1] not in text)

    def test_a_file_that_is_missing(self, tmp_path: Path) -> None:
        """One line says so when the provider is made, and not at the first value."""
        _refused(tmp_path / "public.pem", lambda text: "No such file" in text)

    def test_a_directory(self, tmp_path: Path) -> None:
        """It is no file."""
        _refused(tmp_path, lambda text: "directory" in text)

    def test_an_alias(self) -> None:
        """A public key belongs to one key, an alias can move."""
        with pytest.raises(ConfigurationError, match="alias"):
            AwsKmsRsaKeyProvider("arn:aws:kms:us-east-1:111122223333:alias/ours")


def _refused(path: Path, said: Callable[[str], bool]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        AwsKmsRsaKeyProvider(ARN, public_key=path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    assert said(text)


class TestReaders:
    """Whoever knows the public key can make values that decrypt: who reads them has to say so."""

    def test_a_field_that_does_not_accept_it(self, aws: LocalAws, key: str, pem: Path, store: KeyStore | None) -> None:
        """It refuses to read, says what to do, and asks KMS nothing."""
        value = writer(key, pem, store).encrypt(SSN)
        before = aws.calls.copy()
        with pytest.raises(ConfigurationError, match="accept_public_key=True") as caught:
            reader(key, aws, store, accept=False).decrypt(value)
        assert "patients.ssn" in str(caught.value)
        assert aws.calls == before

    def test_a_field_that_does_not_accept_it_writes(self, aws: LocalAws, key: str, store: KeyStore | None) -> None:
        """To write there is nothing to accept."""
        field = reader(key, aws, store, accept=False)
        assert reader(key, aws, store).decrypt(field.encrypt(SSN)) == SSN

    def test_a_forged_value(self, aws: LocalAws, key: str, pem: Path, store: KeyStore | None) -> None:
        """A record that was made by nobody but the public key decrypts where that was accepted, and there only."""
        forged = writer(key, pem, store).encrypt("forged", tenant="A")
        encryptor = Encryptor(AwsKmsRsaKeyProvider(key, [HOME], client_factory=aws.kms), store)
        assert encryptor.field("patients.ssn", str, accept_public_key=True).decrypt(forged) == "forged"
        with pytest.raises(ConfigurationError):
            encryptor.field("patients.ssn", str).decrypt(forged)

    @pytest.mark.parametrize("data", [b"x", bytes(256), bytes(7000)], ids=["short", "zeros", "long"])
    def test_a_changed_wrap(self, aws: LocalAws, key: str, data: bytes) -> None:
        """It is not authentic, however long it is."""
        provider = AwsKmsRsaKeyProvider(key, [HOME], client_factory=aws.kms)
        with pytest.raises(DecryptionError):
            provider.unwrap([WrappedKey(key, data)], {"a": "b"})

    def test_a_wrap_of_others(self, key: str) -> None:
        """A wrap under another key is not followed."""
        provider = AwsKmsRsaKeyProvider(key, [HOME], client_factory=no_client)
        with pytest.raises(DecryptionError):
            provider.unwrap([WrappedKey(ARN, b"x")], {"a": "b"})

    def test_a_record_that_was_edited(self, aws: LocalAws, key: str, pem: Path) -> None:
        """KMS does not bind the context for RSA keys; the record's tag does."""
        store = MemoryKeyStore()
        value = writer(key, pem, store).encrypt(SSN, tenant="A")
        (record,) = store.list("A")
        assert isinstance(record, KeyRecord)
        edited = MemoryKeyStore()
        edited.add(record._replace(tenant="B"))
        with pytest.raises(DecryptionError):
            reader(key, aws, edited).decrypt(value)

    def test_one_call_for_many_values(self, aws: LocalAws, key: str, pem: Path, store: KeyStore | None) -> None:
        """As with any other provider."""
        field = writer(key, pem, store)
        values = [field.encrypt(f"{SSN}-{i}") for i in range(50)]
        reading, before = reader(key, aws, store), aws.calls.copy()
        assert [reading.decrypt(value) for value in values] == [f"{SSN}-{i}" for i in range(50)]
        assert (aws.calls - before).total() == 1


class TestIntegrations:
    """Columns and attributes that one service writes, with the public key, and another one reads."""

    @pytest.fixture
    def encryptors(self, key: str, pem: Path, aws: LocalAws, store: KeyStore | None) -> tuple[Encryptor, Encryptor]:
        """Of the service that writes, and of the one that reads."""
        public = AwsKmsRsaKeyProvider(key, public_key=pem, write_only=True, client_factory=no_client)
        private = AwsKmsRsaKeyProvider(key, [AWAY], client_factory=aws.kms)
        return Encryptor(public, store, policy=POLICY), Encryptor(private, store, policy=POLICY)

    @pytest.mark.parametrize("decorated", [False, True])
    def test_a_column(self, encryptors: tuple[Encryptor, Encryptor], engine: Engine, *, decorated: bool) -> None:
        """`Encrypted(…, accept_public_key=True)` is read; one that does not say so is not."""

        def person(encryptor: Encryptor, **how: Any) -> Any:
            class Base(DeclarativeBase):
                pass

            class Person(Base):
                __tablename__ = "patients"
                id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
                ssn: Mapped[str] = mapped_column(Encrypted(String, encryptor, **how))

            return encrypted(encryptor, row="id")(Person) if decorated else Person

        writes = person(encryptors[0])
        writes.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(writes(id=1, ssn=SSN))
            session.commit()
        with Session(engine) as session:
            accepting = person(encryptors[1], accept_public_key=True)
            assert session.scalars(select(accepting)).one().ssn == SSN
            with pytest.raises(ConfigurationError, match="accept_public_key=True"):
                assert session.scalars(select(person(encryptors[1]))).one().ssn

    @pytest.mark.parametrize("decorated", [False, True])
    def test_an_attribute(self, encryptors: tuple[Encryptor, Encryptor], moto: DynamoDb, *, decorated: bool) -> None:
        """`EncryptedAttribute(…, accept_public_key=True)` likewise."""

        def person(encryptor: Encryptor, **how: Any) -> Any:
            attributes = {
                "Meta": moto.meta("patients"),
                "id": UnicodeAttribute(hash_key=True),
                "ssn": EncryptedAttribute(UnicodeAttribute(), encryptor, **how),
            }
            made: Any = type("Person", (Model,), attributes)
            return encrypted_items(encryptor)(made) if decorated else made

        writes = person(encryptors[0])
        writes.create_table(wait=True)
        writes("1", ssn=SSN).save()
        assert person(encryptors[1], accept_public_key=True).get("1").ssn == SSN
        with pytest.raises(ConfigurationError, match="accept_public_key=True"):
            person(encryptors[1]).get("1")
