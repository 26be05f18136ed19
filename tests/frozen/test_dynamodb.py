"""Items that the first version wrote, read by tables and models as they were declared. See tests/frozen/README.md."""

from __future__ import annotations

from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr, Key

from fieldcrypt import DecryptionError, Encryptor, KeyShreddedError, row_context
from fieldcrypt_dynamodb import EncryptedClient, EncryptedTable
from fieldcrypt_dynamodb import of_tenant as client_of_tenant
from fieldcrypt_pynamodb import of_tenant
from tests.frozen import tables
from tests.frozen.data import from_json, load_json
from tests.frozen.opened import opened_items
from tests.support.dynamodb import DynamoDb

NORTH = {"clinic": "north", "number": 4711}
SOUTH = {"clinic": "south", "number": 4712}


@pytest.fixture
def encryptor(moto: DynamoDb) -> Encryptor:
    """The keys of the items, which are in DynamoDB now."""
    return opened_items(moto, "items")


@pytest.fixture
def patients(moto: DynamoDb, encryptor: Encryptor) -> EncryptedTable:
    """The table with values of every type."""
    return EncryptedTable(moto.resource().Table("patients"), tables.patients(encryptor))


def numbers(items: list[dict[str, Any]]) -> list[int]:
    return sorted(int(item["number"]) for item in items)


class TestTables:
    @pytest.mark.parametrize("expected", tables.PATIENTS, ids=lambda item: str(item["clinic"]))
    def test_an_item_says_what_it_said(self, expected: dict[str, Any], patients: EncryptedTable) -> None:
        """Every attribute of it, with the very types, and none more."""
        found = patients.get_item(Key={name: expected[name] for name in ("clinic", "number")})["Item"]
        assert found == expected
        assert {name: type(value) for name, value in found.items()} == {
            name: type(value) for name, value in expected.items()
        }

    def test_a_client_reads_the_same(self, moto: DynamoDb, encryptor: Encryptor) -> None:
        """In DynamoDB's own form."""
        client = EncryptedClient(moto.client(), [tables.staff(encryptor)])
        item = client.get_item(TableName="staff", Key={"id": {"S": "bob"}})["Item"]
        assert {name: item[name] for name in ("salary", "notes")} == {
            "salary": {"N": "8100.50"},
            "notes": {"L": [{"S": "a quiet one"}]},
        }

    def test_the_core_reads_the_same(self, encryptor: Encryptor) -> None:
        """Under the names of table and attribute, and in the context of the key, as SPEC.md says."""
        items = [from_json(item) for item in load_json("dynamodb/items")["patients"]["items"]]
        (item,) = [each for each in items if each["clinic"] == {"S": "north"}]
        field = encryptor.field("patients.text", str)
        assert field.decrypt(item["text"]["B"], tenant="north", context=row_context("north", 4711)) == "Ann Müller"

    def test_a_shredded_tenant_is_refused(self, patients: EncryptedTable) -> None:
        """As shredded."""
        with pytest.raises(KeyShreddedError):
            patients.get_item(Key={name: tables.SHREDDED[name] for name in ("clinic", "number")})

    @pytest.mark.parametrize("seen", tables.STAFF, ids=lambda item: str(item["id"]))
    def test_a_seal_holds(self, seen: dict[str, Any], moto: DynamoDb, encryptor: Encryptor) -> None:
        """Of items with all that it covers, and with some."""
        table = EncryptedTable(moto.resource().Table("staff"), tables.staff(encryptor))
        assert table.get_item(Key={"id": seen["id"]})["Item"] == seen

    def test_a_seal_is_checked(self, moto: DynamoDb, encryptor: Encryptor) -> None:
        """What it covers cannot be changed by somebody else."""
        plain = moto.resource().Table("staff")
        plain.update_item(
            Key={"id": "ann"},
            UpdateExpression="SET #role = :role",
            ExpressionAttributeNames={"#role": "role"},
            ExpressionAttributeValues={":role": "admin"},
        )
        with pytest.raises(DecryptionError):
            EncryptedTable(plain, tables.staff(encryptor)).get_item(Key={"id": "ann"})

    def test_what_is_not_bound_is_read(self, moto: DynamoDb, encryptor: Encryptor) -> None:
        """Of a table with bound=False."""
        table = EncryptedTable(moto.resource().Table("loose"), tables.loose(encryptor))
        assert table.scan()["Items"] == tables.LOOSE

    def test_an_item_is_written_and_read_again(self, patients: EncryptedTable, encryptor: Encryptor) -> None:
        """Today's code writes in the place of the first version's values, under the same keys."""
        before, item = encryptor.data_keys.count(), tables.PATIENTS[0]
        patients.put_item(Item=patients.get_item(Key=NORTH)["Item"])
        assert patients.get_item(Key=NORTH)["Item"] == item
        assert encryptor.data_keys.count() == before


