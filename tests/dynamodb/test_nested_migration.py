"""Migrations reach the values in maps and lists, and count them all."""

from __future__ import annotations

from typing import Any

import pytest

from fieldcrypt import DecryptionError, Encryptor, Purpose
from fieldcrypt.migration import ValueStatus
from fieldcrypt.spi import key_id_of
from fieldcrypt_dynamodb import EncryptedTable, ItemSeal, Protected, ProtectedTable, of_tenant
from tests.dynamodb.migrations import TABLE, before_update, create, described, items, later, migration, told
from tests.dynamodb.migrations import encryptor as encryptor
from tests.dynamodb.migrations import provider as provider
from tests.dynamodb.plaintext import SOON
from tests.support.dynamodb import DynamoDb
from tests.support.wiretap import Secrets

PATHS: dict[str, dict[str, Any]] = {
    "profile.contact.email": {"index": "email_tag"},
    "addresses[].street": {},
    "phones[kind].number": {},
    "notes[]": {},
}


def item(number: int) -> dict[str, Any]:
    """One with seven protected values."""
    return {
        "clinic": f"clinic {number % 5}",
        "number": number,
        "profile": {"contact": {"email": f"ann{number}@example.org"}, "city": "Oslo"},
        "addresses": [{"street": f"Elm Street {number}"}, {"city": "Bergen"}, {"street": None}],
        "phones": [{"kind": kind, "number": f"555-{kind}-{number}"} for kind in ("home", "work")],
        "notes": [f"has {number} cats", f"likes tea {number}", None],
    }


def nested(encryptor: Encryptor, how: dict[str, Any] | None = None, **table: Any) -> ProtectedTable:
    how = {"accept_plaintext": SOON} if how is None else how
    return described(
        encryptor, attributes={path: Protected(str, **more, **how) for path, more in PATHS.items()}, **table
    )


@pytest.fixture
def plain(dynamodb: DynamoDb, secrets: Secrets) -> Any:
    """A table of six items of plaintext, which may be sent back to it, in conditions."""
    table = create(dynamodb)
    with table.batch_writer() as batch:
        for number in range(6):
            secrets.allow(*_texts(item(number)))
            batch.put_item(Item=item(number))
    return table


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    return [value] if isinstance(value, str) else []


EXPECTED = [item(number) for number in range(6)]
SECRETS = ("example.org", "Elm", "555", "cats", "likes")


def test_from_plaintext_to_the_end(dynamodb: DynamoDb, plain: Any, encryptor: Encryptor) -> None:
    """Each value counts, and is told by its path."""
    table = nested(encryptor)
    job, protected = migration(dynamodb, table), EncryptedTable(plain, table)
    assert items(protected) == EXPECTED
    plan = job.plan()
    assert plan.fields == {
        f"{TABLE}.profile.contact.email": {ValueStatus.PLAINTEXT: 6},
        f"{TABLE}.addresses[].street": {ValueStatus.PLAINTEXT: 6},
        f"{TABLE}.phones[kind].number": {ValueStatus.PLAINTEXT: 12},
        f"{TABLE}.notes[]": {ValueStatus.PLAINTEXT: 12},
    }
    assert job.verify().wrong == 6
    assert told(job.backfill()) == (6, 6, 0, True)
    assert not any(secret in repr(plain.scan()["Items"]) for secret in SECRETS)
    assert items(EncryptedTable(plain, nested(encryptor, {}, same_place=True))) == EXPECTED
    found = protected.scan(
        FilterExpression="profile.contact.email = :e", ExpressionAttributeValues={":e": "ann4@example.org"}
    )
    assert [each["number"] for each in found["Items"]] == [4]
    assert job.verify().wrong == 0
    assert told(job.undo()) == (6, 6, 0, True)
    assert items(plain) == EXPECTED
    assert told(job.backfill()) == (6, 6, 0, True)
    assert str(job.verify()) == "all 6 rows are correct"
    assert job.finish().failed == 0


