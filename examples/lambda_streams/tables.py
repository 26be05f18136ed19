"""The two tables: appointments, which the web application writes, and reminders, which the function makes of them."""

from __future__ import annotations

from fieldcrypt import Encryptor
from fieldcrypt_dynamodb import ProtectedTable

encryptor = Encryptor()  # configured when an environment of the function starts: see function.py


def appointments(name: str) -> ProtectedTable:
    """Describe the table of appointments, under the name that it has in this environment."""
    return ProtectedTable(
        name,
        encryptor,
        fields="appointments",
        key=("id",),
        tenant="clinic",
        attributes={"patient": str, "phone": str, "reason": str},
    )


def reminders(name: str) -> ProtectedTable:
    """Describe the table of reminders, from which another service sends messages."""
    return ProtectedTable(
        name,
        encryptor,
        fields="reminders",
        key=("appointment",),
        tenant="clinic",
        attributes={"phone": str, "text": str},
    )
