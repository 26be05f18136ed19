"""Names of tables that change: while the program runs, in another environment, or by a restore."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from pynamodb.attributes import DiscriminatorAttribute, UnicodeAttribute
from pynamodb.models import Model

from fieldcrypt import ConfigurationError, DecryptionError, Encryptor
from fieldcrypt_pynamodb import EncryptedAttribute, encrypted

TEXT = "see you in november"


def message(encryptor: Encryptor, table: str, **how: Any) -> Any:
    """A decorated model with a subclass, which nothing but its class tells from it."""

    @encrypted(encryptor, **how)
    class Message(Model, discriminator="message"):
        class Meta:
            table_name = table

        id = UnicodeAttribute(hash_key=True)
        kind = DiscriminatorAttribute()
        text = EncryptedAttribute(UnicodeAttribute(null=True))

    class Urgent(Message, discriminator="urgent"):
        pass

    return Message, Urgent


def test_a_table_for_each_month_has_one_logical_name(encryptor: Encryptor) -> None:
    """What was written before Meta.table_name changed is read afterwards, in the classes below as well."""
    for kind in message(encryptor, "messages_10", fields="messages"):
        kind.Meta.table_name = "messages_10"
        october = kind("1", text=TEXT).serialize()
        kind.Meta.table_name = "messages_11"
        assert kind.from_raw_data(october).text == TEXT


def test_a_second_table_of_a_logical_name_is_refused(encryptor: Encryptor) -> None:
    """Its values could be exchanged with those of the first, unless somebody says that they may."""
    first, _ = message(encryptor, "messages", fields="messages")
    with pytest.raises(ConfigurationError, match="that of the tables messages and restored"):
        message(encryptor, "restored", fields="messages")
    second, _ = message(encryptor, "restored", fields="messages", same_place=True)
    assert second.from_raw_data(first("1", text=TEXT).serialize()).text == TEXT


def test_a_model_that_nobody_uses_any_more_has_no_name(encryptor: Encryptor) -> None:
    """Tests declare theirs anew, for tables of their own; that a class is in cycles is nothing that they could know."""
    gc.disable()
    try:
        message(encryptor, "test_1", fields="messages")
        message(encryptor, "test_2", fields="messages")
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ({}, "was the table restored restored or copied from one with another name"),
        ({"fields": "posts"}, "the table is called restored, its fields posts"),
    ],
)
def test_an_error_tells_of_the_name(encryptor: Encryptor, fields: Any, hint: str) -> None:
    """Where that may be why a value does not decrypt."""
    stored = message(encryptor, "messages")[0]("1", text=TEXT).serialize()
    with pytest.raises(DecryptionError, match=hint):
        message(encryptor, "restored", **fields)[0].from_raw_data(stored)


def test_an_error_of_a_model_that_is_not_decorated_tells_of_the_name(encryptor: Encryptor) -> None:
    """Likewise."""

    class Message(Model):
        class Meta:
            table_name = "messages"

        text = EncryptedAttribute(UnicodeAttribute(), encryptor)

    stored = Message(text=TEXT).serialize()
    Message.Meta.table_name = "restored"
    with pytest.raises(DecryptionError, match="was the table restored restored or copied"):
        Message.from_raw_data(stored)
