"""Compound indexes: their tags are in step with every write of a member."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import (
    Date,
    Engine,
    Enum,
    ForeignKey,
    Numeric,
    String,
    event,
    func,
    insert,
    null,
    select,
    text,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, composite, load_only, mapped_column, relationship
from sqlalchemy.orm.exc import StaleDataError

from fieldcrypt import ConfigurationError, Encryptor, row_context
from fieldcrypt.search import domain
from fieldcrypt_sqlalchemy import (
    BlindIndexTag,
    CompoundIndex,
    Encrypted,
    IndexedBy,
    ProtectedColumnError,
    blind_index,
    encrypted,
    find,
    of_tenant,
    seal,
)
from tests.conftest import Database
from tests.support.encryptors import new_encryptor

WHO = CompoundIndex("who_tag", of={"surname": "casefold", "born": None})
BORN, OTHER_DAY = date(1970, 1, 1), date(1980, 2, 2)


def patients(encryptor: Encryptor, indexes: tuple[CompoundIndex, ...] = (WHO,), **columns: Any) -> Any:
    """A model with an index of a protected and a plain member."""

    class Base(DeclarativeBase):
        pass

    members = {
        "__tablename__": "patients",
        "id": mapped_column(String(10), primary_key=True),
        "clinic": mapped_column(String(10)),
        "surname": mapped_column(Encrypted(String)),
        "note": mapped_column(Encrypted(String)),
        "born": mapped_column(Date),
        "room": mapped_column(String(10)),
        "who_tag": blind_index(unique=True),
        **columns,
    }
    model = type("Patient", (Base,), members)
    return encrypted(encryptor, row="id", tenant="clinic", indexes=indexes)(model)


@dataclass
class Name:
    first: str
    surname: str


class Clinic:
    """A table with one patient, Meyer, whose companion has to be in step."""

    def __init__(self, engine: Engine, **how: Any) -> None:
        self.engine, self.encryptor = engine, new_encryptor()
        self.patient = patients(self.encryptor, **how)
        self.table = self.patient.__table__
        self.patient.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(self.patient(**self.meyer()))
            session.commit()

    def meyer(self, **changed: Any) -> dict[str, Any]:
        return {"id": "1", "clinic": "a", "surname": "Meyer", "note": "n", "born": BORN, **changed}

    def sealed(self, **changed: Any) -> dict[str, Any]:
        """The values of the patient, sealed with other ones."""
        return seal(self.patient, self.meyer(**changed))

    def assert_in_step(self) -> list[tuple[Any, ...]]:
        """Compare each tag with that of the values of its row, and return these."""
        indexes = WHO.indexes(self.encryptor, "patients", {"surname": str, "born": date})
        with Session(self.engine) as session:
            rows = session.scalars(select(self.patient).order_by(self.patient.id)).all()
            for row in rows:
                assert {"who_tag": row.who_tag} == indexes.tags({"surname": row.surname, "born": row.born})
            return [(row.id, row.surname, row.born) for row in rows]

    def upsert(self, names: tuple[str, ...]) -> Any:
        module: Any = {"sqlite": sqlite, "postgresql": postgresql}.get(self.engine.dialect.name, mysql)
        statement = module.insert(self.table).values(self.sealed(surname="Mayr", born=OTHER_DAY))
        if module is mysql:
            return statement.on_duplicate_key_update({name: statement.inserted[name] for name in names})
        values = {name: statement.excluded[name] for name in names}
        return statement.on_conflict_do_update(index_elements=["id"], set_=values)


@pytest.fixture
def clinic(engine: Engine) -> Clinic:
    """In each kind of database."""
    return Clinic(engine)


@pytest.fixture
def small(database: Database) -> Clinic:
    """In SQLite, for what does not depend on the database."""
    return Clinic(database("sqlite"))


def change(**values: Any) -> Callable[[Clinic, Session], None]:
    """Set attributes of the object."""

    def write(clinic: Clinic, session: Session) -> None:
        patient = session.get_one(clinic.patient, "1")
        for name, value in values.items():
            setattr(patient, name, value)

    return write


def replace(clinic: Clinic, session: Session) -> None:
    """Delete a row, and add another one of its key that has not all of it."""
    session.delete(session.get_one(clinic.patient, "1"))
    session.add(clinic.patient(id="1", clinic="a", surname="Mayr"))


def change_deferred(clinic: Clinic, session: Session) -> None:
    """Change an object whose other members were not loaded."""
    (patient,) = session.scalars(select(clinic.patient).options(load_only(clinic.patient.id)))
    patient.born = OTHER_DAY


WRITES: dict[str, Callable[[Clinic, Session], Any]] = {
    "protected member": change(surname="Mayr"),
    "plain member": change(born=OTHER_DAY),
    "plain member to None": change(born=None),
    "both": change(surname="Mayr", born=OTHER_DAY),
    "none of them": change(note="other"),
    "to another tenant": change(clinic="b"),
    "to another key": change(id="2", born=OTHER_DAY),
    "of what was not loaded": change_deferred,
    "replaced": replace,
    "merged": lambda c, s: s.merge(c.patient(id="1", clinic="a", surname="MEYER", born=OTHER_DAY)),
    "merged, with one member as it is": lambda c, s: s.merge(c.patient(**c.meyer(born=OTHER_DAY))),
    "added": lambda c, s: s.add_all([c.patient(**c.meyer(id="2", born=OTHER_DAY)), c.patient(id="3", clinic="a")]),
    "bulk insert": lambda c, s: s.execute(
        insert(c.patient), [c.sealed(id="2", born=OTHER_DAY), c.sealed(id="3", born=None)]
    ),
    "values": lambda c, s: s.execute(insert(c.patient).values(c.sealed(id="2", born=OTHER_DAY))),
    "values of several": lambda c, s: s.execute(
        insert(c.table).values([c.sealed(id="2", born=OTHER_DAY), c.sealed(id="3", surname=None)])
    ),
    "core rows": lambda c, s: s.connection().execute(insert(c.table), [c.sealed(id="2", born=OTHER_DAY)]),
    "core without protected members": lambda c, s: s.connection().execute(
        insert(c.table).values(id="2", clinic="a", born=BORN)
    ),
    "bulk update": lambda c, s: s.execute(update(c.patient), [c.sealed(surname="Mayr")]),
    "update": lambda c, s: s.execute(update(c.patient).values(surname=c.sealed()["surname"], born=OTHER_DAY)),
    "core update with parameters": lambda c, s: s.connection().execute(
        update(c.table), {"surname": c.sealed(surname="Mayr")["surname"], "born": OTHER_DAY}
    ),
    "update of a member to None": lambda c, s: s.execute(update(c.patient).values(born=None)),
    "upsert": lambda c, s: s.execute(c.upsert(("id", "clinic", "surname", "note", "born"))),
    "upsert with the tag": lambda c, s: s.execute(c.upsert(("id", "clinic", "surname", "note", "born", "who_tag"))),
    "upsert of nothing that counts": lambda c, s: s.execute(c.upsert(("room",))),
    "values with a tag": lambda c, s: s.execute(
        insert(c.table).values({**c.sealed(id="2", born=OTHER_DAY), "who_tag": b"wrong"})
    ),
    "NULL of SQL": lambda c, s: s.execute(insert(c.table).values({**c.sealed(id="2"), "born": null()})),
}

REFUSED: dict[str, tuple[Callable[[Clinic], Any], str]] = {
    "a plain member": (lambda c: update(c.patient).values(born=OTHER_DAY), "set all of them.*Without surname"),
    "a protected member": (
        lambda c: update(c.patient).values(surname=c.sealed(surname="Mayr")["surname"]),
        "set all of them.*Without born",
    ),
    "an expression": (
        lambda c: update(c.patient).values(surname=c.sealed()["surname"], born=func.now()),
        "born takes a plain value",
    ),
    "by an alias": (lambda c: update(c.table.alias("p")).values(born=OTHER_DAY), "alias or copy"),
    "the tag alone": (lambda c: update(c.patient).values(who_tag=None), "cannot be written alone"),
    "a copied tag": (
        lambda c: insert(c.table).from_select(
            ["id", "clinic", "who_tag"], select(c.table.c.note.is_(None), c.table.c.clinic, c.table.c.who_tag)
        ),
        "cannot be written alone",
    ),
    "an upsert of the tag": (lambda c: c.upsert(("who_tag",)), "cannot be written alone"),
    "an upsert of one": (lambda c: c.upsert(("id", "clinic", "born")), "excluded"),
    "within another statement": (
        lambda c: select(update(c.table).values(born=OTHER_DAY).returning(c.table.c.id).cte("u")),
        "within another one",
    ),
}


class TestCompounds:
    @pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
    def test_every_write_of_a_member_takes_the_tag_along(
        self, clinic: Clinic, write: Callable[[Clinic, Session], Any]
    ) -> None:
        """Each row's tag is that of its members, and NULL if one is missing."""
        with Session(clinic.engine) as session:
            write(clinic, session)
            session.commit()
        assert clinic.assert_in_step()

    @pytest.mark.parametrize(("statement", "why"), REFUSED.values(), ids=REFUSED)
    def test_what_would_leave_a_wrong_tag_is_refused(
        self, small: Clinic, statement: Callable[[Clinic], Any], why: str
    ) -> None:
        """Before anything is sent, and without a value in the message."""
        with Session(small.engine) as session, pytest.raises(ProtectedColumnError, match=why) as caught:
            session.execute(statement(small))
        assert "1980" not in str(caught.value)
        assert small.assert_in_step() == [("1", "Meyer", BORN)]

    @pytest.mark.parametrize(
        ("mine", "theirs"),
        [({"surname": "Mayr"}, {"born": OTHER_DAY}), ({"born": OTHER_DAY}, {"surname": "Mayr"}),
         ({"surname": "Mayr"}, {"born": None}), ({"born": None}, {"surname": "Mayr"})],
    )  # fmt: skip
    def test_an_object_is_not_written_over_a_member_that_was_changed_meanwhile(
        self, clinic: Clinic, mine: dict[str, Any], theirs: dict[str, Any]
    ) -> None:
        """Its tag would be of two members that the row does not have together."""
        with Session(clinic.engine) as session:
            change(**mine)(clinic, session)
            with Session(clinic.engine) as other, session.no_autoflush:
                change(**theirs)(clinic, other)
                other.commit()
            with pytest.raises(StaleDataError):
                session.commit()
        clinic.assert_in_step()

    def test_a_tag_is_nobodys_secret_while_it_is_written(self, small: Clinic) -> None:
        """What stands in an object before the flush is no plaintext, pickled or shown; after it, it is the tag."""
        with Session(small.engine, expire_on_commit=False) as session:
            patient = session.get_one(small.patient, "1")
            seen: list[Any] = []
            event.listen(small.engine, "before_cursor_execute", lambda *_: seen.append(patient.__dict__["who_tag"]))
            patient.surname = "Mayr"
            session.commit()
            pending = seen[-1]
            assert "Mayr" not in repr(pending)
            assert b"Mayr" not in pickle.dumps(pending)
            assert pickle.loads(pickle.dumps(pending)) == patient.__dict__["who_tag"] == pending.tag
            assert type(patient.who_tag).__name__ == "Tag"

    def test_a_flush_that_fails_leaves_the_tag_alone(self, small: Clinic) -> None:
        """The object is as it was before."""
        with Session(small.engine) as session:
            patient = small.patient(**small.meyer(id="2"))
            session.add(patient)
            with pytest.raises(IntegrityError, match="who_tag"):  # it is unique
                session.flush()
            assert type(patient.__dict__["who_tag"]).__name__ == "Tag"

    def test_a_default_of_a_plain_member_is_tagged(self, database: Database) -> None:
        """A constant or a function, however the row comes."""
        for default in (OTHER_DAY, lambda: OTHER_DAY):
            clinic = Clinic(database("sqlite"), born=mapped_column(Date, default=default))
            with Session(clinic.engine) as session:
                session.add(clinic.patient(id="2", clinic="a", surname="Ott"))
                session.flush()
                values = {"id": "3", "clinic": "a", "surname": "Uhl"}
                session.execute(insert(clinic.patient), [seal(clinic.patient, values)])
                session.commit()
            assert clinic.assert_in_step()[1:] == [("2", "Ott", OTHER_DAY), ("3", "Uhl", OTHER_DAY)]
            clinic.patient.metadata.drop_all(clinic.engine)

    def test_mixins_and_composites_have_compounds(self, database: Database) -> None:
        """Members and companion may come from a mixin, and be parts of a composite value; columns have other names."""

        class Base(DeclarativeBase):
            pass

        class Named:
            first: Mapped[str | None] = mapped_column("first_name", Encrypted(String))
            surname: Mapped[str | None] = mapped_column("last_name", Encrypted(String))
            who_tag: Mapped[bytes | None] = mapped_column("tag", BlindIndexTag(), key="who_tag")

        encryptor, how = new_encryptor(), CompoundIndex("who_tag", of={"first": None, "surname": "casefold"})

        @encrypted(encryptor, row="id", fields="patients", indexes=[how])
        class Patient(Named, Base):
            __tablename__ = "patients_2026"
            id: Mapped[str] = mapped_column(String(10), primary_key=True)
            name: Mapped[Name] = composite("first", "surname")

        engine = database("sqlite")
        Base.metadata.create_all(engine)
        made = how.indexes(encryptor, "patients", {"first": str, "surname": str})
        with Session(engine) as session:
            patient = Patient(id="1", name=Name("Ann", "Meyer"))
            session.add(patient)
            session.commit()
            assert {"who_tag": patient.who_tag} == made.tags({"first": "Ann", "surname": "Meyer"})
            patient.surname = "Mayr"
            session.commit()
            assert {"who_tag": patient.who_tag} == made.tags({"first": "Ann", "surname": "Mayr"})

    @pytest.mark.parametrize("surname", ["Mayr", None])
    def test_a_class_may_lack_members_that_another_one_in_its_table_has(
        self, engine: Engine, surname: str | None
    ) -> None:
        """Its rows have no tag, and its objects are changed all the same: a statement that changes others is not."""

        class Base(DeclarativeBase):
            pass

        encryptor = new_encryptor()

        @encrypted(encryptor, row="id", tenant="clinic")
        class Person(Base):
            __tablename__ = "people"
            id: Mapped[str] = mapped_column(String(10), primary_key=True)
            clinic: Mapped[str] = mapped_column(String(10))
            kind: Mapped[str] = mapped_column(String(10))
            surname: Mapped[str | None] = mapped_column(Encrypted(String))
            __mapper_args__: Any = {"polymorphic_on": kind, "polymorphic_identity": "person"}  # noqa: RUF012

        @encrypted(encryptor, row="id", tenant="clinic", indexes=[WHO])
        class Patient(Person):
            born: Mapped[date | None]
            who_tag: Mapped[bytes | None] = blind_index()
            __mapper_args__: Any = {"polymorphic_identity": "patient"}  # noqa: RUF012

        Base.metadata.create_all(engine)
        with Session(engine) as session:
            values = {"clinic": "a", "surname": "Meyer"}
            person, patient = Person(id="1", **values), Patient(id="2", born=BORN, **values)
            session.add_all([person, patient])
            session.commit()
            person.surname = surname
            session.commit()
            person.clinic = "b"
            session.commit()
            assert person.surname == surname
            assert session.scalars(select(Patient).where(Patient.who_tag.equals(surname="Meyer", born=BORN))).one()
            assert session.scalars(select(Person.__table__.c.who_tag).order_by("id")).first() is None
            changed = seal(Person, {"id": "2", "clinic": "a", "surname": "Mayr"}, defaults=False)
            with pytest.raises(ProtectedColumnError, match="Without born"):
                session.execute(update(Person).values(surname=changed["surname"]))

    @pytest.mark.parametrize("per_tenant", [False, True])
    def test_a_sealed_value_brings_members_that_are_its_key_and_tenant(self, engine: Engine, per_tenant: bool) -> None:
        """They are conditions of the statement, so the row has them."""
        how = CompoundIndex("who_tag", of={"id": None, "clinic": None, "surname": None}, per_tenant=per_tenant)
        clinic = Clinic(engine, indexes=(how,), who_tag=blind_index())
        made = how.indexes(clinic.encryptor, "patients", {"id": str, "clinic": str, "surname": str})
        tag = made.tags({"id": "1", "clinic": "a", "surname": "Mayr"}, tenant="a")["who_tag"]
        mayr, of_another, of_b = (clinic.sealed(**each) for each in (
            {"surname": "Mayr"}, {"id": "2", "surname": "Ott"}, {"clinic": "b", "surname": "Uhl"}
        ))  # fmt: skip
        with Session(engine) as session:
            session.execute(update(clinic.patient).values(surname=mayr["surname"]))
            assert session.scalars(select(clinic.patient.who_tag)).one() == tag
            for other in (of_another, of_b):
                session.execute(update(clinic.patient).values(surname=other["surname"]))
            session.connection().execute(
                update(clinic.table), [{"surname": each["surname"]} for each in (mayr, of_another, of_b)]
            )
            session.expire_all()
            patient = session.scalars(select(clinic.patient)).one()
            assert (patient.surname, patient.who_tag) == ("Mayr", tag)
            session.execute(update(clinic.patient).values(surname=of_b["surname"], note=of_b["note"], clinic="b"))
            session.expire_all()
            moved = made.tags({"id": "1", "clinic": "b", "surname": "Uhl"}, tenant="b")["who_tag"]
            assert session.scalars(select(clinic.patient.who_tag)).one() == moved

    def test_an_object_of_a_base_class_that_writes_a_member_alone_is_refused_with_the_reason(
        self, database: Database
    ) -> None:
        """It is an object that is changed, so that "change the object" alone would not help."""

        class Base(DeclarativeBase):
            pass

        encryptor = new_encryptor()

        @encrypted(encryptor, row="id")
        class Person(Base):
            __tablename__ = "people"
            id: Mapped[str] = mapped_column(String(10), primary_key=True)
            kind: Mapped[str] = mapped_column(String(10))
            born: Mapped[date | None]
            __mapper_args__: Any = {"polymorphic_on": kind, "polymorphic_identity": "person"}  # noqa: RUF012

        @encrypted(encryptor, row="id", indexes=[WHO])
        class Patient(Person):
            surname: Mapped[str | None] = mapped_column(Encrypted(String))
            who_tag: Mapped[bytes | None] = blind_index()
            __mapper_args__: Any = {"polymorphic_identity": "patient"}  # noqa: RUF012

        engine = database("sqlite")
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            person = Person(id="1", born=BORN)
            session.add_all([person, Patient(id="2", born=BORN, surname="Meyer")])
            session.commit()
            person.born = OTHER_DAY
            with pytest.raises(ProtectedColumnError, match=r"Without surname.* its class is not the one"):
                session.flush()

    def test_a_relationship_that_writes_a_member_afterwards_is_refused_with_the_reason(
        self, database: Database
    ) -> None:
        """It is the flush that breaks the rule, and no statement of the application's."""

        class Base(DeclarativeBase):
            pass

        class Ward(Base):
            __tablename__ = "wards"
            id: Mapped[str] = mapped_column(String(10), primary_key=True)

        how = CompoundIndex("who_tag", of={"surname": None, "ward_id": None})

        @encrypted(new_encryptor(), row="id", indexes=[how])
        class Patient(Base):
            __tablename__ = "patients"
            id: Mapped[str] = mapped_column(String(10), primary_key=True)
            surname: Mapped[str | None] = mapped_column(Encrypted(String))
            ward_id: Mapped[str | None] = mapped_column(String(10), ForeignKey("wards.id"))
            ward: Mapped[Ward | None] = relationship(post_update=True)
            who_tag: Mapped[bytes | None] = blind_index()

        engine = database("sqlite")
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(Patient(id="1", surname="Meyer", ward=Ward(id="7")))
            with pytest.raises(ProtectedColumnError, match=r"Without surname.* take post_update away"):
                session.flush()

    def test_an_async_session_loads_the_members_that_it_needs(self, database: Database) -> None:
        """With the flush, as it loads what it seals again."""

        async def main(clinic: Clinic) -> None:
            engine = create_async_engine(clinic.engine.url.set(drivername="sqlite+aiosqlite"))
            async with AsyncSession(engine) as session:
                patient = (await session.scalars(select(clinic.patient).options(load_only(clinic.patient.id)))).one()
                patient.born = OTHER_DAY
                await session.commit()
            await engine.dispose()

        clinic = Clinic(database("sqlite"))
        asyncio.run(main(clinic))
        assert clinic.assert_in_step() == [("1", "Meyer", OTHER_DAY)]

    @pytest.mark.parametrize("tag", [{}, {"per_tenant": True}, {"partitions": 4}])
    def test_tags_of_tenants_and_rows_follow_a_row_that_moves(self, database: Database, tag: dict[str, Any]) -> None:
        """Also those of members that do not change."""
        how = CompoundIndex("who_tag", of={"surname": None, "born": None}, **tag)
        clinic = Clinic(database("sqlite"), indexes=(how,), who_tag=blind_index())
        with Session(clinic.engine) as session:
            change(id="2", clinic="b")(clinic, session)
            session.commit()
            (patient,) = session.scalars(select(clinic.patient))
            made = how.indexes(clinic.encryptor, "patients", {"surname": str, "born": date})
            values = {"surname": "Meyer", "born": BORN}
            assert {"who_tag": patient.who_tag} == made.tags(values, tenant="b", row=row_context("2"))

    def test_find_leaves_out_rows_of_other_tenants_to_which_somebody_copied_tags(self, database: Database) -> None:
        """Also those that have the very values, by an index of one column and of several."""
        how = CompoundIndex("who_tag", of={"surname": None, "born": None}, per_tenant=True)
        surname = mapped_column(Encrypted(String, index=IndexedBy("name_tag", per_tenant=True)))
        tags = {"name_tag": blind_index(), "who_tag": blind_index()}
        clinic = Clinic(database("sqlite"), indexes=(how,), surname=surname, **tags)
        patient = clinic.patient
        with Session(clinic.engine) as session:
            session.add(patient(**clinic.meyer(id="2", clinic="b")))
            session.flush()
            sets = ", ".join(f"{tag} = (SELECT {tag} FROM patients WHERE id = '1')" for tag in tags)
            session.execute(text(f"UPDATE patients SET {sets}"))
            for condition in (
                of_tenant(patient.surname, "a") == "Meyer",
                of_tenant(patient.who_tag, "a").equals(surname="Meyer", born=BORN),
            ):
                assert list(session.scalars(select(patient.id).where(condition).order_by(patient.id))) == ["1", "2"]
                assert [each.id for each in find(session, select(patient).where(condition))] == ["1"]

    def test_members_that_are_still_written_as_plaintext_have_no_tag(self, database: Database) -> None:
        """Processes that know of no tags would leave it beside other values."""
        until = date.today() + timedelta(days=30)
        surname = mapped_column(Encrypted(String, accept_plaintext=until, storage=String(200), write=False))
        clinic = Clinic(database("sqlite"), surname=surname)
        with Session(clinic.engine) as session:
            patient = session.get_one(clinic.patient, "1")
            assert (patient.surname, patient.who_tag) == ("Meyer", None)
            patient.born = OTHER_DAY
            session.commit()
            assert patient.who_tag is None

    def test_parts_of_members_are_indexed_with_the_tenant(self, database: Database) -> None:
        """The tenant and the domain of an address, for one."""
        how = CompoundIndex("who_tag", of={"clinic": None, "surname": domain()})
        clinic = Clinic(database("sqlite"), indexes=(how,), who_tag=blind_index())
        with Session(clinic.engine) as session:
            change(surname="ann@example.org")(clinic, session)
            session.add(clinic.patient(id="2", clinic="a", surname="bob@example.org"))
            session.add(clinic.patient(id="3", clinic="b", surname="eve@example.org"))
            session.add(clinic.patient(id="4", clinic="b", surname="nobody"))
            session.commit()
            tags = list(session.scalars(select(clinic.patient.who_tag).order_by(clinic.patient.id)))
        assert tags[0] == tags[1] != tags[2] is not None
        assert tags[3] is None

    @pytest.mark.parametrize(
        ("how", "columns", "why"),
        [
            (WHO, {"born": mapped_column(Date, server_default="2000-01-01")}, "made, or changed"),
            (WHO, {"born": mapped_column(Date, onupdate=date.today)}, "made, or changed"),
            (WHO, {"born": mapped_column(Numeric(8, 2))}, "who_tag"),
            (WHO, {"who_tag": mapped_column(String(16))}, "not a blind index column"),
            (CompoundIndex("who_tag", of={"surname": None, "age": None}), {}, "no attribute of it"),
            (CompoundIndex("who_tag", of={"clinic": None, "born": None}), {}, "no encrypted member"),
            (CompoundIndex("tag", of={"surname": None, "born": None}), {}, "no such column"),
            (CompoundIndex("who_tag", of={"surname": None, "born": None}, partitions=2), {}, "cannot be unique"),
            (CompoundIndex("who_tag", of={"surname": None, "born": None}, tag_size=4), {}, "cannot be unique"),
            (CompoundIndex("who_tag", of={"surname": None, "born": "casefold"}), {}, "normaliser"),
            (WHO, {"surname": mapped_column(Encrypted(Enum("A", "B")))}, "members have 2 values together"),
        ],
    )
    def test_a_compound_that_could_not_be_kept_in_step_is_refused(
        self, how: CompoundIndex, columns: dict[str, Any], why: str
    ) -> None:
        """When the model is declared."""
        with pytest.raises((ConfigurationError, TypeError), match=why):
            patients(Encryptor(), (how,), **columns)

    def test_tags_per_tenant_need_a_tenant(self) -> None:
        """Nothing else says whose the row is."""

        class Base(DeclarativeBase):
            pass

        with pytest.raises(ConfigurationError, match=r"who_tag has tags per tenant"):

            @encrypted(Encryptor(), row="id", indexes=[CompoundIndex("who_tag", of=WHO.of, per_tenant=True)])
            class Patient(Base):
                __tablename__ = "patients"
                id: Mapped[str] = mapped_column(String(10), primary_key=True)
                surname: Mapped[str | None] = mapped_column(Encrypted(String))
                born: Mapped[date | None]
                who_tag: Mapped[bytes | None] = blind_index()

    def test_members_in_joined_tables_are_of_one_table(self, database: Database) -> None:
        """A class that inherits keeps the tags of its parent's table in step; members of two tables are refused."""

        class Base(DeclarativeBase):
            pass

        encryptor = new_encryptor()

        @encrypted(encryptor, row="id", indexes=[WHO])
        class Person(Base):
            __tablename__ = "people"
            id: Mapped[str] = mapped_column(String(10), primary_key=True)
            kind: Mapped[str] = mapped_column(String(10))
            surname: Mapped[str | None] = mapped_column(Encrypted(String))
            born: Mapped[date | None]
            who_tag: Mapped[bytes | None] = blind_index()
            __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012

        room = CompoundIndex("room_tag", of={"ward": None, "room": None})

        @encrypted(encryptor, row="id", indexes=[room])
        class Nurse(Person):
            __tablename__ = "nurses"
            id: Mapped[str] = mapped_column(ForeignKey("people.id"), primary_key=True)
            ward: Mapped[str | None] = mapped_column(Encrypted(String))
            room: Mapped[str | None] = mapped_column(String(10))
            room_tag: Mapped[bytes | None] = blind_index()
            __mapper_args__ = {"polymorphic_identity": "nurse"}  # noqa: RUF012

        engine = database("sqlite")
        Base.metadata.create_all(engine)
        made = WHO.indexes(encryptor, "people", {"surname": str, "born": date})
        with Session(engine) as session:
            nurse = Nurse(id="1", surname="Meyer", born=BORN, ward="w", room="1")
            session.add(nurse)
            session.commit()
            nurse.born, nurse.room = OTHER_DAY, "2"
            session.commit()
            assert {"who_tag": nurse.who_tag} == made.tags({"surname": "Meyer", "born": OTHER_DAY})
            of_room = room.indexes(encryptor, "nurses", {"ward": str, "room": str})
            assert {"room_tag": nurse.room_tag} == of_room.tags({"ward": "w", "room": "2"})
        with pytest.raises(ConfigurationError, match="in several tables"):

            @encrypted(encryptor, row="id", indexes=[CompoundIndex("b", of={"surname": None, "shift": None})])
            class Doctor(Person):
                __tablename__ = "doctors"
                id: Mapped[str] = mapped_column(ForeignKey("people.id"), primary_key=True)
                shift: Mapped[str | None]
                b: Mapped[bytes | None] = blind_index()
                __mapper_args__ = {"polymorphic_identity": "doctor"}  # noqa: RUF012
