"""The row rule where attributes have other names, tables are shared or joined, and listeners and loads interfere."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import (
    Connection,
    Engine,
    MetaData,
    String,
    TypeDecorator,
    bindparam,
    event,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, defer, load_only, mapped_column
from sqlalchemy.orm.exc import StaleDataError

from fieldcrypt import DecryptionError
from fieldcrypt_sqlalchemy import Encrypted, ProtectedColumnError, Sealed, encrypted, opened, seal
from fieldcrypt_sqlalchemy.flush.flush import Sealing
from tests.sqlalchemy.ward import ENCRYPTOR, TABLE, Nurse, Patient, Person, Visit, Ward, new, upsert
from tests.sqlalchemy.ward import ward as ward


class TestOtherNames:
    """What is written under another name than the column's own."""

    @pytest.mark.filterwarnings("ignore:Additional column names")
    @pytest.mark.parametrize("name", ["Clinic", "CLINIC", "ssn_", "SSN"])
    def test_an_upsert_names_columns_by_their_keys(self, ward: Ward, name: str) -> None:
        """SQLAlchemy would send other names, and their values, as they are."""
        if ward.engine.dialect.name in ("mysql", "mariadb"):
            return  # where it refuses them itself
        values = seal(Patient, {"id": "1", "clinic": "a", "number": 1})
        statement = upsert(ward.engine, values, lambda row: {name: "b"})
        ward.refuses(lambda s: s.connection().execute(statement), "not the key of a column")

    def test_an_alias_and_a_copy_of_the_table_move_no_row(self, ward: Ward) -> None:
        """They are the same table to the database."""
        copy: Any = TABLE.to_metadata(MetaData())
        for table in (TABLE.alias("x"), copy):
            statement = update(table).values(clinic="b")
            ward.refuses(partial(Session.execute, statement=statement), "alias or a copy")
            many = partial(Connection.execute, statement=update(table), parameters=[{"clinic": "b"}, {"clinic": "c"}])
            ward.refuses(lambda s, many=many: many(s.connection()), "alias or a copy")  # type: ignore[misc]

    def test_an_update_of_another_table_moves_no_row(self, ward: Ward) -> None:
        """MySQL updates several tables at once."""
        visits: Any = Visit.__table__
        statement = update(visits).values({TABLE.c.clinic: "b"}).where(visits.c.id == TABLE.c.id)
        ward.refuses(lambda s: s.connection().execute(statement), "statement of another table")

    def test_a_key_is_written_as_its_column_has_it(self, ward: Ward) -> None:
        """And not as another type, or as something that is made when it is sent."""

        class Upper(TypeDecorator[str]):
            impl = String
            cache_ok = True

            def process_bind_param(self, value: Any, dialect: Any) -> Any:
                return value.upper()

        sealed = new(clinic="b", ssn="n", email="n")
        for clinic in (literal("b", Upper()), bindparam(None, callable_=lambda: "b", type_=String())):
            statement = update(Patient).values({**sealed, "clinic": clinic})
            ward.refuses(partial(Session.execute, statement=statement), "another")

    def test_what_is_no_column_is_no_key(self, ward: Ward) -> None:
        """An index of expressions, for one."""
        if ward.engine.dialect.name in ("mysql", "mariadb"):
            return
        kind: Any = postgresql if ward.engine.dialect.name == "postgresql" else sqlite
        values = seal(Patient, {"id": "1", "clinic": "a", "number": 1})
        statement = kind.insert(Patient).values(values).on_conflict_do_nothing(index_elements=[text("id")])
        with ward.session() as session:
            session.execute(statement)


