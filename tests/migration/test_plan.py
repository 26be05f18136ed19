"""What a plan says of a column that becomes ciphertext, before anything is encrypted."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import JSON, Column, Integer, MetaData, String, Table

from fieldcrypt_sqlalchemy import Encrypted
from fieldcrypt_sqlalchemy.migration import Migration
from tests.conftest import Database
from tests.migration.tables import ENCRYPTOR, SOON, do


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_what_the_database_does_with_plaintext_is_told(database: Database, kind: str) -> None:
    """Constraints, computed columns, defaults and indexes look at ciphertext then; not those of other columns."""
    engine, type_ = database(kind), "varchar(200)"
    do(
        engine,
        f"CREATE TABLE patients (id int PRIMARY KEY, ssn {type_} DEFAULT 'none', ssn_too {type_} DEFAULT 'x', "
        f"files json, head {type_} GENERATED ALWAYS AS (substr(ssn, 1, 3)) STORED, CONSTRAINT once UNIQUE (ssn), "
        "CONSTRAINT short CHECK (length(ssn) < 20),\nCONSTRAINT other CHECK (ssn_too <> ''))",
        "CREATE INDEX of_others ON patients (ssn_too)",
        "INSERT INTO patients (id, ssn) VALUES (1, 'Ann')",
    )
    columns: list[Column[Any]] = [
        Column(
            "ssn", Encrypted(String(20), ENCRYPTOR, name="patients.ssn", storage=String(200), accept_plaintext=SOON)
        ),
        Column("files", Encrypted(JSON, ENCRYPTOR, name="patients.files", storage=JSON, accept_plaintext=SOON)),
    ]
    people = Table("patients", MetaData(), Column("id", Integer, primary_key=True), *columns)
    remarks = Migration(engine, people).plan().remarks
    told = ("the CHECK constraint short", "the computed column head", "has the default 'none'", "the index once is on")
    assert len(remarks) == len(told), remarks
    assert all(any(each in remark for remark in remarks) for each in told)
    assert not any(each in remark for remark in remarks for each in ("other", "of_others", "files"))
