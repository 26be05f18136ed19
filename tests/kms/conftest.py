"""What providers report, and two regions of KMS behind proxies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from fieldcrypt.testing import FaultyProxy, LocalAws
from tests.kms.regions import AWAY, HOME
from tests.kms.watch import Watch
from tests.kms.world import World


@pytest.fixture
def watch() -> Watch:
    """Sees what providers report."""
    return Watch()


@pytest.fixture(scope="session")
def regions() -> Iterator[tuple[LocalAws, dict[str, FaultyProxy]]]:
    """Two regions in processes of their own, for they share nothing but the material of keys."""
    with ExitStack() as stack:
        aws = stack.enter_context(LocalAws((HOME, AWAY), isolated=True))
        yield aws, {region: stack.enter_context(FaultyProxy(aws.endpoint(region))) for region in (HOME, AWAY)}


@pytest.fixture
def world(regions: tuple[LocalAws, dict[str, FaultyProxy]]) -> World:
    """Both regions in good weather."""
    aws, proxies = regions
    for proxy in proxies.values():
        proxy.healthy()
    return World(aws, proxies)
