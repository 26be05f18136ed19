"""Readers of values that other schemes encrypted. See docs/guides/other-schemes.md.

Nothing here is loaded by `import fieldcrypt`, and no library of another scheme by this package itself: each has its
module and its extra.
"""

from typing import TYPE_CHECKING

from fieldcrypt._moved import renamed
from fieldcrypt.schemes.legacy_reader import LegacyReader, read_either

__all__ = ["LegacyReader", "read_either"]

if not TYPE_CHECKING:
    __getattr__ = renamed(__name__, {"OldReader": "LegacyReader"})
