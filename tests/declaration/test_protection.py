"""Protection: one description of a field, from which everything that works on it is made."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    IndexedBy,
    LocalKeyProvider,
    MemoryKeyStore,
    Protection,
)
from fieldcrypt.mixed_mode import PreviousField

SOON = datetime.now(UTC).date() + timedelta(days=30)
SSN = "078-05-1120"


def test_a_field_gets_what_is_declared(encryptor: Encryptor) -> None:
    """Name, type, context and padding are those of the declaration."""
    protection = Protection(str, name="patients.ssn", context={"app": "billing"}, pad=32)
    field = protection.field(encryptor, "another.name")
    assert (field.name, field.type, field.pad) == ("patients.ssn", str, 32)
    assert field.context == encryptor.field("patients.ssn", context={"app": "billing"}).context


def test_a_field_without_a_name_takes_that_of_its_place(encryptor: Encryptor) -> None:
    """What a declaration calls a field is its name, unless the protection has one."""
    assert Protection(str).field(encryptor, "patients.ssn").name == "patients.ssn"


def test_accepted_keys_reach_the_field(encryptor: Encryptor) -> None:
    """Whoever declares accept_public_key and accept_foreign_keys has a field that does."""
    field = Protection(str, accept_public_key=True, accept_foreign_keys=True).field(encryptor, "patients.ssn")
    how = field.__reduce__()[0].keywords
    assert (how["accept_public_key"], how["accept_foreign_keys"]) == (True, True)


@pytest.mark.parametrize(
    "index", ["tag", IndexedBy("tag"), ["tag"], (IndexedBy("tag"),)], ids=["name", "index", "names", "indexes"]
)
def test_every_way_to_say_an_index_is_one(index: Any) -> None:
    """A name, an IndexedBy and sequences of either are the same declaration."""
    assert Protection(str, index=index) == Protection(str, index="tag")
    assert Protection(str, index=index).indexes == (IndexedBy("tag"),)


def test_a_field_has_several_indexes() -> None:
    """Each index has a companion and tags of its own."""
    encryptor = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
    protection = Protection(str, index=["exact", IndexedBy("folded", "casefold", per_tenant=True)])
    exact, folded = protection.blind_indexes(encryptor, "patients.email")
    assert exact.tag("Ann") != exact.tag("ann")
    assert folded.tag("Ann") == folded.tag("ann")


def test_plaintext_is_read_until_its_day(encryptor: Encryptor) -> None:
    """Mixed mode is declared here."""
    protection = Protection(str, accept_plaintext=SOON)
    mixed = protection.mixed(encryptor, protection.field(encryptor, "patients.ssn"))
    assert mixed is not None
    assert mixed.decrypt(SSN) == SSN


def test_nothing_else_is_read_by_default(encryptor: Encryptor) -> None:
    """Without accept there is no mixed mode."""
    protection = Protection(str)
    assert protection.mixed(encryptor, protection.field(encryptor, "patients.ssn")) is None


def test_former_values_are_read(encryptor: Encryptor) -> None:
    """What a former declaration wrote is read by the field of now, and by no other."""
    former = encryptor.field("patients.social", str)
    protection = Protection(str, accept=[PreviousField(former)], accept_until=SOON)
    field = protection.field(encryptor, "patients.ssn")
    mixed = protection.mixed(encryptor, field)
    assert mixed is not None
    assert mixed.decrypt(former.encrypt(SSN)) == SSN
    with pytest.raises(DecryptionError):
        field.decrypt(former.encrypt(SSN))


@pytest.mark.parametrize(
    ("declare", "error"),
    [
        (lambda: Protection(str, accept_plaintext=date(2999, 1, 1)), ConfigurationError),
        (lambda: Protection(str, accept_until=SOON), ConfigurationError),
        (lambda: Protection(str, accept=[object()], accept_until=SOON), ConfigurationError),  # type: ignore[list-item]
        (lambda: Protection(str, index=7), ConfigurationError),  # type: ignore[arg-type]
        (lambda: Protection(str, index=[7]), ConfigurationError),  # type: ignore[list-item]
        (lambda: Protection(str, storage="hex"), ConfigurationError),  # type: ignore[arg-type]
        (lambda: Protection(str, context={"fieldcrypt:field": "x"}), ValueError),
    ],
)
def test_a_wrong_declaration_is_refused_at_once(declare: Callable[[], object], error: type[Exception]) -> None:
    """What cannot work raises where it stands, and not at the first value."""
    with pytest.raises(error):
        declare()


def test_it_is_frozen() -> None:
    """A declaration does not change, not even by what it was made of."""
    context, protection = {"app": "billing"}, Protection(str, context={"app": "billing"})
    same = Protection(str, context=context)
    context["app"] = "other"
    assert same == protection
    with pytest.raises(AttributeError):
        protection.pad = 8  # type: ignore[misc]


def test_equal_declarations_hash_and_pickle_as_one() -> None:
    """It can be a part of a cache's key, and go to another process."""
    protection = Protection(str, index="tag", context={"app": "billing"}, accept_plaintext=SOON)
    assert hash(protection) == hash(Protection(str, index=["tag"], context={"app": "billing"}, accept_plaintext=SOON))
    assert pickle.loads(pickle.dumps(protection)) == protection
