"""First keys under random operations: processes that die after any write, and an attacker who writes claims.

Two things hold whatever happens. Without an attacker there is one key of each purpose in a key store. And a tenant that
was not shredded can write whenever key service and key store answer.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    KeyProviderError,
    KeyRecord,
    KeyShreddedError,
    KeyStoreError,
    LocalKeyProvider,
    MemoryKeyStore,
    Purpose,
    Tombstone,
)
from fieldcrypt.keys.record.claim import claim_of, claim_place, claimed
from tests.support.doubles import CountingProvider, Crash, make_record, outage

TENANT = "a"
purposes = st.sampled_from(Purpose)


class Mortal:
    """What one process sees of a key store: after so many writes it is dead, before or after the last one counts."""

    keeps_claims = True

    def __init__(self, store: MemoryKeyStore, writes: int, *, answered: bool, lags: bool) -> None:
        self._store = store
        self._writes = writes
        self._answered = answered
        self._lags = lags

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def list(self, tenant: str | None) -> Any:
        return [] if self._lags else self._store.list(tenant)

    def add(self, record: KeyRecord | Tombstone) -> None:
        self._counted(lambda: self._store.add(record))

    def replace(self, old: KeyRecord, new: KeyRecord | Tombstone) -> bool:
        return bool(self._counted(lambda: self._store.replace(old, new)))

    def put_claim(self, place: bytes, claim: bytes, replacing: bytes | None) -> bool:
        return bool(self._counted(lambda: self._store.put_claim(place, claim, replacing)))

    def _counted(self, write: Any) -> Any:
        self._writes -= 1
        if self._writes == -1 and not self._answered:
            raise Crash
        result = write()
        if self._writes == -1:
            raise Crash
        return result


class FirstKeysMachine(RuleBasedStateMachine):
    """One key store, one key service, and any number of processes, one after the other and within each other."""

    @initialize()
    def begin(self) -> None:
        self.provider = CountingProvider()
        self.store = MemoryKeyStore()
        self.attacked = self.shredded = False
        self.old_claims: list[tuple[Purpose, bytes]] = []

    def encryptor(self, **how: Any) -> Encryptor:
        return Encryptor(self.provider, Mortal(self.store, **{"writes": 100, "answered": True, "lags": False, **how}))

    def need(self, purpose: Purpose, **how: Any) -> None:
        """Do what takes a key, in a new process."""
        if purpose is Purpose.ENCRYPTION:
            self.encryptor(**how).field("a.b", str).encrypt("x", tenant=TENANT)
        else:
            self.encryptor(**how).blind_index("a.b").tag("x", tenant=TENANT)

    def claim(self, purpose: Purpose, claim: bytes) -> None:
        """Write a claim, as who can write anything."""
        self.attacked = True
        self.store._claims[claim_place(purpose, TENANT)] = claim

    @rule(purpose=purposes, lags=st.booleans())
    def a_process_writes(self, purpose: Purpose, lags: bool) -> None:
        """Key service and key store answer, so it can; unless the tenant was shredded."""
        try:
            self.need(purpose, lags=lags)
        except KeyShreddedError:
            assert self.shredded

    @rule(purpose=purposes, writes=st.integers(0, 2), answered=st.booleans(), lags=st.booleans())
    def a_process_dies(self, purpose: Purpose, **how: Any) -> None:
        """At one of its writes."""
        try:
            self.need(purpose, **how)
        except (Crash, KeyShreddedError):
            return

    @rule(purpose=purposes, other=purposes, writes=st.integers(0, 3))
    def a_process_is_overtaken(self, purpose: Purpose, other: Purpose, writes: int) -> None:
        """While it wraps its key, another one needs a key as well, and may die of it."""

        def meanwhile() -> None:
            self.provider.before_wrap = None
            self.a_process_dies(other, writes=writes, answered=True, lags=False)

        self.provider.before_wrap = meanwhile
        self.a_process_writes(purpose, lags=False)
        self.provider.before_wrap = None

    @rule(purpose=purposes, which=st.sampled_from(["wrap_failure", "unwrap_failure"]))
    def the_key_service_is_away(self, purpose: Purpose, which: str) -> None:
        """An error that passes, if anything."""
        retryable: list[bool] = []
        setattr(self.provider, which, outage)
        try:
            self.need(purpose)
        except KeyShreddedError:
            assert self.shredded
        except KeyProviderError as error:
            retryable.append(error.retryable)
        finally:
            setattr(self.provider, which, None)
        assert all(retryable)

    @rule(purpose=purposes, junk=st.binary(max_size=300))
    def somebody_writes_junk(self, purpose: Purpose, junk: bytes) -> None:
        """Into the claim's place."""
        self.claim(purpose, junk)

    @rule(purpose=purposes, tenant=st.sampled_from(["a", "b", None]), of=purposes, foreign=st.booleans())
    def somebody_writes_a_foreign_claim(self, purpose: Purpose, tenant: str | None, of: Purpose, foreign: bool) -> None:
        """Another tenant's, or of another purpose, or under a foreign key; by its own name or by the tenant's."""
        provider = LocalKeyProvider.generate() if foreign else self.provider.inner
        record = make_record(provider, "b" if tenant == "a" else tenant, purpose=of)
        self.claim(purpose, claim_of(record._replace(tenant="a" if tenant == "a" else record.tenant)))

    @rule(purpose=purposes)
    def somebody_claims_that_it_was_shredded(self, purpose: Purpose) -> None:
        """With no tombstone to show for it."""
        self.claim(purpose, claim_of(Tombstone(bytes(16), purpose, 1, TENANT, 2, "nobody", 1)))

    @rule(purpose=purposes)
    def somebody_deletes_the_claim(self, purpose: Purpose) -> None:
        """Having kept it."""
        claim = self.store._claims.pop(claim_place(purpose, TENANT), None)
        if claim is not None:
            self.attacked = True
            self.old_claims.append((purpose, claim))

    @precondition(lambda self: self.old_claims)
    @rule(data=st.data())
    def somebody_replays_a_claim(self, data: st.DataObject) -> None:
        """One that was there before."""
        self.claim(*data.draw(st.sampled_from(self.old_claims)))

    @precondition(lambda self: not self.shredded)
    @rule(writes=st.integers(0, 4), answered=st.booleans())
    def the_tenant_is_shredded(self, **how: Any) -> None:
        """By a process that may die of it; whoever comes next does it again."""
        try:
            self.encryptor(**how).data_keys.shred(TENANT, "ann")
        except (Crash, KeyStoreError):  # it never had a key
            self.shredded |= any(isinstance(each, Tombstone) for each in self.store.list(TENANT))
            return
        self.shredded = True
        assert not self.living()

    def living(self) -> list[KeyRecord]:
        return [record for record in self.store.list(TENANT) if isinstance(record, KeyRecord)]

    @invariant()
    def without_an_attacker_there_is_one_key(self) -> None:
        """Of each purpose; all that is left of it, that is, once the tenant is shredded."""
        if not self.attacked:
            for purpose in Purpose:
                assert len([record for record in self.store.list(TENANT) if record.purpose is purpose]) <= 1

    def teardown(self) -> None:
        """Whatever has happened, whoever shreds the tenant again leaves no key that opens."""
        if self.shredded:
            self.encryptor().data_keys.shred(TENANT, "ann")
            assert not self.living()
            for claim in self.store._claims.values():
                assert not isinstance(_content(claim), KeyRecord)
        super().teardown()


def _content(claim: bytes) -> KeyRecord | Tombstone | None:
    for purpose in Purpose:
        try:
            return claimed(claim, purpose, TENANT)
        except DecryptionError:
            continue
    return None


TestFirstKeys = FirstKeysMachine.TestCase
TestFirstKeys.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
