"""The FastAPI application of the clinic."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, HTTPException
from sqlalchemy import Engine, StaticPool
from sqlmodel import Session, SQLModel, create_engine, select

from examples.clinic import encryptor, sessions
from examples.clinic.intake import INTAKES, Intake
from examples.clinic.patients import NewPatient, Patient
from fieldcrypt import KeyProvider, KeyStore, LocalKeyProvider, MemoryKeyStore


def create_app(
    provider: KeyProvider, store: KeyStore, engine: Engine, redis: sessions.Redis, queue: list[str]
) -> FastAPI:
    """Return the application.

    Args:
        provider, store: where keys come from.
        engine: the database with patients.
        redis: the client for sessions.
        queue: where intakes go, as JSON.
    """
    encryptor.configure(provider, store)
    SQLModel.metadata.create_all(engine, tables=[SQLModel.metadata.tables["patients"]])
    app = FastAPI()

    @app.post("/patients")
    def add(new: NewPatient) -> Patient:
        with Session(engine) as session:
            patient = Patient(**new.model_dump())
            session.add(patient)
            session.commit()
            session.refresh(patient)
            return patient

    @app.get("/patients")
    def find(email: str) -> list[Patient]:
        with Session(engine) as session:
            return list(session.exec(select(Patient).where(Patient.email == email)))

    @app.post("/intakes", status_code=202)
    def intake(filled_in: Intake) -> dict[str, str]:
        queue.append(INTAKES.encrypt_json(filled_in))
        return {"id": str(filled_in.id)}

    @app.put("/sessions/{number}", status_code=204)
    def put(number: str, session: dict[str, Any]) -> None:
        try:
            sessions.put(redis, {**session, "number": number})
        except (TypeError, ValueError) as error:  # a value is not what the declaration says
            raise HTTPException(422, str(error)) from None

    @app.get("/sessions/{number}")
    def get(number: str) -> dict[str, Any]:
        session = sessions.get(redis, number)
        if session is None:
            raise HTTPException(404)
        return session

    return app


def demo() -> FastAPI:
    """Return the application with everything in memory."""
    from fakeredis import FakeStrictRedis

    engine = create_engine("sqlite://", connect_args={"check_same_thread": False}, poolclass=StaticPool)
    return create_app(LocalKeyProvider.generate(), MemoryKeyStore(), engine, FakeStrictRedis(), [])