class TestSharedTable:
    """Classes that share a table have different protected columns in it."""

    def test_an_object_is_moved_with_what_its_own_class_has(self, engine: Engine) -> None:
        """The other columns of its row are empty."""

        class Own(DeclarativeBase):
            pass

        @encrypted(ENCRYPTOR, row="id", tenant="clinic")
        class Staff(Own):
            __tablename__ = "staff"
            id: Mapped[str] = mapped_column(String(40), primary_key=True)
            clinic: Mapped[str] = mapped_column(String(40))
            kind: Mapped[str] = mapped_column(String(10))
            __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "staff"}  # noqa: RUF012

        class Manager(Staff):
            ssn: Mapped[str | None] = mapped_column(Encrypted(String))
            __mapper_args__ = {"polymorphic_identity": "manager"}  # noqa: RUF012

        class Engineer(Staff):
            email: Mapped[str | None] = mapped_column(Encrypted(String))
            __mapper_args__ = {"polymorphic_identity": "engineer"}  # noqa: RUF012

        Own.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all(
                [
                    Staff(id="1", clinic="a"),
                    Manager(id="2", clinic="a", ssn="s"),
                    Engineer(id="3", clinic="a", email="e"),
                ]
            )
            session.commit()
            for each in session.scalars(select(Staff)):
                each.clinic = "b"
            session.commit()
        with Session(engine) as session:
            found: list[Any] = list(session.scalars(select(Staff).order_by(Staff.id)))
            assert [each.clinic for each in found] == ["b", "b", "b"]
            assert (found[1].ssn, found[2].email) == ("s", "e")
            with pytest.raises(ProtectedColumnError, match="bound to 'clinic'"):
                session.execute(update(Staff).values(clinic="c"))


class TestRowSwitch:
    def test_defaults_of_the_new_object_are_written(self, engine: Engine) -> None:
        """Though the ORM makes an UPDATE of it and of the deleted one."""

        class Own(DeclarativeBase):
            pass

        @encrypted(ENCRYPTOR, row="id", tenant="clinic")
        class Guest(Own):
            __tablename__ = "guests"
            id: Mapped[str] = mapped_column(String(40), primary_key=True)
            clinic: Mapped[str] = mapped_column(String(40), default="c1")
            ssn: Mapped[str | None] = mapped_column(Encrypted(String), default="new")

        Own.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(Guest(id="1", clinic="c2", ssn="old"))
            session.commit()
            session.delete(session.get_one(Guest, "1"))
            session.add(Guest(id="1"))
            session.commit()
            guest = session.get_one(Guest, "1")
            assert (guest.clinic, guest.ssn) == ("c1", "new")


class TestListeners:
    """Other people's listeners see and set plaintext, whenever they were added."""

    @pytest.fixture
    def listen(self) -> Any:
        """Listen to an event of the model during a test, after all others."""
        added = []

        def listen(name: str, listener: Callable[[Any], object]) -> None:
            def listening(mapper: Any, connection: Any, target: Any) -> None:
                listener(target)

            event.listen(Patient, name, listening)
            added.append((name, listening))

        yield listen
        for name, listening in added:
            event.remove(Patient, name, listening)

    def test_they_read_values(self, ward: Ward, listen: Any) -> None:
        """An audit trail, for example."""
        read: list[Any] = []
        listen("before_insert", lambda target: read.append(target.ssn))
        listen("before_update", lambda target: read.append(target.ssn))
        listen("after_update", lambda target: read.append(target.ssn))
        with ward.session() as session:
            session.add(Patient(id="2", clinic="a", number=2, ssn="x"))
            session.flush()
            session.get_one(Patient, "1").ssn = "n"
            session.commit()
        assert read == ["x", "n", "n"]
        assert [patient[2] for patient in ward.patients()] == ["n", "x"]

    def test_they_set_values(self, ward: Ward, listen: Any) -> None:
        """What they set is sealed, and tagged."""
        listen("before_insert", lambda target: setattr(target, "email", target.email.upper()))
        listen("before_update", lambda target: setattr(target, "email", target.email.upper()))
        with ward.session() as session:
            session.add(Patient(id="2", clinic="a", number=2, email="x"))
            session.get_one(Patient, "1").email = "n"
            session.commit()
        assert [patient[3] for patient in ward.patients()] == ["N", "X"]

    def test_they_set_the_tenant(self, ward: Ward, listen: Any) -> None:
        """Of a new row, and of one that is there."""
        listen("before_insert", lambda target: setattr(target, "clinic", "z"))
        listen("before_update", lambda target: setattr(target, "clinic", "z"))
        with ward.session() as session:
            session.add(Patient(id="2", clinic="a", number=2, ssn="x"))
            session.get_one(Patient, "1").number = 1
            session.get_one(Patient, "1").initial = "q"
            session.commit()
        assert [patient[:3] for patient in ward.patients()] == [("1", "z", "s1"), ("2", "z", "x")]

    def test_defaults_that_look_at_the_row_see_plaintext(self, ward: Ward) -> None:
        """When it is inserted, and when it is updated."""
        with ward.session() as session:
            session.add(Patient(id="2", clinic="a", number=2, ssn="xyz"))
            session.flush()
            session.get_one(Patient, "1").ssn = "nml"
            session.commit()
            rows = session.execute(select(Patient.initial, Patient.last).order_by(Patient.number)).all()
        assert [tuple(row) for row in rows] == [("s", "l"), ("x", None)]

    def test_ours_come_last_again_while_another_flush_is_going_on(self, ward: Ward, listen: Any) -> None:
        """What that goes through is not changed under it, but replaced."""
        mapper = Patient.__mapper__
        listen("before_update", lambda target: None)
        going = iter(mapper.dispatch.before_update)
        next(going)
        with ward.session() as session:
            session.get_one(Patient, "1").ssn = "n"
            session.commit()
        last: Any = list(mapper.dispatch.before_update)[-1]
        assert isinstance(last.__self__, Sealing)
        assert len(list(going)) == len(list(mapper.dispatch.before_update)) - 1


