"""Encrypts the columns of SQLAlchemy's tests, and writes down what became of the tests and what the columns were."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import Connection, LargeBinary, PickleType, Table, event, inspect
from sqlalchemy.dialects.postgresql import provision as set_up_postgresql  # noqa: F401 (it sets a hook)
from sqlalchemy.testing import provision, schema

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_sqlalchemy import Encrypted

_outcomes: dict[str, tuple[str, str]] = {}  # of a test: passed, failed or skipped, and the error
_columns: set[tuple[str, str]] = set()  # of all tables, without keys: what they are declared as, and what they are

# It would create extensions of PostgreSQL that not every installation has, for tests that are not among these.
provision.post_configure_engine.fns.pop("postgresql")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--report", type=Path, help="where to write the report, in JSON")
    parser.addoption("--plain", action="store_true", help="leave the columns as they are")
    parser.addoption("--only", default="", help="leave out tests that this regular expression does not match")


def pytest_collection(session: pytest.Session) -> None:
    """Have the tests, which are not imported yet, make their columns of encrypted types."""
    if session.config.getoption("--plain"):
        return
    encryptor = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
    plain_column: Any = schema.Column

    def column(name: str, type_: Any, *arguments: Any, **options: Any) -> Any:
        if not options.get("primary_key"):
            # A PickleType is refused; with bytes in its place, the other columns of its table can be tested.
            type_ = Encrypted(LargeBinary if type_ is PickleType else type_, encryptor)
        return plain_column(name, type_, *arguments, **options)

    schema.Column = column


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if re.match(config.getoption("--only"), _name(item))]


@event.listens_for(Table, "after_create")
def _note_columns(table: Table, connection: Connection, **_: Any) -> None:
    found = {column["name"]: column["type"] for column in inspect(connection).get_columns(table.name)}
    for column in table.c:
        if not column.primary_key:
            _columns.add((repr(column.type), found[column.name].compile(connection.dialect)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    known, _ = _outcomes.get(_name(item), ("passed", ""))
    if known == "passed":
        error = "" if call.excinfo is None else f"{call.excinfo.typename}: {call.excinfo.value}"
        _outcomes[_name(item)] = (report.outcome, error)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    report = {"sqlalchemy": sqlalchemy.__version__, "outcomes": _outcomes, "columns": sorted(_columns)}
    session.config.getoption("--report").write_text(json.dumps(report, indent=1))


def _name(item: Any) -> str:
    """Return `Class.test[parameters]`; the class that pytest sees has the database's name and version in its own."""
    return f"{item.cls._sa_orig_cls_name}.{item.name}"
