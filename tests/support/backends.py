"""The backends that can be had here: Python, and a native one if it is installed."""

from __future__ import annotations

from fieldcrypt.backends import PYTHON, chosen

__all__ = ["BACKENDS", "NATIVE"]

_auto = chosen("auto")
NATIVE = _auto.name if _auto.is_native else None
BACKENDS = [PYTHON.name, *([NATIVE] if NATIVE else [])]
