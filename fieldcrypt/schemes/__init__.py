"""Readers of values that other schemes encrypted. See docs/other-schemes.md.

Nothing here is loaded by `import fieldcrypt`, and no library of another scheme by this package itself: each has its
module and its extra.
"""

from fieldcrypt.schemes.legacy_reader import LegacyReader, read_either

__all__ = ["LegacyReader", "read_either"]
