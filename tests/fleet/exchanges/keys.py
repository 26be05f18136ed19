"""Exchanges about data keys, in a key store of each kind."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from fieldcrypt import DecryptionError, Encryptor, KeyRecord, KeyShreddedError, KeyState, LocalKeyProvider, Purpose
from tests.fleet.clock import advance
from tests.fleet.exchanges.site import Site, eventually
from tests.frozen import keys
from tests.frozen.values import CASES, TAGGED

__all__ = ["AT_ONCE", "STEPS"]

TENANTS = (None, "north")
_A_SECOND = 1.1  # records are dated by the second
_SETTLING = 300.0  # more than an index key waits before it tags


def encrypt_all(site: Site, _: Any) -> dict[str, bytes]:
    """Encrypt values of every type, in the key store that is made for them."""
    site.create()
    return _encrypted(site.encryptor)


def encrypt_all_self_contained(site: Site, _: Any) -> dict[str, bytes]:
    """Encrypt values of every type without a key store."""
    return _encrypted(Encryptor(keys.provider()))


def _encrypted(encryptor: Encryptor) -> dict[str, bytes]:
    return {
        name: encryptor.field(f"values.{name}", case.field_type, pad=case.pad).encrypt(
            case.value, tenant=case.tenant, context=case.context
        )
        for name, case in CASES.items()
    }


def decrypt_all(site: Site, values: dict[str, bytes]) -> None:
    """Decrypt them, to what they were."""
    _decrypted(site.encryptor, values)


def encrypt_all_as_canaries(site: Site, _: Any) -> dict[str, bytes]:
    """Encrypt values of every type as canaries."""
    site.create()
    with site.encryptor.writing_canaries():
        return _encrypted(site.encryptor)


def decrypt_all_self_contained(site: Site, values: dict[str, bytes]) -> None:
    """Decrypt them without a key store."""
    _decrypted(Encryptor(keys.provider()), values)


def _decrypted(encryptor: Encryptor, values: dict[str, bytes]) -> None:
    for name, case in CASES.items():
        field = encryptor.field(f"values.{name}", case.field_type, pad=case.pad)
        opened = field.decrypt(values[name], tenant=case.tenant, context=case.context)
        assert (opened, _exact(opened)) == (case.value, _exact(case.value)), name


def _exact(value: Any) -> Any:
    """Tell 1 from 1.0, and 2000 from 2000.000."""
    return sorted(map(repr, value)) if isinstance(value, set) else repr(value)


def tag_all(site: Site, _: Any) -> dict[str, bytes]:
    """Tag values with every normaliser."""
    site.create()
    return {name: _index(site, name).tag(case.value, tenant=case.tenant) for name, case in TAGGED.items()}


def find_all(site: Site, tags: dict[str, bytes]) -> None:
    """Find the tags by what counts as equal."""
    for name, case in TAGGED.items():
        assert tags[name] in _index(site, name).tags(case.equal, tenant=case.tenant), name


def _index(site: Site, name: str) -> Any:
    case = TAGGED[name]
    return site.encryptor.blind_index(f"tagged.{name}", type(case.value), **case.how)


def encrypt(site: Site, _: Any) -> dict[str | None, bytes]:
    """Encrypt a value of each tenant."""
    field = site.encryptor.field("a.b", str)
    return {tenant: field.encrypt("old", tenant=tenant) for tenant in TENANTS}


def create_and_encrypt(site: Site, _: Any) -> dict[str | None, bytes]:
    """Encrypt a value of each tenant in a new key store."""
    site.create()
    return encrypt(site, _)


def decrypt(site: Site, values: dict[str | None, bytes]) -> dict[str | None, bytes]:
    """Decrypt them, which makes the keys live."""
    field = site.encryptor.field("a.b", str)
    assert {field.decrypt(value, tenant=tenant) for tenant, value in values.items()} == {"old"}
    return values


def encrypt_under_the_same_keys(site: Site, values: dict[str | None, bytes]) -> dict[str | None, bytes]:
    """Encrypt for the same tenants: no second first key is made."""
    own = encrypt(site, None)
    assert {tenant: value[1:17] for tenant, value in own.items()} == {
        tenant: value[1:17] for tenant, value in values.items()
    }
    return own


def rotate(site: Site, values: dict[str | None, bytes]) -> dict[str | None, bytes]:
    """Make newer data keys."""
    time.sleep(_A_SECOND)
    return {tenant: site.encryptor.data_keys.rotate(tenant).key_id for tenant in values}


def follow(site: Site, key_ids: dict[str | None, bytes]) -> dict[str | None, bytes]:
    """Encrypt under them, though older ones are live."""
    field = site.encryptor.field("a.b", str)
    for tenant, key_id in key_ids.items():
        eventually(lambda tenant=tenant, key_id=key_id: field.encrypt("", tenant=tenant)[1:17] == key_id)  # type: ignore[misc]
    return encrypt(site, None)


def create_and_tag(site: Site, _: Any) -> list[bytes]:
    """Tag a value under an index key of a new key store."""
    site.create()
    return [site.encryptor.blind_index("a.b").tag("old")]


def rotate_index(site: Site, tags: list[bytes]) -> list[bytes]:
    """Find what the other version tagged, and make a newer index key."""
    index = site.encryptor.blind_index("a.b")
    assert index.tags("old") == tags
    site.encryptor.data_keys.rotate(purpose=Purpose.BLIND_INDEX)
    return tags


def search_under_both(site: Site, tags: list[bytes]) -> list[bytes]:
    """Search under both index keys, though only the first one was live, and tag under the newer one in time."""
    index = site.encryptor.blind_index("a.b")
    eventually(lambda: len(index.tags("old")) == 2)
    assert index.tag("old") == tags[0]
    advance(_SETTLING)
    eventually(lambda: index.tag("old") != tags[0])
    return [*tags, index.tag("old")]


def tag_under_the_newer(site: Site, tags: list[bytes]) -> None:
    """Do the same."""
    index = site.encryptor.blind_index("a.b")
    advance(_SETTLING)
    eventually(lambda: index.tag("old") == tags[1])
    assert set(index.tags("old")) == set(tags)


def rewrap(site: Site, values: dict[str | None, bytes]) -> dict[str | None, bytes]:
    """Bring the data keys under another wrapping key."""
    report = site.encryptor.data_keys.rewrap(to=LocalKeyProvider(keys.OTHER_LOCAL_KEY))
    assert (report.complete, report.changed) == (True, len(values))
    return values


def decrypt_rewrapped(site: Site, values: dict[str | None, bytes]) -> None:
    """Decrypt with that wrapping key alone."""
    field = site.anew().field("a.b", str)
    assert {field.decrypt(value, tenant=tenant) for tenant, value in values.items()} == {"old"}


def retire(site: Site, values: dict[str | None, bytes]) -> dict[str | None, bytes]:
    """Make newer data keys, and retire those of the values."""
    newer = rotate(site, values)
    eventually(lambda: all(site.encryptor.needs_reencrypt(value) for value in values.values()))
    for value in values.values():
        site.encryptor.data_keys.retire(value[1:17])
    site.kept = newer
    return values


def know_the_retired(site: Site, values: dict[str | None, bytes]) -> None:
    """Read them, know them as old, and write under others."""
    states = {key_id: _state(entry) for key_id, entry in site.encryptor.data_keys.entries()}
    for tenant, value in values.items():
        assert states[value[1:17]] is KeyState.RETIRED
        assert site.encryptor.field("a.b", str).decrypt(value, tenant=tenant) == "old"
        eventually(lambda value=value: site.encryptor.needs_reencrypt(value))  # type: ignore[misc]
        assert encrypt(site, None)[tenant][1:17] != value[1:17]


def _state(entry: Any) -> KeyState | None:
    return entry.state if isinstance(entry, KeyRecord) else None


def shred(site: Site, values: dict[str | None, bytes]) -> dict[str | None, bytes]:
    """Shred a tenant of the other version, whose keys are live there."""
    assert site.encryptor.data_keys.shred("north", by="ann@example.org") == 1
    return values


def be_refused(site: Site, values: dict[str | None, bytes]) -> None:
    """Neither read its value nor write another one, and know who has shredded it."""
    field = site.encryptor.field("a.b", str)
    eventually(lambda: _refused(lambda: field.decrypt(values["north"])) == "ann@example.org")
    assert _refused(lambda: field.encrypt("", tenant="north")) == "ann@example.org"
    assert field.decrypt(values[None]) == "old"


def _refused(work: Any) -> str | None:
    try:
        work()
    except KeyShreddedError as error:
        return error.by
    return None


def shred_one_that_carries_its_keys(site: Site, _: Any) -> bytes:
    """Shred a tenant that has a self-contained value, made a while ago."""
    site.create()
    value = Encryptor(keys.provider()).field("a.b", str).encrypt("old", tenant="north")
    time.sleep(_A_SECOND)
    site.encryptor.field("a.b", str).encrypt("", tenant="north")
    site.encryptor.data_keys.shred("north", by="ann@example.org")
    return value


def read_beside_the_tombstone(site: Site, value: bytes) -> str | None:
    """Be refused the value, by the tombstone of the tenant's other key."""
    try:
        _reading_both(site).field("a.b", str).decrypt(value, tenant="north")
    except KeyShreddedError:
        return None
    return "no"


