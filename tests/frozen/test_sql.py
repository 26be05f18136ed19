"""Databases that the first version wrote, read by models as they were declared then. See tests/frozen/README.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, LargeBinary, func, select, text, type_coerce
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from fieldcrypt import DecryptionError, KeyShreddedError, row_context
from fieldcrypt_sqlalchemy import find, of_tenant
from tests.frozen import models
from tests.frozen.data import KINDS
from tests.frozen.models import ANN, BOB, EVE, KEYED, ROWS, Everything, Patient, Searched, Visit
from tests.frozen.opened import Opening, opened_database


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest, database: Opening, tmp_path: Path) -> Engine:
    """A copy of the rows, on each database; the encryptor of the models is configured for it."""
    return opened_database(request.param, "rows", database, tmp_path)


@pytest.fixture
def row(request: pytest.FixtureRequest) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """A row of the table of all rows: its model, its key and what it has to say."""
    found: tuple[Any, dict[str, Any], dict[str, Any]] = ROWS[request.param]
    return found


every_row = pytest.mark.parametrize(
    "row",
    range(len(ROWS)),
    indirect=True,
    ids=[f"{model.__name__}-{number}" for number, (model, *_) in enumerate(ROWS)],
)


class TestRows:
    @every_row
    def test_a_row_says_what_it_said(self, engine: Engine, row: tuple[Any, dict[str, Any], dict[str, Any]]) -> None:
        """Every attribute of it, NULL included, with the very types."""
        model, key, values = row
        with Session(engine) as session:
            found = session.get_one(model, tuple(key.values()))
            assert {name: getattr(found, name) for name in values} == values
            assert {name: repr(getattr(found, name)) for name in values} == {
                name: repr(value) for name, value in values.items()
            }

    def test_the_database_holds_no_plaintext(self, engine: Engine) -> None:
        """So that what is read above was decrypted."""
        with engine.connect() as connection:
            stored = connection.execute(
                select(type_coerce(Everything.named, LargeBinary), type_coerce(Everything.padded, LargeBinary))
                .where(Everything.id == 1)
                .select_from(Everything)
            ).one()
        assert [(each[0], b"Annie" in each or b"short" in each) for each in stored] == [(1, False), (1, False)]

    def test_the_core_reads_the_same(self, engine: Engine) -> None:
        """Under the names of table and column, and in the context of the row, as SPEC.md says."""
        with engine.connect() as connection:
            query = select(type_coerce(Patient.ssn, LargeBinary)).where(Patient.id == ANN)
            data = connection.scalars(query).one()
        field = models.encryptor.field("patients.ssn", str)
        assert field.decrypt(data, tenant="north", context=row_context(ANN)) == "078-05-1120"

    def test_a_sealed_value_opens_with_its_row(self, engine: Engine) -> None:
        """A column that is selected alone, named by the key of the row and its tenant."""
        with Session(engine) as session:
            sealed: Any = session.scalars(select(Patient.ssn).where(Patient.id == ANN)).one()
            assert sealed.open(ANN, tenant="north") == "078-05-1120"

    def test_a_value_is_bound_to_its_row(self, engine: Engine) -> None:
        """One that is copied to another row of the tenant does not open."""
        with engine.begin() as connection:
            connection.execute(text("UPDATE visits SET note = (SELECT note FROM visits WHERE number = 1)"))
        with Session(engine) as session:
            assert session.get_one(Visit, (ANN, 1)).note == "migraine"
            with pytest.raises(DecryptionError):
                _ = session.get_one(Visit, (ANN, 2)).note

    def test_a_shredded_tenant_is_refused(self, engine: Engine) -> None:
        """As shredded; its row can be loaded, and what is in the clear be read."""
        with Session(engine) as session:
            eve = session.get_one(Patient, EVE)
            assert eve.clinic == "leaving"
            with pytest.raises(KeyShreddedError):
                _ = eve.ssn


class TestWriting:
    @every_row
    def test_a_row_is_written_and_read_again(
        self, engine: Engine, row: tuple[Any, dict[str, Any], dict[str, Any]]
    ) -> None:
        """Today's code writes beside the first version's values, under the same keys, and reads both."""
        model, key, values = row
        before = models.encryptor.data_keys.count()
        with Session(engine) as session:
            found = session.get_one(model, tuple(key.values()))
            said = {name: getattr(found, name) for name in values}
            session.delete(found)
            session.flush()
            session.add(model(**key, **said))
            session.commit()
            assert {name: getattr(session.get_one(model, tuple(key.values())), name) for name in values} == values
        assert models.encryptor.data_keys.count() == before

    def test_a_unique_tag_holds(self, engine: Engine) -> None:
        """A value that the first version wrote cannot be written a second time."""
        with Session(engine) as session:
            session.add(Searched(id=99, exact="a"))
            with pytest.raises(IntegrityError):
                session.flush()


SEARCHES: dict[str, tuple[Any, list[int]]] = {
    "exact": (Searched.exact == "a", [1]),
    "in": (Searched.exact.in_(["a", "b", "c"]), [1, 2]),
    "not": (Searched.exact != "a", [2]),
    "null": (Searched.exact.is_(None), [3]),
    "number": (Searched.number == 7, [1, 2]),
    "nfkc": (Searched.nfkc == "fiance\u0301", [1]),
    "casefold": (Searched.email == "ANN@example.ORG", [1]),
    "nothing": (Searched.exact == "A", []),
}


class TestSearch:
    @pytest.mark.parametrize("name", SEARCHES)
    def test_tags_find_the_rows(self, name: str, engine: Engine) -> None:
        """Of each kind of index, and no others."""
        condition, expected = SEARCHES[name]
        with Session(engine) as session:
            assert session.scalars(select(Searched.id).where(condition).order_by(Searched.id)).all() == expected

    def test_short_tags_find_the_row(self, engine: Engine) -> None:
        """By find, which compares what it finds."""
        with Session(engine) as session:
            (found,) = find(session, select(Searched).where(Searched.phone == "49301"))
            assert found.id == 1

    def test_tags_of_a_tenant_find_its_row_alone(self, engine: Engine) -> None:
        """Though another tenant has the same value."""
        with Session(engine) as session:
            for tenant, id_ in (("north", ANN), ("south", BOB)):
                query = select(Patient.id).where(of_tenant(Patient.ssn, tenant) == "078-05-1120")
                assert session.scalars(query).all() == [id_]

    def test_every_kind_of_key_is_there(self, engine: Engine) -> None:
        """A table of rows bound to each type of key: text, numbers, UUIDs, bytes, dates, members of an Enum."""
        with Session(engine) as session:
            counts = {name: session.scalar(select(func.count(model.id))) for name, (model, _) in KEYED.items()}
        assert counts == dict.fromkeys(KEYED, 1)
