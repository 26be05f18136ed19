"""Whether a migration writes beside the plaintext or over it."""

from __future__ import annotations

import pytest


@pytest.fixture(params=[True, False], ids=["copied", "in place"])
def copied(request: pytest.FixtureRequest) -> bool:
    """Whether the protected field is filled from another one."""
    found: bool = request.param
    return found
