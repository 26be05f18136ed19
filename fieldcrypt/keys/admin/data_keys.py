"""Administration of the data keys in an Encryptor's key store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from fieldcrypt.errors import ConfigurationError, KeyStoreError
from fieldcrypt.events import Event, EventKind, report
from fieldcrypt.format._text import counted
from fieldcrypt.keys.admin.restore import Restoration, RestoreReport
from fieldcrypt.keys.admin.retire import retire
from fieldcrypt.keys.admin.rewrap import Rewrapping, RewrapReport
from fieldcrypt.keys.admin.shred import shred
from fieldcrypt.keys.admin.tenant_key import MoveReport, check_tenant_key, check_unshared, move, own_provider
from fieldcrypt.keys.keyring import Keyring
from fieldcrypt.keys.providers.provider import KeyProvider
from fieldcrypt.keys.record.record import KeyRecord, Purpose, check_tenant
from fieldcrypt.keys.record.tombstone import Tombstone
from fieldcrypt.keys.stores.store import KeyStore
from fieldcrypt.progress import Progress

__all__ = ["DataKeys"]

_THREADS = 8  # that read the key store
_PAGE = 1000  # records read ahead
_NAMED = 4  # key ids in a message, at most


class DataKeys:
    """The data keys in a key store. Made by `Encryptor.data_keys`; everything here works while readers and writers run.

    Raises:
        ConfigurationError: the Encryptor has no key store, so that values carry their data keys with them.
    """

    def __init__(self, keyring: Keyring) -> None:
        if keyring.store is None:
            raise ConfigurationError("this Encryptor has no key store: its values carry their data keys with them")
        self._keyring = keyring
        self._store: KeyStore = keyring.store

    def entries(self) -> Iterator[tuple[bytes, KeyRecord | Tombstone | KeyStoreError]]:
        """Yield the entry of each key id, in the store's order; for one that is not a record, the error.

        What a record says is not verified: that would take its data key.

        Raises:
            KeyStoreError: the key ids cannot be read.
        """
        from concurrent.futures import ThreadPoolExecutor  # a tenth of the time of `import fieldcrypt`

        def get(key_id: bytes) -> tuple[bytes, KeyRecord | Tombstone | KeyStoreError]:
            try:
                return key_id, self._store.get(key_id)
            except KeyStoreError as error:
                return key_id, error

        key_ids = self._store.key_ids()
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="fieldcrypt")
        try:
            while page := list(islice(key_ids, _PAGE)):
                yield from pool.map(get, page)
        finally:
            pool.shutdown(
                wait=False
            )  # one of these threads may collect a generator that is dropped early, and cannot wait for itself

    def count(self) -> int:
        """Return how many records and tombstones there are.

        Raises:
            KeyStoreError: the key ids cannot be read.
        """
        return sum(1 for _ in self._store.key_ids())

    def create(self, tenant: str | None = None, *, index: bool = False) -> KeyRecord:
        """Make a tenant's first data key now, unless it has one, and return the record of the key that encrypts.

        For a tenant whose first values many processes will write at once, or in several regions; and to name index keys
        in a `KeyPolicy`. Can be repeated, but under `own_keys_only` each call makes a new index key for the policy to
        name, because an existing one may have been planted.

        Args:
            tenant: whose key.
            index: make the key of its blind indexes, which tags, instead of the key of its values.

        Raises:
            TypeError, ValueError: the tenant is not a str of 1 to 255 bytes.
            ConfigurationError: every process has data keys of its own; or there can be no index keys.
            KeyProviderError, KeyStoreError: as for `Field.encrypt` and `BlindIndex.tag`.
        """
        if index:
            return self._keyring.index_keys.create(tenant)
        return self._keyring.create(tenant).stored

    def rotate(self, tenant: str | None = None, purpose: Purpose = Purpose.ENCRYPTION) -> KeyRecord:
        """Make the next data key of a tenant now, whatever the age of the last, and return its record.

        It encrypts after the policy's propagation delay. An index key tags after `cache_ttl` and `grace` as well,
        because until then a process may search without knowing it. Rows tagged before are found by their old tags until
        `retire_index_keys`.

        Args:
            tenant: whose key.
            purpose: what for.

        Raises:
            ConfigurationError: data keys are wrapped with a public key, so that every process has its own.
            KeyProviderError, KeyStoreError: as for `Field.encrypt`; `KeyNotFoundError` if the tenant has no data key.
        """
        if purpose is Purpose.BLIND_INDEX:
            return self._keyring.index_keys.rotation(tenant).rotate(tenant)
        return self._keyring.rotate(tenant)

    def retire(self, key_id: bytes) -> KeyRecord:
        """Stop encrypting under a data key that a newer one has followed, and return its record.

        It decrypts as before. Values under it are under an old key (`Encryptor.needs_reencrypt`) until a migration
        re-encrypts them.

        Args:
            key_id: 16 bytes.

        Raises:
            TypeError: the key id is not bytes.
            ConfigurationError: it is the key that encrypts, or the next one; or it is an index key.
            KeyStoreError: the key store cannot be used; `KeyNotFoundError` if it has no such key, `KeyShreddedError` if
                that was destroyed.
        """
        return retire(self._keyring, self._store, key_id)

    def retire_index_keys(self, tenant: str | None = None) -> list[KeyRecord]:
        """Retire a tenant's index keys from before a rotation, and return their records.

        Call it when all rows are tagged under the newest key: rows with older tags are no longer found
        (docs/guides/blind-index.md).

        Raises:
            ConfigurationError: it is too early, because a process may still tag under an old key; the message says when
                to tag all rows again. Or there can be no index keys.
            KeyProviderError, KeyStoreError: as for `BlindIndex.tag`; `KeyNotFoundError` if the tenant has no index key.
        """
        return self._keyring.index_keys.rotation(tenant).retire(tenant)

    def rewrap(
        self,
        to: KeyProvider | None = None,
        *,
        tenant: str | None = None,
        to_default: bool = False,
        accept_public_key: bool = False,
        accept_foreign_keys: bool = False,
        dry_run: bool = False,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> RewrapReport:
        """Wrap all data keys under other wrapping keys, and only under those.

        No value is touched. Afterwards only processes that can use the new wrapping keys can read, so first configure
        all of them with a `KeyProviderChain` of the new key provider and the old one. Can be interrupted and repeated.

        Args:
            to: the key provider of the new wrapping keys. If the Encryptor's own provider cannot use them, this
                Encryptor cannot read any more afterwards. Default: the Encryptor's own provider.
            tenant: rewrap only this tenant's data keys. Default: all. Must be given if `to` is not each tenant's own
                provider, where tenants have wrapping keys of their own.
            to_default: wrap a tenant's data keys under the default key, so that it no longer needs its own.
            accept_public_key: go on although the provider wraps with a public key. Anyone who knows it may have planted
                data keys, which pass for authentic once rewrapped.
            accept_foreign_keys: go on although some data keys may have been planted, with a public key or under
                `KeyPolicy(own_keys_only=True)`. `unvouched` names them.
            dry_run: only count what would be done; key services are asked for names only.
            on_progress: called after each data key.

        Raises:
            ConfigurationError: see `accept_public_key` and `accept_foreign_keys`; or a tenant would get another's
                wrapping keys.
            KeyProviderError, KeyStoreError: it could not start. Later failures are in the report.
        """
        provider, vouches = self._source(accept_public_key, accept_foreign_keys)
        target = self._target(provider, to, tenant, to_default)
        rewrapping = Rewrapping(
            self._store, provider, target, tenant=tenant, vouches=vouches, backend=self._keyring.backend
        )
        return self._run(rewrapping, dry_run, on_progress)

    def move(self, tenant: str, *, on_progress: Callable[[Progress], object] | None = None) -> MoveReport:
        """Move a tenant's data keys from the default wrapping key to the tenant's own, permanently.

        Rewrapping alone is not enough: old records in backups open under the default key for ever. So first a new data
        key and index key are made, which the default key never opens, and then the old ones are rewrapped. Values under
        the old ones have to be re-encrypted and tagged again, by a migration, before these are retired. Can be
        interrupted and repeated. First let the lookup return `KeyProviderChain(its own, the default)` in all processes.

        Args:
            tenant: whose.
            on_progress: as for `rewrap`.

        Raises:
            ConfigurationError: the tenant has no wrapping key of its own, or one that others have.
            KeyProviderError, KeyStoreError: it could not start, or a data key could not be made.
        """
        _check_takes_progress(on_progress)
        check_unshared(self._keyring, own_provider(self._keyring, tenant), tenant, self.entries())

        def work() -> MoveReport:
            return move(self._keyring, self._store, tenant, lambda purpose: self.rotate(tenant, purpose), on_progress)

        return self._keyring.events.watch(work)

    def check_tenant_key(self, tenant: str, others: Iterable[str] = ()) -> list[str]:
        """Check that a tenant's own wrapping keys can be used, before it gets data keys, and return their names.

        Args:
            tenant: whose keys. An unused data key is wrapped for it, and unwrapped.
            others: tenants that may have no data keys yet, whose wrapping keys must differ too.

        Raises:
            ConfigurationError: the tenant has no wrapping key of its own, or the default's, or another tenant's.
            KeyProviderError: a key cannot be used; `KeyAccessDeniedError` if that was refused.
            KeyStoreError: the key store cannot be used.
        """
        return self._keyring.events.watch(lambda: check_tenant_key(self._keyring, tenant, others, self.entries()))

    def repair(
        self,
        *,
        accept_public_key: bool = False,
        accept_foreign_keys: bool = False,
        dry_run: bool = False,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> RewrapReport:
        """Add the wraps that data keys lack: under a key whose region failed when they were made, or a new wrapping
        key.

        Args:
            accept_public_key, accept_foreign_keys, dry_run, on_progress: as for `rewrap`.

        Raises:
            ConfigurationError: see `accept_public_key` and `accept_foreign_keys`.
            KeyProviderError, KeyStoreError: it could not start. Later failures are in the report.
        """
        provider, vouches = self._source(accept_public_key, accept_foreign_keys)
        work = Rewrapping(self._store, provider, provider, repair=True, vouches=vouches, backend=self._keyring.backend)
        return self._run(work, dry_run, on_progress)

    def restore(
        self,
        entries: Iterable[KeyRecord | Tombstone],
        *,
        dry_run: bool = False,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> RestoreReport:
        """Add the entries of a backup that the key store lacks, as `fieldcrypt keys import` does.

        A record is opened first, so that an edited one is left out: an unwrap per record that is missing. What the key
        store has is never overwritten. Nothing comes back that was shredded, neither a data key nor a tenant, and no
        tombstone is added of a tenant that has data keys, here or in the backup. Can be interrupted and repeated.

        Args:
            entries: what `entries` yielded once, without its errors.
            dry_run: add nothing.
            on_progress: called after each entry.

        Raises:
            ConfigurationError: the key provider only writes.
        """
        _check_takes_progress(on_progress)
        restoration = Restoration(self._keyring, self._store, dry_run=dry_run)
        return self._keyring.events.watch(lambda: restoration.run(entries, on_progress))

    def unvouched(self) -> Iterator[KeyRecord]:
        """Yield the records of data keys that may have been planted by someone who knows them, in the store's order.

        There are none unless data keys are wrapped with a public key or the policy is `own_keys_only`. Then they are
        all data keys but those that this process made, and the policy's `index_keys`.

        Raises:
            KeyStoreError: the key ids cannot be read.
        """
        for _, entry in self.entries():
            if isinstance(entry, KeyRecord) and not self._keyring.vouches(entry):
                yield entry

    def put_back(self) -> int:
        """Put back the records that the store has lost of the data keys that are live in this process.

        That happens automatically when a key is used and checked. Call this in the hour after a failover or a restore,
        before processes are restarted: a key that none of them has any more is lost. The key service is not called.

        Returns:
            How many records were put back.

        Raises:
            KeyStoreError: the key store cannot be used, or does not take a record back; the others were tried.
        """
        return self._keyring.put_back()

    def shred(self, tenant: str, by: str) -> int:
        """Destroy all data keys of a tenant. Everything encrypted under them is lost; nothing more is encrypted for it.

        This process drops the keys at once, all others within their policy's `cache_ttl` (and `grace`, if they cannot
        reach the key store). Shredding is only as strong as the oldest backup of the key store: see
        docs/operations/keys.md.

        Args:
            tenant: whose keys.
            by: who does it, for the tombstones that stay: 1 to 1,024 bytes of UTF-8.

        Returns:
            How many data keys this call destroyed; 0 if all were destroyed before.

        Raises:
            TypeError, ValueError: tenant or `by` are out of range.
            KeyStoreError: the key store cannot be used; `KeyNotFoundError` if the tenant never had a key.
        """
        return self._keyring.events.watch(lambda: self._shred(tenant, by))

    def _source(
        self, accept_public_key: bool, accept_foreign_keys: bool
    ) -> tuple[KeyProvider, Callable[[KeyRecord], bool]]:
        """Return the provider that opens records, and the function that says which of them may be rewrapped."""
        provider, own_keys_only = self._keyring.provider, self._keyring.policy.own_keys_only
        if accept_foreign_keys or (accept_public_key and not own_keys_only):
            return provider, lambda _: True
        if provider.public_key_wrapping or own_keys_only:
            ids = [record.key_id.hex() for record in self.unvouched()]
            if ids:
                why = "the policy is own_keys_only" if own_keys_only else "they are wrapped with a public key"
                switch = "accept_foreign_keys" if own_keys_only else "accept_public_key"
                raise ConfigurationError(
                    f"{counted(len(ids), 'data key')} may have been planted, because {why}, and would pass for "
                    f"authentic once rewrapped: {', '.join(ids[:_NAMED])}{', …' * (len(ids) > _NAMED)}. If you trust "
                    f"them, pass {switch}=True, or on the command line --{switch.replace('_', '-')}"
                )
        return provider, self._keyring.vouches

    def _target(self, source: KeyProvider, to: KeyProvider | None, tenant: str | None, to_default: bool) -> KeyProvider:
        if tenant is not None:
            check_tenant(tenant)
        if to_default:
            if to is not None or tenant is None or not source.by_tenant:
                raise ConfigurationError("to_default is for one tenant, and excludes another key: name the tenant")
            return source.for_tenant(None)
        if to is None or not source.by_tenant or to.by_tenant:
            return to or source
        if tenant is None:
            raise ConfigurationError("tenants have wrapping keys of their own here: say whose data keys are to move")
        check_unshared(self._keyring, to, tenant, self.entries())
        return to

    def _shred(self, tenant: str, by: str) -> int:
        count = 0
        for key_id in shred(self._store, tenant, by):
            self._keyring.drop([key_id])  # one by one: after an interruption the destroyed ones are gone
            report(Event(EventKind.KEY_SHREDDED, key_id.hex(), tenant))
            count += 1
        self._keyring.shredded(self._store.list(tenant))  # including those that others destroyed
        return count

    def _run(self, work: Rewrapping, dry_run: bool, on_progress: Callable[[Progress], object] | None) -> RewrapReport:
        _check_takes_progress(on_progress)
        return self._keyring.events.watch(lambda: work.run(dry_run=dry_run, on_progress=on_progress))


def _check_takes_progress(on_progress: Callable[[Progress], object] | None) -> None:
    """Refuse what cannot be called with a `Progress`, before a data key is made or changed."""
    if on_progress is None:
        return
    from inspect import signature  # here, for `import fieldcrypt` does not load it

    try:
        signature(on_progress).bind(None)
    except TypeError:
        raise ConfigurationError("on_progress is called with a Progress: lambda progress: print(progress)") from None
    except ValueError:
        return  # what is written in C may not tell its parameters