class TestLoading:
    @pytest.mark.parametrize(
        "option",
        [
            load_only(Patient.ssn),
            defer(Patient.clinic),
            defer(Patient.clinic, raiseload=True),
            load_only(Patient.ssn, raiseload=True),
        ],
    )
    def test_a_protected_value_brings_its_key(self, ward: Ward, option: Any) -> None:
        """Whatever a statement leaves out: not one statement more is sent, also of objects that left the session."""
        with ward.session() as session:
            patient = session.scalars(select(Patient).options(option)).one()
            session.expunge(patient)
        sent = len(ward.sent)
        assert (patient.ssn, len(ward.sent)) == ("s1", sent)

    def test_a_refresh_by_name_brings_the_key_and_keeps_what_was_changed(self, ward: Ward) -> None:
        """The tenant that was set is not lost by it."""
        with ward.session() as session:
            patient = session.get_one(Patient, "1")
            session.commit()
            session.refresh(patient, ["ssn"])
            sent = len(ward.sent)
            assert (patient.ssn, len(ward.sent)) == ("s1", sent)
            patient.clinic = "b"
            session.refresh(patient, ["ssn"])
            session.commit()
        assert ward.patients() == [("1", "b", "s1", "e1")]

    def test_a_value_is_loaded_again_if_its_key_has_changed_without_it(self, ward: Ward) -> None:
        """Somebody has moved the row, and only the tenant was refreshed: the old value would not open."""
        with ward.session() as mine, ward.session() as other:
            patient = mine.get_one(Patient, "1")
            mine.commit()
            mine.refresh(patient)
            mine.connection().commit()  # behind the session's back, so that it keeps what it has loaded
            other.get_one(Patient, "1").clinic = "b"
            other.commit()
            mine.refresh(patient, ["clinic"])
            assert (patient.clinic, patient.ssn) == ("b", "s1")

    def test_a_value_that_was_changed_in_the_database_is_refused_after_one_more_look(self, ward: Ward) -> None:
        """It does not open when it is loaded again."""
        with ward.engine.begin() as connection:
            connection.execute(text("UPDATE patients SET ssn = email"))
        with ward.session() as session:
            patient = session.get_one(Patient, "1")
            sent = len(ward.sent)
            with pytest.raises(DecryptionError):
                patient.ssn  # noqa: B018
            assert len(ward.sent) == sent + 1


