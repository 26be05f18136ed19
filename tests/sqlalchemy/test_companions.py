"""A companion column has the tag of its value, however the value is written."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    create_engine,
    delete,
    func,
    insert,
    literal,
    null,
    select,
    update,
)
from sqlalchemy.exc import ObjectNotExecutableError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt.search import last
from fieldcrypt_sqlalchemy import BlindIndexTag, Encrypted, IndexedBy, ProtectedColumnError, blind_index
from tests.conftest import Database
from tests.sqlalchemy.searched import ANN, BOB, EVE, Clinic
from tests.sqlalchemy.searched import clinic as clinic
from tests.sqlalchemy.searched import small as small
from tests.support.encryptors import new_encryptor
from tests.support.strategies import relaxed

# Each leaves one patient with Ann's address; a second, if there is one, has Bob's or none.
Write = Callable[[Clinic], object]


def changed(clinic: Clinic) -> None:
    clinic.add(1, BOB).mail = ANN


def changed_with_an_expression(clinic: Clinic) -> None:
    patient = clinic.add(1, BOB)
    patient.mail, patient.visits = ANN, clinic.patient.visits + 1


def updated_by_key_and_value(clinic: Clinic) -> None:
    clinic.add(1, BOB)
    clinic.add(2, BOB)
    clinic.session.execute(update(clinic.patient).values(mail=ANN), [{"id": 1, "visits": 2}])


def changed_to_and_fro(clinic: Clinic) -> None:
    patient = clinic.add(1, ANN)
    patient.mail = BOB
    clinic.session.flush()
    patient.mail = ANN


def merged(clinic: Clinic) -> None:
    clinic.add(1, BOB)
    clinic.session.merge(clinic.patient(id=1, mail=ANN))


def merged_as_dataclasses_are(clinic: Clinic) -> None:
    """With all attributes set, the companion among them."""
    clinic.add(1, ANN)
    clinic.session.merge(clinic.patient(id=1, visits=3, mail=ANN, tag=None))


def merged_from_elsewhere(clinic: Clinic) -> None:
    patient = clinic.add(1, BOB)
    clinic.session.refresh(patient)
    clinic.session.expunge(patient)
    patient.mail = ANN
    clinic.session.merge(patient)


def saved_in_bulk_from_elsewhere(clinic: Clinic) -> None:
    patient = clinic.add(1, BOB)
    clinic.session.refresh(patient)
    clinic.session.expunge(patient)
    patient.mail = ANN
    clinic.session.bulk_save_objects([patient])


def set_back_after_an_update(clinic: Clinic) -> None:
    """The ORM follows what an UPDATE writes, but not the tag that is added to it."""
    patient = clinic.add(1, ANN)
    assert patient.tag
    clinic.session.execute(update(clinic.patient).values(mail=BOB))
    patient.mail = ANN


def set_back_after_a_bulk_update(clinic: Clinic) -> None:
    patient = clinic.add(1, ANN)
    assert patient.tag
    clinic.session.execute(update(clinic.patient), [{"id": 1, "mail": BOB}])
    patient.mail = ANN


def inserted_returning(clinic: Clinic) -> None:
    statement = insert(clinic.patient).values(id=1, mail=ANN)
    if clinic.engine.dialect.name != "mysql":
        (patient,) = clinic.session.scalars(statement.returning(clinic.patient))
        assert patient.mail == ANN
    else:
        clinic.session.execute(statement)


def copied(clinic: Clinic) -> None:
    clinic.add(5, ANN)
    columns = clinic.table.c
    source = select(columns.id - 4, columns.visits, columns.email, columns.mail_tag)
    clinic.execute(insert(clinic.table).from_select(["id", "visits", "email", "mail_tag"], source))
    clinic.execute(delete(clinic.table).where(columns.id == 5))


def updated_by_key(clinic: Clinic) -> None:
    clinic.add(1, BOB)
    clinic.add(2, EVE)
    rows = [{"id": 1, "mail": ANN}, {"id": 2, "mail": BOB}]
    clinic.session.execute(update(clinic.patient), rows)


def updated_by_mappings(clinic: Clinic) -> None:
    clinic.add(1, BOB)
    clinic.session.bulk_update_mappings(clinic.patient, [{"id": 1, "mail": ANN}])


def upserted_in_rows(clinic: Clinic) -> None:
    clinic.add(1, BOB)
    statement = clinic.upsert(lambda new: {"email": new.email})
    clinic.execute(statement, [{"id": 1, "email": ANN}, {"id": 2, "email": BOB}])


def upserted_with_parameters(clinic: Clinic) -> None:
    clinic.add(1, BOB)
    statement = clinic.upsert(lambda _: {clinic.table.c.email: bindparam("new")}, id=1, email=EVE)
    clinic.execute(statement, {"new": ANN})


WRITES: dict[str, Write] = {
    "add": lambda c: c.add(1, ANN),
    "add_all": lambda c: c.session.add_all([c.patient(id=1, mail=ANN), c.patient(id=2), c.patient(id=3, mail=BOB)]),
    "bulk insert": lambda c: c.session.execute(insert(c.patient), [{"id": 1, "mail": ANN}, {"id": 2, "mail": None}]),
    "bulk insert of unlike rows": lambda c: c.session.execute(
        insert(c.patient), [{"id": 2, "visits": 1}, {"id": 1, "mail": ANN}, {"id": 3, "mail": BOB, "visits": 2}]
    ),
    "values": lambda c: c.session.execute(insert(c.patient).values(id=1, mail=ANN)),
    "values by attribute": lambda c: c.session.execute(
        insert(c.patient).values({c.patient.id: 1, c.patient.mail: ANN})
    ),
    "values of several": lambda c: c.session.execute(
        insert(c.patient).values([{"id": 1, "mail": ANN}, {"id": 2, "mail": BOB}])
    ),
    "core values": lambda c: c.execute(insert(c.table).values(id=1, visits=0, email=ANN)),
    "core values by column": lambda c: c.execute(insert(c.table).values({c.table.c.id: 1, c.table.c.email: ANN})),
    "core tuple": lambda c: c.execute(insert(c.table).values((1, 0, ANN))),
    "core tuples": lambda c: c.execute(insert(c.table).values([(1, 0, ANN), (2, 0, BOB)])),
    "core values of several": lambda c: c.execute(
        insert(c.table).values([{"id": 1, "email": ANN}, {c.table.c.id: 2, c.table.c.email: None}])
    ),
    "core row": lambda c: c.execute(insert(c.table), {"id": 1, "email": ANN}),
    "core rows": lambda c: c.execute(insert(c.table), [{"id": 1, "email": ANN}, {"id": 2, "email": BOB}]),
    "core row over values": lambda c: c.execute(insert(c.table).values(email=BOB), {"id": 1, "email": ANN}),
    "core rows under other names": lambda c: c.execute(
        insert(c.table).values(id=bindparam("a"), email=bindparam("b")), [{"a": 1, "b": ANN}, {"a": 2, "b": BOB}]
    ),
    "insert returning": inserted_returning,
    "insert from select": copied,
    "bulk_save_objects": lambda c: c.session.bulk_save_objects([c.patient(id=1, mail=ANN)]),
    "bulk_save_objects from elsewhere": saved_in_bulk_from_elsewhere,
    "bulk_insert_mappings": lambda c: c.session.bulk_insert_mappings(c.patient, [{"id": 1, "mail": ANN}]),
    "bulk_update_mappings": updated_by_mappings,
    "change": changed,
    "change with an expression": changed_with_an_expression,
    "change to and fro": changed_to_and_fro,
    "merge": merged,
    "merge like a dataclass": merged_as_dataclasses_are,
    "merge from elsewhere": merged_from_elsewhere,
    "update": lambda c: (c.add(1, BOB), c.session.execute(update(c.patient).values(mail=ANN))),
    "update by attribute": lambda c: (
        c.add(1, BOB),
        c.session.execute(update(c.patient).values({c.patient.mail: ANN})),
    ),
    "update, fetched": lambda c: (
        c.add(1, BOB),
        c.session.execute(
            update(c.patient).where(c.patient.mail == BOB).values(mail=ANN),
            execution_options={"synchronize_session": "fetch"},
        ),
    ),
    "update in order": lambda c: (
        c.add(1, BOB),
        c.session.execute(update(c.patient).ordered_values((c.patient.mail, ANN), (c.patient.visits, 2))),
    ),
    "update by key": updated_by_key,
    "update by key and value": updated_by_key_and_value,
    "legacy update": lambda c: (c.add(1, BOB), c.session.query(c.patient).filter_by(mail=BOB).update({"mail": ANN})),
    "core update": lambda c: (c.add(1, BOB), c.execute(update(c.table).values(email=ANN))),
    "core update in order": lambda c: (
        c.add(1, BOB),
        c.execute(update(c.table).ordered_values((c.table.c.email, ANN), ("visits", 2))),
    ),
    "core update with rows": lambda c: (
        c.add(1, BOB),
        c.execute(
            update(c.table).where(c.table.c.id == bindparam("a")), [{"a": 1, "email": ANN}, {"a": 2, "email": EVE}]
        ),
    ),
    "core update of an alias": lambda c: (c.add(1, BOB), c.execute(update(c.table.alias("p")).values(email=ANN))),
    "set back after an update": set_back_after_an_update,
    "set back after a bulk update": set_back_after_a_bulk_update,
    "upsert": lambda c: (c.add(1, BOB), c.execute(c.upsert(lambda _: {"email": ANN}, id=1, email=EVE))),
    "upsert of what was not inserted": lambda c: (
        c.add(1, BOB),
        c.execute(c.upsert(lambda new: {"email": new.email}, id=1, email=ANN)),
    ),
    "upsert of all columns": lambda c: (
        c.add(1, BOB),
        c.execute(c.upsert(lambda new: {each.key: each for each in new}, id=1, visits=1, email=ANN)),
    ),
    "upsert by the model": lambda c: (
        c.add(1, BOB),
        c.session.execute(c.upsert(lambda new: {"email": new.email}, c.patient, id=1, mail=ANN)),
    ),
    "upsert in rows": upserted_in_rows,
    "upsert with parameters": upserted_with_parameters,
}

WITH_DEFAULT: dict[str, Write] = {
    "add": lambda c: c.session.add(c.patient(id=1)),
    "bulk insert": lambda c: c.session.execute(insert(c.patient), [{"id": 1}, {"id": 2}]),
    "bulk_insert_mappings": lambda c: c.session.bulk_insert_mappings(c.patient, [{"id": 1}, {"id": 2}]),
    "core values": lambda c: c.execute(insert(c.table).values(id=1)),
    "core values of several": lambda c: c.execute(insert(c.table).values([{"id": 1}, {"id": 2}])),
    "core tuples": lambda c: c.execute(insert(c.table).values([(1,), (2,)])),
    "core rows": lambda c: c.execute(insert(c.table), [{"id": 1}, {"id": 2}]),
    "upsert": lambda c: c.execute(c.upsert(lambda new: {"email": new.email}, id=1)),
}


class TestWrites:
    @pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
    def test_every_write_keeps_the_companion_in_step(self, clinic: Clinic, write: Write) -> None:
        """What was written is found, and each tag is its value's."""
        write(clinic)
        clinic.session.commit()
        clinic.assert_in_step()
        assert clinic.found(ANN) == [1]

    @pytest.mark.parametrize("write", WITH_DEFAULT.values(), ids=WITH_DEFAULT)
    def test_a_default_has_its_tag(self, database: Database, write: Write) -> None:
        """Each row gets its own, with the tag of that."""
        made = iter([ANN, BOB, EVE])
        clinic = Clinic(database("sqlite"), default=lambda: next(made))
        with clinic.session:
            write(clinic)
            clinic.session.commit()
            clinic.assert_in_step()
            assert clinic.found(ANN) == [1]

    @pytest.mark.parametrize(
        "write",
        [
            lambda c: c.execute(insert(c.table), [{"id": 1}, {"id": 2}]),
            lambda c: c.execute(insert(c.table).values([{"id": 1}, {"id": 2}])),
            lambda c: c.session.add_all([c.patient(id=1), c.patient(id=2)]),
        ],
        ids=["rows", "values", "add_all"],
    )
    def test_a_default_may_look_at_the_row(self, database: Database, write: Write) -> None:
        """As SQLAlchemy lets it."""

        def default(context: Any) -> str:
            return f"{context.get_current_parameters()['id']}@example.org"

        clinic = Clinic(database("sqlite"), default=default)
        with clinic.session:
            write(clinic)
            clinic.session.commit()
            assert [clinic.found(f"{number}@example.org") for number in (1, 2)] == [[1], [2]]

    @pytest.mark.parametrize(
        "empty",
        [
            lambda c, p: setattr(p, "mail", None),
            lambda c, p: c.session.execute(update(c.patient).values(mail=None)),
            lambda c, p: c.session.execute(update(c.patient), [{"id": 1, "mail": None}]),
            lambda c, p: c.execute(update(c.table), {"email": None}),
        ],
        ids=["set", "update", "bulk update", "core update"],
    )
    def test_no_value_has_no_tag(self, clinic: Clinic, empty: Callable[[Clinic, Any], object]) -> None:
        """NULL in one column, NULL in the other."""
        empty(clinic, clinic.add(1, ANN))
        clinic.session.commit()
        assert clinic.execute(select(clinic.table.c.mail_tag)).all() == [(None,)]

    def test_an_object_has_its_tag_after_the_flush(self, small: Clinic) -> None:
        """Whoever keeps objects over a commit has not to load them again."""
        small.session.expire_on_commit = False
        patient = small.add(1, ANN)
        before = patient.tag
        patient.mail = BOB
        small.session.commit()
        index = small.encryptor.blind_index("patients.e_mail", str)
        assert [before, patient.tag] == [index.tag(ANN), index.tag(BOB)]

    def test_what_the_application_puts_into_the_companion_is_not_written(self, small: Clinic) -> None:
        """Only a change of the column changes its tag."""
        patient = small.add(1, ANN)
        patient.tag = None
        patient.visits = 3
        small.session.commit()
        small.session.add(small.patient(id=2, mail=BOB, tag=patient.tag))
        small.execute(insert(small.table).values(id=3, email=EVE, mail_tag=patient.tag))
        small.execute(insert(small.table), {"id": 4, "email": EVE, "mail_tag": patient.tag})
        small.session.commit()
        small.assert_in_step()

    @pytest.mark.parametrize(
        "write",
        [
            lambda c, tag: update(c.table).values(mail_tag=tag),
            lambda c, tag: update(c.patient).values(tag=tag),
            lambda c, tag: update(c.table).values(mail_tag=None),
            lambda c, tag: insert(c.table).values(id=2, mail_tag=tag),
            lambda c, tag: insert(c.table).values([{"id": 2, "mail_tag": tag}]),
            lambda c, tag: c.upsert(lambda _: {"mail_tag": tag}, id=2),
            lambda c, tag: c.upsert(lambda new: {"mail_tag": new.mail_tag}, id=2),
        ],
    )
    def test_a_tag_is_not_written_alone(self, small: Clinic, write: Any) -> None:
        """The row would be found by a value that it has not."""
        tag = small.add(1, ANN).tag
        with pytest.raises(ProtectedColumnError, match=r"mail_tag cannot be written alone.*patients\.e_mail"):
            small.session.execute(write(small, tag))

    @pytest.mark.parametrize("value", [b"x" * 16, ANN, literal(b"x"), func.sha256("x")])
    def test_the_companion_takes_no_plaintext(self, small: Clinic, value: Any) -> None:
        """Whoever writes there meant the other column, which the error says."""
        small.add(1, ANN)
        for statement in (
            update(small.table).values(mail_tag=value),
            insert(small.table).values(id=2, mail_tag=value),
            insert(Table("other", MetaData(), Column("t", BlindIndexTag()))).values(t=value),
        ):
            with pytest.raises(ProtectedColumnError, match=r"encrypted"):
                small.session.execute(statement)

    def test_an_insert_within_another_statement_is_refused(self, small: Clinic) -> None:
        """It is no statement of its own, to which a tag could be added."""
        inner = insert(small.table).values(id=1, email=ANN).returning(small.table.c.id).cte("new")
        with pytest.raises(ProtectedColumnError, match=r"patients\.e_mail"):
            small.session.execute(select(inner))

    def test_a_statement_that_is_compiled_already_is_refused(self, small: Clinic) -> None:
        """No tag can be added to it. SQLAlchemy 2.1 executes none at all."""
        statement = insert(small.table).compile(small.engine, column_keys=["id", "email"])
        with pytest.raises(
            (ProtectedColumnError, ObjectNotExecutableError), match=r"compiled already|Not an executable"
        ):
            small.execute(statement, {"id": 1, "email": ANN})

    def test_a_default_in_an_insert_from_select_is_refused(self, database: Database) -> None:
        """It would be written without its tag."""
        clinic = Clinic(database("sqlite"), default=ANN)
        statement = insert(clinic.table).from_select(["id"], select(clinic.table.c.id + 1))
        with clinic.session, pytest.raises(ProtectedColumnError, match=r"patients\.e_mail has a default"):
            clinic.session.execute(statement)

    def test_values_copied_without_their_tags_are_refused(self, small: Clinic) -> None:
        """They would not be found."""
        columns = small.table.c
        statement = insert(small.table).from_select(["id", "email"], select(columns.id + 1, columns.email))
        with pytest.raises(ProtectedColumnError, match="without its tags"):
            small.session.execute(statement)

    def test_values_copied_with_other_tags_are_refused(self, small: Clinic) -> None:
        """Those of another index or row, or none: they would be found in place of others."""
        encryptor, indexes = new_encryptor(), [IndexedBy("tag"), IndexedBy("last4", of=last(4))]
        names = ["id", "ssn", "tag", "last4"]
        tables = [
            Table(
                name,
                MetaData(),
                Column("id", Integer, primary_key=True),
                Column("ssn", Encrypted(String, encryptor, name="people.ssn", index=indexes)),
                *(Column(each.companion, BlindIndexTag()) for each in indexes),
            )
            for name in ("people", "copies")
        ]
        for table in tables:
            table.create(small.engine)
        people, copies = tables
        other = people.alias()
        both = select(people.c.id, people.c.ssn).join(other, other.c.id == people.c.id + 1)
        wrong = [(people.c.last4, people.c.tag), (other.c.tag, people.c.last4), (null(), people.c.last4)]
        with small.engine.begin() as connection:
            connection.execute(insert(people).values(id=1, ssn="078-05-1120"))
            for tags in wrong:
                with pytest.raises(ProtectedColumnError, match="another column than its tags"):
                    connection.execute(insert(copies).from_select(names, both.add_columns(*tags)))
            inner = select(people).subquery()
            connection.execute(insert(copies).from_select(names, select(*(inner.c[name] for name in names))))
            assert connection.scalar(select(copies.c.ssn).where(copies.c.ssn.part("last4") == "1120")) == "078-05-1120"

    def test_an_update_of_another_table_is_refused(self, database: Database) -> None:
        """MySQL can do that; the row would lose its tag."""
        clinic = Clinic(database("mariadb"))
        visits = Table("visits", clinic.patient.metadata, Column("patient", Integer), Column("done", Integer))
        visits.create(clinic.engine)
        statement = update(visits).where(visits.c.patient == clinic.table.c.id).values({clinic.table.c.email: ANN})
        with clinic.session, pytest.raises(ProtectedColumnError, match=r"patients\.e_mail"):
            clinic.execute(statement)


