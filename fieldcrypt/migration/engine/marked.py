"""Text that begins as values do, and is none."""

from __future__ import annotations

from fieldcrypt import text_form
from fieldcrypt.errors import DecryptionError

__all__ = ["MarkedError"]


class MarkedError(DecryptionError):
    """Something begins as the text of a value does, and is none: old plaintext, or a value that was damaged."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} begins with {text_form.PREFIX!r} and is no encrypted value. If it is old plaintext, and "
            "nobody has planted it, name its row: `fieldcrypt migrate mend --as-plaintext KEY` encrypts it"
        )