class TestSealed:
    def test_a_selected_value_has_no_truth_and_no_text(self, ward: Ward) -> None:
        """A program that takes it for the value finds out at once."""
        with ward.session() as session:
            sealed = session.scalars(select(Patient.ssn)).one()
        for misuse in (bool, str, lambda each: each == "s1", lambda each: each != "s1", lambda each: f"{each}"):
            with pytest.raises(ProtectedColumnError, match=r"patients\.ssn.*open it"):
                misuse(sealed)
        assert repr(sealed) == "<Sealed patients.ssn>"
        assert sealed != None  # noqa: E711 (as the ORM asks)

    def test_two_selected_values_are_equal_if_they_are_the_same(self, ward: Ward) -> None:
        """So `unique()` is right."""
        with ward.session() as session:
            one, other = (session.scalars(select(Patient.ssn)).one() for _ in range(2))
            email = session.scalars(select(Patient.email)).one()
            both = select(Patient.ssn).union_all(select(Patient.ssn))
            assert len(session.execute(both).unique().all()) == 1
        assert (one == other, hash(one) == hash(other), one == email) == (True, True, False)

    def test_it_opens_with_its_own_row_alone(self, ward: Ward) -> None:
        """Also after it was opened, and after it was sealed here."""
        sealed: Sealed = new(ssn="n")["ssn"]
        assert sealed.open("1", tenant="a") == "n"
        with pytest.raises(Exception, match="cannot be decrypted"):
            sealed.open("2", tenant="a")

    def test_rows_that_bring_their_key_are_opened(self, ward: Ward) -> None:
        """Of the model, of an alias beside it, and of a subquery."""
        other = aliased(Patient)
        both = select(Patient.id, Patient.clinic, Patient.ssn, other.id, other.email, other.clinic).join(
            other, other.id == Patient.id
        )
        inner = select(Patient.id, Patient.clinic, Patient.ssn.label("number")).subquery()
        with ward.session() as session:
            assert [tuple(row) for row in opened(session, both)] == [("1", "a", "s1", "1", "e1", "a")]
            assert opened(session, select(inner))[0].number == "s1"
            with pytest.raises(ProtectedColumnError, match="'clinic'"):
                opened(session, select(Patient.id, Patient.ssn, other.clinic).join(other, other.id == Patient.id))


