"""Encrypted values in columns of text and JSON: declarations, reading, writing, and what they are compared with."""

from __future__ import annotations

import asyncio
import pickle
import traceback
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import (
    CHAR,
    JSON,
    Column,
    Date,
    Engine,
    Enum,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    column,
    func,
    insert,
    inspect,
    select,
    table,
    text,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.orm.exc import StaleDataError

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    KeyNotFoundError,
    KeyPolicy,
    LocalKeyProvider,
    MemoryKeyStore,
)
from fieldcrypt.format import text_form
from fieldcrypt_sqlalchemy import Encrypted, ProtectedColumnError, blind_index, encrypted, opened, seal
from tests.conftest import AsyncDatabase, Clock, Database
from tests.support.loop_lag import ATTEMPTS, KMS_SECONDS, SlowProvider, lag_during

SSN = "078-05-1120"
AT_ONCE = KeyPolicy(propagation_delay=timedelta(0), replication_wait=timedelta(0))
DOCUMENT = {"b": [1, 2.5, None, "é"], "a": {"ssn": SSN}}


class OwnText(TypeDecorator[str]):
    """A type of the application's."""

    impl = Text
    cache_ok = True


def soon() -> date:
    """A day until which plaintext is accepted."""
    return datetime.now(UTC).date() + timedelta(days=30)


def keys(policy: KeyPolicy = AT_ONCE) -> Encryptor:
    """An Encryptor with a key store."""
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), policy=policy)


def unbound(encryptor: Encryptor, **options: Any) -> Any:
    """A model that is not decorated, with columns of every kind."""

    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        clinic: Mapped[str] = mapped_column(String(10), default="c")
        ssn: Mapped[str | None] = mapped_column(
            Encrypted(String(50), encryptor, index="ssn_tag", storage=Text, **options)
        )
        ssn_tag: Mapped[bytes | None] = blind_index()
        name: Mapped[str | None] = mapped_column(Encrypted(String(50), encryptor, storage=String(150), **options))
        notes: Mapped[Any] = mapped_column(Encrypted(JSON, encryptor, storage=JSON, **options), nullable=True)

    return Patient


def bound(encryptor: Encryptor, **options: Any) -> Any:
    """The same, decorated."""
    return encrypted(encryptor, row="id", tenant="clinic")(unbound(encryptor, **options))


KINDS = [unbound, bound]

_stored = table(
    "patients",
    column("id"),
    column("clinic", String),
    column("ssn", Text),
    column("ssn_tag", LargeBinary),
    column("name", String),
    column("notes", JSON),
)


def raw(engine: Engine, row: int = 1) -> Any:
    """A row as it is stored."""
    with engine.connect() as connection:
        return connection.execute(select(_stored).where(_stored.c.id == row)).one()


def damage(engine: Engine, **values: Any) -> None:
    """Write to a row behind everybody's back."""
    with engine.begin() as connection:
        connection.execute(_stored.update().where(_stored.c.id == 1).values(values))


def put(engine: Engine, patient: Any, **values: Any) -> None:
    """Make the tables, and add a row with plaintext behind everybody's back."""
    patient.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(_stored).values({"id": 1, "clinic": "c"} | values))


