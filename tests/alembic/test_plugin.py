"""Alembic's autogenerate keeps fieldcrypt's tables, whatever env.py says: the plugin, on real databases."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
from alembic import command
from alembic.autogenerate import produce_migrations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import (
    Column,
    Engine,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    inspect,
)
from sqlalchemy.orm import DeclarativeBase

import fieldcrypt_alembic
from fieldcrypt import ConfigurationError
from fieldcrypt_alembic import operations
from fieldcrypt_sqlalchemy import SqlKeyStore
from fieldcrypt_sqlalchemy.migration import checkpoint_tables
from fieldcrypt_sqlalchemy.migration.journal.checkpoints import Checkpoints
from tests.alembic.project import Project, tables
from tests.conftest import Database
from tests.keys.records import record

ROOT = Path(__file__).parents[2]
KEYS = "fieldcrypt_data_keys"
CLAIMS = "fieldcrypt_data_keys_claims"
CHECKPOINTS = {"fieldcrypt_migrations", "fieldcrypt_migration_ranges"}

MakeProject = Callable[..., Project]


@pytest.fixture
def project(tmp_path: Path) -> MakeProject:
    """Makes a project whose env.py is the usual one: of models, engine, and more arguments of `context.configure`."""
    return lambda *arguments: Project(tmp_path / "migrations", *arguments)


def models(*names: str) -> Any:
    """The declarative base of models without any protected column."""

    class Base(DeclarativeBase):
        pass

    for name in names:
        Table(name, Base.metadata, Column("id", Integer, primary_key=True), Column("name", String(20), index=True))
    return Base


def way_back(written: str) -> str:
    """The `downgrade()` of a migration's text."""
    return written.partition("def downgrade()")[2]


class TestTablesThatAreThere:
    def test_none_of_them_is_dropped(self, project: MakeProject, engine: Engine) -> None:
        """The models do not know them; nor their indexes. `alembic check` has no word of them, either."""
        SqlKeyStore(engine).create_table()
        Checkpoints(engine, "x").create()
        migrations = project(models("people"), engine)
        written = migrations.migrate()
        assert "create_table('people'" in written
        assert "fieldcrypt" not in written
        assert tables(engine) == {"people", KEYS, CLAIMS, *CHECKPOINTS}

    def test_whatever_they_are_called(self, project: MakeProject, database: Database) -> None:
        """A store's table can have any name, and be in any schema that is compared."""
        engine = database("postgresql")
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA IF EXISTS vault CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA vault")
        SqlKeyStore(engine, "secrets").create_table()
        SqlKeyStore(engine, "secrets", "vault").create_table()
        migrations = project(models(), engine, ", include_schemas=True")
        assert "secrets" not in migrations.migrate()

    def test_also_one_that_was_written_by_hand(self, project: MakeProject, engine: Engine) -> None:
        """With texts of other lengths, other indexes and one more column."""
        by_hand = Table(
            "keys_of_ours",
            MetaData(),
            Column("key_id", String(64), primary_key=True),
            Column("tenant", String(100)),
            Column("state", Text),
            Column("record", LargeBinary),
            Column("added", Integer, index=True),
        )
        by_hand.create(engine)
        assert "keys_of_ours" not in project(models(), engine).migrate()

    def test_another_table_of_that_name_is_dropped(self, project: MakeProject, engine: Engine) -> None:
        """It is an application's own if it has other columns, or other types of them; so are its indexes."""
        other = MetaData()
        Table(KEYS, other, Column("key_id", Integer, primary_key=True), Column("tenant", String(20), index=True))
        Table(
            "fieldcrypt_migrations",
            other,
            *[Column(name, Integer, primary_key=name == "id") for name in ("id", "name", "step", "part")],
        )
        Table(
            "records",
            other,
            *[Column(name, String(20)) for name in ("key_id", "tenant", "state", "record")],
        )
        other.create_all(engine)
        written = project(models(), engine).migrate()
        assert written.count("op.drop_table(") == 3
        assert tables(engine) == set()

    def test_no_column_of_theirs_is_dropped(self, project: MakeProject, engine: Engine) -> None:
        """A declaration that lacks one, as that of another version of fieldcrypt may, is no reason to drop keys."""
        SqlKeyStore(engine).create_table()
        base = models()
        Table(KEYS, base.metadata, Column("key_id", String(32), primary_key=True), Column("tenant", String(255)))
        migrations = project(base, engine)
        assert "drop_column" not in migrations.revision()
        migrations.upgrade()
        assert {column["name"] for column in inspect(engine).get_columns(KEYS)} == {
            "key_id",
            "tenant",
            "state",
            "record",
        }

    def test_one_s_own_changes_are_kept(self, project: MakeProject, engine: Engine) -> None:
        """An index that an application adds to a declared table is made, and what else changed is not lost."""
        SqlKeyStore(engine).create_table()
        before, after = models("people", "visits"), models("people")
        for base in (before, after):
            SqlKeyStore.define(base.metadata)
        migrations = project(before, engine)
        migrations.migrate()
        Index("by_state", after.metadata.tables[KEYS].c.state)
        migrations.use(after)
        written = migrations.migrate().partition("def downgrade()")[0]
        assert "create_index('by_state'" in written
        assert "drop_table('visits')" in written
        assert KEYS not in written.replace("create_index('by_state', 'fieldcrypt_data_keys'", "").replace(
            "op.batch_alter_table('fieldcrypt_data_keys'", ""
        )


