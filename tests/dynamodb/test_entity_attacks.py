"""What somebody gains who writes to a table of several entities: turns what tells them apart, and moves values."""

from __future__ import annotations

from typing import Any

import pytest
from boto3.dynamodb.conditions import Key

from fieldcrypt import DecryptionError, Encryptor
from fieldcrypt_dynamodb import (
    EncryptedTable,
    Entity,
    ItemSeal,
    ProtectedAttributeError,
    ProtectedTable,
    Unreadable,
    WriteAppliedError,
    decrypt_stream_record,
    of_entity,
)
from tests.dynamodb.shop import (
    EMAIL,
    INVOICE,
    INVOICE_KEY,
    MEMO,
    MEMO_KEY,
    ORDER,
    ORDER_KEY,
    PRODUCT,
    PRODUCT_KEY,
    USER,
    USER_KEY,
)
from tests.dynamodb.shop import description as description
from tests.dynamodb.shop import encryptor as encryptor
from tests.dynamodb.shop import filled as filled
from tests.dynamodb.shop import plain as plain
from tests.dynamodb.shop import table as table


def stored(plain: Any, key: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = plain.get_item(Key=key)["Item"]
    return found


class TestTurned:
    """The attribute that tells invoices from memos is changed in the table."""

    def test_a_turned_item_is_not_read(self, filled: EncryptedTable, plain: Any) -> None:
        """A memo has no IBAN: not as ciphertext, and not in plaintext, which a program may put back."""
        turned = {**stored(plain, INVOICE_KEY), "type": "memo"}
        for item in (turned, {**turned, "iban": "GB00"}):
            plain.put_item(Item=item)
            with pytest.raises(DecryptionError, match="iban"):
                filled.get_item(Key=INVOICE_KEY)

    def test_a_program_does_not_put_a_turned_item_back_in_plaintext(self, filled: EncryptedTable, plain: Any) -> None:
        """It reads the item, which lost its IBAN, adds that, and writes all back: as a memo."""
        item = stored(plain, INVOICE_KEY)
        del item["iban"]
        plain.put_item(Item={**item, "type": "memo"})
        read = filled.get_item(Key=INVOICE_KEY)["Item"]
        with pytest.raises(ProtectedAttributeError, match="it is protected in 'invoice'"):
            filled.put_item(Item={**read, "iban": INVOICE["iban"]})

    def test_an_update_of_a_turned_item_sends_no_plaintext(self, filled: EncryptedTable, plain: Any) -> None:
        """Not as a memo, which has no IBAN, and not as an invoice, which it is no more."""
        plain.put_item(Item={**MEMO, **INVOICE_KEY})
        update = {"UpdateExpression": "SET iban = :i", "ExpressionAttributeValues": {":i": INVOICE["iban"]}}
        with pytest.raises(ProtectedAttributeError, match="iban"):
            of_entity(filled, "memo").update_item(Key=INVOICE_KEY, **update)

    def test_a_condition_of_a_turned_item_sends_no_plaintext(self, filled: EncryptedTable) -> None:
        """Nor does a filter."""
        condition = {"ExpressionAttributeValues": {":i": INVOICE["iban"]}}
        with pytest.raises(ProtectedAttributeError, match="iban"):
            of_entity(filled, "memo").scan(FilterExpression="iban = :i", **condition)
        with pytest.raises(ProtectedAttributeError, match="iban"):
            of_entity(filled, "memo").delete_item(Key=MEMO_KEY, ConditionExpression="iban = :i", **condition)

    def test_what_a_key_tells_is_not_turned(self, filled: EncryptedTable, plain: Any) -> None:
        """A user stays one, with whatever type."""
        plain.put_item(Item={**stored(plain, USER_KEY), "type": "memo"})
        assert filled.get_item(Key=USER_KEY)["Item"] == {**USER, "type": "memo"}

    def test_a_turned_item_in_a_stream_is_not_read(self, filled: EncryptedTable, description: ProtectedTable) -> None:
        """As in the table."""
        image = description.encrypt_item(INVOICE, to="dynamodb")
        record = {"dynamodb": {"NewImage": {**image, "type": {"S": "memo"}}}}
        with pytest.raises(DecryptionError, match="iban"):
            decrypt_stream_record(record, description)

    def test_a_sealed_item_is_not_turned(self, plain: Any, encryptor: Encryptor) -> None:
        """Even if all that is protected was taken away: its seal is the form of an encrypted value."""
        two = {
            "claim": Entity(where={"type": "claim"}, seal=ItemSeal("seal", over=("amount",))),
            "memo": Entity(where={"type": "memo"}),
        }
        table = EncryptedTable(plain, ProtectedTable("app-prod", encryptor, key=("PK", "SK"), entities=two))
        table.put_item(Item={**MEMO_KEY, "type": "claim", "amount": 5})
        plain.put_item(Item={**stored(plain, MEMO_KEY), "type": "memo"})
        with pytest.raises(DecryptionError, match="seal"):
            table.get_item(Key=MEMO_KEY)


class TestMoved:
    """Values, tags and items are copied within the table."""

    @pytest.mark.parametrize("key", [ORDER_KEY, PRODUCT_KEY])
    def test_ciphertext_is_not_read_where_the_name_is_plain(
        self, filled: EncryptedTable, plain: Any, key: dict[str, Any]
    ) -> None:
        """A program would show it, or put it where it decrypts."""
        plain.put_item(Item={**stored(plain, key), "email": stored(plain, USER_KEY)["email"]})
        with pytest.raises(DecryptionError, match="form of an encrypted value"):
            filled.get_item(Key=key)

    def test_ciphertext_is_not_read_in_a_map_that_is_plain(self, plain: Any, encryptor: Encryptor) -> None:
        """At the path that is protected there, or beside it, or in a list."""
        two = {
            "user": Entity({"profile.ssn": str}, key={"PK": "USER#*"}),
            "product": Entity(key={"PK": "PRODUCT#*"}),
        }
        table = EncryptedTable(plain, ProtectedTable("app-prod", encryptor, key=("PK", "SK"), entities=two))
        table.put_item(Item={**USER_KEY, "profile": {"ssn": "078-05-1120"}})
        data = stored(plain, USER_KEY)["profile"]["ssn"]
        for profile in ({"ssn": data}, {"parts": [{"x": data}]}):
            plain.put_item(Item={**PRODUCT_KEY, "profile": profile})
            with pytest.raises(DecryptionError, match="form of an encrypted value"):
                table.get_item(Key=PRODUCT_KEY)
            with pytest.raises(ProtectedAttributeError, match="form of an encrypted value"):
                table.put_item(Item={**PRODUCT_KEY, "profile": profile})
        table.put_item(Item={**PRODUCT_KEY, "profile": {"ssn": b"plain", "sizes": [1, None, {"x": "y"}]}})

    def test_ciphertext_is_not_written_where_the_name_is_plain(self, filled: EncryptedTable, plain: Any) -> None:
        """By no put, and by no update."""
        data = stored(plain, USER_KEY)["email"]
        with pytest.raises(ProtectedAttributeError, match="form of an encrypted value"):
            filled.put_item(Item={**PRODUCT, "email": data})
        with pytest.raises(ProtectedAttributeError, match="form of an encrypted value"):
            filled.update_item(
                Key=PRODUCT_KEY, UpdateExpression="SET email = :e", ExpressionAttributeValues={":e": data}
            )

    def test_a_copy_of_a_plain_attribute_does_not_get_there_either(self, filled: EncryptedTable) -> None:
        """What it has is not known here."""
        with pytest.raises(ProtectedAttributeError, match="SET it to a plain value"):
            filled.update_item(Key=PRODUCT_KEY, UpdateExpression="SET email = note")

    def test_a_value_of_one_entity_is_none_of_another(self, plain: Any, encryptor: Encryptor) -> None:
        """With the same attribute, of the same key: the entity is in the field's name."""
        two = {name: Entity({"text": str}, where={"type": name}) for name in ("claim", "memo")}
        table = EncryptedTable(plain, ProtectedTable("app-prod", encryptor, key=("PK", "SK"), entities=two))
        table.put_item(Item={**MEMO_KEY, "type": "claim", "text": "my private claim"})
        plain.put_item(Item={**stored(plain, MEMO_KEY), "type": "memo"})
        with pytest.raises(DecryptionError, match="memo"):
            table.get_item(Key=MEMO_KEY)

    def test_an_item_with_the_tag_of_another_entity_is_not_read(self, filled: EncryptedTable, plain: Any) -> None:
        """Or an order would be found by the e-mail address of a user."""
        plain.put_item(Item={**stored(plain, ORDER_KEY), "GSI1PK": stored(plain, USER_KEY)["GSI1PK"]})
        with pytest.raises(DecryptionError, match=r"^app-prod of the item .*: app-prod.order.GSI1PK: it begins"):
            filled.query(IndexName="GSI1", KeyConditionExpression=Key("email").eq(EMAIL))

    def test_plaintext_with_the_prefix_of_tags_is_not_sent(self, filled: EncryptedTable) -> None:
        """By no put, update, condition or query, of whatever entity."""
        with pytest.raises(ProtectedAttributeError, match="begins with 'EMAIL#'"):
            filled.put_item(Item={**ORDER, "GSI1PK": f"EMAIL#{EMAIL}"})
        value = {"ExpressionAttributeValues": {":e": f"EMAIL#{EMAIL}"}}
        for update in ("SET GSI1PK = :e", "ADD GSI1PK :e", "DELETE GSI1PK :e"):
            with pytest.raises(ProtectedAttributeError, match="begins with 'EMAIL#'"):
                filled.update_item(Key=ORDER_KEY, UpdateExpression=update, **value)
        with pytest.raises(ProtectedAttributeError, match="begins with 'EMAIL#'"):
            filled.query(IndexName="GSI1", KeyConditionExpression="GSI1PK = :e", **value)
        with pytest.raises(ProtectedAttributeError, match="filled by fieldcrypt"):
            of_entity(filled, "user").query(IndexName="GSI1", KeyConditionExpression="GSI1PK = :e", **value)

    def test_plaintext_with_the_prefix_of_tags_is_not_where_a_scan_goes_on(self, filled: EncryptedTable) -> None:
        """A tag may be: DynamoDB says that the scan goes on there."""
        start = {**USER_KEY, "GSI1PK": f"EMAIL#{EMAIL}"}
        for asked in (filled, of_entity(filled, "order")):
            with pytest.raises(ProtectedAttributeError, match="prefix of tags"):
                asked.scan(IndexName="GSI1", ExclusiveStartKey=start)
        page = filled.scan(IndexName="GSI1", Limit=1)
        while "LastEvaluatedKey" in page:
            page = filled.scan(IndexName="GSI1", Limit=1, ExclusiveStartKey=page["LastEvaluatedKey"])

    def test_old_ciphertext_that_an_update_returns_is_not_given_on(self, filled: EncryptedTable, plain: Any) -> None:
        """It was moved there; the update is done."""
        plain.put_item(Item={**stored(plain, PRODUCT_KEY), "email": stored(plain, USER_KEY)["email"]})
        with pytest.raises(WriteAppliedError):
            filled.update_item(
                Key=PRODUCT_KEY,
                UpdateExpression="SET email = :e",
                ExpressionAttributeValues={":e": "none"},
                ReturnValues="UPDATED_OLD",
            )

    def test_plaintext_is_not_read_where_the_entity_protects_it(self, filled: EncryptedTable, plain: Any) -> None:
        """As in a table without entities."""
        plain.put_item(Item={**USER_KEY, "org": "acme", "name": "Mallory"})
        with pytest.raises(DecryptionError, match="not encrypted"):
            filled.scan()


class TestMarked:
    """A reader that goes on without what cannot be read."""

    def test_items_that_are_no_entity_are_marked(self, filled: EncryptedTable, plain: Any) -> None:
        """All but what tells which item it is."""
        plain.put_item(Item={"PK": "X", "SK": "Y", "type": "gadget", "name": "Mallory"})
        plain.put_item(Item={**stored(plain, INVOICE_KEY), "type": "memo"})
        items = {item["PK"]: item for item in filled.scan(on_unreadable="mark")["Items"]}
        assert items["USER#1"] in (USER, ORDER)
        assert isinstance(items["X"]["name"], Unreadable)
        assert isinstance(items["DOC#5"]["iban"], Unreadable)
        assert "is none of user" in str(items["X"]["name"].error)

    def test_what_is_marked_is_left_out_by_no_search_of_an_entity(self, filled: EncryptedTable, plain: Any) -> None:
        """Whoever turns an item would hide it."""
        plain.put_item(Item={**stored(plain, INVOICE_KEY), "type": "gadget"})
        [found] = of_entity(filled, "invoice").scan(on_unreadable="mark")["Items"]
        assert isinstance(found["iban"], Unreadable)
        with pytest.raises(DecryptionError, match="is none of user"):
            of_entity(filled, "invoice").scan()

    def test_what_its_key_tells_from_an_entity_takes_no_search_of_that(
        self, filled: EncryptedTable, plain: Any
    ) -> None:
        """Items that somebody planted, and of entities that only a newer version of the program knows."""
        plain.put_item(Item={"PK": "USER#1", "SK": "SETTINGS", "name": "dark"})
        assert of_entity(filled, "user").query(KeyConditionExpression=Key("PK").eq("USER#1"))["Items"] == [USER]
        with pytest.raises(DecryptionError, match="is none of user"):
            filled.query(KeyConditionExpression=Key("PK").eq("USER#1"))
