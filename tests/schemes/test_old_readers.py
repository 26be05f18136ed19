"""Readers of other schemes: what the schemes' own libraries wrote is read and migrated, and nothing else is."""

from __future__ import annotations

import base64
import pickle
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from aws_encryption_sdk import StrictAwsKmsMasterKeyProvider
from cryptography.fernet import Fernet
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Boolean, Date, DateTime, Integer, LargeBinary, Numeric, String, create_engine, text
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column
from sqlalchemy_utils import StringEncryptedType
from sqlalchemy_utils.types.encrypted.encrypted_type import AesEngine, AesGcmEngine

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    KeyNotFoundError,
    KeyPolicy,
    KeyProviderError,
    KeyStoreError,
    LocalKeyProvider,
    MemoryKeyStore,
)
from fieldcrypt.schemes import LegacyReader, read_either
from fieldcrypt.schemes.aws_encryption_sdk import EncryptionSdkReader
from fieldcrypt.schemes.esdk_form import has_form_of_a_message
from fieldcrypt.schemes.fernet import FernetReader
from fieldcrypt.schemes.sqlalchemy_utils import StringEncryptedReader
from fieldcrypt.testing import LocalAws
from tests.support.doubles import told
from tests.support.old_schemes import (
    ANY_CLIENT,
    AUTHENTICATED,
    ROW,
    SCHEMES,
    SSN,
    TENANT,
    Scheme,
    esdk_key,
    esdk_message,
    scheme,
)
from tests.support.strategies import relaxed

WHERE: dict[str, Any] = {"tenant": TENANT, "context": ROW}
every_scheme = pytest.mark.parametrize("old", SCHEMES, indirect=True)
every_authenticated_scheme = pytest.mark.parametrize("old", AUTHENTICATED, indirect=True)


@pytest.fixture
def impatient() -> Encryptor:
    """An Encryptor that does not wait for records of unknown keys."""
    policy = KeyPolicy(replication_wait=timedelta(0))
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), policy=policy)


@pytest.fixture
def old(request: pytest.FixtureRequest) -> Scheme:
    """A scheme with a value that its library wrote."""
    return scheme(request.param)


def changed(data: bytes | str) -> list[bytes | str]:
    """A value with one bit changed, in every byte; text stays text."""
    content = data.encode() if isinstance(data, str) else data
    values = [content[:at] + bytes([content[at] ^ 1 << at % 7]) + content[at + 1 :] for at in range(len(content))]
    return [value.decode() for value in values] if isinstance(data, str) else list(values)


def refusal(reader: LegacyReader[str], data: bytes | str) -> DecryptionError:
    with pytest.raises(DecryptionError) as caught:
        reader.read(data, **WHERE)
    return caught.value


def outcome(reader: LegacyReader[str], data: bytes | str) -> str | DecryptionError:
    try:
        return reader.read(data, **WHERE)
    except DecryptionError as error:
        return error


@every_scheme
class TestReading:
    """A reader reads what its library wrote."""

    def test_a_value(self, old: Scheme) -> None:
        """It is recognised, and read."""
        assert old.reader.recognises(old.data)
        assert old.reader.read(old.data, **WHERE) == SSN

    def test_text_as_bytes(self, old: Scheme) -> None:
        """What the library writes as text may come from a binary column."""
        data = old.data.encode() if isinstance(old.data, str) else old.data
        assert old.reader.recognises(data)
        assert old.reader.read(data, **WHERE) == SSN

    def test_migration(self, encryptor: Encryptor, old: Scheme) -> None:
        """A column in which some values are old and some are new reads as one, and then all of it is new."""
        field = encryptor.field("patients.ssn", str)
        column: list[bytes | str] = [old.data, field.encrypt(SSN, **WHERE), old.data]
        read = [read_either(field, [old.reader], data, **WHERE) for data in column]
        assert read == [SSN] * 3
        migrated = [field.encrypt(value, **WHERE) for value in read]
        assert [field.decrypt(data, **WHERE) for data in migrated] == [SSN] * 3
        assert not any(old.reader.recognises(data) for data in migrated)

    def test_it_is_a_reader(self, old: Scheme) -> None:
        """It is told from other objects at run time, and does not travel with its keys."""
        assert isinstance(old.reader, LegacyReader)
        if "Asherah" not in type(old.reader).__name__:
            with pytest.raises(TypeError, match="cannot be pickled"):
                pickle.dumps(old.reader)