def read_with_a_store(site: Site, values: dict[str, bytes]) -> None:
    """Read self-contained values with an Encryptor that has a key store."""
    site.create()
    _decrypted(site.encryptor, values)


def read_both(site: Site, values: dict[str, bytes]) -> None:
    """Read them with one that says that it does so."""
    site.create()
    _decrypted(_reading_both(site), values)


def _reading_both(site: Site) -> Encryptor:
    encryptor = site.encryptor
    try:
        return Encryptor(encryptor.provider, site.store, policy=encryptor.policy, read_self_contained=True)
    except TypeError:  # the last release has no such parameter, and reads both
        return encryptor


def own_keys(site: Site, _: Any) -> bytes:
    """Encrypt under keys that no other process writes with."""
    site.create()
    policy: Any = type(site.encryptor.policy)
    return Encryptor(keys.provider(), site.store, policy=policy(own_keys_only=True)).field("a.b", str).encrypt("old")


def decrypt_one(site: Site, value: bytes) -> None:
    """Decrypt a value."""
    assert site.encryptor.field("a.b", str).decrypt(value) == "old"


def pin_and_tag(site: Site, _: Any) -> list[bytes]:
    """Tag under an index key that the policy names."""
    tags = create_and_tag(site, None)
    (key_id,) = [key_id for key_id, entry in site.encryptor.data_keys.entries() if isinstance(entry, KeyRecord)]
    policy: Any = type(site.encryptor.policy)
    pinned = Encryptor(keys.provider(), site.store, policy=policy(index_keys={None: [key_id]}))
    assert pinned.blind_index("a.b").tag("old") == tags[0]
    return tags