class TestDeclaration:
    @pytest.mark.parametrize(
        "storage",
        [
            LargeBinary,
            Integer,
            CHAR(200),
            Enum("a", "b"),
            type("Own", (TypeDecorator,), {"impl": Text, "cache_ok": True}),
        ],
    )
    def test_what_keeps_no_text_is_refused(self, storage: Any) -> None:
        """Also a type of the application's own, that would change what it is given."""
        with pytest.raises(ConfigurationError, match=r"^storage="):
            Encrypted(String, keys(), storage=storage)

    def test_a_variant_of_another_kind_is_refused(self) -> None:
        """On that database the values would have no room, or another form."""
        with pytest.raises(ConfigurationError, match=r"^storage="):
            Encrypted(String, keys(), storage=Text().with_variant(LargeBinary(), "sqlite"))

    @pytest.mark.parametrize(("pad", "needed"), [(None, 4 + 144), (64, 4 + 163)])
    def test_a_length_that_is_too_short_is_refused(self, pad: int | None, needed: int) -> None:
        """For the length that the values are declared with; one character more is enough."""
        with pytest.raises(ConfigurationError, match=f"is too short: 50 characters take {needed} "):
            Encrypted(String(50), keys(), pad=pad, storage=String(needed - 1))
        Encrypted(String(50), keys(), pad=pad, storage=String(needed))
        Encrypted(String(50), keys(), pad=pad, storage=Text)

    def test_what_is_long_enough_has_room_for_the_longest_value(self, database: Database) -> None:
        """The length that is asked for is that of the longest value, to the character."""
        for pad in (None, 64):
            needed = {None: 148, 64: 167}[pad]
            patients = Table(
                f"p{pad}",
                MetaData(),
                Column("ssn", Encrypted(String(50), keys(), pad=pad, storage=String(needed))),
            )
            engine = database("sqlite")
            patients.create(engine)
            with engine.begin() as connection:
                connection.execute(patients.insert().values(ssn="x" * 50))
                assert connection.scalar(text(f"SELECT length(ssn) FROM p{pad}")) == needed

    @pytest.mark.parametrize("options", [{}, {"storage": Text}])
    def test_writing_plaintext_has_an_end(self, options: Any) -> None:
        """The day until which plaintext is accepted."""
        with pytest.raises(ConfigurationError, match=r"^write=False takes accept_plaintext="):
            Encrypted(String, keys(), write=False, **options)

    @pytest.mark.parametrize(("inner", "storage"), [(Date, Text), (LargeBinary, Text), (JSON, Text), (Date, JSON)])
    def test_plaintext_of_other_types_is_refused(self, inner: Any, storage: Any) -> None:
        """A column of text holds text; numbers and dates have other columns."""
        with pytest.raises(ConfigurationError, match="into a new column"):
            Encrypted(inner, keys(), storage=storage, accept_plaintext=soon())
        Encrypted(inner, keys(), storage=storage)

    def test_the_columns_have_the_declared_types(self, engine: Engine) -> None:
        """On every database."""
        unbound(keys()).metadata.create_all(engine)
        columns = {each["name"]: each["type"] for each in inspect(engine).get_columns("patients")}
        assert isinstance(columns["ssn"], Text | mysql.TEXT)
        assert isinstance(columns["name"], String)
        assert columns["name"].length == 150
        assert isinstance(columns["notes"], JSON | mysql.LONGTEXT)

    def test_types_are_told_apart(self, database: Database) -> None:
        """By the statement cache, which would use the name and the storage of one for the other."""
        encryptor = keys()
        with database("sqlite").begin() as connection:
            connection.execute(text("CREATE TABLE t (x)"))
            for name, storage in (("a", None), ("b", None), ("b", Text)):
                cells = table("t", column("x", Encrypted(String, encryptor, name=name, storage=storage)))
                connection.execute(insert(cells).values(x=SSN))
                assert connection.scalars(select(cells.c.x)).one() == SSN
                stored = connection.execute(text("SELECT x FROM t")).scalar_one()
                assert isinstance(stored, str) == (storage is Text)
                connection.execute(text("DELETE FROM t"))


