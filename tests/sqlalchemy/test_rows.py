"""Decorated models: values are sealed for their row and tenant, and the application sees none of it."""

from __future__ import annotations

import pickle
import re
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, String, event, insert, inspect, select, text, update
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    defer,
    joinedload,
    make_transient,
    mapped_column,
    selectinload,
)

from fieldcrypt import ConfigurationError, DecryptionError, KeyShreddedError, row_context
from fieldcrypt_sqlalchemy import Encrypted, ProtectedColumnError, Sealed, encrypted, seal
from tests.sqlalchemy.clinics import SSN, Clinic
from tests.sqlalchemy.clinics import clinic as clinic
from tests.sqlalchemy.clinics import lite as lite
from tests.support.encryptors import new_encryptor


class KeptBase(DeclarativeBase):
    pass


@encrypted(new_encryptor(), row="id")
class Kept(KeptBase):
    """A module's own model, which pickles by its name."""

    __tablename__ = "kept"
    id: Mapped[str] = mapped_column(String(10), primary_key=True)
    name: Mapped[str | None] = mapped_column(String(10))
    ssn: Mapped[str] = mapped_column(Encrypted(String))


class TestWhatTheApplicationSees:
    def test_attributes_hold_plaintext_before_and_after_the_flush_and_the_commit(self, clinic: Clinic) -> None:
        """Also those that got their value from a default."""
        with clinic.session() as session:
            patient = clinic.patient(clinic_id="north", ssn=SSN, born=date(1970, 1, 1))
            assert (patient.ssn, patient.born) == (SSN, date(1970, 1, 1))
            session.add(patient)
            session.flush()
            assert (patient.ssn, patient.born, patient.balance) == (SSN, date(1970, 1, 1), Decimal("0.00"))
            session.commit()
            assert (patient.ssn, patient.born, patient.balance) == (SSN, date(1970, 1, 1), Decimal("0.00"))
            assert not session.dirty

    def test_the_database_gets_ciphertext(self, clinic: Clinic) -> None:
        """Nothing of the value is in what the driver is given."""
        clinic.add()
        assert clinic.sent
        assert SSN not in "".join(clinic.sent)
        assert bytes(clinic.raw()[0])[0] == 1

    def test_an_object_that_is_loaded_is_not_decrypted_before_it_is_read(self, clinic: Clinic) -> None:
        """So that a list does not pay for what it does not show; a damaged value fails only its reader."""
        id = clinic.add(name="Ann")
        clinic.sql("UPDATE patients SET alias = born, ssn = NULL WHERE born IS NOT NULL")
        with clinic.engine.begin() as connection:
            connection.execute(text("UPDATE patients SET ssn = :ssn"), {"ssn": b"\x01damaged"})
        with clinic.session() as session:
            patient = session.get_one(clinic.patient, id)
            assert patient.name == "Ann"
            with pytest.raises(DecryptionError):
                _ = patient.ssn

    def test_a_read_is_no_change(self, clinic: Clinic) -> None:
        """Opening a value leaves the object clean, so that nothing is written."""
        id = clinic.add()
        with clinic.session() as session:
            patient = session.get_one(clinic.patient, id)
            assert patient.ssn == SSN
            assert not session.is_modified(patient)
            clinic.sent.clear()
            session.commit()
        assert not any("UPDATE" in statement for statement in clinic.sent)

    def test_null_stays_null(self, clinic: Clinic) -> None:
        """Before, in and after the database."""
        id = clinic.add(ssn=None)
        assert clinic.raw() == [None]
        with clinic.session() as session:
            assert session.get_one(clinic.patient, id).ssn is None
            assert session.scalars(select(clinic.patient).where(clinic.patient.ssn.is_(None))).one().id == id

    def test_history_and_listeners_see_plaintext(self, clinic: Clinic) -> None:
        """Also the old value that nobody has read."""
        id = clinic.add()
        seen = []
        event.listen(clinic.patient.ssn, "set", lambda target, new, old, initiator: seen.append((new, old)))
        with clinic.session() as session:
            patient = session.get_one(clinic.patient, id)
            patient.ssn = "changed"
            assert inspect(patient).attrs.ssn.history.deleted == [SSN]
        assert seen == [("changed", SSN)]

    def test_what_was_changed_can_be_rolled_back(self, clinic: Clinic) -> None:
        """To a savepoint and altogether."""
        id = clinic.add()
        with clinic.session() as session:
            patient = session.get_one(clinic.patient, id)
            savepoint = session.begin_nested()
            patient.ssn = "changed"
            session.flush()
            savepoint.rollback()
            assert patient.ssn == SSN
            patient.ssn = "changed"
            session.flush()
            session.rollback()
            assert patient.ssn == SSN

    def test_an_object_whose_insert_failed_can_be_inserted_again(self, clinic: Clinic) -> None:
        """The values are not lost with the transaction."""
        id = clinic.add()
        patient = clinic.patient(id=id, clinic_id="north", ssn="other")
        with clinic.session() as session:
            session.add(patient)
            with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
                session.flush()
            session.rollback()
            assert patient.ssn == "other"
            patient.id = uuid4()
            session.add(patient)
            session.commit()
            assert patient.ssn == "other"

    def test_a_pickled_object_opens_its_values_where_it_is_unpickled(self, lite: Engine) -> None:
        """Read or unread, as a cache keeps them; what was not read travels encrypted."""
        Kept.metadata.create_all(lite)
        with Session(lite) as session:
            session.add(Kept(id="k", ssn=SSN, name=None))
            session.commit()
            kept = session.get(Kept, "k")
        data = pickle.dumps(kept)
        assert SSN.encode() not in data
        assert pickle.loads(data).ssn == SSN

    @pytest.mark.parametrize("value", [b"text", 7])
    def test_a_value_of_a_wrong_type_is_refused_without_showing_it(self, clinic: Clinic, value: Any) -> None:
        """Before anything is sent, and without the row's other values."""
        with clinic.session() as session:
            session.add(clinic.patient(clinic_id="north", ssn=value, alias="secret alias"))
            with pytest.raises(TypeError, match="expected str") as caught:
                session.flush()
        assert "secret alias" not in str(caught.value)
        assert not any("INSERT" in statement for statement in clinic.sent)


