"""Several classes in one table, told apart by a discriminator: what one protects, another one may have plain."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from pynamodb.attributes import BinaryAttribute, DiscriminatorAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import UpdateError
from pynamodb.models import Model

from fieldcrypt import DecryptionError, Encryptor, row_context
from fieldcrypt_pynamodb import EncryptedAttribute, ProtectedAttributeError, encrypted
from tests.support.dynamodb import DynamoDb, OnMoto, put_raw, raw

NAME, OTHER = "Ann Arbor", "Bea Bishop"


class Classes(NamedTuple):
    base: Any
    user: Any
    product: Any


@pytest.fixture
def classes(dynamodb: DynamoDb, encryptor: Encryptor) -> Classes:
    """A name and a photo are protected for users, and plain for products."""

    @encrypted(encryptor, fields="app")
    class Base(Model):
        Meta = dynamodb.meta("app")
        id = UnicodeAttribute(hash_key=True)
        kind = DiscriminatorAttribute()

    class User(Base, discriminator="user"):
        name = EncryptedAttribute(UnicodeAttribute(null=True))
        photo = EncryptedAttribute(BinaryAttribute(null=True, legacy_encoding=False))
        visits = NumberAttribute(null=True)

    class Product(Base, discriminator="product"):
        name = UnicodeAttribute(null=True)
        photo = BinaryAttribute(null=True, legacy_encoding=False)

    Base.create_table(wait=True)
    User("u", name=NAME, photo=b"face").save()
    Product("p", name="Chair").save()
    return Classes(Base, User, Product)


def key(name: str) -> dict[str, Any]:
    return {"id": {"S": name}}


class TestClasses(OnMoto):
    def test_each_item_is_read_by_its_class(self, classes: Classes) -> None:
        """By the base and by its own."""
        assert {item.id: item.name for item in classes.base.scan()} == {"u": NAME, "p": "Chair"}
        assert [item.id for item in classes.product.scan(classes.product.name == "Chair")] == ["p"]

    def test_an_update_does_not_store_plaintext_in_an_item_of_another_class(
        self, dynamodb: DynamoDb, classes: Classes
    ) -> None:
        """PynamoDB notices that the item is of another class when DynamoDB has returned it, with the plaintext."""
        with pytest.raises(UpdateError):
            classes.product("u").update([classes.product.name.set("Table")])
        with pytest.raises(UpdateError):
            classes.user("p").update([classes.user.name.set(OTHER)], condition=classes.user.id == "p")
        assert classes.base.get("u").name == NAME
        assert raw(dynamodb, "app", key("p"))["name"] == {"S": "Chair"}

    def test_an_update_of_an_item_without_a_class_gives_it_one(self, dynamodb: DynamoDb, classes: Classes) -> None:
        """So that it is read as what it was written as, which PynamoDB leaves open."""
        classes.user("new").update([classes.user.name.set(NAME)])
        assert classes.base.get("new").name == NAME

    def test_an_update_of_what_is_plain_everywhere_has_no_condition(self, dynamodb: DynamoDb, classes: Classes) -> None:
        """It goes through as before."""
        put_raw(dynamodb, "app", {**key("u"), "kind": {"S": "user"}})
        classes.user("u").update([classes.user.visits.set(3)])
        assert classes.user.get("u").visits == 3

    def test_the_class_is_changed_by_no_update(self, classes: Classes) -> None:
        """What is protected would be read as plain."""
        with pytest.raises(ProtectedAttributeError, match="'kind' tells the item's class"):
            classes.user("u").update([classes.user.kind.set(classes.product)])

    def test_an_item_that_was_given_another_class_does_not_show_ciphertext(
        self, dynamodb: DynamoDb, classes: Classes
    ) -> None:
        """A program would take it for a value, and perhaps send it on."""
        item = raw(dynamodb, "app", key("u"))
        del item["name"]
        put_raw(dynamodb, "app", {**item, "kind": {"S": "product"}})
        with pytest.raises(DecryptionError, match="'photo' has the form of an encrypted value"):
            classes.base.get("u")

    def test_what_could_not_be_read_is_not_written(self, dynamodb: DynamoDb, classes: Classes) -> None:
        """Plain, and of the form of an encrypted value."""
        photo = raw(dynamodb, "app", key("u"))["photo"]["B"]
        with pytest.raises(ProtectedAttributeError, match="Product: 'photo' has the form"):
            classes.product("p", photo=photo).save()


def test_a_class_with_a_name_of_its_own_shares_no_values(dynamodb: DynamoDb, encryptor: Encryptor) -> None:
    """SPEC section 2: the field of the name of a user in app is app.user.name. Another class does not decrypt it."""

    @encrypted(encryptor, fields="app")
    class Base(Model):
        Meta = dynamodb.meta("app")
        id = UnicodeAttribute(hash_key=True)
        kind = DiscriminatorAttribute()
        name = EncryptedAttribute(UnicodeAttribute(null=True))

    @encrypted(encryptor, fields="app.user")
    class User(Base, discriminator="user"):
        pass

    @encrypted(encryptor, fields="app.admin")
    class Admin(Base, discriminator="admin"):
        pass

    item = User("u", name=NAME).serialize()
    assert encryptor.field("app.user.name", str).decrypt(item["name"]["B"], context=row_context("u")) == NAME
    assert Base.from_raw_data(item).name == NAME
    with pytest.raises(DecryptionError):
        Base.from_raw_data({**item, "kind": Admin("u").serialize()["kind"]})
