"""The encrypted column type, on SQLite and on a real PostgreSQL and MariaDB."""

from __future__ import annotations

import datetime as dt
import enum
import logging
import pickle
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Engine,
    Enum,
    Float,
    ForeignKeyConstraint,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    PickleType,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    Time,
    TypeDecorator,
    Unicode,
    UniqueConstraint,
    Uuid,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    text,
    type_coerce,
    update,
)
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.exc import CompileError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.schema import CreateTable

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    FieldcryptError,
    KeyProviderError,
    LocalKeyProvider,
    MemoryKeyStore,
    WrappedKey,
)
from fieldcrypt_sqlalchemy import Encrypted, SqlKeyStore
from tests.conftest import Database

SSN = "078-05-1120"


class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"


class Reversed(TypeDecorator[str]):
    """A user's own type: stores text backwards."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: object) -> str | None:
        return value and value[::-1]

    def process_result_value(self, value: str | None, dialect: object) -> str | None:
        return value and value[::-1]


class Outside(TypeDecorator[str]):
    """A user's own type around an encrypted one."""

    impl = Encrypted
    cache_ok = True

    def __init__(self, inner: Any) -> None:
        super().__init__(inner.type_, inner.encryptor, name=inner.name)


UTC_PLUS_1 = dt.timezone(dt.timedelta(hours=1))
TYPES: list[tuple[Any, Any]] = [
    (String(20), "Søren 😀"),
    (Text, ""),
    (Unicode(5), "longer than the column would be"),
    (Integer, -7),
    (BigInteger, 2**80),
    (Numeric(10, 2), Decimal("1234.500")),
    (Float, 0.1),
    (Double, 1e300),
    (Boolean, False),
    (Date, dt.date(1970, 1, 1)),
    (DateTime, dt.datetime(2026, 11, 23, 14, 49, 0, 1)),
    (DateTime(timezone=True), dt.datetime(2026, 11, 23, 14, 49, tzinfo=UTC_PLUS_1)),
    (Time, dt.time(23, 59, 59, 999_999)),
    (Interval, dt.timedelta(days=-1, microseconds=1)),
    (Enum(Colour), Colour.GREEN),
    (Enum("a", "b", name="letters"), "b"),
    (Uuid, UUID(int=1)),
    (Uuid(as_uuid=False), "00000000-0000-0000-0000-000000000001"),
    (LargeBinary, b"\x00\xff"),
    (JSON, {"z": [1, 2.5, None, {"a": "b"}], "a": True}),
    (JSON, ["list", "at", "top"]),
    (ARRAY(Integer), [1, 2, 3]),
    (postgresql.JSONB, {"dialect": "type"}),
    (postgresql.INTERVAL, dt.timedelta(1)),
    (Reversed, "abc"),
]


def encryptor(store: Any = True) -> Encryptor:
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore() if store else None)


def model(encryptor: Encryptor) -> Any:
    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        ssn: Mapped[str | None] = mapped_column(Encrypted(String, encryptor))
        name: Mapped[str | None] = mapped_column(Encrypted(String, encryptor))
        visits: Mapped[int] = mapped_column(default=0)

    return Patient


@pytest.fixture
def session(engine: Engine) -> Any:
    """A session over an empty table of patients, with the keys in the same database."""
    keys = SqlKeyStore(engine)
    keys.create_table()
    patient = model(Encryptor(LocalKeyProvider.generate(), keys))
    patient.metadata.create_all(engine)
    with Session(engine) as session:
        session.info["patient"] = patient
        yield session


