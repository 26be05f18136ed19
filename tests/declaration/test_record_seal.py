"""Seals of records: what somebody who writes to the store can no longer do unnoticed."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    LocalKeyProvider,
    MemoryKeyStore,
    NotWrappedHereError,
    PlaintextRefusedError,
    ProtectedRecord,
    Protection,
    RecordSeal,
)
from fieldcrypt.format.seal import seal_digest
from fieldcrypt_dynamodb import EncryptedClient, ItemSeal, Protected, ProtectedTable
from tests.support.dynamodb import DynamoDb

STAFF: dict[str, Any] = {
    "id": "ann",
    "ssn": "078-05-1120",
    "role": "nurse",
    "since": date(2020, 1, 2),
    "limits": {"day": 5, "all": [1, 2.5]},
    "seen": 1,
}
OVER = ("role", "since", "limits", "ssn", "gone")
SOON = datetime.now(UTC).date() + timedelta(days=30)


@pytest.fixture
def staff(encryptor: Encryptor) -> ProtectedRecord:
    """Records with a seal over most of their members."""
    return ProtectedRecord("staff", encryptor, key="id", fields={"ssn": str}, seal=RecordSeal("seal", OVER))


def test_a_sealed_record_comes_back(staff: ProtectedRecord) -> None:
    """Without its seal."""
    stored = staff.encrypt(STAFF)
    assert isinstance(stored["seal"], bytes)
    assert staff.decrypt(stored) == STAFF


@pytest.mark.parametrize(
    "change",
    [
        {"role": "owner"},
        {"since": date(2020, 1, 3)},
        {"limits": {"day": 5, "all": [2.5, 1]}},
        {"limits": {"day": 6, "all": [1, 2.5]}},
        {"gone": "back"},
        {"id": "bob"},
        {"ssn": None},
        {"seal": None},
        {"seal": b""},
        {"seal": "fc1.AQ"},
    ],
)
def test_a_change_is_noticed(staff: ProtectedRecord, change: dict[str, Any]) -> None:
    """Of anything that the seal covers, of the key, and of the seal itself."""
    stored = staff.encrypt(STAFF)
    with pytest.raises(DecryptionError):
        staff.decrypt({**stored, **change})


def test_what_is_removed_is_noticed(staff: ProtectedRecord) -> None:
    """A member, a protected one too, and the seal."""
    stored = staff.encrypt(STAFF)
    for name in ("role", "ssn", "seal"):
        with pytest.raises(DecryptionError):
            staff.decrypt({member: value for member, value in stored.items() if member != name})


def test_a_value_that_was_put_back_alone_is_noticed(staff: ProtectedRecord) -> None:
    """An older record as a whole is not, as SPEC section 12 says."""
    old, new = staff.encrypt({**STAFF, "role": "owner"}), staff.encrypt(STAFF)
    with pytest.raises(DecryptionError):
        staff.decrypt({**new, "ssn": old["ssn"]})
    assert staff.decrypt(old)["role"] == "owner"


def test_what_it_does_not_cover_may_change(staff: ProtectedRecord) -> None:
    """And maps may come back in another order, numbers in another spelling."""
    stored = {**staff.encrypt(STAFF), "seen": 2, "limits": {"all": [Decimal("1.0"), 2.5], "day": Decimal("5.00")}}
    assert staff.decrypt(stored)["seen"] == 2


def test_a_part_of_a_record_can_be_read_without_it(staff: ProtectedRecord) -> None:
    """By whoever says so."""
    part = {name: staff.encrypt(STAFF)[name] for name in ("id", "ssn")}
    assert staff.decrypt(part, whole=False) == {"id": "ann", "ssn": "078-05-1120"}
    with pytest.raises(DecryptionError, match="no seal"):
        staff.decrypt(part)


def test_a_record_without_protected_values_has_one(staff: ProtectedRecord) -> None:
    """Else one could be made of a record by taking its values away."""
    plain = {"id": "ann", "role": "nurse"}
    assert staff.decrypt(staff.encrypt(plain)) == plain
    with pytest.raises(DecryptionError):
        staff.decrypt(plain)


def test_unsealed_records_are_read_for_a_time(encryptor: Encryptor) -> None:
    """While what exists is sealed; each is counted."""
    seal = RecordSeal("seal", OVER, accept_unsealed=SOON)
    before = ProtectedRecord("staff", encryptor, key="id", fields={"ssn": str}, same_place=True).encrypt(STAFF)
    staff = ProtectedRecord("staff", encryptor, key="id", fields={"ssn": str}, seal=seal, same_place=True)
    assert staff.decrypt(before) == STAFF
    assert encryptor.stats().events["plaintext_read"] == 1


def test_it_is_the_tenant_s(encryptor: Encryptor) -> None:
    """The seal of one tenant does not seal another's record."""
    staff = ProtectedRecord(
        "staff", encryptor, key="id", tenant="clinic", fields={"ssn": str}, seal=RecordSeal("seal", ("role",))
    )
    with pytest.raises(DecryptionError):
        staff.decrypt({**staff.encrypt({"id": 1, "clinic": "a", "role": "nurse"}), "clinic": "b"})


