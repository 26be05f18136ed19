"""Tenants with wrapping keys of their own: each is an adversary for all others."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest

from fieldcrypt import (
    NO_TENANT,
    USE_DEFAULT,
    ConfigurationError,
    DecryptionError,
    Encryptor,
    Event,
    KeyAccessDeniedError,
    KeyPolicy,
    KeyProvider,
    KeyProviderChain,
    KeyProviderError,
    KeyRecord,
    KeyStoreError,
    LocalKeyProvider,
    Purpose,
    TenantKeyProvider,
    UnknownTenantError,
    WrappedKey,
    _system,
)
from fieldcrypt.format import envelope as forms
from fieldcrypt.format.codecs import TEXT_BYTE
from fieldcrypt.keys.providers.tenant_providers import TenantProviders
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.keys.record.record import wrap_context
from tests.conftest import Clock
from tests.support.doubles import CountingProvider, PublicKeyProvider, RowStore, Toll, outage, refusal

TTL = 900.0
POLICY = KeyPolicy(cache_ttl=timedelta(seconds=TTL), grace=timedelta(hours=1))


class Scene:
    """Tenants `a` and `b` with providers of their own, all others with the default one."""

    def __init__(self, store: RowStore | None) -> None:
        self.default, self.a, self.b = CountingProvider(), CountingProvider(), CountingProvider()
        self.answers: dict[str, object] = {"a": self.a, "b": self.b}
        self.failure: Callable[[], Exception] | None = None
        self.lookups = 0
        self.events: list[Event] = []
        self.store = store
        self.encryptor = self.another()
        self.field = self.encryptor.field("t.c", str)

    def lookup(self, tenant: str) -> KeyProvider:
        self.lookups += 1
        if self.failure is not None:
            raise self.failure()
        return self.answers.get(tenant, USE_DEFAULT)  # type: ignore[return-value]

    def another(self) -> Encryptor:
        """Another process."""
        return Encryptor(
            TenantKeyProvider(self.lookup, self.default), self.store, policy=POLICY, observer=self.events.append
        )

    def calls(self) -> int:
        return sum(each.wraps + each.unwraps for each in (self.default, self.a, self.b))

    def names(self, tenant: str | None) -> list[str]:
        """The wrapping keys of a tenant's data keys in the key store."""
        assert self.store is not None
        return [w.name for record in self.store.list(tenant) if isinstance(record, KeyRecord) for w in record.wraps]


@pytest.fixture
def scene(store: RowStore | None) -> Scene:
    return Scene(store)


@pytest.fixture
def stored(rows: RowStore) -> Scene:
    return Scene(rows)


def name_of(provider: CountingProvider) -> str:
    return provider.wrapping_keys()[0]


def plant(scene: Scene, provider: KeyProvider, tenant: str | None, *, for_whom: str | None = None) -> bytes:
    """Make a value as a tenant can who may wrap: under a data key of its own choice, whose record names `tenant`.

    Args:
        scene: in whose key store, or in a self-contained value.
        provider: wraps.
        tenant: whom the record names.
        for_whom: whom the context of the wrap names, if that is somebody else.
    """
    data_key, created = DataKey.generate(), 1_800_000_000
    context = wrap_context(data_key.key_id, Purpose.ENCRYPTION, created, tenant if for_whom is None else for_whom)
    wraps = tuple(provider.wrap(data_key.secret, context))
    record = data_key.seal(KeyRecord(data_key.key_id, Purpose.ENCRYPTION, created, tenant, wraps))
    if scene.store is not None:
        scene.store.add(record)
    form = forms.STORED if scene.store is not None else forms.SELF_CONTAINED
    head = forms.head(form, data_key.key_id)
    nonce = bytes(24)
    sealed = data_key.cipher().encrypt(nonce, TEXT_BYTE + b"forged", forms.aad(head, dict(scene.field.context)))
    infix = b"" if scene.store is not None else forms.infix(record.to_bytes())
    return head + nonce + infix + sealed


@pytest.mark.parametrize("tenant", ["a", "b", "other", None])
def test_each_tenant_has_its_own_wrapping_key(stored: Scene, tenant: str | None) -> None:
    """What the lookup returns wraps a tenant's data keys, and nothing else does."""
    data = stored.field.encrypt("x", tenant=tenant)
    own = {"a": stored.a, "b": stored.b}.get(tenant or "", stored.default)
    assert stored.names(tenant) == [name_of(own)]
    assert stored.another().field("t.c", str).decrypt(data, tenant=tenant or NO_TENANT) == "x"


