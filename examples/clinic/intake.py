"""A Pydantic model: what somebody fills in before the first visit, for a queue of JSON."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID, uuid4

from pydantic import BaseModel, Field

from examples.clinic import encryptor
from fieldcrypt_pydantic import Protected, ProtectedModel


class Contact(BaseModel):
    name: Annotated[str, Protected(storage="text")]
    phone: Annotated[str, Protected(storage="text")]


class Intake(BaseModel):
    id: UUID = Field(default_factory=uuid4)
    clinic_id: str = Field(min_length=1)
    ssn: Annotated[str, Protected(storage="text"), Field(pattern=r"^\d{3}-\d{2}-\d{4}$")]
    born: Annotated[date | None, Protected(storage="text")] = None
    contacts: list[Contact] = []
    language: str = "en"


INTAKES = ProtectedModel(Intake, "intakes", encryptor, key="id", tenant="clinic_id")
