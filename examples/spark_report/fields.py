"""What is protected, and the Encryptor of this process. The driver imports it, and so does each Python worker."""

from __future__ import annotations

from datetime import date
from functools import cache

from fieldcrypt import Encryptor, Field
from fieldcrypt.settings import Settings

__all__ = ["admitted", "diagnosis", "encryptor", "name", "patients"]


@cache
def encryptor() -> Encryptor:
    """Return this process's Encryptor, configured as its environment says."""
    encryptor = Encryptor()
    Settings.from_environment().configure(encryptor)
    return encryptor


def name() -> Field[str]:
    """Return the field of patients' names."""
    return encryptor().field("patients.name", str)


def diagnosis() -> Field[str]:
    """Return the field of diagnoses."""
    return encryptor().field("patients.diagnosis", str)


def admitted() -> Field[date]:
    """Return the field of the days when patients were admitted."""
    return encryptor().field("patients.admitted", date)


def patients() -> Field[int]:
    """Return the field of the report's numbers: how many patients a clinic admitted in a year."""
    return encryptor().field("admissions.patients", int)
