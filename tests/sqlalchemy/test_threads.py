"""Threads that share an engine, and with it the cache of compiled statements."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import Engine, String, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore
from fieldcrypt_sqlalchemy import Encrypted

THREADS = 6


class Base(DeclarativeBase):
    pass


class Patient(Base):
    __tablename__ = "patients"
    id: Mapped[int] = mapped_column(primary_key=True)
    ssn: Mapped[str] = mapped_column(Encrypted(String, Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A database with a row, and threads that take turns all the time."""
    engine = create_engine(f"sqlite:///{tmp_path / 'patients.db'}")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Patient(id=1, ssn="078-05-1120"))
        session.commit()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield engine
    sys.setswitchinterval(interval)
    engine.dispose()


def test_threads_that_execute_a_statement_for_the_first_time_at_once_all_read(engine: Engine) -> None:
    """One of them compiles it, and all examine what was compiled."""
    start = Barrier(THREADS)

    def read(number: int) -> str | None:
        with Session(engine) as session:
            start.wait()
            return session.scalar(select(Patient.ssn).where(Patient.id == 1, Patient.id < number))

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(30):
            engine.clear_compiled_cache()
            assert list(pool.map(read, range(2, 2 + THREADS))) == ["078-05-1120"] * THREADS