class TestValues:
    @pytest.mark.parametrize("model", KINDS)
    def test_they_come_back(self, engine: Engine, model: Any) -> None:
        """As they went in, from text; NULL stays NULL."""
        patient = model(keys())
        patient.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(patient(id=1, ssn=SSN, name="Änn", notes=DOCUMENT))
            session.add(patient(id=2))
            session.commit()
        stored = raw(engine)
        for value in (stored.ssn, stored.name, stored.notes):
            assert text_form.decode(value)
        assert raw(engine, 2)[2:] == (None, None, None, None)
        with Session(engine) as session:
            for _ in range(3):  # psycopg fetches in binary from the second time on
                session.expunge_all()
                ann, nobody = session.scalars(select(patient).order_by(patient.id)).all()
                assert (ann.ssn, ann.name, ann.notes) == (SSN, "Änn", DOCUMENT)
                assert (nobody.ssn, nobody.name, nobody.notes) == (None, None, None)
            ann.notes = ["changed"]
            ann.name = None
            session.commit()
            assert (ann.ssn, ann.name, ann.notes) == (SSN, None, ["changed"])

    @pytest.mark.parametrize("model", KINDS)
    def test_they_are_found_by_their_blind_index(self, engine: Engine, model: Any) -> None:
        """As those of binary columns are."""
        patient = model(keys())
        patient.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all(patient(id=n, ssn=f"{SSN}{n}") for n in range(3))
            session.commit()
            assert session.scalars(select(patient.id).where(patient.ssn == f"{SSN}1")).all() == [1]

    def test_columns_open_with_the_key_beside_them(self, engine: Engine) -> None:
        """And a Sealed is pickled, compared and hashed."""
        patient = bound(keys())
        patient.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(patient(id=1, clinic="c", ssn=SSN, notes=DOCUMENT))
            session.commit()
            query = select(patient.id, patient.clinic, patient.ssn, patient.notes)
            assert list(opened(session, query)) == [(1, "c", SSN, DOCUMENT)]
            one, other = (session.execute(query).one() for _ in range(2))
            assert hash(one.notes) == hash(other.notes)
            assert one.notes == other.notes
            assert pickle.loads(pickle.dumps(one.ssn))._data == one.ssn._data
            connection = session.connection()
            connection.execute(insert(patient).values(seal(patient, {"id": 2, "clinic": "c", "ssn": "x"})))
            assert session.get_one(patient, 2).ssn == "x"

    def test_statements_of_each_database_write_and_return_them(self, engine: Engine) -> None:
        """Upserts, which take a value from the row that was not inserted, and what an INSERT of several returns."""
        patient = unbound(keys())
        patient.metadata.create_all(engine)
        modules: dict[str, Any] = {"postgresql": postgresql, "sqlite": sqlite}
        with Session(engine) as session:
            for n in range(2):
                make = modules.get(engine.dialect.name, mysql).insert
                upsert = make(patient.__table__).values(id=1, clinic="c", ssn=f"{SSN}{n}", notes=[n])
                if hasattr(upsert, "on_duplicate_key_update"):
                    new = upsert.inserted
                    upsert = upsert.on_duplicate_key_update(ssn=new.ssn, notes=new.notes)
                else:
                    new = {"ssn": upsert.excluded.ssn, "notes": upsert.excluded.notes}
                    upsert = upsert.on_conflict_do_update(index_elements=["id"], set_=new)
                session.execute(upsert)
            ann = session.get_one(patient, 1)
            assert (ann.ssn, ann.notes) == (f"{SSN}1", [1])
            rows = [{"id": n, "clinic": "c", "ssn": str(n), "notes": {"n": n}} for n in (5, 6)]
            returned = session.execute(insert(patient).returning(patient.id, patient.ssn, patient.notes), rows)
            assert sorted(returned) == [(5, "5", {"n": 5}), (6, "6", {"n": 6})]

    @pytest.mark.parametrize("model", KINDS)
    @pytest.mark.parametrize(
        "planted",
        [SSN, "fc1.", "fc1.x", "FC1", "padded", "cut", "upper", "other column"],
    )
    def test_what_is_no_value_is_refused(self, database: Database, model: Any, planted: str) -> None:
        """With one error, whatever it is."""
        engine, patient = database("sqlite"), model(keys())
        patient.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(patient(id=1, ssn=SSN, name="x"))
            session.commit()
        value = raw(engine).ssn
        changed = {
            "padded": value + "=",
            "cut": value[:-1],
            "upper": "FC1" + value[3:],
            "other column": raw(engine).name,
        }
        damage(engine, ssn=changed.get(planted, planted))
        with Session(engine) as session, pytest.raises(DecryptionError) as raised:
            _ = session.get_one(patient, 1).ssn
        assert str(raised.value.args[0]).endswith(DecryptionError().args[0])
        assert raised.value.__cause__ is None

    @pytest.mark.parametrize("model", KINDS)
    @pytest.mark.parametrize("planted", ['["{}"]', '{{"x": "{}"}}', "{}", "7", '"x"', "x'"])
    def test_a_document_is_one_string(self, database: Database, model: Any, planted: str) -> None:
        """And nothing else, nor what is no JSON."""
        engine, patient = database("sqlite"), model(keys())
        patient.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(patient(id=1, notes=[SSN]))
            session.commit()
        with engine.begin() as connection:
            connection.execute(text("UPDATE patients SET notes = :x"), {"x": planted.format(raw(engine).notes)})
        with Session(engine) as session, pytest.raises(DecryptionError) as raised:
            _ = session.get_one(patient, 1).notes
        assert SSN not in "".join(traceback.format_exception(raised.value))

    @pytest.mark.parametrize("model", KINDS)
    def test_a_value_that_does_not_fit_is_not_sent(self, engine: Engine, model: Any) -> None:
        """The error names the column, and not the value."""
        patient = model(keys())
        patient.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(patient(id=1, name="é" * 40 + SSN))
            with pytest.raises(
                ValueError, match=r"^a value of the encrypted column patients\.name takes 203 "
            ) as raised:
                session.commit()
        assert SSN not in "".join(traceback.format_exception(raised.value))

    def test_text_of_mysql_has_an_end(self) -> None:
        """Which its types tell, with their names."""
        dialects: list[Any] = [mysql.dialect, postgresql.dialect]
        for storage, fits in ((Text(), False), (mysql.MEDIUMTEXT(), True), (mysql.LONGTEXT(), True)):
            type_ = Encrypted(String, keys(), name="a.b", storage=storage)
            process = type_.bind_processor(dialects[0]())
            if fits:
                process("x" * 50_000)
            else:
                with pytest.raises(ValueError, match="has room for 65535"):
                    process("x" * 50_000)
        type_.bind_processor(dialects[1]())("x" * 50_000)

    @pytest.mark.parametrize("ask", ["like", "order_by", "lower", "==", "cast"])
    def test_the_database_computes_with_none_of_it(self, database: Database, ask: str) -> None:
        """Text as it is: what is stored is ciphertext."""
        patient = bound(keys())
        asked: dict[str, Callable[[], Any]] = {
            "like": lambda: select(patient.id).where(patient.name.like("x%")),
            "order_by": lambda: select(patient.id).order_by(patient.name),
            "lower": lambda: select(func.lower(patient.name)),
            "==": lambda: select(patient.id).where(patient.name == "x"),
            "cast": lambda: update(patient).values(name=func.upper("x")),
        }
        with pytest.raises(ProtectedColumnError), Session(database("sqlite")) as session:
            session.execute(asked[ask]())

    @pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
    @pytest.mark.parametrize("column", ["ssn", "notes"])
    def test_the_event_loop_goes_on_while_keys_are_fetched(
        self, database: Database, async_database: AsyncDatabase, kind: str, column: str
    ) -> None:
        """For values that are then read where nothing can be awaited."""
        store = MemoryKeyStore()
        patient = bound(Encryptor(SlowProvider(bytes(32)), store, policy=AT_ONCE))
        patient.metadata.create_all(database(kind))
        with Session(database(kind)) as session:
            session.add(patient(id=1, **{column: SSN}))
            session.commit()

        async def read(patient: Any) -> None:
            async with AsyncSession(async_database(kind)) as session:
                ann = await session.get_one(patient, 1)
                assert getattr(ann, column) == SSN

        async def measured() -> float:
            calls = SlowProvider.calls
            _, lag = await lag_during(read(bound(Encryptor(SlowProvider(bytes(32)), store, policy=AT_ONCE))))
            assert SlowProvider.calls > calls
            return lag

        assert min(asyncio.run(measured()) for _ in range(ATTEMPTS)) < KMS_SECONDS / 4


