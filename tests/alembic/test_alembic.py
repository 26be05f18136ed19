"""Migrations that Alembic generates for protected columns, run on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal
from uuid import UUID, uuid4

import alembic
import pytest
import sqlalchemy
from alembic import command
from alembic.autogenerate import render_python_code
from alembic.config import Config
from alembic.operations.ops import CreateTableOp, UpgradeOps
from alembic.runtime.plugins import Plugin
from alembic.util import CommandError
from sqlalchemy import JSON, URL, Column, Engine, Integer, MetaData, String, Table, Text, inspect, select
from sqlalchemy.dialects import mysql, oracle
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import fieldcrypt_alembic
from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_sqlalchemy import BlindIndexTag, Encrypted, blind_index, encrypted
from fieldcrypt_sqlalchemy.alembic import render_item
from tests.conftest import Database

with contextlib.suppress(ValueError):  # it is there already, where fieldcrypt was installed after it got the plugin
    Plugin.setup_plugin_from_module(fieldcrypt_alembic, fieldcrypt_alembic.NAME)

PAGE = Path(__file__).parents[2] / "docs" / "alembic.md"
TEMPLATE = Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako"

# What an application has in env.py, with the page's function in it.
ENV = """
from alembic import context

Base, engine = (context.config.attributes[name] for name in ("base", "engine"))

{function}

run_migrations_online()
"""


class Project:
    """An application with a directory of migrations, and an env.py as the documentation has it."""

    def __init__(self, directory: Path, base: Any, engine: Engine, options: str = "") -> None:
        (directory / "versions").mkdir(parents=True)
        shutil.copy(TEMPLATE, directory)
        (function,) = re.findall(r"^(def run_migrations_online.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
        if engine.dialect.name == "sqlite":  # which cannot alter a column: Alembic makes the table anew
            options += ", render_as_batch=True"
        function = function.replace("target_metadata=Base.metadata", f"target_metadata=Base.metadata{options}")
        (directory / "env.py").write_text(ENV.format(function=function))
        self.config = Config()
        self.config.set_main_option("script_location", str(directory))
        self.config.set_main_option("path_separator", "os")
        self.config.attributes.update(base=base, engine=engine)

    def use(self, base: Any = None, engine: Engine | None = None) -> None:
        """Go on with other models, or another database."""
        given = {"base": base, "engine": engine}
        self.config.attributes.update({name: value for name, value in given.items() if value is not None})

    def revision(self) -> str:
        """Have Alembic generate a migration; return its text."""
        script: Any = command.revision(self.config, autogenerate=True)
        return Path(script.path).read_text()

    def migrate(self) -> str:
        """Generate a migration, run it, and see to it that nothing is left to do; return its text."""
        written = self.revision()
        self.upgrade()
        return written

    def upgrade(self) -> None:
        """Run all migrations, and see to it that nothing is left to do."""
        command.upgrade(self.config, "head")
        command.check(self.config)

    def downgrade(self) -> None:
        """Take all migrations back."""
        command.downgrade(self.config, "base")


LONG = "db.LargeBinary().with_variant(mysql.LONGBLOB(), 'mysql', 'mariadb')"
SHORT = "db.LargeBinary().with_variant(db.VARBINARY(length=32), 'mysql', 'mariadb', 'mssql')"

MakeProject = Callable[..., Project]


@pytest.fixture
def project(tmp_path: Path) -> MakeProject:
    """Makes a project: of models, engine, and more arguments of `context.configure`."""
    return lambda *arguments: Project(tmp_path / "migrations", *arguments)


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


def tables(engine: Engine) -> set[str]:
    """The tables of a database, without Alembic's own."""
    return set(inspect(engine).get_table_names()) - {"alembic_version"}


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