def find_one(site: Site, tags: list[bytes]) -> None:
    """Find it."""
    assert tags[0] in site.encryptor.blind_index("a.b").tags("old")


def refuse_tampering(site: Site, values: dict[str, bytes]) -> None:
    """Refuse each value of which one bit is another."""
    for name, case in CASES.items():
        changed = values[name][:-1] + bytes([values[name][-1] ^ 1])
        field = site.encryptor.field(f"values.{name}", case.field_type, pad=case.pad)
        try:
            field.decrypt(changed, tenant=case.tenant, context=case.context)
        except DecryptionError:
            continue
        raise AssertionError(name)


def make_first_keys(site: Site, _: Any) -> dict[str, bytes]:
    """Encrypt for tenants that have no keys yet."""
    field = site.encryptor.field("a.b", str)
    return {f"tenant {number}": field.encrypt("old", tenant=f"tenant {number}") for number in range(10)}


def rotate_and_write(site: Site, _: Any) -> dict[bytes, str]:
    """Make newer data keys, and write under them, for some seconds."""
    field = site.encryptor.field("a.b", str)
    written: dict[bytes, str] = {}
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        site.encryptor.data_keys.rotate("north")
        written |= {field.encrypt(str(number), tenant="north"): str(number) for number in range(20)}
    return written


def read_written(site: Site, written: dict[bytes, str]) -> None:
    """Read all that the other version wrote."""
    field = site.encryptor.field("a.b", str)
    assert {value: field.decrypt(value, tenant="north") for value in written} == written


# What both do at once, when the writer has taken the first step; then each one reads what the other one wrote.
AT_ONCE: Mapping[str, Sequence[Any]] = {
    "first keys, made by both at once": [create_and_encrypt, make_first_keys, decrypt],
    "data keys, rotated by both at once": [create_and_encrypt, rotate_and_write, read_written],
}

STEPS: Mapping[str, Sequence[Any]] = {
    "stored values": [encrypt_all, decrypt_all],
    "self-contained values": [encrypt_all_self_contained, decrypt_all_self_contained],
    "canaries": [encrypt_all_as_canaries, decrypt_all],
    "values that were tampered with": [encrypt_all, refuse_tampering],
    "self-contained values, read with a key store": [encrypt_all_self_contained, read_with_a_store],
    "self-contained values, read with `read_self_contained=True`": [encrypt_all_self_contained, read_both],
    "values under `own_keys_only`": [own_keys, decrypt_one],
    "tags of blind indexes": [tag_all, find_all],
    "tags under `index_keys`": [pin_and_tag, find_one],
    "first keys": [create_and_encrypt, encrypt_under_the_same_keys, decrypt],
    "a rotated data key": [create_and_encrypt, decrypt, rotate, follow, decrypt],
    "a rotated index key": [create_and_tag, rotate_index, search_under_both, tag_under_the_newer],
    "a rewrap": [create_and_encrypt, decrypt, rewrap, decrypt_rewrapped],
    "a retired data key": [create_and_encrypt, decrypt, retire, know_the_retired],
    "a shredded tenant": [create_and_encrypt, decrypt, shred, be_refused],
    "self-contained values of a shredded tenant": [shred_one_that_carries_its_keys, read_beside_the_tombstone],
}
