"""What the values of an item are bound to."""

from __future__ import annotations

from typing import NamedTuple

from fieldcrypt import RowContext

__all__ = ["Binding"]


class Binding(NamedTuple):
    """What the values of an item are bound to.

    Attributes:
        row: its key, as a context.
        tenant: whose keys they are encrypted under.
    """

    row: RowContext
    tenant: str | None
