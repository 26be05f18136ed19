"""Mixed mode: fields that read plaintext, and values of other schemes, until a day. See docs/migration.md."""

from fieldcrypt.mixed_mode.accepted import Accepted
from fieldcrypt.mixed_mode.former_field import FormerField, is_envelope
from fieldcrypt.mixed_mode.kind import Finding, Kind
from fieldcrypt.mixed_mode.mixed_field import MixedField
from fieldcrypt.mixed_mode.reading import FromPlaintext, Reading

__all__ = ["Accepted", "Finding", "FormerField", "FromPlaintext", "Kind", "MixedField", "Reading", "is_envelope"]