class TestRowRule:
    """What is written under the condition that a value is as it was read."""

    @pytest.mark.parametrize("plain", [False, True])
    def test_rows_move(self, engine: Engine, plain: bool) -> None:
        """To another tenant, with their values; also of plaintext."""
        patient = bound(keys(), accept_plaintext=soon())
        if plain:
            put(engine, patient, ssn=SSN, name="Ann", notes=DOCUMENT)
        else:
            patient.metadata.create_all(engine)
            with Session(engine) as session:
                session.add(patient(id=1, clinic="c", ssn=SSN, name="Ann", notes=DOCUMENT))
                session.commit()
        with Session(engine) as session:
            ann = session.get_one(patient, 1)
            ann.clinic = "d"
            session.commit()
        assert text_form.decode(raw(engine).notes)
        with Session(engine) as session:
            ann = session.get_one(patient, 1)
            assert (ann.clinic, ann.ssn, ann.name, ann.notes) == ("d", SSN, "Ann", DOCUMENT)

    @pytest.mark.parametrize("column", ["ssn", "name", "notes"])
    @pytest.mark.parametrize("plain", [False, True])
    def test_a_value_in_other_case_is_another(self, engine: Engine, column: str, plain: bool) -> None:
        """Whatever the collation of the column takes for equal: what somebody else has written is not lost."""
        patient = bound(keys(), accept_plaintext=soon())
        if plain:
            put(engine, patient, **{column: "Ann"})
        else:
            patient.metadata.create_all(engine)
            with Session(engine) as session:
                session.add(patient(id=1, clinic="c", **{column: "Ann"}))
                session.commit()
        with Session(engine) as session:
            ann = session.get_one(patient, 1)
            assert getattr(ann, column) == "Ann"
            value = getattr(raw(engine), column)
            session.expire_on_commit = False
            session.commit()
            damage(engine, **{column: value[:4] + value[4:].swapcase() if not plain else "aNN"})
            ann.clinic = "d"
            with pytest.raises(StaleDataError):
                session.commit()

    def test_values_of_other_storage_are_not_handed_on(self, database: Database) -> None:
        """A column that holds binary would get text, which it does not read."""
        encryptor, metadata = keys(), MetaData()
        one, other = (
            Table(name, metadata, Column("x", Encrypted(String, encryptor, name="a.x", storage=storage)))
            for name, storage in (("one", Text), ("other", None))
        )
        with pytest.raises(ProtectedColumnError), database("sqlite").connect() as connection:
            connection.execute(insert(other).from_select(["x"], select(one.c.x)))