class TestValues:
    @pytest.mark.parametrize("store", [True, False], ids=["stored", "self-contained"])
    @pytest.mark.parametrize(("type_", "value"), TYPES, ids=lambda value: str(value)[:20])
    def test_every_type_comes_back_exactly(self, engine: Engine, type_: Any, value: Any, store: bool) -> None:
        """Equal and of the same type, through Core, on every database, in both forms."""
        table = Table("t", MetaData(), Column("v", Encrypted(type_, encryptor(store))))
        with engine.begin() as connection:
            table.create(connection)
            connection.execute(insert(table), [{"v": value}, {"v": None}])
            read = connection.scalars(select(table.c.v)).all()
        assert read == [value, None]
        assert type(read[0]) is type(value)
        if isinstance(value, dt.datetime):
            assert read[0].utcoffset() == value.utcoffset()
        if isinstance(value, Decimal):
            assert str(read[0]) == str(value)

    @pytest.mark.parametrize(
        ("type_", "given", "read"),
        [(Numeric, 5, Decimal(5)), (Float, 5, 5.0), (LargeBinary, bytearray(b"x"), b"x")],
    )
    def test_what_the_database_would_take_is_taken(self, database: Database, type_: Any, given: Any, read: Any) -> None:
        """As long as nothing is lost by it."""
        table = Table("t", MetaData(), Column("v", Encrypted(type_, encryptor())))
        with database("sqlite").begin() as connection:
            table.create(connection)
            connection.execute(insert(table).values(v=given))
            (value,) = connection.scalars(select(table.c.v)).all()
        assert value == read
        assert type(value) is type(read)

    @pytest.mark.parametrize(
        ("type_", "given"),
        [(String, 5), (Integer, True), (Integer, "5"), (Numeric, 0.1), (Float, 2**60 + 1), (Enum("a", name="e"), "b")],
    )
    def test_what_would_be_rounded_or_guessed_is_refused(self, database: Database, type_: Any, given: Any) -> None:
        """Before anything is sent, and without showing the value."""
        table = Table("t", MetaData(), Column("v", Encrypted(type_, encryptor())))
        with database("sqlite").begin() as connection:
            table.create(connection)
            with pytest.raises((TypeError, ValueError)) as caught:
                connection.execute(insert(table).values(v=given))
        assert str(given) not in str(caught.value)

    def test_the_database_holds_ciphertext(self, session: Any) -> None:
        """Binary, and nothing of the value in it."""
        session.add(session.info["patient"](id=1, ssn=SSN))
        session.commit()
        raw = bytes(session.execute(text("SELECT ssn FROM patients")).scalar_one())
        assert raw[0] == 1
        assert len(raw) == len(SSN) + 58
        assert SSN.encode() not in raw

    def test_null_stays_null(self, session: Any) -> None:
        """So that IS NULL works, and nothing is encrypted that is not there."""
        session.add(session.info["patient"](id=1, ssn=None))
        session.commit()
        assert session.execute(text("SELECT count(*) FROM patients WHERE ssn IS NULL")).scalar_one() == 1

    def test_an_unrelated_change_does_not_rewrite_a_field(self, session: Any) -> None:
        """The ORM compares values, not ciphertexts."""
        patient = session.info["patient"]
        session.add(patient(id=1, ssn=SSN))
        session.commit()
        before = session.execute(text("SELECT ssn FROM patients")).scalar_one()
        session.get(patient, 1).visits = 7
        session.get(patient, 1).ssn = SSN
        session.commit()
        assert session.execute(text("SELECT ssn, visits FROM patients")).one() == (before, 7)

    def test_update_and_bulk_insert_encrypt_too(self, session: Any) -> None:
        """Core statements of the ORM go through the same processors."""
        patient = session.info["patient"]
        session.execute(insert(patient), [{"id": number, "ssn": f"{number}"} for number in range(50)])
        session.execute(update(patient).where(patient.id == 3).values(ssn="changed"))
        assert session.scalars(select(patient.ssn).order_by(patient.id)).all()[2:5] == ["2", "changed", "4"]

    def test_keys_are_unwrapped_once_however_many_rows(self, engine: Engine) -> None:
        """Calls to the key provider do not grow with rows."""

        class Counting(LocalKeyProvider):
            calls = 0

            def wrap(self, data_key: bytes, context: Any) -> Any:
                Counting.calls += 1
                return super().wrap(data_key, context)

            def unwrap(self, wraps: Any, context: Any) -> bytes:
                Counting.calls += 1
                return super().unwrap(wraps, context)

        provider, store = Counting(bytes(32)), MemoryKeyStore()
        patient = model(Encryptor(provider, store))
        patient.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all(patient(id=number, ssn=str(number), name="x") for number in range(500))
            session.commit()
        with Session(engine) as session:
            reader = model(Encryptor(provider, store))
            assert len(session.scalars(select(reader)).all()) == 500
        assert Counting.calls == 2