class TestJoinedTables:
    """The key is in one table, and protected values are in another."""

    @pytest.fixture
    def nurse(self, ward: Ward) -> Ward:
        with ward.session() as session:
            session.add(Nurse(id="1", clinic="a", salary="100"))
            session.commit()
        return ward

    def salaries(self, ward: Ward) -> list[tuple[Any, ...]]:
        with ward.session() as session:
            return [(nurse.clinic, nurse.salary) for nurse in session.scalars(select(Nurse))]

    def test_a_move_takes_along_what_is_in_the_other_table(self, nurse: Ward) -> None:
        """Both statements are of one flush."""
        with nurse.session() as session:
            session.get_one(Nurse, "1").clinic = "b"
            session.commit()
        assert self.salaries(nurse) == [("b", "100")]

    def test_statements_of_the_table_with_the_key_are_refused(self, nurse: Ward) -> None:
        """They cannot write the values."""
        people: Any = Person.__table__
        nurse.refuses(lambda s: s.execute(update(Person).values(clinic="b")), "another table")
        nurse.refuses(lambda s: s.connection().execute(update(people), [{"clinic": "b"}]), "another table")
        assert self.salaries(nurse) == [("a", "100")]

    def test_a_value_of_a_row_that_somebody_moved_is_stale(self, nurse: Ward) -> None:
        """The condition looks into the table with the tenant."""
        with nurse.session() as mine:
            loaded = mine.get_one(Nurse, "1")
            mine.expunge(loaded)
            mine.rollback()
            with nurse.session() as other:
                other.get_one(Nurse, "1").clinic = "b"
                other.commit()
            mine.add(loaded)
            loaded.salary = "200"
            with pytest.raises(StaleDataError):
                mine.commit()
        assert self.salaries(nurse) == [("b", "100")]

    def test_rows_are_inserted_for_both_tables_together(self, nurse: Ward) -> None:
        """By the ORM; a statement of one table does not know the tenant in the other."""
        with nurse.session() as session:
            session.execute(insert(Nurse), [seal(Nurse, {"id": "2", "clinic": "c", "salary": "300"})])
            session.commit()
        assert self.salaries(nurse) == [("a", "100"), ("c", "300")]
        table: Any = Nurse.__table__
        row = seal(Nurse, {"id": "3", "clinic": "c", "salary": "300"})
        del row["clinic"]
        with nurse.session() as session, pytest.raises(ProtectedColumnError, match="another table"):
            session.connection().execute(insert(table), [row])
        sealed = seal(Nurse, {"id": "3", "clinic": "c", "salary": "300"}) | {"clinic": "d"}
        writes: list[Any] = [
            lambda s: s.execute(insert(Nurse), [sealed]),
            lambda s: s.bulk_insert_mappings(Nurse, [sealed]),
        ]
        for write in writes:
            with nurse.session() as session, pytest.raises(ProtectedColumnError, match="another table"):
                write(session)
        assert self.salaries(nurse) == [("a", "100"), ("c", "300")]

    def test_an_earlier_flush_excuses_nothing(self, nurse: Ward) -> None:
        """Of the same row, in the same session, on the same connection."""
        people: Any = Person.__table__
        with nurse.session() as session:
            session.add(Nurse(id="2", clinic="c", salary="300"))
            session.flush()
            session.get_one(Nurse, "1").clinic = "c"
            session.flush()
            writes: list[Any] = [
                lambda: session.connection().execute(update(people).where(people.c.id == "1").values(clinic="c")),
                lambda: session.execute(update(Nurse), [{"id": "1", "clinic": "d"}]),
            ]
            for write in writes:
                with pytest.raises(ProtectedColumnError, match="another table"):
                    write()

    def test_a_flush_within_a_flush_leaves_its_rows_alone(self, nurse: Ward) -> None:
        """A listener writes an audit trail through a Session of its own, on the same connection."""

        def audit(mapper: Any, connection: Any, target: Any) -> None:
            with Session(connection) as own:
                own.add(Visit(id=f"of {target.id}"))
                own.flush()

        with nurse.session() as session:
            session.add(Nurse(id="2", clinic="c", salary="300"))
            session.commit()
        event.listen(Nurse, "before_update", audit)
        try:
            with nurse.session() as session:
                session.get_one(Nurse, "1").clinic = "x"
                session.get_one(Nurse, "2").clinic = "y"
                session.commit()
        finally:
            event.remove(Nurse, "before_update", audit)
        assert self.salaries(nurse) == [("x", "100"), ("y", "300")]

    def test_an_object_of_the_base_class_is_moved(self, nurse: Ward) -> None:
        """It has nothing in the other table."""
        with nurse.session() as session:
            session.add(Person(id="2", clinic="c"))
            session.flush()
            session.get_one(Person, "2").clinic = "d"
            session.commit()
            assert session.get_one(Person, "2").clinic == "d"

    def test_an_object_in_place_of_a_deleted_one_is_written_whole(self, nurse: Ward) -> None:
        """Both tables get UPDATEs."""
        with nurse.session() as session:
            session.delete(session.get_one(Nurse, "1"))
            session.add(Nurse(id="1", clinic="z"))
            session.commit()
        assert self.salaries(nurse) == [("z", None)]

    def test_replace_does_not_exchange_the_key_of_a_row(self, nurse: Ward) -> None:
        """It would leave the other table as it is."""
        people: Any = Person.__table__
        statement = insert(people).prefix_with("OR REPLACE").values(id="1", clinic="z", kind="nurse")
        nurse.refuses(lambda s: s.connection().execute(statement), "REPLACE")
