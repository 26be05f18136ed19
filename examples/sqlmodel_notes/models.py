"""The notes: what is stored, what a request brings, and what a response shows."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

from pydantic import ConfigDict
from sqlalchemy import String
from sqlmodel import Field, SQLModel

from fieldcrypt import Encryptor
from fieldcrypt_sqlalchemy import Encrypted, IndexedBy, encrypted
from fieldcrypt_sqlmodel import protected_field, tag_field

encryptor = Encryptor()


@encrypted(encryptor, row="id", tenant="owner", fields="notes")
class Note(SQLModel, table=True):
    """A note of one person, under the data keys of that person."""

    __tablename__ = "notes"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    owner: str = Field(max_length=64, index=True)
    changed: datetime = Field(default_factory=lambda: datetime.now(UTC))
    title: str = protected_field(
        Encrypted(String, pad=32, index=IndexedBy("title_tag", normaliser="casefold", per_tenant=True))
    )
    title_tag: bytes | None = tag_field()
    text: str = protected_field(Encrypted(String, pad=256))


class NewNote(SQLModel):
    """What a request brings."""

    model_config = ConfigDict(hide_input_in_errors=True)  # type: ignore[assignment]  # SQLModel's own is wider

    title: str = Field(min_length=1, max_length=200)
    text: str = ""


class NoteChange(SQLModel):
    """What a request changes."""

    model_config = ConfigDict(hide_input_in_errors=True)  # type: ignore[assignment]

    title: str | None = Field(default=None, min_length=1, max_length=200)
    text: str | None = None


class NoteView(SQLModel):
    """What a response shows."""

    id: UUID
    changed: datetime
    title: str
    text: str