class TestLoading:
    @pytest.mark.parametrize("option", [selectinload, joinedload, None], ids=["selectin", "joined", "lazy"])
    def test_related_objects_open_with_their_own_row(self, clinic: Clinic, option: Any) -> None:
        """A composite key, one part of which comes from the relationship at the flush."""
        with clinic.session() as session:
            patient = clinic.patient(clinic_id="north", ssn=SSN)
            patient.visits = [clinic.visit(number=number, note=f"visit {number}") for number in range(3)]
            session.add(patient)
            session.commit()
        with clinic.session() as session:
            query = (
                select(clinic.patient)
                if option is None
                else select(clinic.patient).options(option(clinic.patient.visits))
            )
            (patient,) = session.scalars(query).unique()
            assert [visit.note for visit in patient.visits] == ["visit 0", "visit 1", "visit 2"]

    def test_aliased_entities_open(self, clinic: Clinic) -> None:
        """Two of one table in one statement."""
        clinic.add(name="a", ssn="1")
        clinic.add(name="b", ssn="2")
        one, two = aliased(clinic.patient), aliased(clinic.patient)
        with clinic.session() as session:
            rows = session.execute(select(one, two).where(one.name < two.name)).all()
            assert [(row[0].ssn, row[1].ssn) for row in rows] == [("1", "2")]

    def test_expired_deferred_and_refreshed_attributes_open(self, clinic: Clinic) -> None:
        """However the value comes to the object."""
        id = clinic.add()
        with clinic.session() as session:
            patient = session.scalars(select(clinic.patient).options(defer(clinic.patient.ssn))).one()
            assert patient.ssn == SSN
            session.expire(patient, ["ssn", "clinic_id", "id"])
            assert patient.ssn == SSN
            session.refresh(patient, ["ssn"])
            assert patient.ssn == SSN
            assert session.get_one(clinic.patient, id, populate_existing=True).ssn == SSN

    def test_a_column_without_its_row_comes_sealed(self, clinic: Clinic) -> None:
        """It opens when the row is named, with the row's tenant, and shows nothing before."""
        id = clinic.add()
        with clinic.session() as session:
            sealed = session.scalars(select(clinic.patient.ssn)).one()
        assert isinstance(sealed, Sealed)
        assert repr(sealed) == "<Sealed patients.ssn>"
        assert sealed.open(id, tenant="north") == SSN
        for row, tenant in ((uuid4(), "north"), (id, "south")):
            with pytest.raises(DecryptionError):
                sealed.open(row, tenant=tenant)
        with pytest.raises(TypeError, match="named by id, clinic_id"):
            sealed.open(id)
        with pytest.raises(ConfigurationError, match=r"pickled value of patients.ssn cannot be opened alone"):
            pickle.loads(pickle.dumps(sealed)).open(id, tenant="north")

    def test_the_core_reads_what_a_model_wrote(self, clinic: Clinic) -> None:
        """Field name, row context and tenant are all that another program needs."""
        id = clinic.add()
        field = clinic.encryptor.field("patients.ssn", str)
        data = bytes(clinic.raw()[0])
        assert field.decrypt(data, tenant="north", context=row_context(id)) == SSN


