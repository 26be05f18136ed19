"""Migrations of one entity of a table, beside items of others."""

from __future__ import annotations

from typing import Any

import pytest

from fieldcrypt import ConfigurationError, Encryptor
from fieldcrypt_dynamodb import EncryptedTable, Entity, IndexedBy, Protected, ProtectedTable, of_entity
from fieldcrypt_dynamodb.migration import CheckpointTable, TableMigration
from tests.dynamodb.plaintext import SOON
from tests.dynamodb.shop import MEMO, PRODUCT, USER, entities
from tests.dynamodb.shop import encryptor as encryptor
from tests.dynamodb.shop import plain as plain
from tests.support.dynamodb import DynamoDb
from tests.support.wiretap import Secrets

USERS: list[dict[str, Any]] = [{**USER, "PK": f"USER#{number}", "visits": number} for number in range(5)]
OTHERS: list[dict[str, Any]] = [MEMO, *({**PRODUCT, "PK": f"PRODUCT#{number}"} for number in range(5))]


@pytest.fixture
def app(encryptor: Encryptor) -> ProtectedTable:
    """Which reads plaintext of users for a time."""
    described = entities()
    email = IndexedBy("GSI1PK", prefix="EMAIL#")
    attributes = {
        "name": Protected(str, accept_plaintext=SOON),
        "email": Protected(str, index=email, accept_plaintext=SOON),
    }
    user = Entity(attributes, key=described["user"].key, tenant="org")
    return ProtectedTable("app-prod", encryptor, key=("PK", "SK"), fields="app", entities={**described, "user": user})


@pytest.fixture
def filled(plain: Any, secrets: Secrets, dynamodb: DynamoDb) -> Any:
    """With plaintext of users and products."""
    CheckpointTable(client_factory=dynamodb.client).create_table()
    secrets.allow(USER["name"], USER["email"])
    for item in [*USERS, *OTHERS]:
        plain.put_item(Item=item)
    return plain


def migration(dynamodb: DynamoDb, table: ProtectedTable) -> TableMigration:
    return TableMigration(of_entity(table, "user"), dynamodb.client, segments=2)


def test_a_backfill_encrypts_items_of_its_entity_alone(app: ProtectedTable, filled: Any, dynamodb: DynamoDb) -> None:
    """A product's name stays as it is."""
    report = migration(dynamodb, app).backfill()
    assert (report.changed, report.failed, report.complete) == (len(USERS), 0, True)
    stored = {item["PK"]: item for item in filled.scan()["Items"]}
    assert all(stored[user["PK"]]["GSI1PK"].startswith("EMAIL#") for user in USERS)
    assert [stored[item["PK"]] for item in OTHERS] == OTHERS
    read = EncryptedTable(filled, app).scan()["Items"]
    assert sorted(read, key=lambda item: item["PK"]) == sorted([*USERS, *OTHERS], key=lambda item: item["PK"])
    assert migration(dynamodb, app).verify().wrong == 0


def test_items_of_others_are_counted_as_not_its_own(app: ProtectedTable, filled: Any, dynamodb: DynamoDb) -> None:
    """With the reason; verify does not call them correct."""
    job = migration(dynamodb, app)
    assert job.plan().passed_over == {"they are of other entities": len(OTHERS)}
    job.backfill()
    verified = job.verify()
    assert verified.remarks == (f"{len(OTHERS)} rows skipped: they are of other entities",)
    assert str(verified) == "all 11 rows are correct in what is part of this migration"


def test_an_item_of_no_entity_is_a_failure(app: ProtectedTable, filled: Any, dynamodb: DynamoDb) -> None:
    """Nobody knows whether it has to be encrypted."""
    filled.put_item(Item={"PK": "X", "SK": "Y", "name": "Mallory"})
    migration(dynamodb, app).backfill()
    report = migration(dynamodb, app).verify()
    assert report.reasons == {("X", "Y"): "cannot be read"}


def test_a_whole_table_of_entities_is_not_migrated_at_once(app: ProtectedTable) -> None:
    """Each has a tenant and a seal of its own; and one that is plain has nothing to migrate."""
    for table in (app, of_entity(app, "memo")):
        with pytest.raises(ConfigurationError, match="of_entity"):
            TableMigration(table)


def test_each_entity_has_checkpoints_of_its_own(app: ProtectedTable) -> None:
    """Or one would go on where another one stopped."""
    assert TableMigration(of_entity(app, "user")).name == "app-prod.user"


def test_the_tags_of_an_entity_are_erased_and_what_others_have_there_stays(
    app: ProtectedTable, filled: Any, dynamodb: DynamoDb
) -> None:
    """Other entities have other texts in the same attribute, the key of an index."""
    job = migration(dynamodb, app)
    job.backfill()
    assert job.tagged("GSI1PK") == {"app-prod": len(USERS)}
    report = job.drop_index("GSI1PK")
    assert (report.changed, report.complete) == (len(USERS), True)
    stored = {item["PK"]: item for item in filled.scan()["Items"]}
    assert not any("GSI1PK" in stored[user["PK"]] for user in USERS)
    assert [stored[item["PK"]] for item in OTHERS] == OTHERS


def test_texts_of_others_beside_tags_stay_where_there_are_no_entities(
    encryptor: Encryptor, filled: Any, dynamodb: DynamoDb
) -> None:
    """A text without the prefix is no tag, in whatever item; a tag without a value goes, and so do all in a drop."""
    email = Protected(str, index=IndexedBy("GSI1PK", prefix="EMAIL#"), accept_plaintext=SOON)
    job = TableMigration(
        ProtectedTable("app-prod", encryptor, key=("PK", "SK"), attributes={"email": email}), dynamodb.client
    )
    order, left = {"PK": "ORDER#1", "SK": "A", "GSI1PK": "ORDERS"}, {"PK": "USER#9", "SK": "A", "GSI1PK": "EMAIL#0"}
    for item in (order, left):
        filled.put_item(Item=item)
    assert job.plan().stale_tags == {"app-prod.email": 1}
    assert job.backfill().changed == len(USERS) + 1
    assert (job.verify().wrong, job.tagged("GSI1PK")) == (0, {"app-prod": len(USERS)})
    assert job.drop_index("GSI1PK").changed == len(USERS)
    stored = [item for item in filled.scan()["Items"] if "GSI1PK" in item]
    assert stored == [item for item in [order, *OTHERS] if "GSI1PK" in item]
