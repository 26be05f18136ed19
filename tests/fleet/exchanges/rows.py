"""Exchanges about rows of SQLAlchemy's models, as tests/frozen/models.py declares them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Text, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import KeyShreddedError
from fieldcrypt_sqlalchemy import Encrypted, find, of_tenant
from tests.fleet.exchanges.site import Site, eventually
from tests.frozen.models import ANN, BOB, ROWS, SHREDDED, Base, Patient, Searched, Visit, encryptor

__all__ = ["STEPS"]


def insert(site: Site, _: Any) -> None:
    """Write all rows, of every type, bound and not, in a new database."""
    site.create()
    Base.metadata.create_all(site.engine)
    for tenant in (None, "north", "south", SHREDDED[2]["clinic"]):  # SQLite has no room for a second writer, of keys
        site.encryptor.field("a.b", str).encrypt("", tenant=tenant)
        site.encryptor.blind_index("a.b").tag("", tenant=tenant)
    with Session(site.engine) as session:
        session.add_all(model(**key, **values) for model, key, values in ROWS)
        session.commit()


def read(site: Site, _: Any) -> None:
    """Read them."""
    assert site.encryptor
    with Session(site.engine) as session:
        for model, key, values in ROWS:
            row = session.scalars(select(model).filter_by(**key)).one()
            assert {name: getattr(row, name) for name in values} == values, row


def update(site: Site, _: Any) -> None:
    """Read rows of the other version, and change some of their values and the key and tenant of one."""
    read(site, None)
    with Session(site.engine) as session:
        session.get_one(Patient, ANN).ssn = "219-09-9999"
        session.get_one(Patient, BOB).clinic = "north"
        session.get_one(Visit, (ANN, 1)).number = 3
        session.get_one(Searched, 1).email = "Eve@Example.org"
        session.commit()


def read_updated(site: Site, _: Any) -> None:
    """Read what has changed, and find it."""
    with Session(site.engine) as session:
        assert session.get_one(Patient, ANN).ssn == "219-09-9999"
        assert session.get_one(Patient, BOB).ssn == "078-05-1120"
        assert session.get_one(Visit, (ANN, 3)).note == "migraine"
        assert session.scalars(select(Searched.id).where(Searched.email == "eve@example.org")).all() == [1]


def search(site: Site, _: Any) -> None:
    """Find rows of the other version by each blind index."""
    assert site.encryptor
    with Session(site.engine) as session:
        found = {
            name: session.scalars(select(Searched.id).where(getattr(Searched, name) == value)).all()
            for name, value in {"exact": "a", "number": 7, "nfkc": "fiance\u0301", "email": "ANN@example.org"}.items()
        }
        assert found == {"exact": [1], "number": [1, 2], "nfkc": [1], "email": [1]}
        assert [row.id for row in find(session, select(Searched).where(Searched.phone == "49301"))] == [1]
        own: Any = of_tenant(Patient.ssn, "north")
        assert session.scalars(select(Patient.id).where(own == "078-05-1120")).all() == [ANN]


def shred(site: Site, _: Any) -> None:
    """Read the rows, write one of another tenant, and shred that one."""
    read(site, None)
    model, key, values = SHREDDED
    with Session(site.engine) as session:
        session.add(model(**key, **values))
        session.commit()
    site.encryptor.data_keys.shred(values["clinic"], by="ann@example.org")


def read_shredded(site: Site, _: Any) -> None:
    """Read all rows but that one."""
    model, key, _values = SHREDDED

    def refused() -> bool:
        with Session(site.engine) as session:
            try:
                return session.get_one(model, key["id"]).ssn is None
            except KeyShreddedError:
                return True

    eventually(refused)
    read(site, None)


def _note() -> Any:
    class TextBase(DeclarativeBase):
        """Of a table that not every version can declare."""

    class Note(TextBase):
        __tablename__ = "notes"
        id: Mapped[int] = mapped_column(primary_key=True)
        body: Mapped[str] = mapped_column(Encrypted(Text, encryptor, storage=Text))

    return Note


def insert_text(site: Site, _: Any) -> str:
    """Write a value in text form."""
    site.create()
    assert site.encryptor
    note = _note()
    note.metadata.create_all(site.engine)
    with Session(site.engine) as session:
        session.add(note(id=1, body="old"))
        session.commit()
    with site.engine.connect() as connection:
        stored = connection.exec_driver_sql("SELECT body FROM notes").scalar_one()
    assert stored.startswith("fc1.")
    return str(stored)


def decrypt_text(site: Site, stored: str) -> None:
    """Decrypt it by itself."""
    field: Any = site.encryptor.field("notes.body", str)
    assert field.decrypt(stored) == "old"


def read_text(site: Site, _: Any) -> None:
    """Read it."""
    assert site.encryptor
    note = _note()
    with Session(site.engine) as session:
        assert session.get_one(note, 1).body == "old"


STEPS: Mapping[str, Sequence[Any]] = {
    "rows of SQLAlchemy": [insert, read],
    "rows that the other one updates and moves": [insert, update, read_updated],
    "rows that are found by blind index": [insert, search],
    "rows of a shredded tenant": [insert, shred, read_shredded],
    "columns of text, `storage=Text`": [insert_text, read_text],
    "values of such a column, to `Field.decrypt`": [insert_text, decrypt_text],
}
