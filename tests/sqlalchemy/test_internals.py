"""Private names of SQLAlchemy that go away: what was refused is refused still, or nothing runs at all."""

from __future__ import annotations

import ast
import pathlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import String, create_engine, exists, func, insert, literal_column, select, text, union, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, with_loader_criteria

import fieldcrypt_sqlalchemy
from fieldcrypt import ConfigurationError, Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_sqlalchemy import Encrypted, ProtectedColumnError, Sealed
from fieldcrypt_sqlalchemy.guard import self_check
from fieldcrypt_sqlalchemy.guard.statements import examine
from fieldcrypt_sqlalchemy.internals import gate

SECRET = "078-05-1120"
PACKAGE = pathlib.Path(fieldcrypt_sqlalchemy.__file__).parent
BEHIND_THE_GATE = [*(PACKAGE / "internals").glob("*.py")]


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    city: Mapped[str | None]
    ssn: Mapped[str | None] = mapped_column(Encrypted(String, Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())))


PEOPLE: Any = Person.__table__
NAMED = text(f"ssn = '{SECRET}'")
HANDED_ON = select(Person.ssn.label("x")).subquery().c.x


def _upsert(dialect: Any, **about: Any) -> Any:
    return dialect.insert(PEOPLE).values(id=1).on_conflict_do_update(index_elements=["id"], **about)


REFUSED: dict[str, tuple[Any, Callable[[], Any]]] = {
    "function": (sqlite, lambda: select(Person.id).where(func.lower(Person.ssn) == SECRET)),
    "handed on": (sqlite, lambda: select(HANDED_ON).where(func.lower(HANDED_ON) == SECRET)),
    "text": (sqlite, lambda: select(Person.id).where(NAMED)),
    "prefix": (sqlite, lambda: select(Person.id).prefix_with(f"nullif(ssn, '{SECRET}'),")),
    "hint": (sqlite, lambda: select(Person.id).with_statement_hint(f"WHERE ssn = '{SECRET}'")),
    "loader criteria": (
        sqlite,
        lambda: select(exists(select(Person.id))).options(
            with_loader_criteria(Person, literal_column("ssn") == SECRET)
        ),
    ),
    "values": (sqlite, lambda: insert(PEOPLE).values(ssn=func.upper(SECRET))),
    "rows": (sqlite, lambda: insert(PEOPLE).values([{"ssn": func.upper(SECRET)}])),
    "from select": (sqlite, lambda: insert(PEOPLE).from_select(["ssn"], select(func.upper(SECRET)))),
    "update": (sqlite, lambda: update(PEOPLE).values(ssn=func.upper(SECRET))),
    "ordered": (sqlite, lambda: update(PEOPLE).ordered_values((PEOPLE.c.ssn, func.upper(SECRET)))),
    "returning": (sqlite, lambda: insert(PEOPLE).values(id=1).returning(func.nullif(PEOPLE.c.ssn, SECRET))),
    "distinct": (sqlite, lambda: select(Person.ssn).distinct()),
    "union": (sqlite, lambda: union(select(Person.ssn), select(Person.ssn))),
    "sorted": (sqlite, lambda: select(Person.ssn).order_by("ssn")),
    "upsert": (postgresql, lambda: _upsert(postgresql, set_={"ssn": func.upper(SECRET)})),
    "upsert on SQLite": (sqlite, lambda: _upsert(sqlite, set_={"city": NAMED})),
    "upsert with a condition": (postgresql, lambda: _upsert(postgresql, set_={"city": "x"}, where=NAMED)),
    "upsert on MySQL": (
        mysql,
        lambda: mysql.insert(PEOPLE).values(id=1).on_duplicate_key_update(ssn=func.upper(SECRET)),
    ),
}


def private_names() -> list[str]:
    """Return the names that the gates read of SQLAlchemy: what is given to `read`."""
    names = set()
    for path in BEHIND_THE_GATE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "read":
                name = node.args[1]
                assert isinstance(name, ast.Constant)
                names.add(str(name.value))
    return sorted(names)


def refused(name: str) -> bool:
    dialect, make = REFUSED[name]
    try:
        examine(make().compile(dialect=dialect.dialect()))
    except (ProtectedColumnError, ConfigurationError):
        return True
    return False