STEPS = ("set", "flush", "commit", "rollback", "expire", "refresh", "update", "bulk", "merge", "core", "tag", "visit")


@given(
    st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from([ANN, BOB, None])), max_size=12),
    st.booleans(),
    st.booleans(),
)
@settings(relaxed, max_examples=60)
def test_no_sequence_of_writes_gets_the_companion_out_of_step(steps: Any, expire: bool, autoflush: bool) -> None:
    """Through one object, past it, and back."""
    clinic = Clinic(create_engine("sqlite://"))
    clinic.session = Session(clinic.engine, expire_on_commit=expire, autoflush=autoflush)
    with clinic.session as session:
        patient = clinic.add(1, ANN)
        do: dict[str, Callable[[Any], object]] = {
            "set": lambda mail: setattr(patient, "mail", mail),
            "flush": lambda _: session.flush(),
            "commit": lambda _: session.commit(),
            "rollback": lambda _: session.rollback(),
            "expire": lambda _: session.expire(patient),
            "refresh": lambda _: session.refresh(patient),
            "update": lambda mail: session.execute(update(clinic.patient).values(mail=mail)),
            "bulk": lambda mail: session.execute(update(clinic.patient), [{"id": 1, "mail": mail}]),
            "merge": lambda mail: session.merge(clinic.patient(id=1, mail=mail, tag=None)),
            "core": lambda mail: clinic.execute(update(clinic.table).values(email=mail)),
            "tag": lambda _: setattr(patient, "tag", None),
            "visit": lambda _: setattr(patient, "visits", patient.visits + 1),
        }
        for step, mail in steps:
            do[step](mail)
        session.commit()
        clinic.assert_in_step()
    clinic.engine.dispose()


