"""The tasks. They get ids, read what they need, and write what they make into the database."""

from __future__ import annotations

from uuid import UUID

from examples.celery_reports.app import app
from examples.celery_reports.models import Patient, Report, sessions
from fieldcrypt import KeyAccessDeniedError, KeyProviderError, KeyShreddedError, KeyStoreError


@app.task(  # type: ignore[untyped-decorator]
    autoretry_for=(KeyProviderError, KeyStoreError),
    dont_autoretry_for=(KeyAccessDeniedError, KeyShreddedError),  # decisions: waiting changes nothing
    retry_backoff=1,  # seconds before the first retry at most, then 2, 4, …
    retry_backoff_max=600,
    max_retries=12,
)
def write_report(patient_id: str) -> None:
    """Write the report of a patient, or write it again."""
    with sessions.begin() as session:
        patient = session.get_one(Patient, UUID(patient_id))
        text = f"{patient.name} is treated for {patient.diagnosis}."
        session.merge(Report(patient_id=patient.id, clinic_id=patient.clinic_id, text=text))