class TestWriting:
    def test_an_unrelated_change_writes_no_new_ciphertext(self, clinic: Clinic) -> None:
        """Nor does an attribute that is set to what it was, read or unread."""
        id = clinic.add()
        before = clinic.raw()
        with clinic.session() as session:
            patient = session.get_one(clinic.patient, id)
            patient.name = "Ann"
            session.commit()
            session.refresh(patient)
            patient.ssn = SSN
            session.commit()
            assert patient.ssn == SSN
            patient.ssn = SSN
            session.commit()
        assert clinic.raw() == before
        assert clinic.raw("name") == ["Ann"]

    def test_a_change_is_written_and_only_that(self, clinic: Clinic) -> None:
        """Other protected values of the row keep their ciphertext."""
        id = clinic.add(alias="x")
        ssn, alias = clinic.raw(), clinic.raw("alias")
        with clinic.session() as session:
            session.get_one(clinic.patient, id).ssn = "changed"
            session.commit()
            assert session.get_one(clinic.patient, id).ssn == "changed"
        assert clinic.raw() != ssn
        assert clinic.raw("alias") == alias

    def test_an_attribute_can_be_set_to_none(self, clinic: Clinic) -> None:
        """NULL in the database, whether it was read before or not."""
        id = clinic.add(alias="x")
        with clinic.session() as session:
            patient = session.get_one(clinic.patient, id)
            assert patient.alias == "x"
            patient.ssn = patient.alias = None
            session.commit()
            assert (patient.ssn, patient.alias) == (None, None)
        assert (clinic.raw(), clinic.raw("alias")) == ([None], [None])

    def test_merge_writes_what_differs(self, clinic: Clinic) -> None:
        """A new object, and one that another session loaded and nobody read."""
        id = clinic.add(alias="x")
        with clinic.session() as session:
            session.merge(clinic.patient(id=id, ssn="merged"))
            session.commit()
        with clinic.session() as session:
            detached = session.get_one(clinic.patient, id)
        before = clinic.raw()
        with clinic.session() as session:
            merged = session.merge(detached)
            session.commit()
            assert (merged.ssn, merged.alias) == ("merged", "x")
        assert clinic.raw() == before

    def test_a_value_of_an_expired_object_can_be_set(self, clinic: Clinic) -> None:
        """The old value is not known then."""
        with clinic.session() as session:
            patient = session.get_one(clinic.patient, clinic.add())
            session.commit()
            patient.ssn = "changed"
            session.commit()
            assert patient.ssn == "changed"

    def test_a_value_that_does_not_decrypt_can_be_replaced(self, clinic: Clinic) -> None:
        """That is how damage is repaired."""
        id = clinic.add()
        clinic.sql("UPDATE patients SET ssn = balance")
        with clinic.session() as session:
            patient = session.get_one(clinic.patient, id)
            patient.ssn = "repaired"
            session.commit()
            assert patient.ssn == "repaired"

    @pytest.mark.parametrize("expired", [False, True])
    @pytest.mark.parametrize("attribute", ["id", "clinic_id"])
    def test_a_change_of_key_or_tenant_re_encrypts_the_row(self, clinic: Clinic, attribute: str, expired: bool) -> None:
        """Values that are not loaded, too; the object reads right at every moment."""
        id = clinic.add(alias="x")
        new = uuid4() if attribute == "id" else "south"
        with clinic.session() as session:
            patient = session.scalars(select(clinic.patient).options(defer(clinic.patient.alias))).one()
            if expired:
                session.expire(patient)
            setattr(patient, attribute, new)
            assert patient.ssn == SSN
            session.flush()
            assert (patient.ssn, patient.alias) == (SSN, "x")
            session.commit()
            assert (patient.ssn, patient.alias, patient.balance) == (SSN, "x", 0)
        row, tenant = (new, "north") if attribute == "id" else (id, "south")
        data = bytes(clinic.raw()[0])
        assert clinic.encryptor.field("patients.ssn", str).decrypt(data, tenant=tenant, context=row_context(row)) == SSN

    def test_a_copied_object_is_a_row_of_its_own(self, clinic: Clinic) -> None:
        """`make_transient` and a new key, as applications copy rows."""
        id = clinic.add()
        with clinic.session() as session:
            patient = session.get_one(clinic.patient, id)
            make_transient(patient)
            patient.id = uuid4()
            session.add(patient)
            session.commit()
            assert sorted(p.ssn for p in session.scalars(select(clinic.patient))) == [SSN, SSN]

    def test_a_copied_object_writes_its_null_in_place_of_a_deleted_value(self, clinic: Clinic) -> None:
        """Also where the object has NULL as it was written, which the ORM makes an UPDATE of."""
        id = clinic.add(alias="x", born=date(1970, 1, 1))
        with clinic.session(expire_on_commit=False) as session:
            patient = session.get_one(clinic.patient, id)
            assert (patient.ssn, patient.alias) == (SSN, "x")
            patient.alias = None
            session.commit()
            make_transient(patient)
            session.connection().execute(text("UPDATE patients SET alias = ssn"))
            session.delete(session.get_one(clinic.patient, id))
            session.add(patient)
            session.commit()
        assert clinic.raw("alias") == [None]

    def test_returning_gives_objects(self, clinic: Clinic) -> None:
        """Of a bulk insert of sealed values."""
        if not clinic.engine.dialect.insert_returning:
            pytest.fail("every database of the tests has RETURNING")
        rows = [seal(clinic.patient, {"clinic_id": "north", "ssn": str(number)}) for number in range(3)]
        with clinic.session() as session:
            inserted = session.scalars(insert(clinic.patient).returning(clinic.patient), rows).all()
            assert sorted(patient.ssn for patient in inserted) == ["0", "1", "2"]

    def test_a_missing_key_or_tenant_is_said_before_anything_is_sent(self, clinic: Clinic) -> None:
        """Nothing may be bound to `None`."""
        with clinic.session() as session:
            session.add(clinic.patient(ssn=SSN))
            with pytest.raises(ProtectedColumnError, match=r"Patient\.clinic_id is None"):
                session.flush()
            session.rollback()
            session.add(clinic.visit(number=1, note="x"))
            with pytest.raises(ProtectedColumnError, match=r"Visit\.patient_id is None"):
                session.flush()
        assert not any("INSERT" in statement for statement in clinic.sent)


