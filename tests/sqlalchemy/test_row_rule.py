"""What was committed can be read: statements that write keys, tenants or protected columns know the row."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, String, bindparam, func, insert, literal, null, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.orm.exc import StaleDataError

from fieldcrypt_sqlalchemy import Encrypted, ProtectedColumnError, encrypted, seal
from tests.sqlalchemy.ward import ENCRYPTOR, TABLE, Patient, Person, Visit, Ward, new, upsert
from tests.sqlalchemy.ward import ward as ward


def everything(row: Any) -> dict[str, Any]:
    """Return a SET list of all that an upsert has to set."""
    return {name: row[name] for name in ("id", "clinic", "ssn", "email", "email_tag")}


def met(session: Session, statement: Any) -> int:
    """Return how many rows a statement met."""
    result: Any = session.execute(statement)
    count: int = result.rowcount
    return count


class TestUpdates:
    @pytest.mark.parametrize("rows", [{"clinic": "b"}, [{"clinic": "b"}, {"clinic": "c"}]])
    def test_a_tenant_that_comes_in_the_parameters_is_seen(self, ward: Ward, rows: Any) -> None:
        """Of one row, and of many."""
        ward.refuses(
            lambda s: s.connection().execute(update(TABLE).where(TABLE.c.id == "1"), rows), "bound to 'clinic'"
        )

    def test_a_key_is_changed_with_all_values_or_not_at_all(self, ward: Ward) -> None:
        """One of two protected columns would stay behind."""
        sealed = new(clinic="b", ssn="n", email="n")
        ward.refuses(
            lambda s: s.execute(update(Patient).where(Patient.id == "1").values(clinic="b", ssn=sealed["ssn"])), "email"
        )
        with ward.session() as session:
            session.execute(update(Patient).where(Patient.id == "1").values(**sealed))
            session.commit()
        assert ward.patients() == [("1", "b", "n", "n")]

    def test_values_are_sealed_for_the_key_that_is_written(self, ward: Ward) -> None:
        """Another tenant's, or another row's, would not open."""
        sealed = new(ssn="n", email="n")
        ward.refuses(lambda s: s.execute(update(Patient).values({**sealed, "clinic": "b"})), "another 'clinic'")
        ward.refuses(
            lambda s: s.execute(update(Patient).values({**sealed, "clinic": func.lower("B")})), "another 'clinic'"
        )

    def test_a_value_brings_its_row_as_a_condition(self, ward: Ward) -> None:
        """So that it reaches no other row, whatever the statement says."""
        with ward.session() as session:
            session.add(Patient(id="2", clinic="a", number=2, ssn="s2", email="e2"))
            session.commit()
            assert met(session, update(Patient).values(ssn=new(ssn="n")["ssn"])) == 1
            assert met(session, update(Patient).values(ssn=new(clinic="b", ssn="x")["ssn"])) == 0
            session.commit()
        assert [patient[2] for patient in ward.patients()] == ["n", "s2"]

    def test_many_rows_are_told_apart(self, ward: Ward) -> None:
        """Also where some of them become NULL, and the number of rows is that of all."""
        with ward.session() as session:
            session.add_all(Patient(id=str(n), clinic="a", number=n, ssn=f"s{n}", email=f"e{n}") for n in (2, 3, 4))
            session.commit()
            rows = [
                {"at": str(n), "ssn": seal(Patient, {"id": str(n), "clinic": "a", "ssn": f"n{n}"})["ssn"]}
                for n in (1, 2)
            ]
            rows += [{"at": "3", "ssn": None}, {"at": "4", "ssn": new(ssn="not this one's")["ssn"]}]
            result = session.connection().execute(update(TABLE).where(TABLE.c.id == bindparam("at")), rows)
            session.commit()
            assert result.rowcount == 3
        assert [patient[2] for patient in ward.patients()] == ["n1", "n2", None, "s4"]

    def test_a_value_as_it_was_selected_is_not_written(self, ward: Ward) -> None:
        """It may be of another row."""
        with ward.session() as session:
            selected = session.scalars(select(Patient.ssn)).one()
        ward.refuses(lambda s: s.execute(update(Patient).values(ssn=selected)), "as it was selected")

    def test_a_bulk_update_by_primary_key_leaves_the_tenant_to_the_value(self, ward: Ward) -> None:
        """`seal` gives it what it takes."""
        with ward.session() as session:
            session.execute(update(Patient), [new(ssn="n")])
            session.bulk_update_mappings(Patient, [new(email="n")])
            session.commit()
        assert ward.patients() == [("1", "a", "n", "n")]

    def test_bulk_methods_move_no_row_alone(self, ward: Ward) -> None:
        """Nor does a bulk update."""
        ward.refuses(lambda s: s.execute(update(Patient), [{"id": "1", "clinic": "b"}]), "bound to 'clinic'")
        ward.refuses(lambda s: s.bulk_update_mappings(Patient, [{"id": "1", "clinic": "b"}]), "bound to 'clinic'")

    def test_a_row_without_values_can_be_moved(self, ward: Ward) -> None:
        """All are set to NULL."""
        with ward.session() as session:
            session.execute(update(Patient).values(clinic="b", ssn=None, email=null()))
            session.commit()
        assert ward.patients() == [("1", "b", None, None)]


class TestInserts:
    def test_values_are_sealed_for_the_row_that_is_inserted(self, ward: Ward) -> None:
        """One row, several in one statement, and many."""
        sealed = {**seal(Patient, {"id": "2", "clinic": "a", "ssn": "x"}), "id": "3"}
        ward.refuses(lambda s: s.execute(insert(Patient).values(sealed)), "another 'id'")
        ward.refuses(lambda s: s.execute(insert(Patient).values([sealed])), "another 'id'")
        ward.refuses(lambda s: s.execute(insert(Patient), [sealed]), "another 'id'")
        ward.refuses(lambda s: s.connection().execute(insert(TABLE), [sealed, sealed]), "another 'id'")
        del sealed["id"]
        ward.refuses(lambda s: s.connection().execute(insert(TABLE), [sealed]), "another 'id'")

    def test_null_comes_from_a_select(self, ward: Ward) -> None:
        """It is bound to no row, and has no tag."""
        select_tag = insert(TABLE).from_select(
            ["id", "clinic", "email", "email_tag"], select(literal("2"), literal("a"), null(), TABLE.c.email_tag)
        )
        ward.refuses(lambda s: s.execute(select_tag), "next to another column than its tags")
        row = select(literal("2"), literal("a"), literal(2), null(), null())
        with ward.session() as session:
            session.execute(insert(TABLE).from_select(["id", "clinic", "number", "ssn", "email"], row))
            session.commit()
        assert ward.patients() == [("1", "a", "s1", "e1"), ("2", "a", None, None)]


class TestTags:
    def test_a_tag_is_not_written_alone_in_rows_of_parameters(self, ward: Ward) -> None:
        """Neither of one row nor of many, whatever else is in them."""
        one = {"id": "2", "clinic": "a", "email_tag": b"x"}
        ward.refuses(lambda s: s.connection().execute(insert(TABLE), one), "cannot be written alone")
        ward.refuses(lambda s: s.connection().execute(insert(TABLE), [one, {**one, "id": "3"}]), "written alone")
        change = update(TABLE).where(TABLE.c.id == bindparam("of"))
        ward.refuses(lambda s: s.connection().execute(change, [{"of": "1", "email_tag": None}]), "written alone")

    def test_rows_without_a_value_may_say_that_they_have_no_tag(self, ward: Ward) -> None:
        """As rows do that were read from another table."""
        with ward.session() as session:
            session.connection().execute(insert(TABLE), [{"id": "2", "clinic": "a", "number": 2, "email_tag": None}])
            session.commit()
        assert ward.patients() == [("1", "a", "s1", "e1"), ("2", "a", None, None)]


class TestUpserts:
    def test_one_that_sets_all_is_taken(self, ward: Ward) -> None:
        """The row that is there becomes the one that was to be inserted."""
        values = seal(Patient, {"id": "1", "clinic": "b", "number": 1, "ssn": "n", "email": "n"})
        with ward.session() as session:
            session.execute(upsert(ward.engine, values, everything))
            session.commit()
        assert ward.patients() == [("1", "b", "n", "n")]

    def test_what_is_inserted_can_be_set_as_itself(self, ward: Ward) -> None:
        """In place of the excluded value: plain, and sealed for the row."""
        values = seal(Patient, {"id": "1", "clinic": "b", "number": 1, "ssn": "n", "email": "n"})
        with ward.session() as session:
            session.execute(
                upsert(ward.engine, values, lambda row: everything(row) | {"clinic": "b", "ssn": values["ssn"]})
            )
            session.commit()
        assert ward.patients() == [("1", "b", "n", "n")]

    def test_one_that_meets_another_unique_key_can_be_taken_too(self, ward: Ward) -> None:
        """If it sets all."""
        values = seal(Patient, {"id": "9", "clinic": "b", "number": 1, "ssn": "n", "email": "n"})
        with ward.session() as session:
            session.execute(upsert(ward.engine, values, everything, on=("number",)))
            session.commit()
        assert ward.patients() == [("9", "b", "n", "n")]

    @pytest.mark.parametrize("left_out", ["id", "clinic", "ssn", "email"])
    def test_one_that_leaves_something_out_is_refused(self, ward: Ward, left_out: str) -> None:
        """For the row that it meets may have another key or tenant."""
        values = seal(Patient, {"id": "1", "clinic": "b", "number": 1, "ssn": "n", "email": "n"})

        def some(row: Any) -> dict[str, Any]:
            return {name: value for name, value in everything(row).items() if not name.startswith(left_out)}

        ward.refuses(lambda s: s.execute(upsert(ward.engine, values, some, on=("number",))), "let it set all")

    def test_the_tenant_alone_is_refused(self, ward: Ward) -> None:
        """As a value, and as that of the row that could not be inserted."""
        values = seal(Patient, {"id": "1", "clinic": "b", "number": 1})
        for set_ in (lambda row: {"clinic": row.clinic}, lambda row: {"clinic": "b"}):
            statement = upsert(ward.engine, values, set_)
            ward.refuses(partial(Session.execute, statement=statement), "let it set all")

    def test_what_is_set_is_what_is_inserted(self, ward: Ward) -> None:
        """A value that is sealed for another row is not."""
        values = seal(Patient, {"id": "1", "clinic": "a", "number": 1, "ssn": "n", "email": "n"})
        other = seal(Patient, {"id": "2", "clinic": "a", "ssn": "n"})["ssn"]
        ward.refuses(
            lambda s: s.execute(upsert(ward.engine, values, lambda row: everything(row) | {"ssn": other})), "ssn"
        )

    def test_plain_columns_are_set_as_ever(self, ward: Ward) -> None:
        """They are bound to nothing."""
        values = seal(Patient, {"id": "1", "clinic": "a", "number": 1, "ssn": "n", "email": "n"})
        with ward.session() as session:
            session.execute(upsert(ward.engine, values, lambda row: {"initial": "z"}))
            session.commit()
        assert ward.patients() == [("1", "a", "s1", "e1")]


class TestWithinOthers:
    """Statements within others come to nobody's notice before they are compiled."""

    def test_an_update_in_a_cte_moves_no_row(self, ward: Ward) -> None:
        """Neither beside a SELECT, nor beside an INSERT."""
        people: Any = Person.__table__
        moved = update(people).values(clinic="b").returning(people.c.id).cte("moved")
        ward.refuses(lambda s: s.connection().execute(select(moved.c.id)), "within another one")
        copied = insert(Visit).from_select(["id"], select(moved.c.id))
        ward.refuses(lambda s: s.execute(copied), "within another one")

    def test_an_upsert_in_a_cte_moves_no_row(self, ward: Ward) -> None:
        """What it inserts is plain."""
        people: Any = Person.__table__
        row = {"id": "1", "clinic": "b", "kind": "person"}
        if ward.engine.dialect.name in ("mysql", "mariadb"):
            added: Any = mysql.insert(people).values(row).on_duplicate_key_update(clinic="b")
        else:
            kind: Any = postgresql if ward.engine.dialect.name == "postgresql" else sqlite
            added = kind.insert(people).values(row).on_conflict_do_update(index_elements=["id"], set_={"clinic": "b"})
        added = added.returning(people.c.id).cte("added")
        ward.refuses(lambda s: s.connection().execute(select(added.c.id)), "within another one")


