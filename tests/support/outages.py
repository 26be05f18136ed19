"""Regions that are lost for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fieldcrypt.testing import LocalAws

__all__ = ["lost"]


@contextmanager
def lost(aws: LocalAws, *regions: str) -> Iterator[None]:
    """Cut regions off, and restore them afterwards, whatever happened."""
    for region in regions:
        aws.cut(region)
    try:
        yield
    finally:
        for region in regions:
            aws.restore(region)
