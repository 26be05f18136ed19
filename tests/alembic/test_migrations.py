"""Migrations that Alembic generates for protected columns, run on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest
import sqlalchemy
from alembic import command
from alembic.autogenerate import render_python_code
from alembic.operations.ops import CreateTableOp, UpgradeOps
from alembic.util import CommandError
from sqlalchemy import JSON, URL, Column, Engine, Integer, MetaData, String, Table, Text, inspect, select
from sqlalchemy.dialects import mysql, oracle
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt.search import Prefixes
from fieldcrypt_sqlalchemy import BlindIndexTag, Encrypted, IndexedBy, blind_index, encrypted
from fieldcrypt_sqlalchemy.alembic import render_item
from tests.alembic.project import MakeProject, tables
from tests.alembic.project import project as project
from tests.conftest import Database

LONG = "db.LargeBinary().with_variant(mysql.LONGBLOB(), 'mysql', 'mariadb')"
SHORT = "db.LargeBinary().with_variant(db.VARBINARY(length=32), 'mysql', 'mariadb', 'mssql')"


def models(encryptor: Encryptor) -> Any:
    """Models with a protected column of each kind."""

    class Base(DeclarativeBase):
        pass

    class Person:
        email: Mapped[str | None] = mapped_column(Encrypted(String(100), encryptor, index="email_tag"))
        email_tag: Mapped[bytes | None] = blind_index()

    @encrypted(encryptor, row="id", tenant="clinic")
    class Patient(Person, Base):
        __tablename__ = "patients"
        id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
        clinic: Mapped[str] = mapped_column(String(20))
        ssn: Mapped[str] = mapped_column(Encrypted(String, index="ssn_tag"))
        ssn_tag: Mapped[bytes | None] = blind_index(unique=True)

    class Doctor(Person, Base):
        __tablename__ = "doctors"
        id: Mapped[int] = mapped_column(primary_key=True)
        notes: Mapped[Any] = mapped_column(Encrypted(JSON, encryptor, pad=64), nullable=True)

    class Models:
        base, patient, doctor = Base, Patient, Doctor

    return Models


@pytest.fixture
def encryptor() -> Encryptor:
    """One with keys in memory."""
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


class TestMigrations:
    def test_tables_are_made_used_and_dropped(self, project: MakeProject, engine: Engine, encryptor: Encryptor) -> None:
        """By a migration that has no word of fieldcrypt in it; comparing again finds nothing."""
        application = models(encryptor)
        migrations = project(application.base, engine)
        written = migrations.migrate()
        assert "fieldcrypt" not in written
        assert "Encrypted" not in written
        with Session(engine) as session:
            session.add(application.patient(id=UUID(int=1), clinic="north", ssn="078-05-1120", email="ann@example.org"))
            session.add(application.doctor(id=1, notes={"a": ["x" * 100_000]}, email="bob@example.org"))
            session.commit()
        with Session(engine) as session:
            patient, doctor = application.patient, application.doctor
            ann = session.scalars(select(patient).where(patient.ssn == "078-05-1120")).one()
            assert (ann.ssn, ann.email) == ("078-05-1120", "ann@example.org")
            assert session.scalars(select(doctor.notes).where(doctor.email == "bob@example.org")).one() == {
                "a": ["x" * 100_000]
            }
        migrations.downgrade()
        assert tables(engine) == set()

    def test_columns_are_added_and_taken_away(self, project: MakeProject, engine: Engine, encryptor: Encryptor) -> None:
        """With their index, to a table that exists; and back again."""

        class Before(DeclarativeBase):
            pass

        for name in ("patients", "doctors"):
            Table(name, Before.metadata, Column("id", Integer, primary_key=True), Column("name", String(20)))

        class After(DeclarativeBase):
            pass

        for name in ("patients", "doctors"):
            Table(
                name,
                After.metadata,
                Column("id", Integer, primary_key=True),
                Column("name", String(20)),
                Column("ssn", Encrypted(String, encryptor, index="ssn_tag")),
                Column("ssn_tag", BlindIndexTag(), index=True),
            )
        migrations = project(Before, engine)
        migrations.migrate()
        migrations.use(After)
        assert "fieldcrypt" not in migrations.migrate()
        indexes = inspect(engine).get_indexes("patients")
        assert [index["column_names"] for index in indexes] == [["ssn_tag"]]
        migrations.use(Before)
        assert "fieldcrypt" not in migrations.migrate()  # the way back names types as well
        assert [column["name"] for column in inspect(engine).get_columns("patients")] == ["id", "name"]
        migrations.downgrade()
        assert tables(engine) == set()

    def test_an_array_of_tags_is_made_with_its_gin_index(
        self, project: MakeProject, database: Database, encryptor: Encryptor
    ) -> None:
        """On PostgreSQL; comparing again finds nothing."""

        class Base(DeclarativeBase):
            pass

        how = IndexedBy("starts", of=Prefixes(2, 4), one_companion=True, accept_leakage=True)

        @encrypted(encryptor, row="id")
        class Patient(Base):
            __tablename__ = "patients"
            id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
            name: Mapped[str] = mapped_column(Encrypted(String, index=how))
            starts: Mapped[Any] = blind_index(array=True)

        written = project(Base, database("postgresql")).migrate()
        assert "postgresql.ARRAY(postgresql.BYTEA())" in written
        assert "postgresql_using='gin'" in written
        assert "fieldcrypt" not in written

    @pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
    def test_a_migration_suits_other_databases(
        self, project: MakeProject, database: Database, encryptor: Encryptor, kind: str
    ) -> None:
        """One that was generated on SQLite makes the right columns elsewhere: nothing is left to do."""
        application = models(encryptor)
        migrations = project(application.base, database("sqlite"))
        migrations.revision()
        migrations.use(engine=database(kind))
        migrations.upgrade()
        assert tables(database(kind)) == {"patients", "doctors"}

    def test_a_migration_runs_without_fieldcrypt(
        self, project: MakeProject, database: Database, encryptor: Encryptor, tmp_path: Path
    ) -> None:
        """In years to come, and where it is not installed."""
        project(models(encryptor).base, database("sqlite")).revision()
        (path,) = (tmp_path / "migrations" / "versions").glob("*.py")
        program = f"""
