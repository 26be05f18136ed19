"""What the application does, each in a transaction that is done again after a failover."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from aws_advanced_python_wrapper.errors import FailoverSuccessError, TransactionResolutionUnknownError
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from examples.aurora_failover.models import Patient, sessions
from fieldcrypt import KeyStoreError

T = TypeVar("T")

ATTEMPTS = 5  # each pooled connection meets the failover once, the key store's too


def admit(patient: UUID, clinic: str, name: str, ssn: str) -> None:
    """Write a patient."""
    in_transaction(lambda session: session.merge(Patient(id=patient, clinic_id=clinic, name=name, ssn=ssn)))


def name_of(patient: UUID) -> str:
    """Return a patient's name."""
    return in_transaction(lambda session: session.get_one(Patient, patient).name)


def find(ssn: str) -> list[UUID]:
    """Return who has a social security number."""
    return in_transaction(lambda session: list(session.scalars(select(Patient.id).where(Patient.ssn == ssn))))


def in_transaction(work: Callable[[Session], T]) -> T:
    """Return what work returns, having committed it.

    Work is done again if the writer changed meanwhile. The first try may have been committed before its connection was
    lost, so work has to be such that doing it twice is doing it once.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with sessions.begin() as session:
                return work(session)
        except (DBAPIError, KeyStoreError) as error:
            if attempt == ATTEMPTS or not _has_new_writer(error):
                raise
    raise AssertionError("unreachable")


def _has_new_writer(error: DBAPIError | KeyStoreError) -> bool:
    """Return True if the wrapper has connected to the new writer, and says that it cannot repeat the transaction."""
    cause = error.__cause__ if isinstance(error, KeyStoreError) else error
    return isinstance(cause, DBAPIError) and isinstance(
        cause.orig, FailoverSuccessError | TransactionResolutionUnknownError
    )