class TestPlace:
    def test_a_column_cannot_be_swapped_with_another(self, session: Any) -> None:
        """Each value is bound to its table and column."""
        patient = session.info["patient"]
        session.add(patient(id=1, ssn=SSN, name="Ann"))
        session.commit()
        session.execute(text("UPDATE patients SET name = ssn"))
        with pytest.raises(DecryptionError):
            session.scalars(select(patient.name)).all()

    def test_types_of_equal_arguments_do_not_share_a_processor(self, engine: Engine) -> None:
        """SQLAlchemy caches statements by their types' arguments; table and column are among them."""
        shared = Encrypted(String, encryptor())
        metadata = MetaData()
        first = Table("first", metadata, Column("a", shared), Column("b", shared))
        second = Table("second", metadata, Column("a", shared))
        with engine.begin() as connection:
            metadata.create_all(connection)
            for table in (first, second):
                connection.execute(insert(table).values(dict.fromkeys(table.c.keys(), "x")))
            for table in (first, second):
                assert connection.execute(select(table)).one() == ("x",) * len(table.c)
            connection.execute(text("UPDATE second SET a = (SELECT a FROM first)"))
            with pytest.raises(DecryptionError):
                connection.execute(select(second.c.a)).all()

    @pytest.mark.parametrize("edited", ["'text'", "7", "1.5", "x''", "x'01'"])
    def test_a_value_of_another_type_does_not_decrypt(self, database: Database, edited: str) -> None:
        """SQLite takes any value in any column; plaintext from before encryption is one of them."""
        patient = model(encryptor())
        patient.metadata.create_all(database("sqlite"))
        with Session(database("sqlite")) as session:
            session.add(patient(id=1, ssn=SSN))
            session.commit()
            session.execute(text(f"UPDATE patients SET ssn = {edited}"))
            with pytest.raises(DecryptionError):
                session.scalars(select(patient.ssn)).all()

    def test_a_name_makes_columns_interchangeable(self, engine: Engine) -> None:
        """Whoever copies ciphertext between tables gives both columns one name."""
        keys = encryptor()
        metadata = MetaData()
        old = Table("old", metadata, Column("v", Encrypted(String, keys, name="people.v")))
        new = Table("new", metadata, Column("v", Encrypted(String, keys, name="people.v")))
        with engine.begin() as connection:
            metadata.create_all(connection)
            connection.execute(insert(old).values(v="x"))
            connection.execute(text("INSERT INTO new SELECT v FROM old"))
            assert connection.scalar(select(new.c.v)) == "x"

    def test_a_type_taken_from_a_column_keeps_that_column_s_name(self) -> None:
        """Whether the name was derived or given: what a copy or a view holds are values of that column."""
        table = Table("first", MetaData(), Column("a", Encrypted(String, encryptor())))
        named = Encrypted(String, encryptor(), name="given")
        other = Table("second", MetaData(), Column("a", table.c.a.type), Column("b", named))
        copied: Any = other.to_metadata(MetaData(), name="third")
        assert [column.type.name for column in copied.c] == ["first.a", "given"]

    def test_a_mixin_s_columns_are_named_after_the_tables_they_land_in(self, database: Database) -> None:
        """The mixin's own column belongs to no table."""
        keys = encryptor()

        class Base(DeclarativeBase):
            pass

        class Person:
            id: Mapped[int] = mapped_column(primary_key=True)
            ssn: Mapped[str] = mapped_column(Encrypted(String, keys))

        class Doctor(Person, Base):
            __tablename__ = "doctors"

        class Nurse(Person, Base):
            __tablename__ = "nurses"

        types: list[Any] = [entity.__table__.c.ssn.type for entity in (Doctor, Nurse)]
        assert [type_.name for type_ in types] == ["doctors.ssn", "nurses.ssn"]

    def test_the_field_of_a_column_reads_its_values_alone(self, session: Any) -> None:
        """Through the core, with the name `table.column`."""
        patient = session.info["patient"]
        session.add(patient(id=1, ssn=SSN))
        session.commit()
        raw = session.scalar(select(type_coerce(patient.ssn, LargeBinary)))
        field = patient.__table__.c.ssn.type.encryptor.field("patients.ssn", str)
        assert field.decrypt(bytes(raw)) == SSN

    def test_a_type_without_a_column_asks_for_a_name(self, database: Database) -> None:
        """There is nothing to bind its values to."""
        with database("sqlite").connect() as connection, pytest.raises(ConfigurationError, match="name="):
            connection.execute(select(bindparam("x", "y", type_=Encrypted(String, encryptor()))))