def test_it_goes_where_only_text_can(encryptor: Encryptor) -> None:
    """With what it covers, through JSON."""
    fields = {"ssn": Protection(str, storage="text")}
    seal = RecordSeal("seal", ("ssn", "role", "limits"), storage="text")
    staff = ProtectedRecord("staff", encryptor, key="id", fields=fields, seal=seal)
    plain = {name: STAFF[name] for name in ("id", "ssn", "role", "limits")}
    assert staff.decrypt(json.loads(json.dumps(staff.encrypt(plain)))) == plain


@pytest.mark.parametrize(
    "seal",
    [
        ("seal", ()),
        ("seal", "role"),
        ("seal", iter(())),
        ("seal", ("role", 1)),
        (None, ("role",)),
        ("seal", ("seal",)),
        ("seal", ("id",)),
        ("ssn", ("role",)),
        ("seal", ("ssn", "address.street")),
    ],
)
def test_a_seal_that_cannot_be_is_refused(encryptor: Encryptor, seal: Any) -> None:
    """Over nothing, itself, the key or a part of a member, or in the place of a value."""
    with pytest.raises(ConfigurationError):
        ProtectedRecord(
            "staff", encryptor, key="id", fields={"ssn": str, "address.street": str}, seal=RecordSeal(*seal)
        )


def test_what_it_covers_may_come_from_anywhere(encryptor: Encryptor) -> None:
    """An iterator is read once, and a list cannot be changed afterwards."""
    seal = RecordSeal("seal", iter(("role",)))  # type: ignore[arg-type]
    staff = ProtectedRecord("staff", encryptor, fields={"ssn": str}, seal=seal)
    with pytest.raises(DecryptionError):
        staff.decrypt({**staff.encrypt({"role": "nurse"}), "role": "owner"})


@pytest.mark.parametrize("levels", [65, 5000])
def test_what_nests_too_deep_is_refused(staff: ProtectedRecord, encryptor: Encryptor, levels: int) -> None:
    """As any other change of the record, and not by a stack that overflows; and counted."""
    deep: list[Any] = []
    for _ in range(levels):
        deep = [deep]
    with pytest.raises(ValueError, match="too deep"):
        staff.encrypt({**STAFF, "limits": deep})
    with pytest.raises(DecryptionError, match="not those that were sealed"):
        staff.decrypt({**staff.encrypt(STAFF), "limits": deep})
    assert encryptor.stats().events["value_refused"] == 1


def test_keys_that_are_wrapped_elsewhere_are_no_change() -> None:
    """Then the error names the wrapping keys, as for a value."""
    records = MemoryKeyStore()
    here, there = (Encryptor(LocalKeyProvider.generate(), records) for _ in range(2))
    one, other = (
        ProtectedRecord("staff", each, key="id", fields={"ssn": str}, seal=RecordSeal("seal", ("role",)))
        for each in (here, there)
    )
    with pytest.raises(NotWrappedHereError):
        other.decrypt(one.encrypt({"id": 1, "role": "nurse"}))


def test_the_application_does_not_write_it(staff: ProtectedRecord) -> None:
    """A seal that was read, for example."""
    with pytest.raises(PlaintextRefusedError, match="filled by fieldcrypt"):
        staff.encrypt({**STAFF, "seal": b"x"})


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (1, "1"), (None, False), ("a", b"a"), ([], {}), (1, 1.0), ({1}, [1]), ({"a"}, {b"a"}), ("", None)],
)
def test_other_types_have_other_digests(one: Any, other: Any) -> None:
    """Though Python, or a store's text, may take them for equal."""
    assert seal_digest(["a"], {"a": one}) != seal_digest(["a"], {"a": other})


def test_it_is_the_seal_of_dynamodb_s_items(dynamodb: DynamoDb) -> None:
    """A record that boto3's client wrote is read from its plain dictionary, seal included."""
    encryptor = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
    table = ProtectedTable(
        "staff", encryptor, key=["id"], attributes={"ssn": Protected(str)}, seal=ItemSeal("seal", ("role", "ssn"))
    )
    raw = dynamodb.client()
    raw.create_table(
        TableName="staff",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    item = {"id": {"S": "ann"}, "ssn": {"S": "078-05-1120"}, "role": {"S": "nurse"}}
    EncryptedClient(raw, [table]).put_item(TableName="staff", Item=item)
    stored = raw.get_item(TableName="staff", Key={"id": {"S": "ann"}})["Item"]
    staff = ProtectedRecord("staff", encryptor, key="id", fields={"ssn": str}, seal=RecordSeal("seal", ("role", "ssn")))
    plain = {name: next(iter(value.values())) for name, value in stored.items()}
    assert staff.decrypt(plain) == {"id": "ann", "ssn": "078-05-1120", "role": "nurse"}
