"""The service: visits of clinics, and `/metrics` for Prometheus."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session

from examples.monitoring.telemetry import observing
from examples.monitoring.visits import Base, Visit, encryptor
from fieldcrypt import FieldcryptError
from fieldcrypt.settings import Settings
from fieldcrypt_sqlalchemy import SqlKeyStore

__all__ = ["create_app", "production"]


def create_app(engine: Engine, keys: Settings) -> Flask:
    """Return the service.

    Args:
        engine: of its database, which holds the key store too.
        keys: where keys come from.
    """
    registry = CollectorRegistry()
    observer = observing(registry)
    observer.observe(encryptor)
    keys.configure(encryptor, store=SqlKeyStore(engine), observer=observer)
    Base.metadata.create_all(engine)  # Alembic in production
    app = Flask(__name__)

    @app.post("/<clinic>/visits")
    def add(clinic: str) -> Any:
        sent = request.get_json()
        with Session(engine) as session:
            session.add(Visit(id=sent["id"], clinic=clinic, diagnosis=sent["diagnosis"]))
            session.commit()
        return {}, 201

    @app.get("/<clinic>/visits")
    def all_of(clinic: str) -> Any:
        with Session(engine) as session:
            found = session.scalars(select(Visit).where(Visit.clinic == clinic).order_by(Visit.id))
            return [{"id": visit.id, "diagnosis": visit.diagnosis} for visit in found]

    @app.get("/metrics")
    def metrics() -> Any:
        return generate_latest(registry), 200, {"Content-Type": CONTENT_TYPE_LATEST}

    app.register_error_handler(FieldcryptError, lambda _: ({"error": "this cannot be done now"}, 503))
    return app


def production() -> Flask:
    """Return the service as the environment says."""
    return create_app(create_engine(os.environ["DATABASE_URL"]), Settings.from_environment())
