"""Models and tables of tenants with wrapping keys of their own, beside those of no tenant."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import String, create_engine, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import (
    NO_TENANT,
    USE_DEFAULT,
    ConfigurationError,
    DecryptionError,
    Encryptor,
    IndexedBy,
    KeyProviderChain,
    LocalKeyProvider,
    MemoryKeyStore,
    Purpose,
    TenantKeyProvider,
    row_context,
)
from fieldcrypt_dynamodb import ItemSeal, ProtectedTable
from fieldcrypt_dynamodb.item.forms import PYTHON
from fieldcrypt_dynamodb.item.items import Items
from fieldcrypt_sqlalchemy import Encrypted, blind_index, encrypted, of_tenant
from fieldcrypt_sqlalchemy.migration import Migration
from tests.conftest import Clock
from tests.support.doubles import RowStore

OWN = {"a": LocalKeyProvider.generate(), "b": LocalKeyProvider.generate()}


@pytest.fixture
def encryptor() -> Encryptor:
    provider = TenantKeyProvider(lambda tenant: OWN.get(tenant, USE_DEFAULT), LocalKeyProvider.generate())
    return Encryptor(provider, MemoryKeyStore())


def test_models_name_their_tenant_or_none(encryptor: Encryptor) -> None:
    """What is declared with a tenant is read for that of the row, and what is declared without is no tenant's."""

    class Base(DeclarativeBase):
        pass

    @encrypted(encryptor, row="id", tenant="owner")
    class Note(Base):
        __tablename__ = "notes"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        owner: Mapped[str]
        text: Mapped[str] = mapped_column(Encrypted(String, index=IndexedBy("text_tag", per_tenant=True)))
        text_tag: Mapped[bytes | None] = blind_index()

    class Setting(Base):
        __tablename__ = "settings"
        id: Mapped[int] = mapped_column(primary_key=True)
        value: Mapped[str] = mapped_column(Encrypted(String, encryptor, name="settings.value"))

    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Note(id=n, owner=owner, text="x") for n, owner in enumerate(("a", "b", "other"))])
        session.add(Setting(id=1, value="on"))
        session.commit()
        encryptor.forget()
        assert [note.text for note in session.scalars(select(Note))] == ["x"] * 3
        assert session.scalars(select(Note.id).where(of_tenant(Note.text, "b") == "x")).all() == [1]
        for _ in range(2):
            assert session.scalars(select(Setting.value)).all() == ["on"]


def test_a_tenant_moves_with_all_its_rows(clock: Clock, tmp_path: Path) -> None:
    """In the end the default key opens nothing of it, and a backup from before as ever."""
    default, own, answers = LocalKeyProvider.generate(), LocalKeyProvider.generate(), dict[str, Any]()
    rows = RowStore()
    encryptor = Encryptor(TenantKeyProvider(lambda tenant: answers.get(tenant, USE_DEFAULT), default), rows)

    class Base(DeclarativeBase):
        pass

    @encrypted(encryptor, row="id", tenant="owner")
    class Note(Base):
        __tablename__ = "notes"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        owner: Mapped[str]
        text: Mapped[str] = mapped_column(Encrypted(String, index=IndexedBy("text_tag", per_tenant=True)))
        text_tag: Mapped[bytes | None] = blind_index()

    engine = create_engine(f"sqlite:///{tmp_path / 'notes.sqlite'}")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Note(id=n, owner=owner, text="x") for n, owner in enumerate(("a", "other", "a"))])
        session.commit()
        before = session.connection().execute(text("SELECT text FROM notes WHERE id = 0")).scalar_one()
    backup = dict(rows.rows)

    answers["a"] = KeyProviderChain(own, default)
    encryptor.forget()
    left = encryptor.data_keys.move("a").left
    clock.advance(timedelta(hours=3).total_seconds())
    assert Migration(engine, Note).backfill().changed == 2
    for record in left:
        if record.purpose is Purpose.ENCRYPTION:
            encryptor.data_keys.retire(record.key_id)
    assert len(encryptor.data_keys.retire_index_keys("a")) == 1
    assert encryptor.data_keys.move("a").left == []

    answers["a"] = own
    encryptor.forget()
    with Session(engine) as session:
        assert [note.text for note in session.scalars(select(Note))] == ["x"] * 3
        assert session.scalars(select(Note.id).where(of_tenant(Note.text, "a") == "x")).all() == [0, 2]
        stored = session.connection().execute(text("SELECT id, text, text_tag FROM notes")).all()
    old_keys = {record.key_id for record in left}
    assert not [value for _, value, _ in stored if bytes(value)[1:17] in old_keys]
    with pytest.raises(DecryptionError):
        Encryptor(default, rows).warm_up(["a"])
    old = RowStore()
    old.rows = backup
    field = Encryptor(default, old).field("notes.text", str)
    assert field.decrypt(before, tenant="a", context=row_context(0)) == "x"


def test_tables_name_their_tenant_or_none(encryptor: Encryptor) -> None:
    """As models do."""
    notes = ProtectedTable(
        "notes", encryptor, key=("id",), tenant="owner", attributes={"text": str}, seal=ItemSeal("s", over=("text",))
    )
    settings = ProtectedTable("settings", encryptor, key=("id",), attributes={"value": str})
    for table, item in ((notes, {"id": "1", "owner": "a", "text": "x"}), (settings, {"id": "1", "value": "on"})):
        items = Items(table, PYTHON)
        stored = items.encrypted(item)
        encryptor.forget()
        for _ in range(2):
            assert items.decrypted(stored) == item


@pytest.mark.parametrize("tenant", ["a", "other"])
@pytest.mark.parametrize("accepted", [False, True])
def test_tags_for_all_tenants_are_under_the_default_key(encryptor: Encryptor, tenant: str, accepted: bool) -> None:
    """So a tenant with a key of its own has none, unless that is accepted in words."""
    index = IndexedBy("tag", accept_default_key=accepted).blind_index(encryptor, "t.c", str)
    if tenant == "a" and not accepted:
        with pytest.raises(ConfigurationError, match="accept_default_key"):
            index.tag("x", tenant=tenant)
    else:
        assert [index.tag("x", tenant=tenant)] == index.tags("x")


def test_searches_name_the_tenant(encryptor: Encryptor) -> None:
    """Or say that they are for what is no tenant's."""
    index = encryptor.blind_index("t.c")
    tags = {tenant: index.tag("x", tenant=tenant) for tenant in ("a", "other", None)}
    with pytest.raises(ConfigurationError, match="NO_TENANT"):
        index.tags("x")
    assert [index.tags("x", tenant=tenant or NO_TENANT) for tenant in tags] == [[tag] for tag in tags.values()]
    assert len(set(tags.values())) == 3


def test_a_field_of_no_tenant_reads_no_tenants_values(encryptor: Encryptor) -> None:
    """Not even when it has the key at hand."""
    field = encryptor.field("t.c", str, names_tenant=True)
    own, nobody = field.encrypt("x", tenant="a"), field.encrypt("y")
    for _ in range(2):
        assert field.decrypt(own, tenant="a") == "x"
        assert field.decrypt(nobody) == field.decrypt(nobody, tenant=NO_TENANT) == "y"
        with pytest.raises(DecryptionError):
            field.decrypt(own)
        with pytest.raises(DecryptionError):
            field.decrypt(nobody, tenant="a")
