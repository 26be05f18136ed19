"""Attributes of tables and models are declared by `Protection`: what both take of it, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model

from fieldcrypt import ConfigurationError, DecryptionError, Encryptor, Protection
from fieldcrypt_dynamodb import ItemSeal, Protected, ProtectedTable
from fieldcrypt_dynamodb.item.forms import PYTHON
from fieldcrypt_dynamodb.item.items import Items
from fieldcrypt_pynamodb import EncryptedAttribute, encrypted

SSN = "078-05-1120"
CONTEXT = {"purpose": "care"}


def table(encryptor: Encryptor, protection: Any) -> Items:
    """The items of a table with one protected attribute."""
    return Items(ProtectedTable("patients", encryptor, key=["id"], attributes={"ssn": protection}), PYTHON)


def model(encryptor: Encryptor, **options: Any) -> Any:
    """A model with one, of the same table."""

    @encrypted(encryptor)
    class Patient(Model):
        class Meta:
            table_name = "patients"

        id = UnicodeAttribute(hash_key=True)
        ssn = EncryptedAttribute(UnicodeAttribute(), **options)

    return Patient


def test_a_protected_attribute_is_a_protection() -> None:
    """Under the name that reads well in a description."""
    assert Protected is Protection


def test_a_table_binds_values_to_a_context(encryptor: Encryptor) -> None:
    """Beside the item's key."""
    item = table(encryptor, Protected(str, context=CONTEXT)).encrypted({"id": "1", "ssn": SSN})
    assert table(encryptor, Protected(str, context=CONTEXT)).decrypted(item)["ssn"] == SSN
    with pytest.raises(DecryptionError):
        table(encryptor, str).decrypted(item)


def test_a_model_binds_values_to_the_same_context(encryptor: Encryptor) -> None:
    """A table reads them."""
    item = model(encryptor, context=CONTEXT)("1", ssn=SSN)._container_serialize()
    assert table(encryptor, Protected(str, context=CONTEXT)).decrypted(item)["ssn"] == SSN
    with pytest.raises(DecryptionError):
        model(encryptor)._instantiate(item)


def test_a_table_has_binary_values(encryptor: Encryptor) -> None:
    """Texts only take more room."""
    with pytest.raises(ConfigurationError, match=r"patients\.ssn: values are binary"):
        table(encryptor, Protected(str, storage="text"))


def test_two_attributes_are_not_one_field(encryptor: Encryptor) -> None:
    """Else their values could be exchanged within an item."""
    attributes = {name: Protected(str, name="patients.ssn") for name in ("ssn", "former_ssn")}
    with pytest.raises(ConfigurationError, match=r"the field 'patients\.ssn'"):
        ProtectedTable("patients", encryptor, key=["id"], attributes=attributes)


@pytest.mark.parametrize(
    "how",
    [{"key": {"clinic", "id"}}, {"seal": ItemSeal("seal", {"role"})}, {"seal": ItemSeal("seal", iter(["role"]))}],  # type: ignore[arg-type]
)
def test_what_has_no_order_is_refused(encryptor: Encryptor, how: dict[str, Any]) -> None:
    """As a key: another process would take it in another one. An iterator is used up after the first look."""
    how = {"key": ["id"], "attributes": {"ssn": str}, **how}
    with pytest.raises(ConfigurationError):
        ProtectedTable("patients", encryptor, **how)
