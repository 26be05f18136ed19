"""What metrics and spans are told apart by: names with few values each."""

from __future__ import annotations

import re
from typing import Final

from fieldcrypt import Event

__all__ = ["ERROR", "EVENT", "FIELD", "FORM", "OPERATION", "OTHER", "OUTCOME", "PLACE", "TENANT", "of_call"]

EVENT: Final = "fieldcrypt.event"
FIELD: Final = "fieldcrypt.field"
FORM: Final = "fieldcrypt.form"
OPERATION: Final = "fieldcrypt.operation"
OUTCOME: Final = "fieldcrypt.outcome"
PLACE: Final = "fieldcrypt.place"
TENANT: Final = "fieldcrypt.tenant"
ERROR: Final = "error.type"  # these two are OpenTelemetry's
OTHER: Final = "_OTHER"

_ERROR_NAME = re.compile(r"[A-Za-z_][\w.]{0,63}", re.ASCII)


def of_call(event: Event) -> dict[str, str]:
    """Return the attributes of a call of a key service. A cause that is a text and no name is of no known kind."""
    attributes = {OUTCOME: "success" if event.cause is None else "failure"}
    if event.place is not None:
        attributes[PLACE] = event.place
    if event.operation is not None:
        attributes[OPERATION] = event.operation
    if event.cause is not None:
        attributes[ERROR] = event.cause if _ERROR_NAME.fullmatch(event.cause) else OTHER
    return attributes
