"""What `benchmarks/migration.py` migrates, and the processes that do it and that write meanwhile.

python -m benchmarks.migration_workload backfill|write KEY_TYPE STORAGE …   is how it starts them
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Engine, LargeBinary, String, Text, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import Encryptor, LocalKeyProvider
from fieldcrypt_sqlalchemy import Encrypted, SqlKeyStore, blind_index, encrypted
from fieldcrypt_sqlalchemy.migration import Migration

__all__ = ["COLUMNS", "MARK", "Shape", "connect", "original"]

MARK = "plaintext:"  # with which every value begins, so that files can be searched for it
COLUMNS = ("name", "ssn", "email", "notes")
CLINICS = 20
_PAUSE = 0.005  # seconds between two changes of a writer: it is to meet the backfill, and not to hold it up

encryptor = Encryptor()
_SOON = datetime.now(UTC).date() + timedelta(days=30)


@dataclass(frozen=True)
class Shape:
    """What the table is like.

    Attributes:
        key: "bigint" or "text", the type of its primary key.
        storage: "binary" or "text", the type of its protected columns in the database.
    """

    key: str = "bigint"
    storage: str = "binary"

    @property
    def id_sql(self) -> str:
        """The primary key of row n, in SQL."""
        return "n" if self.key == "bigint" else "'patient-' || n"

    def plaintext_sql(self, text: str) -> str:
        """Plaintext as the table holds it, in SQL."""
        return text if self.storage == "text" else f"convert_to({text}, 'UTF8')"

    def id_of(self, number: int) -> Any:
        """The primary key of a row."""
        return number if self.key == "bigint" else f"patient-{number}"

    @cached_property
    def model(self) -> Any:
        """Four protected columns, bound to their row, one of them searchable; in the database they hold plaintext."""
        key = BigInteger() if self.key == "bigint" else String(30)
        accepted: dict[str, Any] = {"accept_plaintext": _SOON}
        if self.storage == "text":
            accepted["storage"] = Text
        inner = LargeBinary if self.storage == "binary" else String

        class Base(DeclarativeBase):
            pass

        @encrypted(encryptor, row="id", tenant="clinic")
        class Patient(Base):
            __tablename__ = "patients"
            id: Mapped[Any] = mapped_column(key, primary_key=True, autoincrement=False)
            clinic: Mapped[str] = mapped_column(String(20))
            name: Mapped[str] = mapped_column(Encrypted(String, **accepted))
            ssn: Mapped[str] = mapped_column(Encrypted(String, **accepted))
            email: Mapped[str] = mapped_column(Encrypted(String, index="email_tag", **accepted))
            email_tag: Mapped[bytes | None] = blind_index()
            notes: Mapped[Any] = mapped_column(Encrypted(inner, **accepted))

        return Patient


def original(row: Any, column: str) -> str:
    """What a row has before anybody changes it."""
    return f"{MARK}{column} of {row}"


def connect(url: str, key: str) -> Engine:
    """Make an engine, and configure the Encryptor with the key store beside the data."""
    engine = create_engine(url)
    encryptor.configure(LocalKeyProvider(bytes.fromhex(key)), SqlKeyStore(create_engine(url)))
    return engine


def backfill(shape: Shape, url: str, key: str, workers: str, batch: str, journal: str) -> None:
    """Run the backfill; note the rows of each UPDATE before it is sent."""
    engine = connect(url, key)
    with Path(journal).open("a", encoding="ascii") as written:

        def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            if statement.startswith("UPDATE patients"):
                rows = parameters if isinstance(parameters, list) else [parameters]
                name = next(each for each in rows[0] if each.endswith("_key_0"))
                written.write("".join(f"{row[name]}\n" for row in rows))
                written.flush()

        event.listen(engine, "before_cursor_execute", note)
        report = Migration(engine, shape.model).backfill(workers=int(workers), batch=int(batch))
    assert report.complete and not report.failed, report  # noqa: S101, PT018


def write(shape: Shape, url: str, key: str, number: str, rows: str, journal: str) -> None:
    """Change random rows, one a transaction, until killed; note what was committed. Two writers share no row."""
    engine = connect(url, key)
    chance = random.Random(int(number))
    with Path(journal).open("a", encoding="ascii") as written:
        for serial in _forever():
            row = shape.id_of(2 * chance.randrange(int(rows) // 2) + int(number))
            column = chance.choice(COLUMNS)
            text = f"{MARK}{column} of {row}, change {serial} of writer {number}"
            with Session(engine) as session:
                patient = session.get_one(shape.model, row)
                assert patient.ssn.startswith(MARK)  # noqa: S101 (read while some rows are plaintext)
                setattr(
                    patient, column, text.encode() if isinstance(patient.notes, bytes) and column == "notes" else text
                )
                written.write(f"begin\t{row}\t{column}\t{text}\n")
                written.flush()
                session.commit()
            written.write(f"done\t{row}\t{column}\t{text}\n")
            written.flush()
            time.sleep(_PAUSE)


def _forever() -> Iterator[int]:
    serial = 0
    while True:
        yield serial
        serial += 1


if __name__ == "__main__":
    what, key_type, storage, *arguments = sys.argv[1:]
    {"backfill": backfill, "write": write}[what](Shape(key_type, storage), *arguments)