@pytest.mark.parametrize("tenant", ["a", "other", None])
def test_reading_names_the_tenant(scene: Scene, tenant: str | None) -> None:
    """A value without a named tenant is refused, by a cold process and by one that has the key at hand."""
    data = scene.field.encrypt("x", tenant=tenant)
    for field in (scene.another().field("t.c", str), scene.field):
        for _ in range(2):
            with pytest.raises(ConfigurationError, match="NO_TENANT"):
                field.decrypt(data)
            assert field.decrypt(data, tenant=tenant or NO_TENANT) == "x"


@pytest.mark.parametrize("named", ["b", "other", NO_TENANT])
def test_a_value_of_another_tenant_costs_no_call(scene: Scene, named: str) -> None:
    """Where record and caller name different tenants, no key service is asked; live keys are no way around."""
    data = scene.field.encrypt("x", tenant="a")
    cold = scene.another().field("t.c", str)
    before = scene.calls()
    for field in (cold, scene.field):
        with pytest.raises(DecryptionError):
            field.decrypt(data, tenant=named)
    assert scene.calls() == before


@pytest.mark.parametrize("claimed", ["b", "other", None])
@pytest.mark.parametrize("in_its_name", [True, False])
def test_a_tenant_with_a_key_makes_no_value_of_others(scene: Scene, claimed: str | None, in_its_name: bool) -> None:
    """Whoever owns a wrapping key can wrap anything for anybody under it, and nobody else reads that."""
    data = plant(scene, scene.a, claimed, for_whom="a" if in_its_name else None)
    for named in (claimed or NO_TENANT, "a", "b", "other", NO_TENANT):
        with pytest.raises((DecryptionError, KeyStoreError)):
            scene.field.decrypt(data, tenant=named)


def test_a_tenant_with_a_key_makes_values_of_its_own(scene: Scene) -> None:
    """The attack of the tests above does what it should, where it may."""
    assert scene.field.decrypt(plant(scene, scene.a, "a"), tenant="a") == "forged"


def test_a_copy_under_another_tenants_key_does_not_open(stored: Scene) -> None:
    """A data key that a tenant knows, wrapped under its key beside the name of another's key, is not the other's."""

    class Renaming(CountingProvider):
        """Wraps under one key, and says that it was another."""

        def wrap(self, data_key: bytes, context: Mapping[str, str]) -> Sequence[WrappedKey]:
            return [wrap._replace(name=name_of(stored.b)) for wrap in stored.a.wrap(data_key, context)]

    with pytest.raises(DecryptionError):
        stored.field.decrypt(plant(stored, Renaming(), "b"), tenant="b")


def test_none_is_no_answer(scene: Scene) -> None:
    """A lookup that knows nothing of a tenant does not have it encrypted under the default key."""
    scene.answers["c"] = None
    with pytest.raises(ConfigurationError, match="USE_DEFAULT"):
        scene.field.encrypt("x", tenant="c")
    assert scene.calls() == 0


@pytest.mark.parametrize("tenant", ["", "x" * 256, "\ud800", 7, b"a", ["a"]])
def test_the_lookup_is_given_tenants_alone(scene: Scene, tenant: Any) -> None:
    """What no tenant can be ends before somebody's database is asked for it."""
    data = scene.field.encrypt("x", tenant="a")
    scene.lookups = 0
    for work in (
        lambda: scene.field.decrypt(data, tenant=tenant),
        lambda: scene.field.encrypt("x", tenant=tenant),
        lambda: scene.another().field("t.c", str).decrypt(data, tenant=tenant),
        lambda: scene.encryptor.blind_index("t.c").tags("x", tenant=tenant),
    ):
        with pytest.raises((TypeError, ValueError, DecryptionError, ConfigurationError)):
            work()
    assert scene.lookups == 0


@pytest.mark.parametrize("answer", ["default", "chain", "class", "nested", "text"])
def test_odd_answers_are_refused(scene: Scene, answer: str) -> None:
    """The default key has to be meant, and what is no provider for one tenant is none."""
    scene.answers["c"] = {
        "default": scene.default,
        "chain": KeyProviderChain(scene.default, CountingProvider()),
        "class": CountingProvider,
        "nested": TenantKeyProvider(scene.lookup, CountingProvider()),
        "text": "arn:aws:kms:us-east-1:111122223333:key/1234",
    }[answer]
    with pytest.raises(ConfigurationError):
        scene.field.encrypt("x", tenant="c")
    assert scene.calls() == 0