class TestStatements:
    @pytest.mark.parametrize(
        "write",
        [
            lambda p: (insert(p).values(id=uuid4(), clinic_id="north", ssn=SSN), None),
            lambda p: (insert(p), [{"id": uuid4(), "clinic_id": "north", "ssn": SSN} for _ in range(2)]),
            lambda p: (insert(p.__table__), {"id": uuid4(), "clinic_id": "north", "ssn": SSN}),
            lambda p: (update(p).values(ssn=SSN), None),
            lambda p: (update(p.__table__).values(ssn=SSN), None),
            lambda p: (update(p), [{"id": uuid4(), "ssn": SSN}]),
            lambda p: (insert(p).values([{"id": uuid4(), "clinic_id": "north", "ssn": SSN}]), None),
        ],
        ids=["insert", "bulk insert", "core insert", "update", "core update", "bulk update", "rows"],
    )
    def test_a_statement_with_plain_values_is_refused(self, clinic: Clinic, write: Any) -> None:
        """It does not tell the row; the error names the column, the way out, and not the value."""
        statement, parameters = write(clinic.patient)
        with (
            clinic.session() as session,
            pytest.raises(ProtectedColumnError, match=r"patients\.ssn.*seal\(") as caught,
        ):
            session.execute(statement, parameters) if parameters else session.execute(statement)
        assert SSN not in str(caught.value)
        assert not any("INSERT" in sent or "UPDATE" in sent for sent in clinic.sent)

    @pytest.mark.parametrize("attribute", ["id", "clinic_id"])
    def test_a_statement_cannot_change_the_key_under_protected_values(self, clinic: Clinic, attribute: str) -> None:
        """They would stay bound to the old one, and be lost. With all of them sealed anew it can."""
        id = clinic.add()
        new = {"id": uuid4()} if attribute == "id" else {"clinic_id": "south"}
        with clinic.session() as session:
            with pytest.raises(ProtectedColumnError, match=f"is bound to '{attribute}'"):
                session.execute(update(clinic.patient).values(new))
            row = {
                "id": id,
                "clinic_id": "north",
                "ssn": SSN,
                "alias": None,
                "born": None,
                "balance": Decimal(1),
                **new,
            }
            session.execute(update(clinic.patient).values(seal(clinic.patient, row, defaults=False)))
            session.commit()
            assert session.scalars(select(clinic.patient)).one().ssn == SSN

    def test_sealed_values_are_taken_by_every_kind_of_statement(self, clinic: Clinic) -> None:
        """Insert and update, of the ORM and of Core, single and many."""
        ids = [uuid4() for _ in range(4)]
        rows = [seal(clinic.patient, {"id": id, "clinic_id": "north", "ssn": "old", "name": str(id)}) for id in ids]
        with clinic.session() as session:
            session.execute(insert(clinic.patient), rows[:2])
            session.execute(insert(clinic.patient.__table__).values(rows[2]))
            session.execute(insert(clinic.patient).values(rows[3:]))
            new = [seal(clinic.patient, {"id": id, "clinic_id": "north", "ssn": "new"}, defaults=False) for id in ids]
            session.execute(update(clinic.patient), new[:2])
            session.execute(update(clinic.patient).where(clinic.patient.id == ids[2]).values(ssn=new[2]["ssn"]))
            session.commit()
            read = {patient.id: patient.ssn for patient in session.scalars(select(clinic.patient))}
        assert read == dict(zip(ids, ["new", "new", "new", "old"], strict=True))

    def test_seal_gives_the_key_that_a_default_makes(self, clinic: Clinic) -> None:
        """And needs the tenant, which has none."""
        sealed = seal(clinic.patient, {"clinic_id": "north", "ssn": SSN, "name": "Ann"})
        assert isinstance(sealed["id"], UUID)
        assert sealed["name"] == "Ann"
        assert SSN not in repr(sealed)
        with pytest.raises(ProtectedColumnError, match="clinic_id"):
            seal(clinic.patient, {"ssn": SSN})

    def test_a_sealed_value_is_of_one_column_only(self, clinic: Clinic) -> None:
        """It is refused for another before it is sent."""
        sealed = seal(clinic.patient, {"clinic_id": "north", "ssn": SSN})
        with clinic.session() as session, pytest.raises(ProtectedColumnError, match=r"patients\.alias"):
            session.execute(insert(clinic.patient), [{"id": uuid4(), "clinic_id": "n", "alias": sealed["ssn"]}])

    def test_objects_in_the_session_follow_an_update_of_sealed_values(self, clinic: Clinic) -> None:
        """Whose new values SQLAlchemy evaluates into them."""
        id = clinic.add()
        with clinic.session() as session:
            patient = session.get_one(clinic.patient, id)
            new = seal(clinic.patient, {"id": id, "clinic_id": "north", "ssn": "new"}, defaults=False)
            session.execute(update(clinic.patient).where(clinic.patient.id == id).values(ssn=new["ssn"]))
            assert patient.ssn == "new"


