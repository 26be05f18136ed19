"""What a request needs: who asks, and a session. Nothing of it is global."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Header, HTTPException, Request
from sqlalchemy.ext.asyncio import AsyncSession

from examples.fastapi_clinic.models import Clinic

__all__ = ["Database", "Tenant"]


async def _session(request: Request) -> AsyncIterator[AsyncSession]:
    async with request.app.state.sessions() as session:
        yield session


Database = Annotated[AsyncSession, Depends(_session)]


async def _tenant(session: Database, x_clinic: Annotated[str, Header(max_length=40)]) -> str:
    """Return the clinic that asks.

    The header stands for your authentication: a gateway that has checked a token sets it, and nobody else can. A
    clinic that does not exist is refused, for the first value of a tenant would make it a data key.
    """
    if await session.get(Clinic, x_clinic) is None:
        raise HTTPException(403, "no such clinic")
    return x_clinic


Tenant = Annotated[str, Depends(_tenant)]
