"""The fields of a record, and the values of a row, decrypted together or one after the other by a callable."""

from __future__ import annotations

from typing import Any

import pytest

from fieldcrypt import NO_TENANT, DecryptionError, Encryptor, row_context
from fieldcrypt.spi import FieldGroup

SSN = "078-05-1120"


class Key(str):
    """A text that is no plain str."""

    __slots__ = ()


def group_of(encryptor: Encryptor) -> FieldGroup:
    return FieldGroup([encryptor.field("a.name", str), encryptor.field("a.tags", list)])


@pytest.mark.parametrize("context", [None, row_context(7), {"row": "7"}, {"note": "x"}], ids=str)
def test_a_group_decrypts_what_it_encrypted(encryptor: Encryptor, context: Any) -> None:
    """Under the same tenant and context; None stays None."""
    group = group_of(encryptor)
    for values in (["Ann", [1]], [None, [1]], ["Ann", None], [None, None]):
        data = group.encrypt(values, tenant="a", context=context)
        assert group.decrypt(data, tenant="a", context=context) == values


@pytest.mark.parametrize("how", [{"tenant": "b"}, {"tenant": NO_TENANT}, {"tenant": "a", "context": row_context(8)}])
def test_a_group_refuses_what_is_of_another_place(encryptor: Encryptor, how: dict[str, Any]) -> None:
    """Of another tenant or another row, as a field does, and names the field."""
    group = group_of(encryptor)
    data = group.encrypt(["Ann", [1]], tenant="a", context=row_context(7))
    with pytest.raises(DecryptionError, match=r"a\.name"):
        group.decrypt(data, **({"context": row_context(7)} | how))


def test_a_group_refuses_values_that_changed_places(encryptor: Encryptor) -> None:
    """A value decrypts as its own field's only."""
    group = FieldGroup([encryptor.field("a.name", str), encryptor.field("a.city", str)])
    with pytest.raises(DecryptionError, match=r"a\.name"):
        group.decrypt(group.encrypt(["Ann", "Ulm"])[::-1])


@pytest.mark.parametrize("number", [1, 3])
def test_a_group_decrypts_a_value_of_each_field(encryptor: Encryptor, number: int) -> None:
    """Not more, and not less."""
    with pytest.raises(ValueError, match="for 2 fields"):
        group_of(encryptor).decrypt([None] * number)


@pytest.mark.parametrize("tenant", [None, "a", Key("a")], ids=["nobody", "a", "a text of another class"])
def test_a_reader_returns_what_decrypt_does(encryptor: Encryptor, tenant: Any) -> None:
    """For its tenant; None for None."""
    field = encryptor.field("a.b", str)
    read = field.reader(tenant)
    assert [read(data) for data in (field.encrypt(SSN, tenant="a"), None)] == [SSN, None]


def test_a_reader_refuses_what_decrypt_does(encryptor: Encryptor) -> None:
    """A value of another tenant, or none at all."""
    field = encryptor.field("a.b", str)
    read = field.reader("b")
    for data in (field.encrypt(SSN, tenant="a"), b"", b"x" * 100):
        with pytest.raises(DecryptionError, match=r"a\.b"):
            read(data)
    with pytest.raises(TypeError):
        read(SSN)


def test_a_reader_goes_on_when_its_field_forgets(encryptor: Encryptor) -> None:
    """It prepares the key again."""
    field = encryptor.field("a.b", str)
    data, read = field.encrypt(SSN), field.reader()
    assert read(data) == SSN
    field.forget()
    assert read(data) == SSN
