"""Which status a client gets when keys or values are in trouble. The reasons go to the log, and nowhere else."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from fieldcrypt import FieldcryptError, KeyNotFoundError, KeyProviderError, KeyShreddedError, KeyStoreError

__all__ = ["answer_failures", "status_of"]

_log = logging.getLogger(__name__)
_RETRY_AFTER = "5"  # seconds


def status_of(error: FieldcryptError) -> int:
    """Return the HTTP status for an error: 410, 503 or 500."""
    match error:
        case KeyShreddedError():
            return 410  # the data was erased, on purpose
        case KeyNotFoundError():
            return 500 if error.final else 503
        case KeyProviderError():
            return 503 if error.retryable else 500  # a refusal does not pass by itself
        case KeyStoreError():
            return 503
        case _:
            return 500  # among them DecryptionError: somebody has to look at that value


def answer_failures(app: FastAPI) -> None:
    """Have an application answer errors of fieldcrypt."""

    @app.exception_handler(FieldcryptError)
    async def answer(_: Request, error: FieldcryptError) -> JSONResponse:
        status = status_of(error)
        _log.error("answered %d: %s: %s", status, type(error).__name__, error)
        texts = {410: "this was erased", 503: "please try again", 500: "this cannot be done"}
        headers = {"Retry-After": _RETRY_AFTER} if status == 503 else None
        return JSONResponse({"detail": texts[status]}, status, headers)