class TestRefusal:
    """Nothing but an authentic value is read, and refusals are empty."""

    @every_scheme
    def test_a_value_that_was_cut(self, old: Scheme) -> None:
        """Cut anywhere, a value is refused."""
        for size in range(0, len(old.data), 1 if len(old.data) < 300 else 5):
            assert SSN not in told(refusal(old.reader, old.data[:size]))

    @every_authenticated_scheme
    def test_a_value_that_is_too_long(self, old: Scheme) -> None:
        """What stands behind a value is refused with it."""
        longer: bytes | str = old.data + "A" if isinstance(old.data, str) else old.data + b"A"
        refusal(old.reader, longer)

    @every_authenticated_scheme
    def test_a_value_that_was_changed(self, old: Scheme) -> None:
        """With a bit changed, a value is refused; in Asherah's names and times of keys, it can still be that value."""
        outcomes = [outcome(old.reader, data) for data in changed(old.data)]
        refusals = [error for error in outcomes if isinstance(error, DecryptionError)]
        assert [value for value in outcomes if value not in refusals] == [SSN] * (len(outcomes) - len(refusals))
        assert SSN not in "".join(map(told, refusals))
        assert len(refusals) == len(outcomes) or "Asherah" in type(old.reader).__name__

    @every_authenticated_scheme
    def test_other_keys(self, old: Scheme) -> None:
        """Under other keys, a value is refused without a word of it."""
        error = refusal(old.foreign, old.data)
        assert SSN not in told(error)
        assert str(old.data)[40:60] not in told(error)

    def test_encryption_without_authentication(self) -> None:
        """sqlalchemy-utils' default, AES in CBC mode, has to be asked for."""
        with pytest.raises(ConfigurationError, match="AesEngine does not authenticate"):
            StringEncryptedReader(StringEncryptedType(String, "a secret", AesEngine, "pkcs5"))

    @pytest.mark.parametrize("where", [{}, {"tenant": "clinic-8", "context": ROW}, {"tenant": TENANT}])
    def test_a_message_of_another_row(self, where: dict[str, Any]) -> None:
        """A message of the AWS Encryption SDK is read with the encryption context that is expected, or not at all."""
        old = scheme("esdk")
        with pytest.raises(DecryptionError):
            old.reader.read(old.data, **where)

    def test_a_record_of_another_partition(self) -> None:
        """An Asherah record is read in its own partition alone."""
        old = scheme("asherah")
        with pytest.raises(DecryptionError):
            old.reader.read(old.data, tenant="clinic-8")

    def test_a_plaintext_that_is_not_taken(self) -> None:
        """What `decode` raises is not passed on, for it has the plaintext."""
        fernet = Fernet(Fernet.generate_key())
        reader = FernetReader(fernet, lambda plaintext: int(plaintext))
        assert reader.read(fernet.encrypt(b"42")) == 42
        with pytest.raises(DecryptionError, match="authentic, but") as caught:
            reader.read(fernet.encrypt(SSN.encode()))
        assert SSN not in told(caught.value)


class TestForm:
    """Forms are told apart where they can be; where not, keys decide."""

    @given(st.binary(max_size=200) | st.text(max_size=100))
    @settings(relaxed, max_examples=30)
    def test_anything(self, data: bytes | str) -> None:
        """Whatever a database has, `recognises` says yes or no, and `read` a value or a DecryptionError."""
        for name in SCHEMES:
            reader = scheme(name).reader
            if reader.recognises(data) and name in AUTHENTICATED:
                refusal(reader, data)

    @every_scheme
    def test_values_of_fieldcrypt(self, encryptor: Encryptor, old: Scheme) -> None:
        """No reader recognises a value of ours."""
        field = encryptor.field("patients.ssn", str)
        assert not any(old.reader.recognises(field.encrypt(SSN, tenant=TENANT)) for _ in range(300))

    @pytest.mark.parametrize("name", [name for name in SCHEMES if name.startswith("esdk")])
    def test_a_message_is_no_value(self, impatient: Encryptor, name: str) -> None:
        """A message begins as a value of ours may, and is refused as one."""
        data = scheme(name).data
        assert isinstance(data, bytes)
        assert data[0] in (0x01, 0x02)
        with pytest.raises((DecryptionError, KeyStoreError)):
            impatient.field("patients.ssn", str).decrypt(data)

    def test_a_value_in_the_form_of_another_scheme(self, encryptor: Encryptor) -> None:
        """A value of ours that a reader takes for its own is read as ours all the same."""

        class Greedy:
            """Recognises everything, and reads nothing."""

            def recognises(self, data: bytes | str, /) -> bool:
                return True

            def read(
                self, data: bytes | str, /, *, tenant: str | None = None, context: Mapping[str, str] | None = None
            ) -> str:
                raise DecryptionError

        field = encryptor.field("patients.ssn", str)
        assert read_either(field, [Greedy(), Greedy()], field.encrypt(SSN)) == SSN

    def test_a_forged_message(self, impatient: Encryptor) -> None:
        """What has the form of both and is authentic under neither key is refused, and no key is missed for it."""
        field = impatient.field("patients.ssn", str)
        old = scheme("esdk-version-1")
        forged = bytes(old.data)[:-20] + bytes(20)  # type: ignore[arg-type]
        assert old.reader.recognises(forged)
        with pytest.raises(DecryptionError):
            read_either(field, [old.reader], forged, **WHERE)

    def test_plaintext(self, encryptor: Encryptor) -> None:
        """What nobody recognises is not taken for plaintext."""
        readers = [scheme(name).reader for name in SCHEMES]
        with pytest.raises(DecryptionError):
            read_either(encryptor.field("patients.ssn", str), readers, SSN)

    @given(st.sampled_from([b"\x01\x80\x01\x78", b"\x02\x04\x78"]), st.binary(max_size=120))
    @relaxed
    def test_what_begins_like_a_message(self, start: bytes, rest: bytes) -> None:
        """Every length in the header has to fit, so that chance makes none."""
        assert not has_form_of_a_message(start + rest)