class TestRefusals:
    @pytest.mark.parametrize(
        "compare",
        [
            lambda c: c == SSN,
            lambda c: c != SSN,
            lambda c: c.in_([SSN]),
            lambda c: c.not_in([SSN]),
            lambda c: c < SSN,
            lambda c: c.between("a", "b"),
            lambda c: c.like("0%"),
            lambda c: c.ilike("0%"),
            lambda c: c.startswith("0"),
            lambda c: c.contains("0"),
            lambda c: c.regexp_match("0"),
            lambda c: c.is_distinct_from(SSN),
            lambda c: c + "x",
            lambda c: "x" + c,
            lambda c: c.concat("x"),
            lambda c: c.nulls_last(),
            lambda c: c.collate("C"),
            lambda c: c == func.lower("x"),
            lambda c: c.is_(True),
            lambda c: c.op("~")("x"),
            lambda c: c == literal_column("'x'"),
        ],
    )
    def test_the_database_is_not_asked_to_compare_ciphertext(self, compare: Any) -> None:
        """The error names the column and the way out."""
        column = model(encryptor()).ssn
        with pytest.raises(TypeError, match=r"patients\.ssn.*blind index") as caught:
            compare(column)
        assert SSN not in str(caught.value)

    def test_null_can_be_asked_for(self, session: Any) -> None:
        """In all the ways that SQLAlchemy has for it."""
        patient = session.info["patient"]
        session.add_all([patient(id=1, ssn=SSN), patient(id=2)])
        session.commit()

        def ids(condition: Any) -> list[int]:
            return list(session.scalars(select(patient.id).where(condition)))

        assert ids(patient.ssn.is_(None)) == ids(patient.ssn == None) == [2]  # noqa: E711
        assert ids(patient.ssn.is_not(None)) == ids(patient.ssn != None) == [1]  # noqa: E711

    def test_a_literal_is_not_rendered(self) -> None:
        """It would stand in the SQL text, and in the database's log."""
        statement = insert(model(encryptor())).values(id=1, ssn=SSN)
        with pytest.raises(CompileError, match=r"patients\.ssn") as caught:
            statement.compile(compile_kwargs={"literal_binds": True})
        assert SSN not in str(caught.value)

    @pytest.mark.parametrize("type_", [PickleType, Encrypted(String, encryptor())])
    def test_some_types_cannot_be_encrypted(self, type_: Any) -> None:
        """Unpickling runs code; twice is a mistake."""
        with pytest.raises(ConfigurationError):
            Encrypted(type_, encryptor())

    @pytest.mark.parametrize("option", ["primary_key", "unique", "index"])
    def test_what_needs_equal_ciphertexts_is_refused(self, option: str) -> None:
        """Equal values have different ciphertexts, so a unique column would take the same value twice."""
        with pytest.raises(ConfigurationError, match=r"t\.v is encrypted"):
            Table("t", MetaData(), Column("v", Encrypted(String, encryptor()), **{option: True}))  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "constraint",
        [UniqueConstraint("v"), PrimaryKeyConstraint("v"), ForeignKeyConstraint(["v"], ["t.id"])],
        ids=lambda constraint: type(constraint).__name__,
    )
    def test_so_is_a_constraint_that_is_declared_apart(self, constraint: Any) -> None:
        """By the name of the column."""
        with pytest.raises(ConfigurationError, match=r"t\.v is encrypted"):
            Table("t", MetaData(), Column("id", Integer), Column("v", Encrypted(String, encryptor())), constraint)

    @pytest.mark.parametrize("make", [lambda t: Outside(t), lambda t: String().with_variant(t, "sqlite"), ARRAY])
    def test_encrypted_within_another_type_is_refused(self, make: Any) -> None:
        """Nobody would know that the column is one to be careful with."""
        with pytest.raises(ConfigurationError, match=r"t\.v: Encrypted goes outermost"):
            Table("t", MetaData(), Column("v", make(Encrypted(String, encryptor(), name="t.v"))))

    def test_a_variant_is_refused(self) -> None:
        """On its dialect the column would not be encrypted."""
        with pytest.raises(ConfigurationError, match="variants"):
            Encrypted(String, encryptor()).with_variant(Text(), "sqlite")

    def test_an_encryptor_is_needed(self) -> None:
        """Not a provider."""
        with pytest.raises(ConfigurationError, match="takes an Encryptor, not"):
            Encrypted(String, LocalKeyProvider.generate())  # type: ignore[arg-type]