class TestMixedMode:
    @pytest.mark.parametrize("model", KINDS)
    def test_plaintext_is_read_beside_values(self, engine: Engine, model: Any) -> None:
        """And counted; writes are encrypted."""
        encryptor = keys()
        patient = model(encryptor, accept_plaintext=soon())
        put(engine, patient, ssn=SSN, name="Änn", notes=DOCUMENT)
        with Session(engine) as session:
            ann = session.get_one(patient, 1)
            assert (ann.ssn, ann.name, ann.notes) == (SSN, "Änn", DOCUMENT)
            ann.ssn, ann.notes = f"{SSN}!", 7
            session.commit()
            assert (ann.ssn, ann.notes) == (f"{SSN}!", 7)
        assert encryptor.stats().events["plaintext_read"] >= 3
        assert text_form.decode(raw(engine).ssn)
        assert text_form.decode(raw(engine).notes)

    @pytest.mark.parametrize("model", KINDS)
    @pytest.mark.parametrize("planted", ["fc1.", "fc1.x", "fc1.AQ", "fc1.Ann is here", "changed"])
    @pytest.mark.parametrize("column", ["ssn", "notes"])
    def test_what_begins_as_a_value_is_never_plaintext(
        self, database: Database, model: Any, planted: str, column: str
    ) -> None:
        """An error, whether it has the form of a value or not."""
        engine, patient = database("sqlite"), model(keys(), accept_plaintext=soon())
        patient.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(patient(id=1, **{column: SSN}))
            session.commit()
        value = getattr(raw(engine), column)
        changed = {"changed": value[:9] + "__" + value[11:]}
        damage(engine, **{column: changed.get(planted, planted)})
        with Session(engine) as session, pytest.raises((DecryptionError, KeyNotFoundError)):
            getattr(session.get_one(patient, 1), column)
        assert "plaintext_read" not in patient.ssn.type.encryptor.stats().events