def test_a_lookup_that_fails_is_an_outage_without_grace(scene: Scene, clock: Clock) -> None:
    """A live key goes on to the end of its time, others wait; nothing of that concerns other tenants."""
    data, other = scene.field.encrypt("x", tenant="a"), scene.field.encrypt("y", tenant=None)
    scene.failure = ConnectionError
    with pytest.raises(KeyProviderError) as caught:
        scene.another().field("t.c", str).decrypt(data, tenant="a")
    assert isinstance(caught.value.causes["lookup"], ConnectionError)
    clock.advance(0.95 * TTL)
    assert scene.field.decrypt(data, tenant="a") == "x"
    clock.advance(0.1 * TTL)
    with pytest.raises(KeyProviderError):
        scene.field.decrypt(data, tenant="a")
    assert scene.field.decrypt(other, tenant=NO_TENANT) == "y"


def test_a_lookup_that_raises_a_lookup_error_knows_no_such_tenant(scene: Scene) -> None:
    """So that readers can tell a tenant that does not exist from an outage."""
    data = scene.field.encrypt("x", tenant="a")
    scene.failure = KeyError
    with pytest.raises(UnknownTenantError):
        scene.another().field("t.c", str).decrypt(data, tenant="a")


def test_a_lookup_that_fails_leaves_no_grace_that_a_key_has(scene: Scene, clock: Clock) -> None:
    """Nobody can tell whether the tenant still has that key."""
    scene.a.grace = timedelta(minutes=30)
    data = scene.field.encrypt("x", tenant="a")
    scene.failure = ConnectionError
    clock.advance(1.1 * TTL)
    with pytest.raises(KeyProviderError):
        scene.field.decrypt(data, tenant="a")
    with pytest.raises(KeyProviderError):
        scene.field.encrypt("y", tenant="a")


def test_an_answer_counts_for_cache_ttl(stored: Scene, clock: Clock) -> None:
    """A data key that is confirmed through an answer ends with it, however late that was."""
    stored.field.encrypt("x", tenant="a")
    clock.advance(0.05 * TTL)
    index = stored.encryptor.blind_index("t.c")
    index.tag("x", tenant="a")
    assert stored.lookups == 1
    stored.failure = ConnectionError
    clock.advance(0.96 * TTL)
    with pytest.raises(KeyProviderError):
        index.tag("x", tenant="a")