def test_many_threads_tag_and_search_at_once(database: Database) -> None:
    """The first of them make the index key, and all find what all have written."""
    clinic = Clinic(database("sqlite"))
    ready = threading.Barrier(8)

    def work(number: int) -> bytes:
        ready.wait()
        return bytes(clinic.patient.mail.type.tagger.stored_tags(f"{number % 2}@x", None)["mail_tag"])

    with ThreadPoolExecutor(8) as pool:
        tags = list(pool.map(work, range(8)))
    assert len(set(tags)) == 2
    assert len(clinic.encryptor.store.list(None)) == 1  # type: ignore[union-attr]


def test_inserted_objects_are_returned_beside_a_server_default(database: Database) -> None:
    """SQLAlchemy looks the companion up in a list of columns; a condition of the two is refused all the same."""

    class Base(DeclarativeBase):
        pass

    class Owner(Base):
        __tablename__ = "owners"
        id: Mapped[int] = mapped_column(primary_key=True)
        mail: Mapped[str] = mapped_column(Encrypted(String, new_encryptor(), index="mail_tag"))
        mail_tag: Mapped[bytes | None] = blind_index()
        visits: Mapped[int] = mapped_column(server_default="7")

    table: Any = Owner.__table__
    engine = database("sqlite")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        made = session.scalars(insert(Owner).returning(Owner), [{"mail": ANN}, {"mail": BOB}]).all()
        assert [(owner.mail, owner.visits) for owner in made] == [(ANN, 7), (BOB, 7)]
        with pytest.raises(ProtectedColumnError, match=r"owners\.mail_tag takes only"):
            session.execute(select(Owner.id).where(table.c.mail_tag == table.c.visits))


def test_objects_are_copied_with_their_tags(small: Clinic) -> None:
    """By pickle and copy; what is added to another session is found there."""
    patient = small.add(1, ANN)
    small.session.refresh(patient)
    state = {key: value for key, value in vars(patient).items() if key != "_sa_instance_state"}
    assert pickle.loads(pickle.dumps(state)) == copy.deepcopy(state) == state
    assert type(pickle.loads(pickle.dumps(state))["tag"]) is type(patient.tag)
