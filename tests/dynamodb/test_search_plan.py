"""What the indexes of a DynamoDB table tell, by its items."""

from __future__ import annotations

import datetime as dt

import pytest

from fieldcrypt import Encryptor
from fieldcrypt.cli.search.model import find_model
from fieldcrypt.migration.leakage import leakage_by_part
from fieldcrypt_dynamodb import EncryptedTable
from fieldcrypt_dynamodb.migration import TableMigration
from tests.dynamodb.migrations import encryptor as encryptor
from tests.dynamodb.migrations import migration
from tests.dynamodb.migrations import provider as provider
from tests.dynamodb.searched import create_table, described
from tests.support.dynamodb import DynamoDb, OnMoto


class TestSearchPlan(OnMoto):
    def test_every_index_is_judged_by_the_items(self, dynamodb: DynamoDb, encryptor: Encryptor) -> None:
        """Each level and each compound by itself, with the values that the table has."""
        table = EncryptedTable(create_table(dynamodb, "ssn_tag"), described(encryptor))
        for number in range(40):
            born = dt.date(1990, 1, 1) + dt.timedelta(days=number * 9)
            values = {"name": f"Meyer{number % 3}", "born": born, "ssn": f"{number:04}", "email": f"{number}@b.org"}
            table.put_item(Item={"id": str(number), "ward": "east", "blood": "AB+", **values})
        ((leakage, unread),) = leakage_by_part(migration(dynamodb, described(encryptor))).values()
        found = {column.name: (column.tagged, column.terms) for column in leakage.columns}
        assert unread == 0
        assert found["ssn_tag"] == found["ssn_last4"] == (40, 40)
        assert found["email_domain"] == found["place_tag"] == found["blood_tag"] == (40, 1)
        assert found["name_prefix_4"] == (40, 1)
        assert found["who_tag"] == (40, 40)
        assert "height_range" not in found  # no item has a height
        assert leakage.is_refused

    def test_a_command_takes_a_description(self, encryptor: Encryptor, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of a table, as it takes a model; its client is what boto3 is configured for."""
        monkeypatch.setattr("tests.dynamodb.searched.people", described(encryptor), raising=False)
        assert isinstance(find_model("tests.dynamodb.searched:people", None), TableMigration)
