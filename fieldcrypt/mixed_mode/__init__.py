"""Mixed mode: fields that also read plaintext, or values of other schemes, until a day (docs/guides/migration.md)."""

from fieldcrypt.mixed_mode.accepted import Accepted
from fieldcrypt.mixed_mode.mixed_field import MixedField
from fieldcrypt.mixed_mode.previous_field import PartOf, PreviousField, is_envelope
from fieldcrypt.mixed_mode.reading import FromPlaintext, Reading
from fieldcrypt.mixed_mode.value_status import ExaminedValue, ValueStatus

__all__ = [
    "Accepted",
    "ExaminedValue",
    "PreviousField",
    "FromPlaintext",
    "ValueStatus",
    "MixedField",
    "PartOf",
    "Reading",
    "is_envelope",
]
