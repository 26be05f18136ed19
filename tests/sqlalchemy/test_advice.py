"""What messages about protected columns tell: the column or attribute, what would happen, and what works instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, bindparam, create_engine, delete, func, insert, select, text, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Bundle, Session, aliased

from fieldcrypt import Encryptor, KeyStoreError, LocalKeyProvider
from fieldcrypt_sqlalchemy import ProtectedColumnError, SqlKeyStore, find, of_tenant, opened, seal
from tests.conftest import Database
from tests.sqlalchemy.copies import ANN, SSN, people


@pytest.fixture
def lite(database: Database) -> Engine:
    """SQLite: messages are the same on every database."""
    return database("sqlite")


class TestExpressions:
    @pytest.mark.parametrize(
        ("condition", "spelt"),
        [
            (lambda column: column.like(ANN), "LIKE"),
            (lambda column: column < ANN, "<"),
            (lambda column: column == ANN, "=="),
            (lambda column: column.not_in([ANN]), "NOT IN"),
            (lambda column: column.nulls_first(), "ORDER BY … NULLS FIRST"),
            (lambda column: column.distinct(), "DISTINCT"),
        ],
    )
    def test_an_operator_is_named_as_it_is_written(self, condition: Callable[[Any], Any], spelt: str) -> None:
        """And not as SQLAlchemy calls it inside."""
        with pytest.raises(ProtectedColumnError, match=f"cannot apply {spelt} to the encrypted column people.ssn"):
            condition(people().ssn)

    def test_the_operator_of_op_is_not_shown(self) -> None:
        """Its text is whatever was given, a value perhaps."""
        with pytest.raises(ProtectedColumnError, match=r"cannot apply op\(…\) to") as caught:
            people().ssn.op(f"= '{ANN}' OR 1 =")(1)
        assert ANN not in str(caught.value)

    @pytest.mark.parametrize("group", [False, True])
    def test_the_database_would_sort_ciphertext(self, group: bool) -> None:
        """Nothing would be sent as plaintext there, and the message does not say so."""
        person = people()
        statement = select(person.id).group_by(person.ssn) if group else select(person).order_by(person.ssn)
        with pytest.raises(ProtectedColumnError, match="would sort or group by that") as caught:
            statement.compile()
        assert "plaintext" not in str(caught.value)

    def test_counting_has_another_way(self) -> None:
        """The primary key is counted, with a test for NULL as the condition."""
        person = people()
        with pytest.raises(ProtectedColumnError, match=r"count their primary key, with is_not\(None\)"):
            select(func.count(person.email)).compile()
        select(func.count(person.id)).where(person.email.is_not(None)).compile()

    def test_an_aggregate_would_compute_with_ciphertext(self) -> None:
        """Which is what the message says."""
        with pytest.raises(ProtectedColumnError, match="would compute with that") as caught:
            select(func.max(people().ssn)).compile()
        assert "plaintext" not in str(caught.value)

    def test_a_comparison_would_send_plaintext(self) -> None:
        """Of a searchable column it also says how to search."""
        person = people()
        with pytest.raises(ProtectedColumnError, match=r"sent as plaintext.*To search"):
            select(person.id).where(func.lower(person.email) == ANN).compile()


class TestSeal:
    @pytest.mark.parametrize(("missing", "values"), [("clinic", {"id": 1}), ("id", {"clinic": "north"})])
    def test_what_is_missing_is_named(self, missing: str, values: dict[str, Any]) -> None:
        """A key or a tenant that nobody gave, whatever became of the rest."""
        with pytest.raises(ProtectedColumnError, match=rf"values for seal\(Person, …\) have no '{missing}', which"):
            seal(people(decorated=True), {**values, "ssn": SSN}, defaults=False)

    def test_rows_are_sealed_one_by_one(self) -> None:
        """A list of them is refused with what to write."""
        rows: Any = [{"id": 1, "ssn": SSN}]
        with pytest.raises(TypeError, match=r"\[seal\(Person, row\) for row in rows\]") as caught:
            seal(people(decorated=True), rows)
        assert SSN not in str(caught.value)

    def test_an_object_is_not_sealed(self) -> None:
        """A Session does that."""
        person = people(decorated=True)
        with pytest.raises(TypeError, match="takes a dict, not an object: add the Person to a Session"):
            seal(person, person(id=1, ssn=SSN))

    @pytest.mark.parametrize("table", [False, True])
    def test_the_model_comes_first(self, table: bool) -> None:
        """Not the row, nor the model's table."""
        person = people(decorated=True)
        first: Any = person.__table__ if table else {"id": 1, "ssn": SSN}
        with pytest.raises(TypeError, match=r"seal\(Model, \{…\}\), not an instance of (dict|Table) first"):
            seal(first, {"id": 1} if table else person)

    def test_a_name_that_the_model_does_not_have_is_refused(self) -> None:
        """It would be lost, or fail in the statement."""
        with pytest.raises(TypeError, match=r"Person has no attribute 'snn'.* has id, clinic, ssn") as caught:
            seal(people(decorated=True), {"id": 1, "snn": SSN})
        assert SSN not in str(caught.value)