def test_after_a_rotation_all_are_encrypted_again(
    dynamodb: DynamoDb, plain: Any, encryptor: Encryptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the old keys nothing is left."""
    table = nested(encryptor)
    job = migration(dynamodb, table)
    job.backfill()
    old = [str(key_id_of(bytes(each["notes"][0]))) for each in items(plain)[:5]]
    under = [job.values_under(bytes.fromhex(key_id)) for key_id in old]
    assert sum(count for each in under for count in each.values()) == 36
    later(monkeypatch, 5)
    for tenant in range(5):
        encryptor.data_keys.rotate(f"clinic {tenant}")
    assert job.verify().wrong == 6
    assert told(migration(dynamodb, table).backfill(restart=True)) == (6, 6, 0, True)
    assert not any(job.values_under(bytes.fromhex(key_id)) for key_id in old)
    assert items(EncryptedTable(plain, table)) == EXPECTED


def test_after_an_index_key_has_rotated_all_are_tagged_again(
    dynamodb: DynamoDb, plain: Any, encryptor: Encryptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = migration(dynamodb, nested(encryptor))
    job.backfill()
    tags = [each["email_tag"] for each in items(plain)]
    later(monkeypatch, 2 * 86_400)
    encryptor.data_keys.rotate(purpose=Purpose.BLIND_INDEX)
    later(monkeypatch, 4 * 86_400)
    assert told(job.backfill(restart=True)) == (6, 6, 0, True)
    assert all(each["email_tag"] != tag for each, tag in zip(items(plain), tags, strict=True))


def test_what_others_write_meanwhile_is_not_lost(dynamodb: DynamoDb, plain: Any, encryptor: Encryptor) -> None:
    """An element that is put in front of the list moves all that were read."""
    table = nested(encryptor)

    def write() -> None:
        of_tenant(EncryptedTable(plain, table), "clinic 0").update_item(
            Key={"clinic": "clinic 0", "number": 0},
            UpdateExpression="SET notes = list_append(:new, notes)",
            ExpressionAttributeValues={":new": ["sleeps badly"]},
        )

    migration(dynamodb, table, before_update(dynamodb, write)).backfill()
    found = items(EncryptedTable(plain, nested(encryptor, {}, same_place=True)))
    assert found[0]["notes"] == ["sleeps badly", *EXPECTED[0]["notes"]]
    assert found[1:] == EXPECTED[1:]


@pytest.mark.parametrize("odd", [{"profile": "x"}, {"phones": [{"number": "555-x"}]}], ids=str)
def test_an_item_of_another_shape_is_a_failure(
    dynamodb: DynamoDb, plain: Any, encryptor: Encryptor, odd: dict[str, Any]
) -> None:
    """It is counted, and never passed over."""
    plain.put_item(Item={**item(3), **odd})
    job = migration(dynamodb, nested(encryptor))
    assert told(job.backfill()) == (6, 5, 1, False)
    assert job.verify().wrong == 1


def test_a_damaged_value_does_not_hold_up_those_beside_it(dynamodb: DynamoDb, plain: Any, encryptor: Encryptor) -> None:
    table = nested(encryptor)
    job = migration(dynamodb, table)
    job.backfill()
    broken = items(plain)[3]
    broken["notes"][0] = bytes(broken["notes"][0])[:-17] + bytes(17)
    plain.put_item(Item={**broken, "addresses": item(3)["addresses"]})
    assert told(job.backfill(restart=True)) == (6, 1, 1, True)
    assert "Elm" not in repr(items(plain)[3])
    assert job.verify().wrong == 1


def test_seals_cover_what_was_encrypted_in_a_map(dynamodb: DynamoDb, plain: Any, encryptor: Encryptor) -> None:
    """And notice an element that was taken away."""
    table = nested(encryptor, seal=ItemSeal("seal", over=("notes", "profile"), accept_unsealed=SOON))
    assert told(migration(dynamodb, table).backfill()) == (6, 6, 0, True)
    strict = nested(encryptor, {}, seal=ItemSeal("seal", over=("notes", "profile")), same_place=True)
    assert items(EncryptedTable(plain, strict)) == EXPECTED
    cut = items(plain)[0]
    plain.put_item(Item={**cut, "notes": cut["notes"][1:]})
    with pytest.raises(DecryptionError):
        items(EncryptedTable(plain, strict))
