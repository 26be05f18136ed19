"""Searches for one tenant, and by tags that are truncated."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    Column,
    Engine,
    Index,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.orm import Session, aliased, joinedload, with_loader_criteria

from fieldcrypt import ConfigurationError
from fieldcrypt_sqlalchemy import BlindIndexTag, Encrypted, IndexedBy, ProtectedColumnError, find, of_tenant, seal
from tests.conftest import Database
from tests.sqlalchemy.searched import ANN, BOB, EVE, Clinic, Owner, Pet, keys, numbers, phones
from tests.sqlalchemy.searched import session as session
from tests.sqlalchemy.searched import small as small
from tests.sqlalchemy.searched import tenants as tenants
from tests.support.encryptors import new_encryptor


class TestTenants:
    def test_a_tenant_s_rows_are_found(self, tenants: tuple[Session, Any]) -> None:
        """And no other's, whatever the condition."""
        session, patient = tenants
        south = of_tenant(patient.email, "south")
        conditions = [south == ANN, south != ANN, south.in_([ANN, BOB]), south.not_in([BOB]), south == None]  # noqa: E711
        found = [numbers(session, select(patient.id).where(condition)) for condition in conditions]
        assert found == [[2], [1, 3], [2, 3], [1, 2], [4]]

    def test_a_tenant_is_what_the_column_keeps_of_it(self, tenants: tuple[Session, Any]) -> None:
        """Of a StrEnum, that is its value."""
        session, patient = tenants
        clinic = StrEnum("Clinic", {"ANYWHERE": "south"}).ANYWHERE  # type: ignore[attr-defined]
        assert numbers(session, select(patient.id).where(of_tenant(patient.email, clinic) == ANN)) == [2]

    def test_a_tenant_that_has_no_key_yet_has_no_rows(self, tenants: tuple[Session, Any]) -> None:
        """And gets none from searching; NULL still differs from nothing."""
        session, patient = tenants
        west = of_tenant(patient.email, "west")
        conditions = [west == ANN, not_(west == ANN), west != ANN]
        assert [numbers(session, select(patient.id).where(each)) for each in conditions] == [[], [1, 2, 3], [1, 2, 3]]
        store = patient.email.type.encryptor.store
        assert store.list("west") == []

    def test_the_tenant_has_to_be_named(self, tenants: tuple[Session, Any]) -> None:
        """And what it is named for has to have tags per tenant."""
        _, patient = tenants
        with pytest.raises(ProtectedColumnError, match="name the tenant, of_tenant"):
            patient.email == ANN  # noqa: B015
        for column in (patient.note, patient.clinic, Owner.email):
            with pytest.raises(ProtectedColumnError, match="per_tenant=True"):
                of_tenant(column, "south")

    def test_a_row_that_moves_gets_a_tag_of_its_new_tenant(self, tenants: tuple[Session, Any]) -> None:
        """And is found there, and there alone."""
        session, patient = tenants
        session.get_one(patient, UUID(int=1)).clinic = "south"
        session.commit()
        found = [select(patient.id).where(of_tenant(patient.email, clinic) == ANN) for clinic in ("north", "south")]
        assert [numbers(session, each) for each in found] == [[], [1, 2]]

    def test_tags_of_tenants_cannot_be_compared(self, tenants: tuple[Session, Any]) -> None:
        """One value has another tag for each; copied to another tenant's row, a tag finds nothing."""
        session, patient = tenants
        assert len(set(session.scalars(select(patient.tag).where(patient.tag.is_not(None))))) == 3
        session.execute(
            text("UPDATE patients SET tag = (SELECT tag FROM (SELECT * FROM patients) o WHERE clinic = 'north')")
        )
        assert numbers(session, select(patient.id).where(of_tenant(patient.email, "south").in_([ANN, BOB]))) == []

    @pytest.mark.parametrize(
        "write",
        [
            lambda s, p, row: s.execute(insert(p).values(seal(p, row))),
            lambda s, p, row: s.execute(insert(p), [seal(p, row), seal(p, {**row, "id": UUID(int=8), "email": None})]),
            lambda s, p, row: s.execute(insert(p).values([seal(p, row)])),
            lambda s, p, row: s.execute(insert(p.__table__), seal(p, row)),
            lambda s, p, row: (
                s.add(p(**{**row, "email": BOB})),
                s.execute(update(p).where(p.id == row["id"]).values(email=seal(p, row)["email"])),
            ),
            lambda s, p, row: (
                s.add(p(**{**row, "email": BOB})),
                s.execute(update(p), [seal(p, row, defaults=False)]),
            ),
            lambda s, p, row: s.merge(p(**row)),
        ],
    )
    def test_sealed_values_bring_their_tags(self, tenants: tuple[Session, Any], write: Any) -> None:
        """Which a statement could not make, for it knows no tenant."""
        session, patient = tenants
        write(session, patient, {"id": UUID(int=9), "clinic": "south", "email": EVE})
        session.commit()
        assert numbers(session, select(patient.id).where(of_tenant(patient.email, "south") == EVE)) == [9]
        assert session.get_one(patient, UUID(int=9)).email == EVE

    def test_a_value_that_was_read_is_not_written_elsewhere(self, tenants: tuple[Session, Any]) -> None:
        """It is of another row, and has no tag."""
        session, patient = tenants
        sealed = session.scalars(select(patient.email).where(patient.id == UUID(int=1))).one()
        with pytest.raises(ProtectedColumnError, match="seal its values"):
            session.execute(update(patient).values(email=sealed))

    def test_an_undecorated_column_cannot_have_tags_per_tenant(self, small: Clinic) -> None:
        """Nobody would say whose they are."""
        how = IndexedBy("tag", per_tenant=True)
        table = Table("t", MetaData(), Column("v", Encrypted(String, keys, index=how)), Column("tag", BlindIndexTag()))
        with pytest.raises(ProtectedColumnError, match="decorated"):
            small.session.execute(insert(table).values(v=ANN))

    def test_tags_of_other_columns_find_nothing(self, session: Session) -> None:
        """Copied by SQL, from one table to another."""
        session.execute(text("UPDATE pets SET email_tag = (SELECT email_tag FROM owners WHERE id = 2)"))
        assert session.scalars(select(Pet.id).where(Pet.email == BOB)).all() == []