class TestFunctionsOfSessions:
    @pytest.mark.parametrize("function", [find, opened])
    def test_an_async_session_goes_through_run_sync(self, function: Callable[..., Any]) -> None:
        """Which the message spells out."""
        with pytest.raises(TypeError, match=rf"await session.run_sync\({function.__name__}, statement\)"):
            function(AsyncSession(), select(people().id))

    @pytest.mark.parametrize("function", [find, opened])
    def test_the_session_comes_first(self, function: Callable[..., Any]) -> None:
        """Then the statement."""
        with pytest.raises(TypeError, match=rf"not Select first: {function.__name__}\(session, statement\)"):
            function(select(people().id), Session())

    @pytest.mark.parametrize(
        "statement",
        [
            lambda person: select(person),
            lambda person: select(aliased(person)),
            lambda person: select(person.id, person),
            lambda person: select(Bundle("both", person.id, person.ssn)),
            lambda person: text("SELECT 1"),
            lambda person: insert(person).returning(person.id),
        ],
    )
    def test_opened_takes_columns(self, statement: Callable[[Any], Any]) -> None:
        """Objects open their values themselves."""
        with pytest.raises(ProtectedColumnError, match="takes a SELECT of columns"):
            opened(Session(), statement(people(decorated=True)))

    def test_find_slices_its_result(self) -> None:
        """The database would limit candidates."""
        person = people()
        with pytest.raises(ProtectedColumnError, match=r"cannot take limit\(\).*slice or group the list"):
            find(Session(), select(person).where(person.email == ANN).limit(1))


