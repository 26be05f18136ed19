"""The data keys in an Encryptor's key store, for those who look after them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from fieldcrypt.errors import ConfigurationError, KeyStoreError
from fieldcrypt.events import Event, EventKind, report
from fieldcrypt.format._text import counted
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
_NAMED = 4  # key ids in a message, at the most


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
        """Yield what is stored under each key id, in the store's order; for what is no record, the error that says so.

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
            )  # who stops early may be collected by one of its threads, which cannot wait for itself

    def count(self) -> int:
        """Return how many records and tombstones there are.

        Raises:
            KeyStoreError: the key ids cannot be read.
        """
        return sum(1 for _ in self._store.key_ids())

    def create(self, tenant: str | None = None, *, index: bool = False) -> KeyRecord:
        """Make the first data key of a tenant now, unless it has one, and return the record of the one that encrypts.

        For a tenant whose first values many processes will write at once, or in several regions; and to name index keys
        in a `KeyPolicy`. Can be repeated; but under `own_keys_only`, an index key for the policy to name is a new one
        each time, for one that is there may have been planted.

        Args:
            tenant: whose key.
            index: the key of its blind indexes, which tags, and not that of values.

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

        It encrypts once it has waited out the policy's propagation delay. An index key tags once it has waited out
        `cache_ttl` and `grace` as well, for until then somebody may search who does not know it; what was tagged before
        is found by its old tags, until `retire_index_keys`.

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
        """Have nothing more encrypted under a data key that another one has followed, and return its record.

        It decrypts as before: what is left under it is under an old key (`Encryptor.needs_reencrypt`), and a migration
        encrypts it anew.

        Args:
            key_id: 16 bytes.

        Raises:
            TypeError: the key id is not bytes.
            ConfigurationError: it is the one that encrypts, or is to follow it; or it is an index key.
            KeyStoreError: the key store cannot be used; `KeyNotFoundError` if it has no such key, `KeyShreddedError` if
                that was destroyed.
        """
        return retire(self._keyring, self._store, key_id)

    def retire_index_keys(self, tenant: str | None = None) -> list[KeyRecord]:
        """Give up the index keys of a tenant from before a rotation, and return their records.

        Call it when all rows have been tagged under the newest one: others are found no more (docs/blind-index.md).

        Raises:
            ConfigurationError: it is too early, for some process may still tag under an old one; the message says when
                to tag all rows anew. Or there can be no index keys.
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
        """Bring all data keys under other wrapping keys, and under no others.

        No value is touched. Afterwards only who can use the new wrapping keys can read: before, configure all
        processes with a `KeyProviderChain` of the new key provider and the old one. Can be interrupted and repeated.

        Args:
            to: whose wrapping keys. If the Encryptor's own provider cannot use them, this Encryptor cannot read any
                more afterwards. Default: those of the Encryptor's own provider.
            tenant: whose data keys alone. Default: all. Where tenants have wrapping keys of their own, nothing else can
                come under what is not each tenant's own.
            to_default: bring those of a tenant under the default key, so that it can do without its own.
            accept_public_key: go on although the provider wraps with a public key. Whoever knows that may have
                planted data keys, and once rewrapped these pass for authentic.
            accept_foreign_keys: go on although there are data keys that nobody can vouch for, with a public key or
                under `KeyPolicy(own_keys_only=True)`. `unvouched` names them.
            dry_run: only count what would be done; no key service is asked for anything but names.
            on_progress: called after each data key.

        Raises:
            ConfigurationError: see `accept_public_key` and `accept_foreign_keys`; or a tenant's wrapping keys would be
                another's.
            KeyProviderError, KeyStoreError: it could not begin. What happens later is in the report.
        """
        provider, vouches = self._source(accept_public_key, accept_foreign_keys)
        target = self._target(provider, to, tenant, to_default)
        rewrapping = Rewrapping(self._store, provider, target, tenant=tenant, vouches=vouches)
        return self._run(rewrapping, dry_run, on_progress)

    def move(self, tenant: str, *, on_progress: Callable[[Progress], object] | None = None) -> MoveReport:
        """Take a tenant's data keys from the default wrapping key to the tenant's own, in a way that lasts.

        Rewrapping is no move: old records, in backups, open under the default key for ever. So first the next data key
        and index key are made, which the default key never opens, and then the old ones are rewrapped. What is
        under those has to be encrypted and tagged anew, by a migration, and they to be retired. Can be interrupted and
        repeated. Before, have the lookup return `KeyProviderChain(its own, the default)` in all processes.

        Args:
            tenant: whose.
            on_progress: as for `rewrap`.

        Raises:
            ConfigurationError: the tenant has no wrapping key of its own, or one that others have.
            KeyProviderError, KeyStoreError: it could not begin, or a data key not be made.
        """
        check_unshared(self._keyring, own_provider(self._keyring, tenant), tenant, self.entries())

        def work() -> MoveReport:
            return move(self._keyring, self._store, tenant, lambda purpose: self.rotate(tenant, purpose), on_progress)

        return self._keyring.events.watch(work)

    def check_tenant_key(self, tenant: str, others: Iterable[str] = ()) -> list[str]:
        """Find out whether a tenant's own wrapping keys can be used, and return their names: before it gets data keys.

        Args:
            tenant: whose. A data key that nothing is encrypted under is wrapped for it, and unwrapped.
            others: tenants that may have no data keys yet, whose wrapping keys these must not be either.

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
        """Add the wraps that data keys lack: of a region that failed when they were made, or a new wrapping key.

        Args:
            accept_public_key, accept_foreign_keys, dry_run, on_progress: as for `rewrap`.

        Raises:
            ConfigurationError: see `accept_public_key` and `accept_foreign_keys`.
            KeyProviderError, KeyStoreError: it could not begin. What happens later is in the report.
        """
        provider, vouches = self._source(accept_public_key, accept_foreign_keys)
        work = Rewrapping(self._store, provider, provider, repair=True, vouches=vouches)
        return self._run(work, dry_run, on_progress)

    def unvouched(self) -> Iterator[KeyRecord]:
        """Yield the records of data keys that somebody may have planted who knows them, in the store's order.

        None, unless data keys are wrapped with a public key or the policy is `own_keys_only`. Then all but those that
        this process made, and the policy's `index_keys`.

        Raises:
            KeyStoreError: the key ids cannot be read.
        """
        for _, entry in self.entries():
            if isinstance(entry, KeyRecord) and not self._keyring.vouches(entry):
                yield entry

    def put_back(self) -> int:
        """Look for the records of all data keys that are live in this process, and put back those that the store lost.

        That happens by itself when a key is used and checked. This is for the hour after a failover or a restore,
        before processes are restarted: what none of them has is lost then. The key service is not called.

        Returns:
            How many records were put back.

        Raises:
            KeyStoreError: the key store cannot be used, or does not take a record back; the others were tried.
        """
        return self._keyring.put_back()

    def shred(self, tenant: str, by: str) -> int:
        """Destroy all data keys of a tenant. What was encrypted under them is lost; nothing more is encrypted for it.

        This process loses the keys at once, all others within their policy's `cache_ttl` (and `grace`, if they cannot
        reach the key store). It is as strong as the oldest backup of the key store: see docs/keys.md.

        Args:
            tenant: whose keys.
            by: who does it, for the tombstones that stay: 1 to 1,024 bytes of UTF-8.

        Returns:
            How many data keys were destroyed now; 0 if all were before.

        Raises:
            TypeError, ValueError: tenant or `by` are out of range.
            KeyStoreError: the key store cannot be used; `KeyNotFoundError` if the tenant never had a key.
        """
        return self._keyring.events.watch(lambda: self._shred(tenant, by))

    def _source(
        self, accept_public_key: bool, accept_foreign_keys: bool
    ) -> tuple[KeyProvider, Callable[[KeyRecord], bool]]:
        """Return what opens records, and what says which of them may be rewrapped."""
        provider, own_keys_only = self._keyring.provider, self._keyring.policy.own_keys_only
        if accept_foreign_keys or (accept_public_key and not own_keys_only):
            return provider, lambda _: True
        if provider.public_key_wrapping or own_keys_only:
            ids = [record.key_id.hex() for record in self.unvouched()]
            if ids:
                why = "the policy is own_keys_only" if own_keys_only else "they are wrapped with a public key"
                switch = "accept_foreign_keys" if own_keys_only else "accept_public_key"
                raise ConfigurationError(
                    f"{counted(len(ids), 'data key')} may have been planted, for {why}, and rewrapped would pass for "
                    f"authentic: {', '.join(ids[:_NAMED])}{', …' * (len(ids) > _NAMED)}. If you are sure of them, say "
                    f"{switch}=True, or on the command line --{switch.replace('_', '-')}"
                )
        return provider, self._keyring.vouches

    def _target(self, source: KeyProvider, to: KeyProvider | None, tenant: str | None, to_default: bool) -> KeyProvider:
        if tenant is not None:
            check_tenant(tenant)
        if to_default:
            if to is not None or tenant is None or not source.by_tenant:
                raise ConfigurationError("to_default is for a tenant, who is to be named, and for no other key")
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
            self._keyring.drop([key_id])  # one by one: who is interrupted has lost those that are destroyed
            report(Event(EventKind.KEY_SHREDDED, key_id.hex(), tenant))
            count += 1
        self._keyring.shredded(self._store.list(tenant))  # also what others destroyed
        return count

    def _run(self, work: Rewrapping, dry_run: bool, on_progress: Callable[[Progress], object] | None) -> RewrapReport:
        return self._keyring.events.watch(lambda: work.run(dry_run=dry_run, on_progress=on_progress))
