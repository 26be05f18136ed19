"""What the applications get their keys from: KMS, behind a proxy that fails on request."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fieldcrypt.settings import Settings
from fieldcrypt.testing import FaultyProxy, LocalAws

REGION = "us-east-1"


@pytest.fixture
def kms(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """KMS of one region."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    with FaultyProxy(aws.endpoint(REGION)) as proxy:
        yield proxy


@pytest.fixture
def keys(kms: FaultyProxy, kms_key: str) -> Settings:
    """A key in that region. A call that fails is not made again in another one."""
    return Settings(f"awskms:{kms_key}?regions={REGION}&endpoint.{REGION}={kms.url}")
