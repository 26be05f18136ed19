"""Fixtures that several test files share. Servers are started once a run, on loopback, and stopped at its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fieldcrypt import Encryptor, LocalKeyProvider, MemoryKeyStore, _system
from fieldcrypt.testing import LocalAws


class Clock:
    """Both clocks of the core, standing still until moved."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Clocks that only the test moves."""
    clock = Clock()
    monkeypatch.setattr(_system, "monotonic", clock)
    monkeypatch.setattr(_system, "wall_clock", clock)
    return clock


@pytest.fixture(params=["stored", "self-contained"])
def encryptor(request: pytest.FixtureRequest) -> Encryptor:
    """An Encryptor with a local key, once for each form of values."""
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore() if request.param == "stored" else None)


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    """Two regions of AWS over HTTP; a test that cuts a region restores it."""
    with LocalAws() as aws:
        yield aws


@pytest.fixture(scope="session")
def kms_key(aws: LocalAws) -> str:
    """The ARN of a multi-Region key in both regions."""
    return aws.create_key()
