"""Data keys as `fieldcrypt keys` shows them: their use, and the wraps that they lack."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from fieldcrypt import _system
from fieldcrypt.cli.output import utc
from fieldcrypt.errors import ConfigurationError, KeyProviderError, KeyStoreError
from fieldcrypt.keys import rotation
from fieldcrypt.keys.index import choice as index_choice
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.providers.provider import KeyProvider
from fieldcrypt.keys.record.record import KeyRecord, KeyState, Purpose
from fieldcrypt.keys.record.tombstone import Tombstone

__all__ = ["KeyRow", "key_rows"]

Entry = tuple[bytes, KeyRecord | Tombstone | KeyStoreError]


class KeyRow(NamedTuple):
    """One data key.

    Attributes:
        key_id: 32 hexadecimal digits.
        entry: its entry in the key store.
        use: `encrypts`, `waits` (to reach every region and process) or `decrypts`. Of index keys `tags`, `waits`,
            `searches` (for what was tagged under it) or `retired`. Of either `too old` (made before the policy's
            `not_before`: only decrypts, or is only searched for), `shredded` or `unreadable`. It follows the record,
            which is not verified.
        missing: names of wrapping keys under which it should be wrapped, but is not.
        foreign: names of wrapping keys that it is under, but that the key provider does not use.
        own: names of the tenant's own wrapping keys, if it has some; or why they are unknown.
    """

    key_id: str
    entry: KeyRecord | Tombstone | KeyStoreError
    use: str
    missing: list[str]
    foreign: list[str]
    own: list[str] | str | None = None

    @property
    def tenant(self) -> str | None:
        return None if isinstance(self.entry, KeyStoreError) else self.entry.tenant

    def as_json(self) -> dict[str, Any]:
        """Return it for a script; nothing in it is secret."""
        if isinstance(self.entry, KeyStoreError):
            return {"key_id": self.key_id, "use": self.use, "error": str(self.entry)}
        facts: dict[str, Any] = {
            "key_id": self.key_id,
            "tenant": self.entry.tenant,
            "purpose": self.entry.purpose.label,
            "created": utc(self.entry.created),
            "state": self.entry.state.value,
            "use": self.use,
        }
        if isinstance(self.entry, Tombstone):
            return facts | {
                "shredded": utc(self.entry.shredded),
                "by": self.entry.by,
                "keys_shredded_together": self.entry.keys,
            }
        return facts | {
            "wraps": [{"name": wrap.name, "bytes": len(wrap.data)} for wrap in self.entry.wraps],
            "missing": self.missing,
            "foreign": self.foreign,
            **({} if self.own is None else {"own_wrapping_keys": self.own}),
        }


def key_rows(entries: Iterable[Entry], provider: KeyProvider, policy: KeyPolicy) -> list[KeyRow]:
    """Return a row for each entry, by tenant and age.

    Raises:
        KeyProviderError: the provider cannot name its wrapping keys.
    """
    found = list(entries)
    by_tenant: defaultdict[str | None, list[KeyRecord]] = defaultdict(list)
    for _, entry in found:
        if isinstance(entry, KeyRecord):
            by_tenant[entry.tenant].append(entry)
    now = _system.wall_clock()
    uses: dict[bytes, str] = {}
    for tenant, records in by_tenant.items():
        uses |= _uses(records, now, policy) | _index_uses(records, now, policy, tenant)
    meanings = {tenant: _Meanings(provider, tenant) for tenant in by_tenant}

    def row(key_id: bytes, entry: KeyRecord | Tombstone | KeyStoreError) -> KeyRow:
        if isinstance(entry, KeyStoreError):
            return KeyRow(key_id.hex(), entry, "unreadable", [], [])
        if isinstance(entry, Tombstone):
            return KeyRow(key_id.hex(), entry, "shredded", [], [])
        return KeyRow(key_id.hex(), entry, uses[entry.key_id], *meanings[entry.tenant].for_record(entry))

    rows = [row(key_id, entry) for key_id, entry in found]
    return sorted(rows, key=lambda row: (row.tenant or "", getattr(row.entry, "created", 0), row.key_id))


class _Meanings:
    """The relation of the wrapping keys in records to a tenant's key provider."""

    def __init__(self, provider: KeyProvider, tenant: str | None) -> None:
        self.own: list[str] | str | None = None
        self._wanted: list[str] = []
        self._provider: KeyProvider | None = None
        try:
            self._provider = provider.for_tenant(tenant)
            self._wanted = list(self._provider.wrapping_keys())
            if tenant is not None and self._provider is not provider.for_tenant(None):
                self.own = self._wanted
        except (KeyProviderError, ConfigurationError) as error:
            if not provider.by_tenant or tenant is None:
                raise
            self._provider, self.own = None, str(error)  # concerns this tenant alone

    def for_record(self, record: KeyRecord) -> tuple[list[str], list[str], list[str] | str | None]:
        """Return which wraps a record lacks, which are foreign, and the tenant's own wrapping keys."""
        if self._provider is None:
            return [], [], self.own
        meant = {wrap.name: self._provider.wrapping_key(wrap.name) for wrap in record.wraps}
        missing = [name for name in self._wanted if name not in meant.values()]
        return missing, [name for name, key in meant.items() if key is None], self.own


def _uses(records: list[KeyRecord], now: float, policy: KeyPolicy) -> dict[bytes, str]:
    delay = policy.propagation_delay.total_seconds()
    uses = {
        record.key_id: _too_old(record, policy) or ("waits" if record.created + delay > now else "decrypts")
        for record in records
        if record.purpose is Purpose.ENCRYPTION
    }
    if policy.own_keys_only:  # then it is unknown which process uses which
        return {key_id: use if use == "too old" else "of one process" for key_id, use in uses.items()}
    active = rotation.presumed(records, now, policy).record
    return uses if active is None else uses | {active.key_id: "encrypts"}


def _too_old(record: KeyRecord, policy: KeyPolicy) -> str:
    return "too old" if record.created < policy.earliest else ""


def _index_uses(records: list[KeyRecord], now: float, policy: KeyPolicy, tenant: str | None) -> dict[bytes, str]:
    records = [record for record in records if record.purpose is Purpose.BLIND_INDEX]
    named = policy.index_keys.get(tenant, () if policy.own_keys_only else None)
    uses = {record.key_id: "retired" if named is None else "not named" for record in records}
    active = [r for r in records if (r.state is KeyState.ACTIVE if named is None else r.key_id in named)]
    if not active:
        return uses
    choice = index_choice.presumed(active, now, policy)
    uses |= {record.key_id: _too_old(record, policy) or "searches" for record in active}
    if choice.active is not None:
        uses |= {choice.newest.key_id: "waits", choice.active.key_id: "tags"}
    return uses
