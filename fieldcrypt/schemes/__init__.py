"""Values that other schemes encrypted, each on its own library. See docs/other-schemes.md.

Nothing here is loaded by `import fieldcrypt`, and no library of another scheme by this package itself: each has its
module and its extra.
"""

from fieldcrypt.schemes.reader import OldReader, read_either

__all__ = ["OldReader", "read_either"]
