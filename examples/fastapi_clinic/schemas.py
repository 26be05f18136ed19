"""What requests bring, and what responses may show."""

from __future__ import annotations

from datetime import date
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from examples.fastapi_clinic.models import Patient


class NewPatient(BaseModel):
    """A request to take a patient in. The clinic is not in it: that is known from who asks."""

    model_config = ConfigDict(hide_input_in_errors=True)  # the text of a ValidationError would show what was sent

    name: str = Field(min_length=1)
    ssn: str = Field(pattern=r"^\d{3}-\d{2}-\d{4}$")
    email: str = Field(min_length=3)
    born: date | None = None
    ward: str = ""


class PatientView(BaseModel):
    """What a response shows of a patient. The SSN stays here, and so does the tag."""

    id: UUID
    ward: str
    name: str
    email: str
    born: date | None

    @classmethod
    def of(cls, patient: Patient) -> Self:
        """Decrypt what is shown.

        Not with `from_attributes`: Pydantic would turn the KeyProviderError of an outage into a ValidationError without
        a cause, and the client would get 500 instead of 503.
        """
        return cls(id=patient.id, ward=patient.ward, name=patient.name, email=patient.email, born=patient.born)
