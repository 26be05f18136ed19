"""Plaintext that somebody plants after its day does not become authentic by a backfill."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import String, create_engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore, _system
from fieldcrypt_sqlalchemy import Encrypted
from fieldcrypt_sqlalchemy.migration import Migration


def test_plaintext_is_encrypted_until_its_day_and_reported_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes to the table cannot have later runs, after a rotation say, encrypt values of his."""
    encryptor = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
    soon = datetime.now(UTC).date() + timedelta(days=2)

    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        __tablename__ = "patients"
        id: Mapped[int] = mapped_column(primary_key=True)
        ssn: Mapped[str] = mapped_column(Encrypted(String, encryptor, accept_plaintext=soon))

    engine = create_engine(f"sqlite:///{tmp_path / 'patients.sqlite'}")
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO patients VALUES (1, CAST('planted' AS BLOB))"))
    clock = _system.wall_clock
    with monkeypatch.context() as later:
        later.setattr(_system, "wall_clock", lambda: clock() + timedelta(days=3).total_seconds())
        late = Migration(engine, Patient).backfill()
    assert (late.changed, late.failed, list(late.failures)) == (0, 1, [(1,)])
    assert Migration(engine, Patient).backfill(restart=True).changed == 1
    engine.dispose()
