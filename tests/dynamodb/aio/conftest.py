"""Fixtures of all tests of aioboto3: what it sends is watched, too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aiobotocore.httpsession import AIOHTTPSession

from tests.support.wiretap import Secrets


@pytest.fixture(autouse=True)
def watched_by_wiretap(secrets: Secrets) -> Iterator[None]:
    """aiobotocore has one method through which all is sent, as botocore has."""
    send = AIOHTTPSession.send

    async def watched(self: Any, request: Any) -> Any:
        secrets.sent(request)
        return await send(self, request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AIOHTTPSession, "send", watched)
        yield