class TestTruncatedTags:
    @pytest.fixture
    def short(self, engine: Engine) -> Iterator[tuple[Session, Any]]:
        """Enough rows for each tag to be shared, but for once in ten million runs."""
        patient = phones(new_encryptor())
        patient.metadata.create_all(engine)
        with Session(engine) as session:
            rows = [{"id": number, "phone": f"555-{number:04}", "ward": number % 2} for number in range(4000)]
            session.execute(insert(patient), [*rows, {"id": 9999, "phone": None, "ward": 0}])
            yield session, patient

    def test_find_leaves_out_what_only_shares_a_tag(self, short: tuple[Session, Any]) -> None:
        """Equal is what is after normalising."""
        session, patient = short
        assert (
            len(
                session.execute(
                    text("SELECT 1 FROM patients WHERE tag = (SELECT tag FROM patients WHERE id = 7)")
                ).all()
            )
            > 1
        )
        for statement in (
            select(patient).where(patient.phone == "(555) 0007"),
            select(patient).filter_by(phone="5550007", ward=1).order_by(patient.id),
            select(patient).where(and_(patient.phone.in_(["555-0007", "555-0008"]), patient.ward == 1)),
            select(patient).where(patient.phone == "555-0007").where(patient.phone.in_(["555-0007", "555-0008"])),
        ):
            assert [found.id for found in find(session, statement)] == [7]
        alias = aliased(patient)
        two = select(alias).where(alias.phone.in_(["555-0007", "555-0008"]), alias.phone.is_not(None))
        assert sorted(found.id for found in find(session, two)) == [7, 8]
        assert [found.id for found in find(session, select(patient).where(patient.phone.is_(None)))] == [9999]

    @pytest.mark.parametrize(
        "statement",
        [
            lambda p: select(p).where(p.phone == "5"),
            lambda p: select(p.id).where(p.ward == 0, p.phone.in_(["5"])),
            lambda p: select(func.count()).where(p.phone == "5"),
            lambda p: select(p).where(or_(p.ward == 1, p.phone == "5")),
            lambda p: select(p.phone == "5"),
            lambda p: select(p).where(exists().where(p.phone == "5")),
            lambda p: select(aliased(p, select(p).where(p.phone == "5").subquery())),
            lambda p: select(p).order_by(case((p.phone == "5", 1), else_=0)),
            lambda p: select(p).options(with_loader_criteria(p, p.phone == "5")),
            lambda p: update(p).where(p.phone == "5").values(ward=1),
            lambda p: delete(p).where(p.phone == "5"),
            lambda p: select(p).where(p.phone != "5"),
            lambda p: select(p).where(p.phone.not_in(["5"])),
            lambda p: select(p).where(not_(p.phone == "5")),
            lambda p: select(p).where(~p.phone.in_(["5"])),
            lambda p: select(p).where(not_(and_(p.ward == 1, p.phone == "5"))),
        ],
    )
    def test_nothing_else_takes_the_condition(self, database: Database, statement: Any) -> None:
        """Whoever forgets to compare is told by the first try."""
        patient = phones(new_encryptor())
        patient.metadata.create_all(database("sqlite"))
        refused = pytest.raises(ProtectedColumnError, match=r"patients\.phone has tags shorter than 16 bytes")
        with Session(database("sqlite")) as session, refused:
            session.execute(statement(patient))

    @pytest.mark.parametrize(
        "statement",
        [
            lambda p: select(p.id).where(p.phone == "5"),
            lambda p: select(p, p.ward).where(p.phone == "5"),
            lambda p: select(p).where(p.phone == "5").limit(1),
            lambda p: select(p).where(p.phone == "5").group_by(p.ward),
            lambda p: select(p).where(or_(p.ward == 1, p.phone == "5")),
            lambda p: select(p).where(exists().where(p.phone == "5")),
            lambda p: select(p).order_by(case((p.phone == "5", 1), else_=0)),
            lambda p: select(aliased(p)).where(p.phone == "5"),
            lambda p: select(p.__table__).where(p.__table__.c.phone == "5"),
            lambda p: update(p).where(p.phone == "5").values(ward=1),
            lambda p: union_all(select(p).where(p.phone == "5"), select(p)),
        ],
    )
    @pytest.mark.parametrize("tag_size", [1, 16])
    def test_find_takes_no_statement_that_it_could_not_filter(
        self, database: Database, statement: Any, tag_size: int
    ) -> None:
        """It would return too much, or too little."""
        patient = phones(new_encryptor(), tag_size)
        patient.metadata.create_all(database("sqlite"))
        with Session(database("sqlite")) as session, pytest.raises(ProtectedColumnError):
            find(session, statement(patient))

    def test_find_takes_any_statement_without_such_conditions(self, session: Session) -> None:
        """Rows may be limited if there is nothing to compare."""
        statement = select(Owner).options(joinedload(Owner.pets)).order_by(Owner.id)
        assert [owner.id for owner in find(session, statement.where(Owner.email == ANN))] == [1, 4]
        assert [owner.id for owner in find(session, statement.where(Owner.email != ANN).limit(5))] == [2]

    def test_find_leaves_out_rows_to_which_somebody_copied_a_tag(self, session: Session) -> None:
        """A whole tag is not bound to its row: the database finds it wherever it was put, as Bob puts Ann's here."""
        of_ann = "(SELECT email_tag FROM (SELECT * FROM owners) o WHERE id = 1)"
        session.execute(text(f"UPDATE owners SET email_tag = {of_ann} WHERE id IN (2, 3)"))
        statement = select(Owner).where(Owner.email == ANN).order_by(Owner.id)
        assert [(owner.id, owner.email) for owner in session.scalars(statement)] == [
            (1, ANN),
            (2, BOB),
            (3, None),
            (4, ANN),
        ]
        assert [owner.id for owner in find(session, statement)] == [1, 4]
        assert [owner.id for owner in find(session, select(Owner).where(not_(Owner.email != ANN)))] == [1, 4]

    @pytest.mark.parametrize("unique", ["column", "constraint", "index"])
    def test_short_tags_cannot_be_unique(self, unique: str) -> None:
        """The database would refuse other values."""
        table = Table(
            "t",
            MetaData(),
            Column("v", Encrypted(String, keys, index=IndexedBy("tag", tag_size=2))),
            Column("tag", BlindIndexTag(), unique=unique == "column"),
            *([UniqueConstraint("tag")] if unique == "constraint" else []),
            *([Index("i", "tag", unique=True)] if unique == "index" else []),
        )
        with pytest.raises(ConfigurationError, match="cannot be unique"):
            table.c.v == "x"  # noqa: B015
