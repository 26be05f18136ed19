"""Whether every data key in the key store opens in every region."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from fieldcrypt import _system
from fieldcrypt.backends import Backend
from fieldcrypt.cli.doctor.tenant_regions import TenantRegions
from fieldcrypt.cli.output import utc
from fieldcrypt.errors import FieldcryptError, KeyProviderError, KeyStoreError, NotWrappedHereError
from fieldcrypt.format._text import counted
from fieldcrypt.health.causes import explain
from fieldcrypt.health.finding import Finding, Verdict
from fieldcrypt.health.trial import STORE_AWAY
from fieldcrypt.keys.admin.data_keys import DataKeys
from fieldcrypt.keys.providers.provider import KeyProvider
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.keys.record.record import KeyRecord
from fieldcrypt.keys.record.tombstone import Tombstone

__all__ = ["STORE", "DataKeyExamination"]

STORE = "key store"

_THREADS = 16
_PAGE = 1000  # data keys examined at a time
_CLOCKS = 86_400  # seconds that the clock of a process that makes or shreds keys may be ahead
_NAMED = 3  # data keys with the same problem, and shreddings of a tenant

# Never a command: writing a tombstone needs no key, and a forger would have us destroy what is under the tenant's real
# keys. It names no tenant either: someone who can write to the key store can choose a name that a shell would execute.
_BOTH = (
    "fieldcrypt keys repair, if another place of this tenant opens them. If none does, they may be from before its own "
    "key: have the lookup return a KeyProviderChain of that and the default, then fieldcrypt keys move"
)
_ASK_FIRST = (
    "ask those who may shred tenants whether that was meant, and destroy nothing before. If not, the tombstone is "
    "forged: remove its row from the key store, and find out who can write there. If it was, a shredding was "
    "interrupted, a process was making a data key meanwhile, or a backup was restored: docs/operations/keys.md, "
    "Shred a tenant"
)


class DataKeyExamination:
    """Unwraps every data key in every region, many at once, and checks its record.

    A region whose key service refuses or cannot be reached is not asked again.

    Args:
        data_keys: of the key store.
        regions: of each tenant, by name, with a provider that works in that region alone.
        tenant: the only one whose data keys this role may open; None if it may open all.
        backend: derives from data keys.
    """

    def __init__(self, data_keys: DataKeys, regions: TenantRegions, tenant: str | None, backend: Backend) -> None:
        self._data_keys = data_keys
        self._regions = regions
        self._tenant = tenant
        self._backend = backend
        self._total = 0
        self._opened = dict.fromkeys(regions.for_tenant(tenant) if tenant is not None else regions.shared, 0)
        self._closed: set[str] = set()  # regions that refused or could not be reached
        self._failures: defaultdict[tuple[str, str, str], list[bytes]] = defaultdict(list)
        self._living: defaultdict[str | None, list[int]] = defaultdict(list)  # when their data keys were made
        self._shredded: defaultdict[str | None, list[Tombstone]] = defaultdict(list)

    def run(self, on_progress: Callable[[int, int], object]) -> Iterator[Finding]:
        """Examine all data keys, and yield the findings."""
        try:
            self._look(on_progress)
        except KeyStoreError as error:
            yield Finding(STORE, "readable", Verdict.FAILED, str(error), STORE_AWAY)
            return
        if not self._total:
            yield Finding(STORE, "readable", Verdict.UNKNOWN, "no data keys: is this the right key store?")
            return
        shredded = sum(map(len, self._shredded.values()))
        total = counted(self._total - shredded, "data key") + (f", and {shredded:,} shredded" if shredded else "")
        yield Finding(STORE, "readable", Verdict.OK, total)
        for place, count in self._opened.items():
            if place not in {failed for failed, _, _ in self._failures}:
                whose = "" if self._tenant is None else f" of tenant {self._tenant!r}"
                if whose and not count:
                    yield Finding(place, "data keys open", Verdict.UNKNOWN, f"there is none{whose}: is that its name?")
                else:
                    yield Finding(place, "data keys open", Verdict.OK, f"all {count}{whose}")
        for (place, cause, advice), key_ids in self._failures.items():
            yield Finding(place, "data keys open", Verdict.FAILED, f"{_some(key_ids)}: {cause}", advice)
        for tenant, stones in self._shredded.items():
            living = self._living.get(tenant, [])
            if living or tenant is None or any(_fits_nothing(stone, len(stones)) for stone in stones):
                yield Finding(STORE, "shredded tenants", Verdict.FAILED, _claims(tenant, living, stones), _ASK_FIRST)

    def _look(self, on_progress: Callable[[int, int], object]) -> None:
        from concurrent.futures import ThreadPoolExecutor

        expected = self._data_keys.count()
        entries = self._data_keys.entries()
        with ThreadPoolExecutor(_THREADS) as pool:
            while page := list(islice(entries, _PAGE)):
                jobs = []
                for key_id, entry in page:
                    if isinstance(entry, KeyStoreError):
                        self._failures[STORE, *explain(entry)].append(key_id)
                    elif isinstance(entry, Tombstone):
                        self._shredded[entry.tenant].append(entry)
                    else:
                        self._living[entry.tenant].append(entry.created)
                    if isinstance(entry, KeyRecord) and self._tenant in (None, entry.tenant):
                        jobs += [
                            (key_id, place, pool.submit(self._open, entry, place, provider))
                            for place, provider in self._regions_of(entry).items()
                        ]
                for key_id, place, job in jobs:
                    error = job.result()
                    if error is None:
                        self._opened[place] = self._opened.get(place, 0) + 1
                    else:
                        self._failures[place, *self._explained(error, place)].append(key_id)
                self._total += len(page)
                on_progress(self._total, expected)

    def _regions_of(self, record: KeyRecord) -> Mapping[str, KeyProvider]:
        try:
            return self._regions.for_tenant(record.tenant)
        except FieldcryptError as error:
            advice = "fix the lookup of the TenantKeyProvider, or the service that it asks"
            self._failures[f"tenant {record.tenant!r}", str(error), advice].append(record.key_id)
            return {}

    def _explained(self, error: FieldcryptError, place: str) -> tuple[str, str]:
        cause, advice = explain(error)
        if isinstance(error, NotWrappedHereError) and place not in self._regions.shared:
            advice = _BOTH
        return cause, advice

    def _open(self, record: KeyRecord, place: str, provider: KeyProvider) -> FieldcryptError | None:
        if place in self._closed:
            return None  # reported once for all
        try:
            DataKey(provider.unwrap(record.wraps, record.context()), self._backend).verify(record)
        except KeyProviderError as error:
            self._closed.add(place)
            return error
        except FieldcryptError as error:
            return error
        return None


def _fits_nothing(stone: Tombstone, stones: int) -> bool:
    """Return True if no shredding could have left this tombstone, `stones` of them and no living data keys."""
    too_late = max(stone.shredded - _system.wall_clock(), stone.created - stone.shredded) > _CLOCKS
    return too_late or stone.keys > stones


def _some(key_ids: list[bytes]) -> str:
    named = ", ".join(key_id.hex() for key_id in key_ids[:_NAMED])
    return named if len(key_ids) <= _NAMED else f"{named} and {len(key_ids) - _NAMED} more"


def _claims(tenant: str | None, living: list[int], stones: list[Tombstone]) -> str:
    """Describe the claims of tombstones that no shredding could have left, and the evidence on both sides."""
    claims: defaultdict[tuple[int, str, int], list[bytes]] = defaultdict(list)
    for stone in stones:
        claims[stone.shredded, stone.by, stone.keys].append(stone.key_id)
    texts = [
        f"{counted(keys, 'key')} shredded on {utc(shredded)} by {by!r} ({counted(len(key_ids), 'tombstone')}: "
        f"{_some(key_ids)}; living data keys from before: {sum(made < shredded for made in living)} of {len(living)})"
        for (shredded, by, keys), key_ids in sorted(claims.items())[:_NAMED]
    ]
    more = [f"{len(claims) - _NAMED} more of the kind"] if len(claims) > _NAMED else []
    whose = "no tenant, whose keys cannot be shredded," if tenant is None else f"tenant {tenant!r}"
    return (
        f"{whose} has {counted(len(living), 'data key')} next to tombstones, which claim: {'; '.join([*texts, *more])}"
    )