def place(id: UUID) -> str:
    return "^" + re.escape(f"patients.ssn of the row {{'id': {id!r}}}: ")


class TestSwaps:
    @pytest.mark.parametrize(
        "swap",
        [
            "UPDATE patients SET ssn = (SELECT ssn FROM (SELECT * FROM patients) p WHERE name = 'b') WHERE name = 'a'",
            "UPDATE patients SET ssn = alias WHERE name = 'a'",
            "UPDATE patients SET clinic_id = 'south' WHERE name = 'a'",
            "UPDATE patients SET ssn = (SELECT ssn FROM (SELECT * FROM patients) p WHERE name = 'c') WHERE name = 'a'",
        ],
        ids=["rows", "columns", "tenants", "rows of tenants"],
    )
    def test_a_value_that_was_moved_by_sql_does_not_decrypt(self, clinic: Clinic, swap: str) -> None:
        """Whoever can write to the database gains nothing by it, and the error names the row."""
        id = clinic.add(name="a", alias="x")
        clinic.add(name="b")
        clinic.add(name="c", clinic_id="south")
        clinic.sql(swap)
        with clinic.session() as session:
            patient = session.get_one(clinic.patient, id)
            with pytest.raises(DecryptionError, match=place(id)):
                _ = patient.ssn

    def test_an_error_about_its_key_names_the_row_too(self, clinic: Clinic) -> None:
        """Which was shredded, say."""
        id = clinic.add()
        clinic.encryptor.data_keys.shred("north", by="ann@example.org")
        clinic.encryptor.forget()
        with clinic.session() as session:
            patient = session.get_one(clinic.patient, id)
            with pytest.raises(KeyShreddedError, match=place(id)):
                _ = patient.ssn

    def test_a_composite_key_is_bound_part_by_part(self, clinic: Clinic) -> None:
        """Visit 1 of a patient is not visit 2."""
        with clinic.session() as session:
            patient = clinic.patient(clinic_id="north")
            patient.visits = [clinic.visit(number=number, note=str(number)) for number in (1, 2)]
            session.add(patient)
            session.commit()
            clinic.sql("UPDATE visits SET number = 3 WHERE number = 1")
            session.expire_all()
            with pytest.raises(DecryptionError):
                _ = [visit.note for visit in patient.visits]
