"""The application: what it starts with, what it serves, and what it closes."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from examples.fastapi_clinic import health, patients
from examples.fastapi_clinic.failures import answer_failures
from examples.fastapi_clinic.models import Clinic, encryptor
from fieldcrypt import FieldcryptError
from fieldcrypt.settings import Settings
from fieldcrypt_sqlalchemy import SqlKeyStore

_log = logging.getLogger(__name__)
_WARM = 100  # tenants whose keys are fetched before the first request


def create_app(database: str, keys: Settings) -> FastAPI:
    """Return the application.

    Args:
        database: its SQLAlchemy URL, `postgresql+asyncpg://…`.
        keys: where keys come from. They are stored in the same database.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = create_async_engine(database, pool_size=5, max_overflow=5)
        app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
        keys.configure(encryptor, store=SqlKeyStore(engine))
        try:
            await _warm_up(app)
            yield
        finally:
            encryptor.close()
            await engine.dispose()  # and with it the key store's own connections

    app = FastAPI(lifespan=lifespan)
    app.include_router(health.router)
    app.include_router(patients.router)
    answer_failures(app)
    return app


async def _warm_up(app: FastAPI) -> None:
    """Fetch the keys of some tenants, so that their first requests do not wait. Start without them if need be."""
    async with app.state.sessions() as session:
        clinics = await session.scalars(select(Clinic.id).order_by(Clinic.id).limit(_WARM))
    try:
        await encryptor.warm_up_async(clinics)
    except FieldcryptError as error:
        _log.warning("started without all data keys: %s", error)


def production() -> FastAPI:
    """Return the application as the environment says: for `uvicorn --factory`."""
    return create_app(os.environ["DATABASE_URL"], Settings.from_environment())