class TestRaces:
    def test_a_row_that_somebody_moved_is_stale(self, ward: Ward) -> None:
        """A value for the old tenant could not be read any more."""
        with ward.session() as mine, ward.session() as other:
            patient = mine.get_one(Patient, "1")
            mine.rollback()
            other.get_one(Patient, "1").clinic = "b"
            other.commit()
            patient.__dict__.update(clinic="a")
            mine.connection()
            patient.ssn = "n"
            patient.__dict__["clinic"] = "a"
            with pytest.raises(StaleDataError):
                mine.commit()
        assert ward.patients() == [("1", "b", "s1", "e1")]

    def test_a_move_does_not_overwrite_what_somebody_else_has_changed(self, ward: Ward) -> None:
        """It takes all values along, and they may be old."""
        with ward.session() as mine:
            patient = mine.get_one(Patient, "1")
            assert patient.ssn == "s1"
            mine.expunge(patient)
            mine.rollback()
            with ward.session() as other:
                other.get_one(Patient, "1").ssn = "others"
                other.commit()
            mine.add(patient)
            patient.clinic = "b"
            with pytest.raises(StaleDataError):
                mine.commit()
        assert ward.patients() == [("1", "a", "others", "e1")]

    def test_a_move_does_not_leave_behind_what_somebody_else_has_added(self, ward: Ward) -> None:
        """A value that was NULL when the row was loaded."""
        with ward.session() as session:
            session.get_one(Patient, "1").ssn = None
            session.commit()
        with ward.session() as mine:
            patient = mine.get_one(Patient, "1")
            mine.expunge(patient)
            mine.rollback()
            with ward.session() as other:
                other.get_one(Patient, "1").ssn = "others"
                other.commit()
            mine.add(patient)
            patient.clinic = "b"
            with pytest.raises(StaleDataError):
                mine.commit()
        assert ward.patients() == [("1", "a", "others", "e1")]

    def test_an_object_in_place_of_a_deleted_one_has_none_of_its_values(self, ward: Ward) -> None:
        """The ORM makes one UPDATE of both, which would leave what the new object does not set."""
        with ward.session() as session:
            session.delete(session.get_one(Patient, "1"))
            session.add(Patient(id="1", clinic="b", number=1))
            session.commit()
        assert ward.patients() == [("1", "b", None, None)]