class TestSearch:
    def test_an_index_on_tags_is_queried(self, patients: EncryptedTable) -> None:
        """By the plain value, whose case does not count."""
        found = patients.query(IndexName="by-email_tag", KeyConditionExpression=Key("email").eq("ANN@example.ORG"))
        assert numbers(found["Items"]) == [4711]

    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            (Attr("email").eq("ann@example.org"), [4711]),
            (Attr("email").is_in(["ann@example.org", "bob@example.org"]), [4711]),
            (Attr("email").eq("bob@example.org"), []),
            (Attr("phone").eq("4930901820"), [4711]),
        ],
    )
    def test_a_scan_finds_by_tags(self, condition: Any, expected: list[int], patients: EncryptedTable) -> None:
        """Whole ones, and short ones; and nothing that is not equal."""
        rest = Attr("clinic").ne(tables.SHREDDED["clinic"])
        assert numbers(patients.scan(FilterExpression=rest & condition)["Items"]) == expected

    @pytest.mark.parametrize(("tenant", "expected"), [("north", [4711]), ("south", [4712])])
    def test_tags_of_a_tenant_find_its_item_alone(
        self, tenant: str, expected: list[int], patients: EncryptedTable
    ) -> None:
        """Though another tenant has the same value."""
        condition = Key("clinic").eq(tenant)
        found = client_of_tenant(patients, tenant).query(
            KeyConditionExpression=condition, FilterExpression=Attr("ssn").eq("078-05-1120")
        )
        assert numbers(found["Items"]) == expected


class TestModels:
    """Of PynamoDB."""

    @pytest.fixture
    def account(self, moto: DynamoDb, encryptor: Encryptor) -> Any:
        """The decorated model."""
        return tables.account(moto, encryptor)

    @pytest.mark.parametrize(("key", "values"), tables.ACCOUNTS, ids=["ann", "bob"])
    def test_an_item_says_what_it_said(self, key: tuple[str, int], values: dict[str, Any], account: Any) -> None:
        """Every attribute of it."""
        found = account.get(*key)
        said = {name: getattr(found, name) for name in values}
        if said.get("address") is not None:
            said["address"] = said["address"].as_dict()
        assert said == values

    @pytest.mark.parametrize("email", ["ann@example.org", "ANN@EXAMPLE.ORG"])
    def test_tags_find_the_item(self, email: str, account: Any) -> None:
        """In scans, by values that count as equal."""
        assert [found.id for found in account.scan(account.email == email)] == ["ann"]

    @pytest.mark.parametrize(("tenant", "expected"), [("north", ["ann"]), ("south", ["bob"])])
    def test_tags_of_a_tenant_find_its_item_alone(self, tenant: str, expected: list[str], account: Any) -> None:
        """Though another tenant has the same value."""
        found = account.scan(of_tenant(account.ssn, tenant) == "078-05-1120")
        assert [each.id for each in found] == expected

    def test_an_item_is_saved_and_read_again(self, account: Any) -> None:
        """Today's code writes in the place of the first version's values."""
        key, values = tables.ACCOUNTS[0]
        account.get(*key).save()
        assert account.get(*key).text == values["text"]

    def test_a_model_that_is_not_decorated_is_read(self, moto: DynamoDb, encryptor: Encryptor) -> None:
        """Its values are bound to nothing but the attribute."""
        purse = tables.purse(moto, encryptor)
        assert {each.id: each.iban for each in purse.scan()} == tables.PURSES