class TestStatementsOfDecoratedModels:
    def test_an_insert_and_an_update_are_shown(self, lite: Engine) -> None:
        """With the names of the model and of the attribute."""
        person = decorated(lite)
        shown = (
            r"insert\(Person\)\.values\(seal\(Person, \{…\}\)\), "
            r'update\(Person\)\.values\(ssn=seal\(Person, \{…\}, defaults=False\)\["ssn"\]\)'
        )
        with Session(lite) as session, pytest.raises(ProtectedColumnError, match=shown) as caught:
            session.execute(update(person).values(ssn=SSN))
        assert SSN not in str(caught.value)

    def test_a_sealed_value_of_another_column_is_opened_first(self, lite: Engine) -> None:
        """It would not open there."""
        person = decorated(lite)
        sealed = seal(person, {"id": 1, "clinic": "north", "ssn": SSN, "email": ANN})
        with Session(lite) as session, pytest.raises(ProtectedColumnError, match="takes no sealed value of another"):
            session.execute(insert(person).values({**sealed, "ssn": sealed["email"]}))

    def test_what_a_row_keeps_is_left_out(self, lite: Engine) -> None:
        """An UPDATE with all that `seal` returned begins with that."""
        person = decorated(lite)
        row = seal(person, {"id": 1, "clinic": "north", "ssn": SSN}, defaults=False)
        with Session(lite) as session, pytest.raises(ProtectedColumnError, match=r"^leave 'id' out of values\(\)"):
            session.execute(update(person).where(person.id == 1).values(row))

    def test_a_tenant_alone_cannot_be_written(self, lite: Engine) -> None:
        """The message names what would become unreadable."""
        person = decorated(lite)
        refusal = "^the encrypted column people.ssn is bound to 'clinic', which the statement writes without it"
        with Session(lite) as session, pytest.raises(ProtectedColumnError, match=refusal):
            session.execute(update(person).values(clinic="south"))

    @pytest.mark.parametrize(("target", "keeps"), [("tag", True), ("id", False)])
    def test_an_upsert_by_another_column_says_that_the_key_changes(
        self, lite: Engine, target: str, keeps: bool
    ) -> None:
        """The message says so, for whoever lets it set all of the row replaces the primary key."""
        person = decorated(lite)
        upsert = sqlite.insert(person).values(seal(person, {"id": 1, "clinic": "north", "ssn": SSN}))
        upsert = upsert.on_conflict_do_update(index_elements=[target], set_={"ssn": upsert.excluded.ssn})
        with Session(lite) as session, pytest.raises(ProtectedColumnError, match="let it set all of") as caught:
            session.execute(upsert)
        assert ("This changes the row's 'id': to keep it, let the conflict be on 'id'" in str(caught.value)) is keeps


def decorated(engine: Engine) -> Any:
    """A decorated model with its table."""
    person = people(decorated=True)
    person.metadata.create_all(engine)
    return person


class TestTags:
    def test_a_comparison_names_the_blind_index_column(self) -> None:
        """Which takes only what fieldcrypt puts there."""
        with pytest.raises(ProtectedColumnError, match=r"the blind index column people.tag takes only"):
            select(people().id).where(people().tag == b"tag")

    def test_a_parameter_names_the_blind_index_column(self, lite: Engine) -> None:
        """One that brings its value only when the statement is executed."""
        person = decorated(lite)
        statement = select(person.id).where(person.tag == bindparam("tag"))
        with Session(lite) as session, pytest.raises(ProtectedColumnError, match=r"column people.tag takes only"):
            session.execute(statement, {"tag": b"tag"})

    def test_of_tenant_takes_a_value(self) -> None:
        """A column would name a tenant for each row."""
        person = people(decorated=True)
        with pytest.raises(TypeError, match="name one tenant, as a value"):
            of_tenant(person.email, person.clinic)


class TestKeyStores:
    def test_a_locked_database_of_sqlite_is_explained(self, tmp_path: Path) -> None:
        """The application's own transaction is what the key store waits for."""
        engine = create_engine(f"sqlite:///{tmp_path}/locked.sqlite", connect_args={"timeout": 0.1})
        keys = SqlKeyStore(engine)
        keys.create_table()
        field = Encryptor(LocalKeyProvider.generate(), keys).field("people.ssn", str)
        with engine.begin() as connection:
            connection.execute(delete(keys.table))
            with pytest.raises(KeyStoreError, match="while your own transaction has written"):
                field.encrypt(SSN)
            connection.rollback()
        engine.dispose()


class TestAssignments:
    def test_a_selected_value_is_not_assigned(self, lite: Engine) -> None:
        """It is bound to the row that it was selected from, and would not open in another."""
        person = decorated(lite)
        with Session(lite) as session:
            session.add(person(id=1, ssn=SSN))
            session.commit()
            sealed = session.scalars(select(person.ssn)).one()
            with pytest.raises(ProtectedColumnError, match=r"Person\.ssn takes plaintext.*open it"):
                person(id=2, ssn=sealed)
            session.add(person(id=2, ssn=sealed.open(1, tenant="north")))
            session.commit()
            assert session.get_one(person, 2).ssn == SSN