def test_an_answer_ages_by_the_wall_clock_too(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was suspended, or is a clone, looks again."""
    ahead = 0.0
    monkeypatch.setattr(_system, "wall_clock", lambda: time.time() + ahead)
    providers = TenantProviders(scene.encryptor.provider, POLICY, lambda _: None)
    providers.for_tenant("a")
    ahead = TTL
    providers.for_tenant("a")
    assert scene.lookups == 2


def test_another_answer_ends_live_keys_that_it_does_not_open(scene: Scene, clock: Clock) -> None:
    """All data keys of the tenant end with the first look at the new answer, and those of others stay."""
    old, other = scene.field.encrypt("x", tenant="a"), scene.field.encrypt("y", tenant="b")
    scene.answers["a"] = CountingProvider()
    clock.advance(0.95 * TTL)
    with pytest.raises(DecryptionError):
        scene.field.decrypt(old, tenant="a")
    assert scene.field.decrypt(other, tenant="b") == "y"


def test_another_answer_ends_keys_that_are_not_looked_at(stored: Scene, clock: Clock) -> None:
    """Whatever brought it to light: here a first index key."""
    data = stored.field.encrypt("x", tenant="a")
    stored.answers["a"] = CountingProvider()
    clock.advance(0.2 * TTL)
    stored.encryptor.blind_index("t.c").tag("x", tenant="a")
    with pytest.raises(DecryptionError):
        stored.field.decrypt(data, tenant="a")


def test_another_answer_ends_index_keys(stored: Scene, clock: Clock) -> None:
    """As it does those for values."""
    index = stored.encryptor.blind_index("t.c")
    index.tag("x", tenant="a")
    stored.answers["a"] = CountingProvider()
    clock.advance(0.2 * TTL)
    stored.field.encrypt("x", tenant="a")
    with pytest.raises(KeyStoreError):
        index.tag("x", tenant="a")


def test_another_answer_has_new_data_keys_made_where_values_carry_them(clock: Clock) -> None:
    """The one that was in use cannot be opened any more, and the next value is under the new wrapping key."""
    scene = Scene(None)
    other = scene.another().field("t.c", str).encrypt("x", tenant="a")
    scene.field.encrypt("x", tenant="a")
    scene.answers["a"] = CountingProvider()
    clock.advance(0.2 * TTL)
    with pytest.raises(DecryptionError):
        scene.field.decrypt(other, tenant="a")  # brings it to light
    assert scene.field.decrypt(scene.field.encrypt("z", tenant="a"), tenant="a") == "z"


def test_what_another_answer_refused_is_opened_again(stored: Scene, clock: Clock) -> None:
    """A lookup that was wrong for a moment leaves nothing behind."""
    data = stored.field.encrypt("x", tenant="a")
    process = stored.another()
    stored.answers["a"] = CountingProvider()
    with pytest.raises(KeyStoreError):
        process.field("t.c", str).encrypt("y", tenant="a")
    stored.answers["a"] = stored.a
    clock.advance(0.2 * TTL)
    assert process.field("t.c", str).decrypt(data, tenant="a") == "x"
    assert process.field("t.c", str).encrypt("y", tenant="a")[1:17] == data[1:17]


def test_another_answer_that_opens_a_key_goes_on_with_it(scene: Scene, clock: Clock) -> None:
    """A chain of the new and the old provider reads and writes as before."""
    old = scene.field.encrypt("x", tenant="a")
    scene.answers["a"] = KeyProviderChain(CountingProvider(), scene.a)
    clock.advance(1.05 * TTL)
    assert scene.field.decrypt(old, tenant="a") == "x"
    assert scene.field.decrypt(scene.field.encrypt("z", tenant="a"), tenant="a") == "z"


def test_a_key_that_is_being_opened_is_not_kept_by_an_old_answer(stored: Scene, clock: Clock) -> None:
    """It serves who waits for it; the next one asks the provider that the tenant has by then."""
    data = stored.field.encrypt("x", tenant="a")
    process = stored.another()
    field, toll, got = process.field("t.c", str), Toll(), list[str]()
    stored.a.before_unwrap = toll.wait
    reader = Thread(target=lambda: got.append(field.decrypt(data, tenant="a")))
    reader.start()
    toll.until_reached()
    stored.answers["a"] = CountingProvider()
    clock.advance(0.2 * TTL)
    process.blind_index("t.c").tag("x", tenant="a")  # makes a key, through the provider of now
    toll.open()
    reader.join()
    assert got == ["x"]
    with pytest.raises(DecryptionError):
        field.decrypt(data, tenant="a")


@pytest.mark.parametrize("grace", [None, timedelta(minutes=30)])
def test_a_tenants_own_key_has_the_grace_that_it_says(scene: Scene, clock: Clock, grace: timedelta | None) -> None:
    """By silence its owner may say no, so there is none unless the provider says so; the default's is the policy's."""
    scene.a.grace = grace
    own, default = scene.field.encrypt("x", tenant="a"), scene.field.encrypt("y", tenant="other")
    scene.a.unwrap_failure = scene.default.unwrap_failure = outage
    clock.advance(1.1 * TTL)
    assert scene.field.decrypt(default, tenant="other") == "y"
    if grace is None:
        with pytest.raises(KeyProviderError):
            scene.field.decrypt(own, tenant="a")
    else:
        assert scene.field.decrypt(own, tenant="a") == "x"


def test_the_default_in_a_chain_gives_a_tenants_key_no_grace(scene: Scene, clock: Clock) -> None:
    """While a tenant moves, its own key still is one that its owner can silence."""
    scene.default.grace = timedelta(hours=1)
    scene.answers["a"] = KeyProviderChain(scene.a, scene.default)
    data = scene.field.encrypt("x", tenant="a")
    scene.a.unwrap_failure = outage
    clock.advance(1.1 * TTL)
    with pytest.raises(KeyProviderError):
        scene.field.decrypt(data, tenant="a")


def test_the_default_in_a_chain_takes_no_grace_away(scene: Scene, clock: Clock) -> None:
    """What counts is what the tenant's own provider says."""
    scene.a.grace = timedelta(minutes=30)
    scene.answers["a"] = KeyProviderChain(scene.a, scene.default)
    data = scene.field.encrypt("x", tenant="a")
    scene.a.unwrap_failure = outage
    clock.advance(1.1 * TTL)
    assert scene.field.decrypt(data, tenant="a") == "x"


def test_a_disabled_key_ends_its_tenant_within_cache_ttl(scene: Scene, clock: Clock) -> None:
    """And nobody else."""
    values = {tenant: scene.field.encrypt("x", tenant=tenant) for tenant in ("a", "b", "other")}
    scene.a.unwrap_failure = refusal
    clock.advance(0.95 * TTL)
    with pytest.raises(KeyAccessDeniedError):
        scene.field.decrypt(values["a"], tenant="a")
    with pytest.raises(KeyAccessDeniedError):
        scene.field.encrypt("more", tenant="a")
    assert [scene.field.decrypt(values[tenant], tenant=tenant) for tenant in ("b", "other")] == ["x", "x"]


@pytest.mark.parametrize("index", [False, True])
def test_a_tenant_that_had_a_key_gets_none_under_the_default(stored: Scene, rows: RowStore, index: bool) -> None:
    """A lookup that forgets a tenant's provider has nothing encrypted or tagged under the default key."""
    if index:
        stored.encryptor.blind_index("t.c").tag("x", tenant="a")
    else:
        stored.field.encrypt("x", tenant="a")
    del stored.answers["a"]
    cold, kept = stored.another(), dict(rows.rows)
    for _ in range(2):
        with pytest.raises(KeyStoreError, match="not under the default"):
            cold.blind_index("t.c").tag("y", tenant="a") if index else cold.field("t.c", str).encrypt("y", tenant="a")
    assert rows.rows == kept


def test_nor_when_its_next_key_is_asked_for(stored: Scene) -> None:
    """Rotation looks at all data keys, those of another purpose included."""
    stored.encryptor.blind_index("t.c").tag("x", tenant="a")
    stored.answers["a"] = KeyProviderChain(stored.a, stored.default)
    stored.another().field("t.c", str).encrypt("x", tenant="a")
    del stored.answers["a"]
    with pytest.raises(KeyStoreError, match="not under the default"):
        stored.another().data_keys.rotate("a")


def test_a_record_under_a_foreign_name_stops_writing_until_it_is_removed(stored: Scene, rows: RowStore) -> None:
    """It may be authentic, and the lookup wrong: nobody here can tell. What there is goes on being read."""
    data = stored.field.encrypt("x", tenant="other")
    known = set(rows.rows)
    plant(stored, CountingProvider(), "other")
    cold = stored.another().field("t.c", str)
    assert cold.decrypt(data, tenant="other") == "x"
    with pytest.raises(KeyStoreError, match="not under the default"):
        cold.encrypt("y", tenant="other")
    for key_id in set(rows.rows) - known:
        del rows.rows[key_id]
    assert cold.decrypt(cold.encrypt("y", tenant="other"), tenant="other") == "y"


def test_a_tenant_of_the_default_rotates_while_that_is_moved(stored: Scene) -> None:
    """Data keys under either of the keys of a chain are the default's."""
    stored.field.encrypt("x", tenant="other")
    chain = KeyProviderChain(CountingProvider(), stored.default)
    moving = Encryptor(TenantKeyProvider(stored.lookup, chain), stored.store, policy=POLICY)
    moving.data_keys.rotate("other")
    assert len(stored.names("other")) == 2


def test_the_rules_of_public_keys_are_one_tenants(stored: Scene) -> None:
    """A tenant with an RSA key has its values read by consent alone, no blind index, and keys of others unused."""
    stored.answers["a"] = PublicKeyProvider()
    values = {tenant: stored.field.encrypt("x", tenant=tenant) for tenant in ("a", "b", None)}
    with pytest.raises(ConfigurationError, match="accept_public_key"):
        stored.field.decrypt(values["a"], tenant="a")
    accepting = stored.encryptor.field("t.c", str, accept_public_key=True)
    assert accepting.decrypt(values["a"], tenant="a") == "x"
    with pytest.raises(ConfigurationError, match="public key"):
        stored.encryptor.blind_index("t.c").tag("x", tenant="a")
    stored.another().field("t.c", str).encrypt("y", tenant="a")
    assert len(stored.names("a")) == 2
    for tenant in ("b", None):
        assert stored.field.decrypt(values[tenant], tenant=tenant or NO_TENANT) == "x"
        stored.encryptor.blind_index("t.c").tag("x", tenant=tenant)
        stored.another().field("t.c", str).encrypt("y", tenant=tenant)
        assert len(stored.names(tenant)) == 2  # one data key, one index key


def test_a_data_key_under_one_tenants_public_key_is_not_rewrapped_unasked(stored: Scene) -> None:
    """Somebody may have planted it; those of other tenants are rewrapped all the same."""
    public = stored.answers["a"] = PublicKeyProvider()
    doubtful, _ = (stored.field.encrypt("x", tenant=tenant)[1:17].hex() for tenant in ("a", "b"))
    for tenant, before in (("a", public), ("b", stored.b)):
        stored.answers[tenant] = KeyProviderChain(CountingProvider(), before)
    report = stored.another().data_keys.rewrap()
    assert (report.changed, list(report.failures)) == (1, [doubtful])
    assert stored.another().data_keys.rewrap(accept_public_key=True).changed == 1


def test_one_that_names_the_wrong_tenant_does_not_decide_for_others(stored: Scene) -> None:
    """Who comes for the same key meanwhile, and names the right tenant, does not share the refusal."""
    data = stored.field.encrypt("x", tenant="a")
    process, toll = stored.another(), Toll()
    field, got = process.field("t.c", str), list[str]()
    stored.a.before_unwrap = toll.wait
    right = Thread(target=lambda: got.append(field.decrypt(data, tenant="a")))
    right.start()
    toll.until_reached()
    with pytest.raises(DecryptionError):
        field.decrypt(data, tenant="b")
    toll.open()
    right.join()
    assert got == ["x"]


def test_keys_are_warmed_up_for_the_tenants_that_are_named(scene: Scene) -> None:
    """Values are opened for these, and for nobody else."""
    values = [scene.field.encrypt("x", tenant=tenant) for tenant in ("a", "b")]
    process = scene.another()
    assert process.warm_up(["a", "b"], values) == 2
    with pytest.raises(DecryptionError):
        scene.another().warm_up(["b"], values)
    with pytest.raises(ConfigurationError):
        scene.another().warm_up(values=values)


def test_whether_a_value_is_under_an_old_key_is_asked_for_a_tenant(scene: Scene) -> None:
    """As everything that opens a data key."""
    data = scene.field.encrypt("x", tenant="a")
    assert not scene.encryptor.needs_reencrypt(data, tenant="a")
    assert scene.encryptor.followed_at(data, tenant="a") is None
    with pytest.raises(ConfigurationError):
        scene.encryptor.needs_reencrypt(data)
    with pytest.raises(DecryptionError):
        scene.encryptor.needs_reencrypt(data, tenant="b")


def test_nothing_is_done_for_whomever_a_context_names() -> None:
    """The provider itself has no keys, so that whoever forgets to say for whom is told."""
    provider = TenantKeyProvider(lambda _: USE_DEFAULT, LocalKeyProvider.generate())
    context = wrap_context(bytes(16), Purpose.ENCRYPTION, 0, "a")
    for ask in (
        lambda: provider.wrap(bytes(32), context),
        lambda: provider.unwrap([], context),
        provider.wrapping_keys,
        provider.regions,
        lambda: provider.wrapping_key("a"),
        lambda: provider.wrapping_with(["a"]),
    ):
        with pytest.raises(ConfigurationError, match="for_tenant"):
            ask()


def test_it_is_no_part_of_a_chain() -> None:
    """Chains are what it is made of."""
    local = LocalKeyProvider.generate()
    provider = TenantKeyProvider(lambda _: USE_DEFAULT, KeyProviderChain(local, LocalKeyProvider.generate()))
    with pytest.raises(ConfigurationError, match="its default"):
        KeyProviderChain(provider, local)


def test_it_can_be_pickled() -> None:
    """As its lookup, a function of a module, and its default."""
    provider = TenantKeyProvider(_nobody, PickledProvider())
    arrived = pickle.loads(pickle.dumps(provider))
    assert arrived.for_tenant("a") is arrived.default


def _nobody(tenant: str) -> KeyProvider:
    return USE_DEFAULT  # type: ignore[return-value]


class PickledProvider(CountingProvider):
    def __reduce__(self) -> tuple[type, tuple[()]]:
        return PickledProvider, ()
