"""Exchanges of pickles: of queues, caches and sessions that both versions share."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fieldcrypt_sqlalchemy import SqlKeyStore
from tests.fleet.exchanges.site import Site
from tests.frozen import keys, pickled

__all__ = ["STEPS"]

_KEPT = {
    "key providers": ("local-provider", "provider-chain", "kms-provider", "rsa-provider"),
    "key stores": ("file-store", "store-chain", "sql-store", "dynamo-store"),
    "policies": ("policy",),
    "Encryptors": ("encryptor", "encryptor-self-contained", "encryptor-unconfigured"),
    "fields and indexes": ("field", "field-enum", "method", "index", "two-fields"),
}
_PLAIN = {
    "records and tombstones": ("record", "tombstone"),
    "events and reports": ("event", "tag-plan", "step-report", "verify-report", "migration-status"),
    "declarations of indexes": ("indexed-by",),
}


def dump_kept(names: Sequence[str], site: Site, _: Any) -> tuple[dict[str, bytes], bytes]:
    """Pickle what has keys, and encrypt a value."""
    (site.directory / "local.key").write_text(keys.KEY_FILE)
    _database(site)
    kept = pickled.kept(site.directory)
    value = kept["field"].encrypt(pickled.SSN, tenant="north")
    return {name: pickle.dumps(kept[name]) for name in names}, value


def load_kept(names: Sequence[str], site: Site, handed: tuple[dict[str, bytes], bytes]) -> None:
    """Load it, and have what decrypts decrypt the value."""
    _database(site)
    found, value = handed
    loaded = {name: pickle.loads(data) for name, data in found.items()}
    assert set(loaded) == set(names)
    if "encryptor" in loaded:
        field = loaded["encryptor"].field("pickled.ssn", str, context={"table": "pickled"}, pad=32)
        assert field.decrypt(value, tenant="north") == pickled.SSN
    if "field" in loaded:
        assert loaded["field"].decrypt(value, tenant="north") == pickled.SSN
        assert loaded["method"](value) == pickled.SSN
    if "policy" in loaded:
        assert loaded["policy"].cache_ttl == pickled.OTHER_POLICY.cache_ttl
        assert loaded["policy"].rotate_after == pickled.OTHER_POLICY.rotate_after


def _database(site: Site) -> None:
    os.environ[pickled.DATABASE] = f"sqlite:///{site.directory / 'pickled.sqlite'}"
    if not Path(site.directory / "pickled.sqlite").exists():
        SqlKeyStore(pickled.database).create_table()


def dump_plain(names: Sequence[str], site: Site, _: Any) -> dict[str, bytes]:
    """Pickle values."""
    return {name: pickle.dumps(pickled.PLAIN[name]) for name in names}


def load_plain(names: Sequence[str], site: Site, found: dict[str, bytes]) -> None:
    """Load them, to what they were."""
    assert {name: pickle.loads(data) for name, data in found.items()} == {name: pickled.PLAIN[name] for name in names}


def dump_errors(site: Site, _: Any) -> dict[str, bytes]:
    """Pickle an error of each class."""
    return {name: pickle.dumps(error) for name, error in pickled.ERRORS.items()}


def load_errors(site: Site, found: dict[str, bytes]) -> None:
    """Load them, with their classes and messages."""
    loaded = {name: pickle.loads(data) for name, data in found.items()}
    assert {name: (type(error).__name__, str(error)) for name, error in loaded.items()} == {
        name: (type(error).__name__, str(error)) for name, error in pickled.ERRORS.items()
    }


STEPS: Mapping[str, Sequence[Any]] = {
    **{f"pickled {what}": [partial(dump_kept, names), partial(load_kept, names)] for what, names in _KEPT.items()},
    **{f"pickled {what}": [partial(dump_plain, names), partial(load_plain, names)] for what, names in _PLAIN.items()},
    "pickled errors": [dump_errors, load_errors],
}
