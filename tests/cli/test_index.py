"""`fieldcrypt index drop`, as its users call it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.support.commands import Run, complaint, stdout
from tests.support.commands import run as run

SHOP = """
from sqlalchemy import String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_sqlalchemy import Encrypted, blind_index
from fieldcrypt_sqlalchemy.migration import Migration

engine = create_engine("sqlite:///shop.sqlite")
encryptor = Encryptor(LocalKeyProvider(bytes(32)), MemoryKeyStore())


class Base(DeclarativeBase):
    pass


class Patient(Base):
    __tablename__ = "patients"
    id: Mapped[int] = mapped_column(primary_key=True)
    ssn: Mapped[str | None] = mapped_column(Encrypted(String, encryptor, index="ssn_tag"))
    ssn_tag: Mapped[bytes | None] = blind_index()


patients = Migration(engine, Patient)
"""


@pytest.fixture
def shop(imported: Callable[[str], Any]) -> Iterator[Any]:
    """The module of a user, with a table of 20 rows that are found by their tags."""
    module = imported(SHOP)
    module.Base.metadata.create_all(module.engine)
    with Session(module.engine) as session:
        session.add_all(module.Patient(id=n, ssn=f"ssn {n}") for n in range(20))
        session.commit()
    yield module
    module.engine.dispose()


def tags(shop: Any) -> int:
    with shop.engine.connect() as connection:
        found: int = connection.exec_driver_sql("SELECT count(ssn_tag) FROM patients").scalar_one()
        return found


def test_without_erase_it_only_counts(run: Run, shop: Any) -> None:
    """For people and for scripts; nothing is written."""
    assert stdout(run("index", "drop", "application:patients", "ssn_tag")).splitlines() == [
        "patients: 20 rows with tags of ssn_tag",
        "Nothing was changed: --erase erases the tags",
    ]
    shown = json.loads(stdout(run("index", "drop", "application:patients", "ssn_tag", "--json")))
    assert shown == {"tagged": {"patients": 20}}
    assert tags(shop) == 20


def test_erase_asks_erases_and_says_what_is_left(run: Run, shop: Any) -> None:
    """That the index is still declared, the column to drop, and that backups keep the tags."""
    command = ("index", "drop", "application:patients", "ssn_tag", "--erase", "--rate", "100000")
    refused = run(*command, input="n\n").output
    assert "Nothing was erased" in refused
    assert "--yes" not in refused
    assert "Nothing was erased. There was nobody to answer: --yes does not ask." in run(*command).output
    assert tags(shop) == 20
    shown = stdout(run(*command, "--yes"))
    assert "20 rows, 20 changed, 0 failed" in shown
    assert "patients.ssn is still declared with the index ssn_tag" in shown
    assert "drop the column: ALTER TABLE patients DROP COLUMN ssn_tag" in shown
    assert "tags are in write-ahead logs and backups until these expire" in shown
    assert tags(shop) == 0


@pytest.mark.parametrize("name", ["ssn", "id", "nothing"])
def test_what_is_no_companion_is_refused(run: Run, shop: Any, name: str) -> None:
    """In a line that says where tags are erased."""
    said = complaint(run("index", "drop", "application:patients", name, "--erase", "--yes"), 2)
    assert f"{name} is no companion of patients" in said
