"""fieldcrypt for Pydantic: models whose protected fields are encrypted before they are stored.

See docs/guides/pydantic.md.
"""

from fieldcrypt import Protection as Protected
from fieldcrypt_pydantic.model import ProtectedModel

__all__ = ["Protected", "ProtectedModel"]
