"""The endpoints for patients. Every statement names the clinic that asks."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, HTTPException
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from examples.fastapi_clinic.dependencies import Database, Tenant
from examples.fastapi_clinic.models import Patient
from examples.fastapi_clinic.schemas import NewPatient, PatientView
from fieldcrypt_sqlalchemy import find, of_tenant

router = APIRouter(prefix="/patients")


@router.post("", status_code=201)
async def add(new: NewPatient, clinic: Tenant, session: Database) -> PatientView:
    patient = Patient(clinic_id=clinic, **new.model_dump())
    session.add(patient)
    try:
        await session.commit()
    except IntegrityError:  # the tags of a clinic are unique, so its addresses are
        raise HTTPException(409, "this clinic has a patient with that address") from None
    return PatientView.of(patient)


@router.get("")
async def search(email: str, clinic: Tenant, session: Database) -> list[PatientView]:
    """Find a patient by address, however it is spelled. `find` compares what it has decrypted."""
    query = select(Patient).where(Patient.clinic_id == clinic, of_tenant(Patient.email, clinic) == email)
    return [PatientView.of(patient) for patient in await session.run_sync(find, query)]


@router.get("/{patient_id}")
async def read(patient_id: UUID, clinic: Tenant, session: Database) -> PatientView:
    patient = await session.scalar(select(Patient).where(Patient.id == patient_id, Patient.clinic_id == clinic))
    if patient is None:
        raise HTTPException(404)
    return PatientView.of(patient)
