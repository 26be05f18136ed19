"""The backends that can be had here: Python, and a native one if it is installed."""

from __future__ import annotations

import pytest

from fieldcrypt.backends import PYTHON, chosen

__all__ = ["BACKENDS", "NATIVE", "fixes_nonces", "needs_native"]

_auto = chosen("auto")
NATIVE = _auto.name if _auto.is_native else None
BACKENDS = [PYTHON.name, *([NATIVE] if NATIVE else [])]

needs_native = pytest.mark.skipif(NATIVE is None, reason="no native core is installed: see `make native`")
fixes_nonces = pytest.mark.skipif(NATIVE == "native-fips", reason="the FIPS module draws salts and nonces itself")
