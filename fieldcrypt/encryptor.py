"""The Encryptor, which a program configures once and makes its fields from."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, overload

from fieldcrypt import _system
from fieldcrypt._base.logical_names import LogicalNames
from fieldcrypt._base.snapshots import forget_after_restore
from fieldcrypt._base.unpickle_registry import UnpickleRegistry
from fieldcrypt.backends import chosen, described
from fieldcrypt.counting.value_stats import NO_VALUES
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.events import Event, Events, Observer, Stats
from fieldcrypt.field import Field
from fieldcrypt.format.codecs import Codec
from fieldcrypt.format.context import NoTenant
from fieldcrypt.keys.admin import old_keys
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.providers.provider import KeyProvider
from fieldcrypt.keys.stores.store import KeyStore, is_key_store
from fieldcrypt.normalisers import Normaliser
from fieldcrypt.offload import Offload, in_place
from fieldcrypt.search.blind_index import DEFAULT_TAG_SIZE, BlindIndex

if TYPE_CHECKING:
    from fieldcrypt.counting.value_counts import ValueCounts
    from fieldcrypt.health.health import Health
    from fieldcrypt.keys.admin.data_keys import DataKeys
    from fieldcrypt.keys.keyring import Keyring
    from fieldcrypt.search.kinds.kind import Kind
    from fieldcrypt.search.term_index import TermIndex

__all__ = ["Encryptor"]

T = TypeVar("T")

_HEALTH_DEADLINE: Final = timedelta(milliseconds=800)  # within the second that Kubernetes gives a probe by default


class Encryptor:
    """Keys and limits for any number of fields. Calls neither key store nor key provider before the first value.

    Models are declared at import and keys are configured at start-up, so an Encryptor may be created empty and
    configured later: `encryptor = Encryptor()`, then `encryptor.configure(provider, store)`.

    It can be pickled if provider, store and observer can: its configuration, without keys. In another process all
    pickles of one Encryptor are one Encryptor again, so that the tasks of a process pool share its keys.

    Args:
        provider: wraps and unwraps data keys.
        store: keeps wrapped data keys next to the data. None makes every value carry its wrapped data key.
        policy: how long keys live. Default: `KeyPolicy()`.
        observer: is called with everything that happens to keys (see `Observer`).
        read_self_contained: also read values that carry their wrapped data key.
            Default: only if there is no store, because anyone who can write to the data can plant such values, and each
            unknown one costs calls of provider and store.
        backend: "auto", "python", "native" or "native-fips" (see docs/operations/native.md). Default: what
            FIELDCRYPT_BACKEND says, or else "auto": native if it can be had. Pickles carry what is named here.
        count_values: count the values that are encrypted and decrypted, by field and tenant: `stats().values`. Up to
            10,000 pairs are kept for each Encryptor; further tenants are counted together, as `OTHER_TENANTS`.

    Raises:
        ConfigurationError: the backend cannot be had; or as `configure`.
    """

    def __init__(
        self,
        provider: KeyProvider | None = None,
        store: KeyStore | None = None,
        policy: KeyPolicy | None = None,
        *,
        observer: Observer | None = None,
        read_self_contained: bool | None = None,
        backend: str | None = None,
        count_values: bool = False,
    ) -> None:
        self._backend_name = backend
        self._backend = chosen(backend)
        self._value_counts = self._new_value_counts() if count_values else None
        self._fields: weakref.WeakSet[Field[Any] | BlindIndex[Any] | TermIndex] = weakref.WeakSet()
        self._names = LogicalNames()
        self._keyring: Keyring | None = None
        self._observer = observer
        self._closed = False
        self._identity: bytes | None = None  # of the configuration; there once it was pickled
        _system.call_after_fork(self._forget)
        forget_after_restore(self)
        if provider is not None:
            self.configure(provider, store, policy=policy, observer=observer, read_self_contained=read_self_contained)
        elif any(each is not None for each in (store, policy, observer, read_self_contained)):
            raise ConfigurationError("an Encryptor with a key store, a policy or an observer needs a key provider too")

    def configure(
        self,
        provider: KeyProvider,
        store: KeyStore | None = None,
        policy: KeyPolicy | None = None,
        *,
        observer: Observer | None = None,
        read_self_contained: bool | None = None,
    ) -> None:
        """Set or replace keys and limits; fields made before follow. For start-up and tests, not for use under load.

        Raises:
            ConfigurationError: an argument is of the wrong type; or there is no store, and values without one are not
                to be read.
        """
        if isinstance(provider, type) or not isinstance(provider, KeyProvider):
            raise ConfigurationError(
                f"{_kind(provider)} is not a key provider: it needs wrap, unwrap and wrapping_keys, and derives from "
                "KeyProvider"
            )
        if store is not None and not is_key_store(store):
            raise ConfigurationError(f"{_kind(store)} is not a key store: it needs get, add, list, replace and key_ids")
        if policy is not None and not isinstance(policy, KeyPolicy):
            raise ConfigurationError(f"{_kind(policy)} is not a KeyPolicy")
        if observer is not None and not callable(observer):
            raise ConfigurationError(f"{_kind(observer)} is not an observer: it cannot be called")
        if not (read_self_contained is None or isinstance(read_self_contained, bool)):
            raise ConfigurationError("read_self_contained is a bool")
        if store is None and read_self_contained is False:
            raise ConfigurationError("without a key store there are only self-contained values: some are to be read")
        if self._keyring is not None:
            self._keyring.forget()
        self._closed = False
        from fieldcrypt.keys.keyring import Keyring  # a fifth of the time of `import fieldcrypt`

        self._keyring = Keyring(
            provider,
            store,
            policy or KeyPolicy(),
            Events(observer),
            read_self_contained=read_self_contained,
            backend=self._backend,
        )
        self._observer = observer
        self._identity = None
        self._forget()

    @contextmanager
    def override(
        self,
        provider: KeyProvider,
        store: KeyStore | None = None,
        policy: KeyPolicy | None = None,
        *,
        observer: Observer | None = None,
        read_self_contained: bool | None = None,
    ) -> Iterator[None]:
        """Use other keys and limits for the duration of a `with` block, then those of before again: for tests.

        What was there before comes back with its live keys, whatever the block did: also an Encryptor that had not
        been configured, or was closed. It counts for all threads, so it is not for use under load.

        Args:
            provider, store, policy, observer, read_self_contained: as for `configure`.

        Raises:
            ConfigurationError: as `configure`; then nothing has changed.
        """
        before = self._keyring, self._observer, self._closed, self._identity
        self._keyring = None  # which `configure` would empty
        try:
            self.configure(provider, store, policy=policy, observer=observer, read_self_contained=read_self_contained)
            yield
        finally:
            if self._keyring is not None:
                self._keyring.forget()
            self._keyring, self._observer, self._closed, self._identity = before
            self._forget()

    @overload
    def field(
        self,
        name: str,
        type: type[T],
        *,
        context: Mapping[str, str] | None = None,
        pad: int | None = None,
        accept_public_key: bool = False,
        accept_foreign_keys: bool = False,
        names_tenant: bool = False,
        offload: Offload | None = None,
    ) -> Field[T]: ...

    @overload
    def field(
        self,
        name: str,
        *,
        context: Mapping[str, str] | None = None,
        pad: int | None = None,
        accept_public_key: bool = False,
        accept_foreign_keys: bool = False,
        names_tenant: bool = False,
        offload: Offload | None = None,
    ) -> Field[bytes]: ...

    def field(
        self,
        name: str,
        type: Any = bytes,
        *,
        context: Mapping[str, str] | None = None,
        pad: int | None = None,
        accept_public_key: bool = False,
        accept_foreign_keys: bool = False,
        names_tenant: bool = False,
        offload: Offload | None = None,
    ) -> Field[Any]:
        """Make a field.

        Args:
            name: 1 to 255 bytes of UTF-8, by convention `table.column`. It is bound to every value: a value of one
                name does not decrypt under another, so choose it once.
            type: bytes, str, int, float, bool, Decimal, date, datetime, time, timedelta, UUID, list, dict, set, an
                Enum class, or `object` for any of these but Enum members.
            context: constant encryption context in addition to the name; keys must not begin with `fieldcrypt:`.
            pad: hide the exact length of values by padding them to a multiple of so many bytes (2 to 65,535).
            accept_public_key: read values whose data key was wrapped with a public key, though anyone who knows it can
                make such values. Only key providers that wrap so need it.
            accept_foreign_keys: read values under data keys of anyone who can wrap, with a public key or not, who can
                then make such values. Needed under `KeyPolicy(own_keys_only=True)`.
            offload: runs what has to wait for key store or provider: a function of a module, if the field is to be
                pickled. Default: it runs in place.
            names_tenant: decrypting without a tenant means `NO_TENANT` where tenants have wrapping keys of their own,
                because callers always know the tenant: integrations set it for records that are declared without one.

        Raises:
            TypeError: the type is none of these, or name and context are not text.
            ValueError: name, context or pad are out of range.
        """
        field: Field[Any] = self._field_class()(
            name,
            Codec(type, pad),
            context,
            self,
            accept_public_key,
            offload or in_place,
            accept_foreign_keys,
            names_tenant,
        )
        self._fields.add(field)
        return field

    def _field_class(self) -> Callable[..., Field[Any]]:
        if self._backend.is_native:
            from fieldcrypt.native.field import NativeField

            return NativeField
        if self._value_counts is not None:
            from fieldcrypt.counting.field import CountedField

            return CountedField
        return Field

    def _new_value_counts(self) -> ValueCounts:
        from fieldcrypt.counting.value_counts import ValueCounts

        return ValueCounts(self._backend.new_tally)

    @overload
    def blind_index(
        self,
        name: str,
        type: type[T],
        *,
        tag_size: int = DEFAULT_TAG_SIZE,
        normaliser: Normaliser[T] | str | None = None,
        accept_low_cardinality: bool = False,
        offload: Offload | None = None,
        per_tenant: bool = True,
        accept_default_key: bool = False,
        path: str | None = None,
        rotates: bool = True,
    ) -> BlindIndex[T]: ...

    @overload
    def blind_index(
        self,
        name: str,
        *,
        tag_size: int = DEFAULT_TAG_SIZE,
        normaliser: Normaliser[str] | str | None = None,
        accept_low_cardinality: bool = False,
        offload: Offload | None = None,
        per_tenant: bool = True,
        accept_default_key: bool = False,
        path: str | None = None,
        rotates: bool = True,
    ) -> BlindIndex[str]: ...

    def blind_index(
        self,
        name: str,
        type: Any = str,
        *,
        tag_size: int = DEFAULT_TAG_SIZE,
        normaliser: Normaliser[Any] | str | None = None,
        accept_low_cardinality: bool = False,
        offload: Offload | None = None,
        per_tenant: bool = True,
        accept_default_key: bool = False,
        path: str | None = None,
        rotates: bool = True,
    ) -> BlindIndex[Any]:
        """Make a blind index: tags by which encrypted values can be searched for. What they reveal:
        docs/guides/blind-index.md.

        Args:
            name: as for `field`, and as a rule the name of the field that it is for. Tags of one name are not those
                of another.
            type: bytes, str, int, Decimal, date, datetime, time, timedelta, UUID or an Enum class; tags of a bool or of
                an Enum with few members would reveal the values (see `accept_low_cardinality`).
            tag_size: 1 to 32 bytes. Less than 16 makes different values share tags, on purpose: see `plan_tags`.
            normaliser: what to do with values before they are compared: "nfkc", "casefold" or "digits" (see
                `fieldcrypt.normalisers`), or a function of one value that returns one of the same type. If the index
                is to be pickled, it has to be a function of a module. If it changes, all rows have to be tagged again.
            accept_low_cardinality: make tags of a bool or a small Enum nevertheless.
            offload: as for `field`.
            per_tenant: False to tag the values of all tenants under the index key of no tenant, so that they can be
                searched together; then the tenant that `tag` gets says whose value it is.
            accept_default_key: do so even for tenants with wrapping keys of their own, who then cannot control who
                makes their tags: the index key of no tenant is wrapped under the default.
            path: of values that are nested in their record (SPEC section 2): the path. See `ProtectedRecord`.
            rotates: False for tags that can never be made again, such as those in keys of items. They stay under the
                first of a tenant's index keys, however many follow it. It is an error if that has been retired.

        Raises:
            TypeError: there are no tags of this type, or an argument is of a wrong type.
            ValueError: name or tag_size are out of range, or there is no normaliser of this name.
            ConfigurationError: see `accept_low_cardinality`.
        """
        index: BlindIndex[Any] = BlindIndex(
            name,
            type,
            tag_size,
            normaliser,
            self,
            accept_low_cardinality,
            offload or in_place,
            per_tenant,
            accept_default_key,
            path,
            rotates,
        )
        self._fields.add(index)
        return index

    def search_index(
        self,
        name: str,
        type: Any,
        *,
        index: str,
        of: Kind | None = None,
        tag_size: int = DEFAULT_TAG_SIZE,
        normaliser: Normaliser[Any] | str | None = None,
        accept_low_cardinality: bool = False,
        accept_leakage: bool = False,
        offload: Offload | None = None,
        per_tenant: bool = True,
        accept_default_key: bool = False,
        path: str | None = None,
        partitions: int = 1,
        rotates: bool = True,
    ) -> TermIndex:
        """Make a named index of a field. Usually `IndexedBy` declares it; see docs/guides/blind-index.md.

        Args:
            name, type, tag_size, normaliser, accept_low_cardinality, offload, per_tenant, accept_default_key, path,
                rotates: as for `blind_index`.
            index: the index's name, to which its tags are bound.
            of, accept_leakage, partitions: see `IndexedBy`.

        Raises:
            TypeError, ValueError, ConfigurationError: as for `blind_index`.
        """
        from fieldcrypt.search.kinds.whole import Whole
        from fieldcrypt.search.term_index import TermIndex, check_kind

        check_kind(index, of, partitions, accept_leakage, accept_low_cardinality)
        made = TermIndex(
            name,
            type,
            index,
            of or Whole(accept_low_cardinality),
            self,
            tag_size=tag_size,
            normaliser=normaliser,
            offload=offload or in_place,
            per_tenant=per_tenant,
            accept_default_key=accept_default_key,
            path=path,
            partitions=partitions,
            rotates=rotates,
        )
        self._fields.add(made)
        return made

    def warm_up(self, tenants: Iterable[str | NoTenant | None] = (), values: Iterable[bytes] = ()) -> int:
        """Unwrap data keys before they are needed, several at once, without making new ones.

        Args:
            tenants: whose data keys to unwrap, index keys included; None or `NO_TENANT` for those of no tenant.
            values: encrypted values whose data keys to unwrap; where tenants have key providers of their own, values of
                these tenants.

        Returns:
            How many data keys those are.

        Raises:
            As `Field.decrypt`, for the first key that fails, after all have been tried. `KeyShreddedError` only if
                nothing else failed: all others are live then.
        """
        if isinstance(tenants, str):
            raise TypeError("tenants is an iterable of names, not a single name")
        from fieldcrypt.keys.admin.warm_up import warm_up

        return warm_up(self._configured(), tenants, values)

    async def warm_up_async(self, tenants: Iterable[str | NoTenant | None] = (), values: Iterable[bytes] = ()) -> int:
        """Do what `warm_up` does in another thread, so that the event loop is not blocked."""
        import asyncio  # three times the time of `import fieldcrypt`

        return await asyncio.to_thread(self.warm_up, tenants, values)

    def check(
        self,
        deadline: timedelta = _HEALTH_DEADLINE,
        *,
        probe: bool = False,
        tenant: str | NoTenant | None = None,
        reads_only: bool = False,
    ) -> Health:
        """Return whether this process can encrypt and decrypt now, and for how long it will: for readiness probes.

        As long as a live key is within its `cache_ttl`, that is known, and nothing is called. Otherwise, or with
        `probe`, a data key is wrapped and unwrapped in each region and the key store is read, all at once in threads
        of their own. Callers at the same time share the answers. Without live keys a success counts for a minute, and
        a failure for 5 seconds. An outage is never an exception; nor is an Encryptor that is not configured, or closed.

        IAM actions, on the KMS key in every region: `kms:Encrypt` and `kms:Decrypt`; with `reads_only`, `kms:Decrypt`.
        On a table of data keys: `dynamodb:GetItem`; with `tenant` or `reads_only`, also `dynamodb:Query` on its index.

        Args:
            deadline: how long to wait for answers, whatever a socket does. Default: 0.8 seconds.
            probe: try everything out, whatever is known.
            tenant: try it out for this tenant: where the role may not for all, or tenants have wrapping keys of their
                own. Default: for no tenant.
            reads_only: do not try to wrap, but to unwrap the tenant's newest data key in the key store.

        Raises:
            TypeError, ValueError: the deadline is not a timedelta above zero, or the tenant is not text of 1 to 255
                bytes.
        """
        from fieldcrypt.health.check import Inquiry, check, unconfigured

        inquiry = Inquiry(deadline, probe, tenant, reads_only).checked()
        return unconfigured(self._reason()) if self._keyring is None else check(self._keyring, inquiry)

    async def check_async(
        self,
        deadline: timedelta = _HEALTH_DEADLINE,
        *,
        probe: bool = False,
        tenant: str | NoTenant | None = None,
        reads_only: bool = False,
    ) -> Health:
        """Do what `check` does, without blocking the event loop, and without its threads."""
        from fieldcrypt.health.check import Inquiry, check_async, unconfigured

        inquiry = Inquiry(deadline, probe, tenant, reads_only).checked()
        return unconfigured(self._reason()) if self._keyring is None else await check_async(self._keyring, inquiry)

    def needs_reencrypt(self, data: bytes, *, tenant: str | NoTenant | None = None) -> bool:
        """Return True if a value is under an old data key.

        That is one that is retired, that a newer one has followed, or that was made before the policy's `not_before`.
        Where there is a key store, so is one that came with the value.

        Where every process has data keys of its own (without a key store, or with a public key): one older than the
        policy's `rotate_after`. Makes no key, and asks the key store once per tenant, unless a new key is due.

        Args:
            data: the value.
            tenant: as for `Field.decrypt`.

        Raises:
            As `Field.decrypt`; the value itself is not decrypted, only its data key is unwrapped.
        """
        return old_keys.needs_reencrypt(self._configured(), data, tenant)

    def followed_at(self, data: bytes, *, tenant: str | NoTenant | None = None) -> float | None:
        """Return when a value's data key becomes an old one because a newer key is waiting; None if none is.

        Args:
            data, tenant: as for `needs_reencrypt`.

        Returns:
            Seconds since 1970: the end of the newer key's propagation delay.

        Raises:
            As `needs_reencrypt`.
        """
        return old_keys.followed_at(self._configured(), data, tenant)

    def writing_canaries(self) -> AbstractContextManager[None]:
        """Return a context in which all fields write canaries: values whose decryption is reported as `CANARY_READ`.

        It holds for all threads, and for ORMs and clients alike, so use it in a script or a shell that does nothing
        else. A canary looks like any other value, and older versions read it as one. `configure` within the block ends
        it: what is written then is no canary. See docs/security/canaries.md.

        Raises:
            ConfigurationError: the Encryptor has not been configured.
        """
        from fieldcrypt.keys.admin.canaries import writing_canaries

        return writing_canaries(self._configured(), self._forget)

    def is_canary(self, data: bytes, *, tenant: str | NoTenant | None = None) -> bool:
        """Return True if a value is a canary. Nothing is decrypted but its data key, and nothing is reported.

        Args:
            data: the value, which may be no authentic one.
            tenant: as for `Field.decrypt`.

        Raises:
            As `needs_reencrypt`.
        """
        from fieldcrypt.keys.admin.canaries import is_canary

        try:
            return is_canary(self._configured(), data, tenant)
        except BaseException:
            del data  # which is plaintext where nothing encrypted it
            raise

    @property
    def data_keys(self) -> DataKeys:
        """The data keys in the key store: to count, list, rotate, rewrap, repair, retire and shred.

        Raises:
            ConfigurationError: there is no key store.
        """
        from fieldcrypt.keys.admin.data_keys import DataKeys

        return DataKeys(self._configured())

    def forget(self) -> None:
        """Drop live keys, salts and everything that was prepared with them; what is needed again is fetched again.

        For the moment before a snapshot of the process is taken, and for tests. On AWS Lambda with SnapStart it is
        called automatically after each restore: otherwise clones of one process would share keys beyond every limit.
        """
        if self._keyring is not None:
            self._keyring.forget()
        self._forget()

    def close(self) -> None:
        """Drop live keys as `forget` does, and the configuration too: using the Encryptor afterwards is an error.

        `with Encryptor(provider, store) as encryptor:` closes it at the end; it can be configured again. Provider and
        store stay open, because others may use them.
        """
        keyring, self._keyring = self._keyring, None
        if keyring is not None:
            keyring.forget()
        self._identity, self._closed = None, True
        self._forget()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def report(self, event: Event) -> None:
        """Count an event, log it, and pass it to the observer: for code that reads and writes values in another way."""
        self._configured().events.report(event)

    def stats(self) -> Stats:
        """Return counters of key events since the process began."""
        keyring = self._configured()
        values = NO_VALUES if self._value_counts is None else self._value_counts.stats()
        return keyring.events.stats(len(keyring.live_keys) + len(keyring.index_keys), values)

    @property
    def provider(self) -> KeyProvider:
        """The key provider that was configured."""
        return self._configured().provider

    @property
    def store(self) -> KeyStore | None:
        """The key store that was configured."""
        return self._configured().store

    @property
    def policy(self) -> KeyPolicy:
        """The limits that were configured."""
        return self._configured().policy

    @property
    def backend(self) -> str:
        """What encrypts and decrypts, and what it is made of, with versions: as `fieldcrypt.backend()` says it."""
        return described(self._backend)

    def _configured(self) -> Keyring:
        if self._keyring is None:
            raise ConfigurationError(self._reason())
        return self._keyring

    def _reason(self) -> str:
        """Return why there are no keys."""
        if self._closed:
            return "this Encryptor is closed: call encryptor.configure(provider, store) first"
        return (
            "this Encryptor has no keys yet: call encryptor.configure(provider, store) at start-up, before the "
            "first value is encrypted or decrypted"
        )

    def _forget(self) -> None:
        for field in self._fields:
            field.forget()

    def __repr__(self) -> str:
        return f"<Encryptor {'configured' if self._keyring else 'not configured'} at {id(self):#x}>"

    def __reduce__(self) -> tuple[Any, ...]:
        identity = _registry.identity(self)
        newer: dict[str, Any] = {}  # what 0.1 had no choice of is left out where it is as it was, so that 0.1 reads it
        if self._backend_name is not None:
            newer["backend"] = self._backend_name
        if self._value_counts is not None:
            newer["counts"] = True
        keyring = self._keyring
        if keyring is not None and keyring.reads_self_contained is not (keyring.store is None):
            newer["reads"] = keyring.reads_self_contained
        unpickle = partial(_unpickle, **newer) if newer else _unpickle
        if keyring is None:
            return unpickle, (identity,)
        return unpickle, (
            identity,
            keyring.provider,
            keyring.store,
            keyring.policy,
            self._observer,
        )


_registry: UnpickleRegistry[Encryptor] = UnpickleRegistry()


def _unpickle(
    identity: bytes,
    provider: KeyProvider | None = None,
    store: KeyStore | None = None,
    policy: KeyPolicy | None = None,
    observer: Observer | None = None,
    *,
    reads: bool | None = None,
    backend: str | None = None,
    counts: bool = False,
) -> Encryptor:
    make = partial(
        Encryptor,
        provider,
        store,
        policy=policy,
        observer=observer,
        read_self_contained=reads,
        backend=backend,
        count_values=counts,
    )
    return _registry.find(identity, make)


def _kind(value: object) -> str:
    """Describe an argument without showing it: it may be a key in the wrong place."""
    return f"the class {value.__name__}" if isinstance(value, type) else f"an instance of {type(value).__name__}"