class TestTablesThatAMigrationMakes:
    def test_a_downgrade_leaves_them_and_an_upgrade_comes_by_again(self, project: MakeProject, engine: Engine) -> None:
        """With what is in them; the migration says so in words."""
        base = models("people")
        SqlKeyStore.define(base.metadata)
        for table in checkpoint_tables.tables.values():
            table.to_metadata(base.metadata)
        migrations = project(base, engine)
        written = migrations.migrate()
        assert "import fieldcrypt" not in written
        assert [line for line in way_back(written).splitlines() if "op.drop_" in line and "people" not in line] == []
        assert f"# The table {KEYS} stays: it holds data keys" in way_back(written)
        SqlKeyStore(engine).add(record(1))
        for _ in range(2):
            migrations.downgrade()
            assert tables(engine) == {KEYS, CLAIMS, *CHECKPOINTS}
            migrations.upgrade()
        assert SqlKeyStore(engine).get(record(1).key_id) == record(1)
        (index,) = inspect(engine).get_indexes(KEYS)
        assert index["column_names"] == ["tenant"]

    def test_a_migration_of_nothing_else_has_a_way_back(self, project: MakeProject, engine: Engine) -> None:
        """It runs: a function of comments alone would be no Python."""
        base = models()
        SqlKeyStore.define(base.metadata)
        migrations = project(base, engine)
        migrations.migrate()
        migrations.downgrade()
        assert tables(engine) == {KEYS, CLAIMS}

    def test_it_gets_along_with_create_table(self, project: MakeProject, database: Database) -> None:
        """A migration that was generated elsewhere meets a database where a store has made its table already."""
        base = models()
        SqlKeyStore.define(base.metadata)
        migrations = project(base, database("sqlite"))
        migrations.revision()
        for kind in ("postgresql", "mariadb"):
            SqlKeyStore(database(kind)).create_table()
            migrations.use(engine=database(kind))
            migrations.upgrade()

    def test_mysql_drops_the_index_and_makes_it_again(
        self, project: MakeProject, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It cannot make one "if it does not exist", so the next upgrade would fail. MariaDB stands in for it."""
        engine = database("mariadb")
        base = models()
        SqlKeyStore.define(base.metadata)
        migrations = project(base, engine)
        left = operations._INDEXES_IF_NOT_EXISTS - {"mariadb"}
        assert "mysql" not in left
        monkeypatch.setattr(operations, "_INDEXES_IF_NOT_EXISTS", left)
        written = migrations.revision()
        assert written.count("if_not_exists") == 2
        assert "op.drop_index(" in way_back(written)
        assert "op.drop_table(" not in way_back(written)
        command.upgrade(migrations.config, "head")
        migrations.downgrade()
        migrations.upgrade()


class TestPlugin:
    def test_alembic_finds_it_by_itself(self, tmp_path: Path) -> None:
        """By the entry point that pyproject.toml declares, in a program that imports nothing of fieldcrypt."""
        declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["alembic.plugins"]
        lines = [f"{name} = {module}" for name, module in declared.items()]
        installed = tmp_path / "fieldcrypt-0.dist-info"  # in place of that of this environment, whatever it says
        installed.mkdir()
        (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: fieldcrypt\nVersion: 0\n")
        (installed / "entry_points.txt").write_text("\n".join(["[alembic.plugins]", *lines]))
        SqlKeyStore(engine := _engine(tmp_path)).create_table()
        program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from alembic.autogenerate import produce_migrations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, create_engine, inspect
engine = create_engine({str(engine.url)!r})
with engine.connect() as connection:
    assert inspect(connection).get_table_names() == [{KEYS!r}, {CLAIMS!r}]
    script = produce_migrations(MigrationContext.configure(connection), MetaData())
assert script.upgrade_ops.ops == [], script.upgrade_ops.ops
"""
        subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, cwd=ROOT)

    def test_older_versions_find_it_in_a_collection(self) -> None:
        """Alembic before 1.20.1 iterates over what the entry point names, and could not be imported otherwise."""
        (plugin,) = cast(Iterable[ModuleType], fieldcrypt_alembic)
        assert plugin is fieldcrypt_alembic

    def test_without_it_the_table_would_be_dropped(self, tmp_path: Path) -> None:
        """So that the other tests say something; it is left out as any plugin is."""
        SqlKeyStore(engine := _engine(tmp_path)).create_table()
        options = {"autogenerate_plugins": ["alembic.autogenerate.*", "~alembic.autogenerate.fieldcrypt"]}
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts=options)
            assert produce_migrations(context, MetaData()).upgrade_ops.ops  # type: ignore[union-attr]

    @pytest.mark.parametrize("version", ["1.17.2", "1.9", "0.9.10"])
    def test_of_an_older_alembic_one_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
    ) -> None:
        """It would drop the table: a warning when that is made, an error where env.py imports something of ours."""
        monkeypatch.setattr(metadata, "version", {"alembic": version}.__getitem__)
        with pytest.warns(UserWarning, match=f"needs Alembic 1.18 or later, and this is {version}: .*drop the table"):
            SqlKeyStore(_engine(tmp_path)).create_table()
        monkeypatch.delitem(sys.modules, "fieldcrypt_sqlalchemy.alembic")
        with pytest.raises(ConfigurationError, match="needs Alembic 1"):
            import_module("fieldcrypt_sqlalchemy.alembic")

    @pytest.mark.parametrize("version", ["1.18.0", "1.20.1", "2.0"])
    def test_of_a_newer_one_nothing_is_said(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
    ) -> None:
        """Nor if there is none."""
        monkeypatch.setattr(metadata, "version", {"alembic": version}.__getitem__)
        SqlKeyStore(_engine(tmp_path)).create_table()
        monkeypatch.undo()
        monkeypatch.setattr(metadata, "version", _missing)
        SqlKeyStore(_engine(tmp_path)).create_table()


def _missing(name: str) -> str:
    raise metadata.PackageNotFoundError(name)


def _engine(directory: Path) -> Engine:
    return create_engine(f"sqlite:///{directory}/plugin.sqlite")
