"""A SQLModel: patients, who are found by their e-mail address."""

from __future__ import annotations

from uuid import UUID, uuid4

from sqlalchemy import String
from sqlmodel import Field, SQLModel

from examples.clinic import encryptor
from fieldcrypt import IndexedBy
from fieldcrypt_sqlalchemy import Encrypted, encrypted
from fieldcrypt_sqlmodel import protected_field, tag_field


@encrypted(encryptor, row="id", tenant="clinic_id", fields="patients")
class Patient(SQLModel, table=True):
    __tablename__ = "patients"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    clinic_id: str
    ward: str = ""
    ssn: str = protected_field(Encrypted(String), exclude=True)
    email: str = protected_field(Encrypted(String, index=IndexedBy("email_tag", "casefold")))
    email_tag: bytes | None = tag_field()


class NewPatient(SQLModel):
    """What a request says of a patient."""

    clinic_id: str = Field(min_length=1)
    ward: str = ""
    ssn: str
    email: str
