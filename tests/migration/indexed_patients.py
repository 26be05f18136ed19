"""A table of patients whose column is searched for in several ways."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Engine, LargeBinary, MetaData, Table, select
from sqlalchemy import String as Text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.types import Date, String

from fieldcrypt import Encryptor, IndexedBy
from fieldcrypt.search import Prefixes, Range, last
from fieldcrypt_sqlalchemy import Encrypted, blind_index, encrypted

BIRTHDAY = date(1980, 5, 17)
NAMES = ("Meyer", "Mo", "Meier-Lange", "Øster")
NAME = (
    IndexedBy("name_tag", normaliser="casefold"),
    IndexedBy("name_last3", normaliser="casefold", of=last(3)),
    IndexedBy("name_prefix", normaliser="casefold", of=Prefixes(3, 5), accept_leakage=True),
    IndexedBy("name_part", name="name in parts", partitions=4, accept_leakage=True),
)
BORN = IndexedBy("born_range", of=Range(date(1900, 1, 1), date(2100, 1, 1)), accept_leakage=True)


def model(
    encryptor: Encryptor,
    name: Sequence[IndexedBy] = NAME,
    born: IndexedBy | None = BORN,
    *,
    more: Sequence[str] = (),
    indexes: Sequence[Any] = (),
    accept_plaintext: date | None = None,
    copied: bool = False,
) -> Any:
    """A model with these indexes; `more` are companions of indexes that are no longer declared."""

    class Base(DeclarativeBase):
        pass

    def companions(*declared: IndexedBy) -> dict[str, Any]:
        return {each: blind_index(array=how.one_companion) for how in declared for each in how.companions}

    columns = {
        "__tablename__": "patients",
        "__annotations__": {"id": Mapped[int], "clinic": Mapped[str]},
        "id": mapped_column(primary_key=True, autoincrement=False),
        "clinic": mapped_column(Text(10)),
        "name": mapped_column(
            Encrypted(String, index=list(name) or None, accept_plaintext=accept_plaintext), nullable=True
        ),
        "born": mapped_column(Encrypted(Date, index=born), nullable=True),
        **companions(*name, *([] if born is None else [born])),
        **{each.companion: blind_index() for each in indexes},
        **{each: blind_index() for each in more},
    }
    if copied:
        columns["plain"] = mapped_column(String(20), nullable=True)
    how: Any = {"indexes": list(indexes)} if indexes else {}
    return encrypted(encryptor, row="id", tenant="clinic", **how)(type("Patient", (Base,), columns))


def fill(engine: Engine, patient: Any, rows: int = len(NAMES)) -> None:
    """Write rows by the model."""
    patient.metadata.create_all(engine)
    with Session(engine) as session:
        for n in range(rows):
            session.add(patient(id=n, clinic="c-7", name=NAMES[n % len(NAMES)], born=BIRTHDAY))
        session.commit()


def bare(patient: Any) -> Table:
    """The table as the database has it."""
    columns = [
        each._copy() if each.primary_key or each.name == "clinic" else each.__class__(each.name, LargeBinary)
        for each in patient.__table__.columns
    ]
    return Table("patients", MetaData(), *columns)


def stored(engine: Engine, patient: Any) -> dict[int, dict[str, Any]]:
    """What is in the companions of each row."""
    table = bare(patient)
    names = [
        each for each in [column.name for column in table.c] if each not in ("id", "clinic", "name", "born", "plain")
    ]
    with engine.connect() as connection:
        found = connection.execute(select(table).order_by(table.c.id)).mappings()
        return {row["id"]: {name: None if row[name] is None else bytes(row[name]) for name in names} for row in found}


def strip(engine: Engine, patient: Any, *names: str) -> None:
    """Empty companions, as of rows that were written before these were declared."""
    with engine.begin() as connection:
        connection.execute(bare(patient).update().values(dict.fromkeys(names)))