class TestNamesThatAreGone:
    """SQLAlchemy renames what it calls private."""

    @pytest.mark.parametrize("gone", private_names())
    def test_what_was_refused_is_refused_without_a_name(self, monkeypatch: pytest.MonkeyPatch, gone: str) -> None:
        """Nothing that is not found is taken to be absent."""
        found = gate.read

        def read(owner: Any, name: str) -> Any:
            return found(owner, "_renamed" if name == gone else name)

        for module in [*sys.modules.values()]:
            if getattr(module, "__name__", "").startswith("fieldcrypt_sqlalchemy") and hasattr(module, "read"):
                monkeypatch.setattr(module, "read", read)
        assert [name for name in REFUSED if not refused(name)] == []

    def test_what_describes_elements_may_be_gone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Then all attributes of an element are looked at."""
        monkeypatch.setattr("fieldcrypt_sqlalchemy.statement.elements._made_of", lambda kind: ([], False))
        assert [name for name in REFUSED if not refused(name)] == []

    def test_the_orm_may_make_statements_in_another_way(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A statement of the ORM without a note of what it made is refused."""
        monkeypatch.setattr("fieldcrypt_sqlalchemy.guard.statements.MADE", "elsewhere")
        engine = create_engine("sqlite://")
        with Session(engine) as session, pytest.raises(ConfigurationError, match="newer than fieldcrypt knows"):
            session.execute(REFUSED["loader criteria"][1]())

    @pytest.mark.parametrize(
        "gone",
        [
            "sqlalchemy.sql.elements.ClauseElement._execute_on_connection",
            "sqlalchemy.engine.base.Connection._exec_single_context",
            "sqlalchemy.sql.base.CompileState.plugins",
            "sqlalchemy.sql.elements._label_reference",
        ],
    )
    def test_an_import_without_what_is_wrapped_fails(self, gone: str) -> None:
        """It says why: nothing runs unguarded."""
        owner, _, name = gone.rpartition(".")
        program = (
            "import pkgutil, sqlalchemy, sqlalchemy.orm\n"
            f"delattr(pkgutil.resolve_name({owner!r}), {name!r})\n"
            "from fieldcrypt import ConfigurationError\n"
            "try:\n    import fieldcrypt_sqlalchemy\n"
            "except ConfigurationError as error:\n    print(error)\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert "this SQLAlchemy is newer than fieldcrypt knows" in done.stdout


class TestSelfCheck:
    """The guard is asked to refuse what it must, before anybody relies on it."""

    def test_it_finds_a_guard_that_sees_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """When fieldcrypt is imported."""
        monkeypatch.setattr(self_check, "examine", lambda compiled: None)
        with pytest.raises(ConfigurationError, match="newer than fieldcrypt knows"):
            self_check.check_guard()

    @pytest.mark.parametrize("name", ["postgresql", "sqlite", "mysql", "mariadb"])
    def test_upserts_are_checked_for_each_database(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        """When it is first used, and again until that succeeds."""
        monkeypatch.setattr(self_check, "_checked", set())
        with monkeypatch.context() as blind:
            blind.setattr("fieldcrypt_sqlalchemy.row_rule.writing._check_value", lambda column, value: None)
            blind.setattr("fieldcrypt_sqlalchemy.guard.statements.check_positions", lambda statement: None)
            for _ in range(2):
                with pytest.raises(ConfigurationError, match="an upsert"):
                    self_check.check_dialect(name)
        self_check.check_dialect(name)

    def test_a_statement_is_not_executed_before_the_check_of_its_database(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first statement asks for it."""
        monkeypatch.setattr(self_check, "_checked", set())
        monkeypatch.setattr(self_check, "examine", lambda compiled: None)
        engine = create_engine("sqlite://")
        with engine.connect() as connection, pytest.raises(ConfigurationError):
            connection.execute(select(func.now()))


def test_private_names_stand_behind_the_gate() -> None:
    """Only there are they read, so that one page says what fieldcrypt depends on."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        if path in BEHIND_THE_GATE:
            continue
        nodes = list(ast.walk(ast.parse(path.read_text())))
        own = {"_asdict", "_replace", *Sealed.__slots__}  # of named tuples, and of our own
        own |= {"_sa_instance_state"}  # which SQLAlchemy documents
        own |= {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
        own |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        for node in nodes:
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
                of_self = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
                if not of_self and node.attr not in own:
                    found.append(f"{path.name}:{node.lineno} {node.attr}")
    assert found == []