class TestSecrets:
    def leaks(self, error: BaseException | None) -> bool:
        """Return True if an exception, or one that it came from, shows the value of another column."""
        seen: list[BaseException] = []
        waiting = [error]
        while waiting:
            error = waiting.pop()
            if error is not None and not any(error is other for other in seen):
                seen.append(error)
                waiting += [error.__cause__, error.__context__]
        return any(SSN in repr(error) or SSN in str(error) or SSN in repr(vars(error)) for error in seen)

    def test_a_wrong_type_does_not_show_the_rows_other_values(self, session: Any) -> None:
        """SQLAlchemy would wrap it with all parameters of the statement."""
        session.add(session.info["patient"](id=1, ssn=SSN, name=5))
        with pytest.raises(TypeError, match="expected str") as caught:
            session.flush()
        assert not self.leaks(caught.value)

    def test_an_outage_does_not_show_the_rows_values(self, engine: Engine) -> None:
        """The error is still a KeyProviderError with its causes."""

        class Down(LocalKeyProvider):
            def wrap(self, data_key: bytes, context: Any) -> list[WrappedKey]:
                raise KeyProviderError("KMS is down", causes={"us-east-1": OSError("refused")})

        patient = model(Encryptor(Down(bytes(32)), MemoryKeyStore()))
        patient.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(patient(id=1, ssn=SSN))
            with pytest.raises(KeyProviderError, match="KMS is down") as caught:
                session.flush()
        assert list(caught.value.causes) == ["us-east-1"]
        assert isinstance(caught.value, FieldcryptError)
        assert not self.leaks(caught.value)

    @pytest.mark.parametrize(
        ("type_", "value"),
        [(JSON, object()), (Encrypted(Float, encryptor(), name="x"), 10**400)],
        ids=["json", "float"],
    )
    def test_another_column_that_fails_does_not_show_the_rows_values(
        self, database: Database, type_: Any, value: Any
    ) -> None:
        """Whatever goes wrong before the driver has the statement, protected or not."""
        table = Table("t", MetaData(), Column("ssn", Encrypted(String, encryptor())), Column("other", type_))
        with database("sqlite").begin() as connection:
            table.create(connection)
            with pytest.raises(Exception, match=r"serializable|too large") as caught:
                connection.execute(insert(table), [{"ssn": SSN, "other": value}])
        assert not self.leaks(caught.value)

    def test_an_error_of_ours_can_be_pickled(self, session: Any) -> None:
        """A process pool sends it to its caller."""
        session.add(session.info["patient"](id=1, ssn=5))
        with pytest.raises(TypeError) as caught:
            session.flush()
        again = pickle.loads(pickle.dumps(caught.value))
        assert (type(again), str(again)) == (TypeError, "patients.ssn: expected str, got int")

    def test_a_failed_statement_shows_ciphertext(self, session: Any) -> None:
        """The driver never had the plaintext, so its errors cannot show it."""
        patient = session.info["patient"]
        session.add(patient(id=1, ssn=SSN))
        session.commit()
        with pytest.raises(Exception, match=r"(?i)unique|duplicate") as caught:
            session.execute(insert(patient).values(id=1, ssn=SSN))
        assert not self.leaks(caught.value)

    def test_sqlalchemys_log_shows_ciphertext(self, session: Any, caplog: pytest.LogCaptureFixture) -> None:
        """`echo=True` logs the parameters after encryption."""
        with caplog.at_level(logging.DEBUG, "sqlalchemy"):
            session.add(session.info["patient"](id=1, ssn=SSN))
            session.commit()
        assert "INSERT INTO patients" in caplog.text
        assert SSN not in caplog.text


def test_the_column_is_plain_binary_on_every_database() -> None:
    """Nothing in the schema depends on fieldcrypt, nor on the type inside."""
    table = Table("t", MetaData(), Column("v", Encrypted(Enum(Colour), encryptor())))
    assert "v BYTEA" in str(CreateTable(table).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    assert "v LONGBLOB" in str(CreateTable(table).compile(dialect=mysql.dialect()))


def test_models_can_be_declared_before_the_keys_are_configured(database: Database) -> None:
    """And say so if they are used before."""
    later = Encryptor()
    patient = model(later)
    engine = database("sqlite")
    patient.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(patient(id=1, ssn=SSN))
        with pytest.raises(ConfigurationError, match="configure"):
            session.flush()
    later.configure(LocalKeyProvider.generate(), MemoryKeyStore())
    with Session(engine) as session:
        session.add(patient(id=1, ssn=SSN))
        session.commit()
        assert session.scalar(select(patient.ssn)) == SSN


def test_a_column_needs_no_greenlet(tmp_path: Path) -> None:
    """Which SQLAlchemy 2.1 does not bring along: only asyncio needs it."""
    program = """
import sys
sys.modules["greenlet"] = None  # as if it were not installed
from sqlalchemy import Column, MetaData, String, Table, create_engine, insert, select
from fieldcrypt import Encryptor, LocalKeyProvider
from fieldcrypt_sqlalchemy import Encrypted, SqlKeyStore
engine = create_engine("sqlite:///" + sys.argv[1])
keys = SqlKeyStore(engine)
keys.create_table()
table = Table("t", MetaData(), Column("v", Encrypted(String, Encryptor(LocalKeyProvider.generate(), keys))))
table.create(engine)
with engine.connect() as connection:
    connection.execute(insert(table).values(v="x"))
    assert connection.scalars(select(table.c.v)).all() == ["x"]
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "t.sqlite")], check=True)
