"""DataKeys.restore while key service and key store fail."""

from __future__ import annotations

import pytest

from fieldcrypt import ConfigurationError, Encryptor, EventKind, KeyRecord, MemoryKeyStore, Tombstone
from fieldcrypt.events import Event
from tests.support.doubles import CountingProvider, PublicKeyProvider, RowStore, outage, refusal, store_outage

TENANTS = [f"clinic-{number}" for number in range(20)]


@pytest.fixture
def backup(provider: CountingProvider) -> list[KeyRecord | Tombstone]:
    """The entries of a key store with twenty data keys."""
    encryptor = Encryptor(provider, MemoryKeyStore())
    for tenant in TENANTS:
        encryptor.field("a.b", str).encrypt("x", tenant=tenant)
    entries = [entry for _, entry in encryptor.data_keys.entries()]
    return [entry for entry in entries if isinstance(entry, (KeyRecord, Tombstone))]


@pytest.mark.parametrize("down", ["provider", "store"])
def test_an_outage_stops_it(
    backup: list[KeyRecord | Tombstone], provider: CountingProvider, rows: RowStore, down: str
) -> None:
    """What was added stays, and running it again adds the rest."""
    data_keys = Encryptor(provider, rows).data_keys

    def fail_soon() -> None:
        if len(rows.rows) >= 5:
            provider.unwrap_failure = outage if down == "provider" else None
            rows.add_failure = store_outage if down == "store" else None

    rows.before_add = fail_soon
    report = data_keys.restore(backup)
    assert not report.complete
    assert report.stopped is not None
    assert report.added == len(rows.rows) < len(TENANTS)
    rows.before_add = provider.unwrap_failure = rows.add_failure = None
    again = data_keys.restore(backup)
    assert again.complete
    assert again.added + again.present == len(rows.rows) == len(TENANTS)


def test_a_refusal_of_one_data_key_is_that_of_one(
    backup: list[KeyRecord | Tombstone], provider: CountingProvider, rows: RowStore
) -> None:
    """A policy that denies a planted data key keeps it from coming back, and no other."""
    planted = backup[7].key_id.hex()

    class Denying(CountingProvider):
        def unwrap(self, wraps: object, context: object) -> bytes:
            if context["fieldcrypt:key-id"] == planted:  # type: ignore[index]
                raise refusal()
            return provider.unwrap(wraps, context)  # type: ignore[arg-type]

    report = Encryptor(Denying(), rows).data_keys.restore(backup)
    assert (report.added, list(report.failures), report.stopped) == (19, [planted], None)


def test_another_process_may_restore_too(
    backup: list[KeyRecord | Tombstone], provider: CountingProvider, rows: RowStore
) -> None:
    """What it added in between counts as there."""
    first = True

    def other() -> None:
        nonlocal first
        if first:
            first = False
            Encryptor(provider, rows).data_keys.restore(backup)

    rows.before_add = other
    report = Encryptor(provider, rows).data_keys.restore(backup)
    assert report.complete
    assert len(rows.rows) == len(TENANTS)


def test_each_entry_is_reported(
    backup: list[KeyRecord | Tombstone], provider: CountingProvider, rows: RowStore
) -> None:
    """For an audit: what came from a file."""
    seen: list[Event] = []
    Encryptor(provider, rows, observer=seen.append).data_keys.restore(backup[:2])
    assert [event.kind for event in seen] == [EventKind.RECORD_PUT_BACK] * 2
    assert {event.cause for event in seen} == {"restored from a backup"}


def test_a_provider_that_only_writes_restores_nothing() -> None:
    """It cannot tell what is genuine."""

    class WriteOnly(PublicKeyProvider):
        write_only = True

    with pytest.raises(ConfigurationError, match="write_only"):
        Encryptor(WriteOnly(), MemoryKeyStore()).data_keys.restore([])
