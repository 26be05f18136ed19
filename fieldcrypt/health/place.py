"""What the health of an Encryptor depends on."""

from __future__ import annotations

import enum
from typing import NamedTuple

__all__ = ["Part", "Place"]


class Part(enum.Enum):
    """A part of the configuration."""

    PROVIDER = "key provider"  # all its regions together
    REGION = "region"
    STORE = "key store"


class Place(NamedTuple):
    """A part, and its name in findings: a region may have any, also that of another part."""

    part: Part
    name: str
