"""Fields whose keys live for a quarter of an hour."""

from __future__ import annotations

from datetime import timedelta

from fieldcrypt import Encryptor, Field, KeyPolicy
from tests.support.doubles import CountingProvider, RowStore

SSN = "078-05-1120"
TTL = 900.0
GRACE = 3600.0
CHECKED = 0.91 * TTL  # later than any key in use is checked, well before it ends
POLICY = KeyPolicy(cache_ttl=timedelta(seconds=TTL), grace=timedelta(seconds=GRACE))
THREADS = 4  # for work in the background, of one Encryptor


def new_field(provider: CountingProvider, store: RowStore | None, policy: KeyPolicy = POLICY) -> Field[str]:
    """A field in a process that has no keys yet."""
    return Encryptor(provider, store, policy=policy).field("a.b", str)