class TestNoTenant:
    def test_a_row_without_values_needs_no_tenant_until_it_gets_one(self, engine: Engine) -> None:
        """There is nothing to seal; and when there is, it says what is missing."""

        class Own(DeclarativeBase):
            pass

        @encrypted(ENCRYPTOR, row="id", tenant="clinic")
        class Guest(Own):
            __tablename__ = "guests"
            id: Mapped[str] = mapped_column(String(40), primary_key=True)
            clinic: Mapped[str | None] = mapped_column(String(40))
            ssn: Mapped[str | None] = mapped_column(Encrypted(String))

        Own.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(Guest(id="1"))
            session.commit()
            guest = session.get_one(Guest, "1")
            guest.ssn = "s"
            with pytest.raises(ProtectedColumnError, match="clinic is None"):
                session.flush()
            session.rollback()
            guest.clinic, guest.ssn = "a", "s"
            session.commit()
            assert (guest.clinic, guest.ssn) == ("a", "s")
            guest.clinic = "b"
            session.commit()
            assert (guest.clinic, guest.ssn) == ("b", "s")


class TestStaleObjects:
    """Somebody has moved the row meanwhile: what an object writes reaches no other tenant's row."""

    @pytest.fixture
    def stale(self, ward: Ward) -> Iterator[tuple[Session, Any]]:
        with ward.session() as session:
            patient = session.get_one(Patient, "1")
            session.expunge(patient)
            session.rollback()
            with ward.session() as other:
                moved = other.get_one(Patient, "1")
                moved.clinic, moved.ssn = "b", "others"
                other.commit()
            session.add(patient)
            yield session, patient

    @pytest.mark.parametrize("change", [{"ssn": None}, {"clinic": "c", "ssn": None, "email": None}, {"ssn": "x"}])
    def test_a_change_is_stale(self, ward: Ward, stale: tuple[Session, Any], change: dict[str, Any]) -> None:
        """NULL is bound to its row as well."""
        session, patient = stale
        for name, value in change.items():
            setattr(patient, name, value)
        with pytest.raises(StaleDataError):
            session.flush()
        session.rollback()
        assert ward.patients() == [("1", "b", "others", "e1")]

    def test_a_value_that_is_loaded_later_opens(self, stale: tuple[Session, Any]) -> None:
        """It brings the tenant that it was sealed for."""
        session, patient = stale
        session.refresh(patient, ["ssn"])
        assert patient.ssn == "others"
        assert patient.email == "e1"

    def test_an_object_that_nobody_has_read_is_merged_with_what_it_has(self, ward: Ward) -> None:
        """Its values open with its own key, and not with that of the row as it is now."""
        with ward.session() as session:
            detached = session.get_one(Patient, "1")
            session.expunge(detached)
        with ward.session() as other:
            other.get_one(Patient, "1").clinic = "b"
            other.commit()
        with ward.session() as session:
            session.merge(detached)
            session.commit()
        assert ward.patients() == [("1", "a", "s1", "e1")]


class TestEvaluation:
    """The ORM evaluates in Python what a statement does to the objects of a session."""

    def test_a_value_of_one_row_does_not_get_into_the_object_of_another(self, ward: Ward) -> None:
        """The condition that the value brings is not evaluated."""
        with ward.session() as session:
            session.add(Patient(id="2", clinic="a", number=2, ssn="s2"))
            session.flush()
            one, two = session.get_one(Patient, "1"), session.get_one(Patient, "2")
            session.execute(update(Patient).where(Patient.clinic == "a").values(ssn=new(ssn="n")["ssn"]))
            assert (one.ssn, two.ssn) == ("n", "s2")

    def test_tests_for_null_are_evaluated(self, ward: Ward) -> None:
        """Of values that nobody has read."""
        with ward.session() as session:
            patient = session.get_one(Patient, "1")
            session.execute(update(Patient).where(Patient.ssn.is_(None)).values(initial="x"))
            session.execute(update(Patient).where(Patient.ssn.is_not(None)).values(initial="y"))
            assert patient.initial == "y"