class TestSqlalchemyUtils:
    """Columns of sqlalchemy-utils, written by SQLAlchemy."""

    @pytest.mark.parametrize("engine", [AesEngine, AesGcmEngine])
    def test_a_table_with_columns_of_many_types(self, engine: type) -> None:
        """What the ORM wrote is read from the raw column, with the type that the column was declared with."""
        types = {
            "text": (String, SSN),
            "number": (Integer, 42),
            "yes": (Boolean, True),
            "born": (Date, date(1980, 2, 29)),
            "seen": (DateTime, datetime(2026, 11, 24, 12, 30, 0, 7, tzinfo=UTC)),
            "weight": (Numeric, Decimal("70.50")),
        }
        columns = {name: StringEncryptedType(type_, lambda: "a secret", engine) for name, (type_, _) in types.items()}

        class Base(DeclarativeBase):
            pass

        attributes = {name: mapped_column(column, nullable=True) for name, column in columns.items()}
        patient: Any = type(
            "Patient",
            (Base,),
            {"__tablename__": "patients", "id": mapped_column(Integer, primary_key=True), **attributes},
        )
        database = create_engine("sqlite://")
        Base.metadata.create_all(database)
        with Session(database) as session:
            values = {name: value for name, (_, value) in types.items() if name != "weight"}
            session.add(patient(id=1, **values))
            session.commit()
            row = session.execute(text("SELECT * FROM patients")).mappings().one()
        for name, value in values.items():
            reader = StringEncryptedReader(columns[name], accept_unauthenticated=engine is AesEngine)
            assert reader.recognises(row[name])
            assert reader.read(row[name]) == value

    def test_another_type(self) -> None:
        """A reader of some other type is refused when it is made."""
        with pytest.raises(ConfigurationError):
            StringEncryptedReader(LargeBinary())


class TestEncryptionSdk:
    """Messages of the AWS Encryption SDK."""

    def test_base64(self) -> None:
        """A message may be in a text column, in base64."""
        reader = EncryptionSdkReader(esdk_key(), None, client=ANY_CLIENT)
        assert reader.read(base64.b64encode(esdk_message(SSN.encode())).decode()) == SSN

    def test_what_has_no_keys(self) -> None:
        """Materials of no kind are refused when the reader is made, and not taken for a foreign key."""
        with pytest.raises(ConfigurationError, match="keyring"):
            EncryptionSdkReader(b"a key", None)

    def test_messages_without_commitment_are_asked_for(self) -> None:
        """The SDK's strict client, the default, refuses messages of version 1."""
        with pytest.raises(DecryptionError):
            EncryptionSdkReader(esdk_key(), None).read(scheme("esdk-version-1").data)

    def test_kms(self, aws: LocalAws, kms_key: str, secrets: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """A message under a KMS key is read; and while KMS cannot be reached, nothing is said of it."""
        secrets.add(SSN)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
        monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", aws.endpoint("us-east-1"))
        message, _ = ANY_CLIENT.encrypt(
            source=SSN.encode(), key_provider=StrictAwsKmsMasterKeyProvider(key_ids=[kms_key])
        )
        provider = StrictAwsKmsMasterKeyProvider(key_ids=[kms_key])
        assert EncryptionSdkReader(provider, None).read(message) == SSN
        monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
        provider = StrictAwsKmsMasterKeyProvider(key_ids=[kms_key])
        with pytest.raises(KeyProviderError, match="cannot be reached"):
            EncryptionSdkReader(provider, None).read(message)

    def test_a_value_whose_key_is_missing(self, impatient: Encryptor) -> None:
        """If no reader has to do with a value of ours, that its key is missing is told as such."""
        data = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore()).field("patients.ssn", str).encrypt(SSN)
        with pytest.raises(KeyNotFoundError):
            read_either(impatient.field("patients.ssn", str), [scheme("esdk").reader], data)