import runpy, sys
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect
engine = create_engine("sqlite:///{tmp_path}/other.sqlite")
with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
    runpy.run_path({str(path)!r})["upgrade"]()
assert "patients" in inspect(engine).get_table_names()
assert not {{"fieldcrypt", "fieldcrypt_sqlalchemy"}} & {{*sys.modules}}
"""
        subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)


class TestTextColumns:
    """Columns that are encrypted where they are."""

    def test_a_column_stays_as_it_is(self, project: MakeProject, engine: Engine, encryptor: Encryptor) -> None:
        """A column of text becomes an encrypted one without a migration; a longer one is altered, nothing else."""

        class Plain(DeclarativeBase):
            pass

        Table("patients", Plain.metadata, Column("ssn", Text), Column("name", String(20)), Column("notes", JSON))

        class Protected(DeclarativeBase):
            pass

        Table(
            "patients",
            Protected.metadata,
            Column("ssn", Encrypted(String, encryptor, storage=Text)),
            Column("name", Encrypted(String(20), encryptor, storage=String(200))),
            Column("notes", Encrypted(JSON, encryptor, storage=JSON)),
        )
        migrations = project(Plain, engine)
        migrations.migrate()
        migrations.use(Protected)
        written = migrations.revision()
        assert "Encrypted" not in written
        assert written.count("alter_column") == 2  # of upgrade, and of downgrade
        assert "type_=sa.String(length=200)" in written

    def test_tables_are_made_with_them(self, project: MakeProject, engine: Engine, encryptor: Encryptor) -> None:
        """With the types that they are declared with, variants and all; comparing again finds nothing."""

        class Base(DeclarativeBase):
            pass

        long = Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
        Table(
            "patients",
            Base.metadata,
            Column("ssn", Encrypted(String, encryptor, storage=long)),
            Column("name", Encrypted(String(20), encryptor, storage=String(200))),
            Column("notes", Encrypted(JSON, encryptor, storage=JSON)),
        )
        written = project(Base, engine).migrate()
        assert "fieldcrypt" not in written
        assert "sa.Column('ssn', sa.Text().with_variant(mysql.LONGTEXT(), 'm" in written
        assert "sa.Column('notes', sa.JSON(), " in written


class TestRendering:
    def test_a_change_of_the_schema_is_still_found(
        self, project: MakeProject, database: Database, encryptor: Encryptor
    ) -> None:
        """That comparing finds nothing is not because it looks at nothing: a text column is not an encrypted one."""

        class Base(DeclarativeBase):
            pass

        engine = database("postgresql")
        Table("patients", Base.metadata, Column("ssn", String), Column("tag", String))
        migrations = project(Base, engine)
        migrations.migrate()

        class Other(DeclarativeBase):
            pass

        Table(
            "patients",
            Other.metadata,
            Column("ssn", Encrypted(String, encryptor, index="tag")),
            Column("tag", BlindIndexTag()),
        )
        migrations.use(Other)
        with pytest.raises(CommandError, match=r"(?s)ssn.*tag"):
            command.check(migrations.config)

    def test_an_application_s_own_function_is_asked_first(
        self, project: MakeProject, database: Database, encryptor: Encryptor
    ) -> None:
        """What it does not render is rendered all the same."""
        own = "kind == 'type' and type(item).__name__ == 'BlindIndexTag' and 'own.Tag()'"
        options = f", render_item=lambda kind, item, _: {own}"
        written = project(models(encryptor).base, database("sqlite"), options).revision()
        assert "sa.Column('email_tag', own.Tag()" in written
        assert "sa.Column('email', sa.LargeBinary()" in written

    def test_what_is_not_ours_is_left_to_others(self, encryptor: Encryptor) -> None:
        """An application's own function is asked for the rest, and Alembic for what that leaves; with its prefixes."""
        table = Table(
            "patients",
            MetaData(),
            Column("ssn", Encrypted(String, encryptor)),
            Column("tag", BlindIndexTag),
            Column("name", String(7)),
            Column("age", Integer),
        )

        def render(kind: str, item: object, context: Any) -> str | Literal[False]:
            return render_item(kind, item, context) or (kind == "type" and type(item) is String and "own.Type()")

        operations = UpgradeOps([CreateTableOp.from_table(table)])
        written = render_python_code(operations, sqlalchemy_module_prefix="db.", render_item=render)
        assert re.findall(r"'(\w+)', (.*), nullable", written) == [
            ("ssn", f"{LONG}.with_variant(db.VARBINARY(length='max'), 'mssql')"),
            ("tag", f"{SHORT}.with_variant(oracle.RAW(32), 'oracle')"),
            ("name", "own.Type()"),
            ("age", "db.Integer()"),
        ]

    @pytest.mark.parametrize("name", ["sqlite", "postgresql", "mysql", "mssql", "oracle"])
    def test_every_database_gets_what_the_models_have(self, encryptor: Encryptor, name: str) -> None:
        """Compiled for databases that the tests do not have: the migration's columns are the models' own."""
        wanted = {
            "sqlite": ("BLOB", "BLOB"),
            "postgresql": ("BYTEA", "BYTEA"),
            "mysql": ("LONGBLOB", "VARBINARY(32)"),
            "mssql": ("VARBINARY(max)", "VARBINARY(32)"),
            "oracle": ("BLOB", "RAW(32)"),
        }
        dialect = URL.create(name).get_dialect()()
        declared = Encrypted(String, encryptor, name="a.b"), BlindIndexTag()
        context: Any = SimpleNamespace(opts={"sqlalchemy_module_prefix": "sa."}, imports=set())
        rendered = [str(render_item("type", item, context)) for item in declared]
        names = {"sa": sqlalchemy, "mysql": mysql, "oracle": oracle}
        migrated = [eval(text, names) for text in rendered]  # noqa: S307 (what Alembic writes into a file)
        for types in (declared, migrated):
            assert tuple(str(each.compile(dialect=dialect)) for each in types) == wanted[name]
