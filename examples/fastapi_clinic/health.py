"""What the orchestrator asks."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from examples.fastapi_clinic.models import encryptor

router = APIRouter()


@router.get("/live")
async def live() -> dict[str, bool]:
    """Answer while the event loop does. Never asks KMS: a restart would only lose the keys that are there."""
    return {"alive": True}


@router.get("/ready")
async def ready(response: Response) -> dict[str, Any]:
    """Answer whether this process can encrypt and decrypt. Calls nothing while its keys are fresh."""
    health = await encryptor.check_async()
    response.status_code = 200 if health.ready else 503
    return health.as_dict()
