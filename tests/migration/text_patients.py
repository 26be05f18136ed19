"""A table of patients whose columns of text and JSON were filled before they were encrypted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import JSON, Engine, LargeBinary, String, Text, column, insert, select, table
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import Encryptor, LocalKeyProvider
from fieldcrypt_sqlalchemy import Encrypted, blind_index, encrypted
from tests.migration.sql_patients import SSN, soon

DOCUMENTS: list[Any] = [{"b": [1, 2.5, None, "é"], "a": {"x": 1}}, "text", 7, True, [], {}, "fc", ["fc1.x"]]


def model(encryptor: Encryptor, *, bound: bool = True, storage: Any = Text, **options: Any) -> Any:
    """A model whose columns held plaintext."""
    options = {"accept_plaintext": soon()} | options

    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        clinic: Mapped[str] = mapped_column(String(10), default="c")
        ssn: Mapped[str | None] = mapped_column(
            Encrypted(String, encryptor, index="ssn_tag", storage=storage, **options)
        )
        ssn_tag: Mapped[bytes | None] = blind_index()
        notes: Mapped[Any] = mapped_column(Encrypted(JSON, encryptor, pad=16, storage=JSON, **options), nullable=True)

    return encrypted(encryptor, row="id", tenant="clinic")(Patient) if bound else Patient


_stored = table(
    "patients",
    column("id"),
    column("clinic", String),
    column("ssn", Text),
    column("ssn_tag", LargeBinary),
    column("notes", JSON),
)


def add(engine: Engine, patient: Any, rows: int, **values: Any) -> list[Any]:
    """Add rows as they were before anything was encrypted; return what they hold."""
    patient.metadata.create_all(engine)
    plain = [
        {"id": n, "clinic": f"c{n % 2}", "ssn": f"{SSN}{n} é", "notes": DOCUMENTS[n % len(DOCUMENTS)]} | values
        for n in range(rows)
    ]
    with engine.begin() as connection:
        connection.execute(insert(_stored), plain)
    return [(row["id"], row["ssn"], row["notes"]) for row in plain]


def raw(engine: Engine) -> list[Any]:
    """What the database has, but for the tags."""
    with engine.connect() as connection:
        return [
            tuple(row)
            for row in connection.execute(select(_stored.c.id, _stored.c.ssn, _stored.c.notes).order_by(_stored.c.id))
        ]


def read(engine: Engine, patient: Any) -> list[Any]:
    """What the application has."""
    with Session(engine) as session:
        return [(each.id, each.ssn, each.notes) for each in session.scalars(select(patient).order_by(patient.id))]


def damage(engine: Engine, row: int, **values: Any) -> None:
    """Write to a row behind everybody's back."""
    with engine.begin() as connection:
        connection.execute(_stored.update().where(_stored.c.id == row).values(values))


class MeddlingProvider(LocalKeyProvider):
    """Has somebody else do something while a data key is wrapped."""

    meddle: Callable[[], None] | None = None

    def wrap(self, data_key: bytes, context: Any) -> Any:
        meddle, self.meddle = self.meddle, None
        if meddle is not None:
            meddle()
        return super().wrap(data_key, context)
