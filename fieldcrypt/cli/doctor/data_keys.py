"""Every data key in the key store, in every place: does it open?"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from fieldcrypt._text import counted
from fieldcrypt.cli.doctor.causes import explain
from fieldcrypt.cli.doctor.finding import Finding, Verdict
from fieldcrypt.data_keys import DataKeys
from fieldcrypt.errors import FieldcryptError, KeyProviderError, KeyStoreError
from fieldcrypt.keys.data_key import DataKey
from fieldcrypt.keys.provider import KeyProvider
from fieldcrypt.keys.records import KeyRecord
from fieldcrypt.keys.tombstone import Tombstone

__all__ = ["STORE", "DataKeyExamination"]

STORE = "key store"

_THREADS = 16
_PAGE = 1000  # data keys examined at a time
_NAMED = 3  # of the data keys with the same trouble


class DataKeyExamination:
    """Unwraps every data key in every place, many at once, and checks its record.

    A place whose key service refuses or cannot be reached is asked no more.

    Args:
        data_keys: of the key store.
        places: by name, a provider that works in that place alone.
        tenant: the only one whose data keys this role may open; None if it may open all.
    """

    def __init__(self, data_keys: DataKeys, places: Mapping[str, KeyProvider], tenant: str | None) -> None:
        self._data_keys = data_keys
        self._places = places
        self._tenant = tenant
        self._total = 0
        self._opened = dict.fromkeys(places, 0)
        self._closed: set[str] = set()  # places that refused or could not be reached
        self._failures: defaultdict[tuple[str, str, str], list[bytes]] = defaultdict(list)
        self._living: set[str | None] = set()
        self._shredded: set[str | None] = set()

    def run(self, on_progress: Callable[[int, int], object]) -> Iterator[Finding]:
        """Look at all data keys, and yield what is found."""
        try:
            self._look(on_progress)
        except KeyStoreError as error:
            yield Finding(STORE, "readable", Verdict.FAILED, str(error), "look at the database and its permissions")
            return
        if not self._total:
            yield Finding(STORE, "readable", Verdict.UNKNOWN, "no data keys: is this the right key store?")
            return
        yield Finding(STORE, "readable", Verdict.OK, counted(self._total, "data key"))
        for place, count in self._opened.items():
            if place not in {failed for failed, _, _ in self._failures}:
                whose = "all" if self._tenant is None else f"of tenant {self._tenant!r}"
                yield Finding(place, "data keys open", Verdict.OK, f"{whose} {count}")
        for (place, cause, advice), key_ids in self._failures.items():
            yield Finding(place, "data keys open", Verdict.FAILED, f"{_some(key_ids)}: {cause}", advice)
        for tenant in self._living & self._shredded:
            detail = f"tenant {tenant!r} was shredded and has data keys all the same: some process was making one"
            # Quoted, for it will be pasted into a shell, and whoever can write to the key store can write a tenant.
            advice = f"fieldcrypt keys shred --tenant {shlex.quote(str(tenant))}"
            yield Finding(STORE, "shredded tenants", Verdict.FAILED, detail, advice)

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
                        self._shredded.add(entry.tenant)
                    else:
                        self._living.add(entry.tenant)
                    if isinstance(entry, KeyRecord) and self._tenant in (None, entry.tenant):
                        jobs += [(key_id, place, pool.submit(self._open, entry, place)) for place in self._places]
                for key_id, place, job in jobs:
                    error = job.result()
                    if error is None:
                        self._opened[place] += 1
                    else:
                        self._failures[place, *explain(error)].append(key_id)
                self._total += len(page)
                on_progress(self._total, expected)

    def _open(self, record: KeyRecord, place: str) -> FieldcryptError | None:
        if place in self._closed:
            return None  # said once for all
        try:
            DataKey(self._places[place].unwrap(record.wraps, record.context())).verify(record)
        except KeyProviderError as error:
            self._closed.add(place)
            return error
        except FieldcryptError as error:
            return error
        return None


def _some(key_ids: list[bytes]) -> str:
    named = ", ".join(key_id.hex() for key_id in key_ids[:_NAMED])
    return named if len(key_ids) <= _NAMED else f"{named} and {len(key_ids) - _NAMED} more"
