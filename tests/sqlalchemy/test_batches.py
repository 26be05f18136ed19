"""The values of a row of a decorated model are encrypted as one batch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, String, Text, create_engine, func, insert, select
from sqlalchemy import text as sql_text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore, _system
from fieldcrypt_sqlalchemy import Encrypted, ProtectedColumnError, blind_index, encrypted, seal

NAMES = ("name", "ssn", "city", "phone", "notes")
VALUES = dict.fromkeys(NAMES, "a value")


@pytest.fixture
def encryptor() -> Encryptor:
    """With a data key that is live, and a salt that is known."""
    encryptor = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
    encryptor.field("a.b", str).encrypt("")
    return encryptor


def model(encryptor: Encryptor, **columns: Any) -> Any:
    """A model with five protected columns, some of them declared in another way."""

    class Base(DeclarativeBase):
        pass

    types = {name: columns.get(name, Encrypted(String)) for name in NAMES}
    namespace: dict[str, Any] = {
        "__tablename__": "patients",
        "__annotations__": {"id": Mapped[int], "tag": Mapped[bytes | None]},
        "id": mapped_column(primary_key=True, autoincrement=False),
        **{name: mapped_column(type_, nullable=True) for name, type_ in types.items()},
        "tag": blind_index(),
    }
    return encrypted(encryptor, row="id")(type("Patient", (Base,), namespace))


def engine_with(patient: Any) -> Engine:
    engine = create_engine("sqlite://")
    patient.metadata.create_all(engine)
    return engine


def read(engine: Engine, patient: Any) -> dict[str, Any]:
    with Session(engine) as session:
        found = session.scalars(select(patient)).one()
        return {name: getattr(found, name) for name in NAMES}


@pytest.fixture
def draws(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each draw of random numbers has."""
    sizes: list[int] = []
    draw = _system.random_bytes

    def drawn(size: int) -> bytes:
        sizes.append(size)
        return draw(size)

    monkeypatch.setattr(_system, "random_bytes", drawn)
    return sizes


def test_an_object_takes_one_draw(encryptor: Encryptor, draws: list[int]) -> None:
    """Of all its nonces."""
    patient = model(encryptor)
    engine = engine_with(patient)
    with Session(engine) as session:
        session.add(patient(id=1, **VALUES))
        session.commit()
    assert draws == [5 * 12]
    assert read(engine, patient) == VALUES


def test_seal_takes_one_draw(encryptor: Encryptor, draws: list[int]) -> None:
    """Likewise."""
    patient = model(encryptor)
    engine = engine_with(patient)
    with Session(engine) as session:
        session.execute(insert(patient), [seal(patient, {"id": 1, **VALUES})])
        session.commit()
    assert draws == [5 * 12]
    assert read(engine, patient) == VALUES


def test_columns_of_every_form(encryptor: Encryptor) -> None:
    """Searchable, of text, of another Encryptor, written as plaintext, and NULL: each as ever."""
    other = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
    soon = datetime.now(UTC).date() + timedelta(days=30)
    patient = model(
        encryptor,
        name=Encrypted(String, index="tag"),
        ssn=Encrypted(String, storage=Text),
        city=Encrypted(String, other),
        phone=Encrypted(String, storage=Text, accept_plaintext=soon, write=False),
    )
    engine = engine_with(patient)
    values = {**VALUES, "notes": None}
    with Session(engine) as session:
        session.add(patient(id=1, **values))
        session.commit()
        stored = session.execute(sql_text("SELECT ssn, city, phone, notes, length(tag) AS tag FROM patients")).one()
        assert session.scalars(select(patient.id).where(patient.name == "a value")).all() == [1]
    assert stored.ssn.startswith("fc1.") and len(stored.city) == 58 + len("a value")  # noqa: PT018
    assert (stored.phone, stored.notes, stored.tag) == ("a value", None, 16)
    assert read(engine, patient) == values


def test_an_error_names_the_field(encryptor: Encryptor) -> None:
    """In the midst of a batch."""
    with pytest.raises(TypeError, match=r"patients\.city"):
        seal(model(encryptor), {"id": 1, **VALUES, "city": 5})


def test_an_expression_among_values_is_refused(encryptor: Encryptor) -> None:
    """Before anything is sent."""
    patient = model(encryptor)
    with Session(engine_with(patient)) as session:
        session.add(patient(id=1, **{**VALUES, "city": func.upper("x")}))
        with pytest.raises(ProtectedColumnError, match=r"patients\.city"):
            session.flush()