class TestWritingPlaintext:
    """The first of two deployments."""

    @pytest.mark.parametrize("model", KINDS)
    def test_both_are_read_and_plaintext_is_written(self, engine: Engine, model: Any) -> None:
        """As a process does that knows nothing of fieldcrypt, for one that does not."""
        encryptor = keys()
        first, second = (model(encryptor, accept_plaintext=soon(), write=write) for write in (False, True))
        first.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(first(id=1, ssn=SSN, name="Änn", notes=DOCUMENT))
            session.add(first(id=3))
            session.commit()
        assert raw(engine) == (1, "c", SSN, None, "Änn", DOCUMENT)
        assert raw(engine, 3)[2:] == (None, None, None, None)
        with Session(engine) as session:
            session.add(second(id=2, ssn=SSN, name="Bob", notes=DOCUMENT))
            session.commit()
        for model_, (bob, ann) in ((first, (2, 1)), (second, (2, 1))):
            with Session(engine) as session:
                bob, ann = session.get_one(model_, bob), session.get_one(model_, ann)
                assert (bob.ssn, bob.name, bob.notes) == (SSN, "Bob", DOCUMENT)
                assert (ann.ssn, ann.name, ann.notes) == (SSN, "Änn", DOCUMENT)

    @pytest.mark.parametrize("model", KINDS)
    def test_no_tag_is_left_beside_plaintext(self, engine: Engine, model: Any) -> None:
        """Others who know of no tags would change the value and leave it: a search would find the wrong row."""
        encryptor = keys()
        first, second = (model(encryptor, accept_plaintext=soon(), write=write) for write in (False, True))
        second.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(second(id=1, ssn=SSN))
            session.commit()
            assert raw(engine).ssn_tag is not None
        with Session(engine) as session:
            session.get_one(first, 1).ssn = "other"
            session.commit()
            assert raw(engine)[2:4] == ("other", None)
            assert session.scalars(select(first.id).where(first.ssn == SSN)).all() == []

    @pytest.mark.parametrize("model", KINDS)
    def test_plaintext_that_would_not_be_read_again_is_refused(self, database: Database, model: Any) -> None:
        """Because it begins as values do; once values are encrypted, it is stored."""
        engine, encryptor = database("sqlite"), keys()
        for write in (False, True):
            patient = model(encryptor, accept_plaintext=soon(), write=write)
            patient.metadata.create_all(engine)
            with Session(engine) as session:
                session.add(patient(id=1, ssn=f"fc1.{SSN}"))
                if write:
                    session.commit()
                    assert session.get_one(patient, 1).ssn == f"fc1.{SSN}"
                else:
                    with pytest.raises(ValueError, match=r"patients\.ssn begins with 'fc1\.'") as raised:
                        session.commit()
                    assert SSN not in "".join(traceback.format_exception(raised.value))

    @pytest.mark.parametrize("model", KINDS)
    @pytest.mark.parametrize("value", [7, b"x", "\ud800"])
    def test_what_could_not_be_encrypted_later_is_refused(self, database: Database, model: Any, value: Any) -> None:
        """As it would be if it were encrypted."""
        engine, patient = database("sqlite"), model(keys(), accept_plaintext=soon(), write=False)
        patient.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(patient(id=1, ssn=value))
            with pytest.raises((TypeError, ValueError)):
                session.commit()

    @pytest.mark.parametrize("model", KINDS)
    def test_it_ends_with_the_day(self, database: Database, model: Any, clock: Clock) -> None:
        """Nothing is written that could not be read again."""
        clock.now = datetime(2027, 2, 28, 23, 59, tzinfo=UTC).timestamp()
        engine, patient = database("sqlite"), model(keys(), accept_plaintext=date(2027, 3, 1), write=False)
        patient.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(patient(id=1, ssn=SSN))
            session.commit()
            clock.advance(60)
            session.add(patient(id=2, ssn=SSN))
            with pytest.raises(ConfigurationError, match=r"patients\.ssn accepts plaintext is over"):
                session.commit()

    def test_the_database_computes_with_none_of_it(self, database: Database) -> None:
        """What it would not be asked once values are encrypted, it is not asked before."""
        patient = bound(keys(), accept_plaintext=soon(), write=False)
        with pytest.raises(ProtectedColumnError), Session(database("sqlite")) as session:
            session.scalars(select(patient).where(patient.name == "Ann"))
        with pytest.raises(ProtectedColumnError), Session(database("sqlite")) as session:
            session.execute(update(patient).values(name=func.upper("x")))
