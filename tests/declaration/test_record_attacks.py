"""Whoever writes to the store moves, plants and changes values of records: what is noticed, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from fieldcrypt import DecryptionError, Encryptor, PlaintextRefusedError, ProtectedRecord, Protection

SSN = "078-05-1120"
Stored = dict[str, Any]


@pytest.fixture
def patients(encryptor: Encryptor) -> ProtectedRecord:
    """Bound to its key, with elements that are told apart and elements that are not."""
    fields: dict[str, Any] = {
        "ssn": str,
        "former_ssn": str,
        "address.street": str,
        "billing.street": str,
        "phones[kind].number": str,
        "relatives[].ssn": str,
    }
    return ProtectedRecord("patients", encryptor, key="id", fields=fields)


@pytest.fixture
def stored(patients: ProtectedRecord) -> Stored:
    """A record as the store has it."""
    return patients.encrypt(
        {
            "id": 1,
            "ssn": SSN,
            "former_ssn": "219-09-9999",
            "address": {"street": "Elm Street"},
            "billing": {"street": "Oak Street"},
            "phones": [{"kind": "home", "number": "555-0100"}, {"kind": "work", "number": "555-0199"}],
            "relatives": [{"ssn": "a"}, {"ssn": "b"}],
        }
    )


def test_a_value_of_another_record(patients: ProtectedRecord, stored: Stored) -> None:
    """It is bound to the key."""
    with pytest.raises(DecryptionError):
        patients.decrypt({**stored, "id": 2})


def test_a_value_of_another_field(patients: ProtectedRecord, stored: Stored) -> None:
    """It is bound to the name."""
    with pytest.raises(DecryptionError):
        patients.decrypt({**stored, "ssn": stored["former_ssn"]})


def test_a_value_of_another_path(patients: ProtectedRecord, stored: Stored) -> None:
    """It is bound to the whole path, and not to its end."""
    with pytest.raises(DecryptionError):
        patients.decrypt({**stored, "address": stored["billing"]})


def test_a_value_of_another_element(patients: ProtectedRecord, stored: Stored) -> None:
    """Elements that are told apart keep their values, wherever in the list they are."""
    home, work = stored["phones"]
    with pytest.raises(DecryptionError):
        patients.decrypt({**stored, "phones": [{**home, "number": work["number"]}]})
    assert patients.decrypt({**stored, "phones": [work, home]})["phones"][0]["number"] == "555-0199"


def test_elements_that_are_not_told_apart_can_be_exchanged(patients: ProtectedRecord, stored: Stored) -> None:
    """As SPEC section 9 says; within one record, and no further."""
    one, other = stored["relatives"]
    assert patients.decrypt({**stored, "relatives": [other, one]})["relatives"] == [{"ssn": "b"}, {"ssn": "a"}]
    with pytest.raises(DecryptionError):
        patients.decrypt({"id": 2, "relatives": [one]})


def test_without_a_key_records_can_exchange_values(encryptor: Encryptor) -> None:
    """As the docs say of it."""
    notes = ProtectedRecord("notes", encryptor, fields={"text": str})
    assert notes.decrypt({"id": 2, "text": notes.encrypt({"id": 1, "text": "a"})["text"]}) == {"id": 2, "text": "a"}


@pytest.mark.parametrize("planted", [SSN, SSN.encode(), 78051120, {"S": SSN}, b"", "fc1.AQ"])
def test_plaintext_in_the_place_of_a_value(encryptor: Encryptor, planted: Any) -> None:
    """It is refused in both forms, counted, and not in the message."""
    for storage in ("binary", "text"):
        how: Any = Protection(str, storage=storage)
        patients = ProtectedRecord(f"patients.{storage}", encryptor, key="id", fields={"ssn": how})
        with pytest.raises(DecryptionError) as caught:
            patients.decrypt({"id": 1, "ssn": planted})
        assert "078" not in f"{caught.value!r} {caught.value.__context__!r}"
    assert encryptor.stats().events["value_refused"] == 2


@pytest.mark.parametrize("storage", ["binary", "text"])
def test_the_form_of_the_other_storage(encryptor: Encryptor, storage: Any) -> None:
    """A record has values in one form."""
    forms: dict[str, Any] = {"binary": Protection(str), "text": Protection(str, storage="text")}
    records = {form: ProtectedRecord(form, encryptor, fields={"a": how}) for form, how in forms.items()}
    [other] = forms.keys() - {storage}
    with pytest.raises(DecryptionError):
        records[storage].decrypt(records[other].encrypt({"a": SSN}))


@pytest.mark.parametrize(
    "misshapen",
    [
        {"id": 1, "address": SSN},
        {"id": 1, "address": [{"street": SSN}]},
        {"id": 1, "relatives": {"ssn": SSN}},
        {"id": 1, "relatives": [SSN]},
        {"id": 1, "relatives": SSN},
        {"id": 1, "phones": [{"number": SSN}]},
        {"id": 1, "phones": [{"kind": None, "number": SSN}]},
        {"id": 1, "phones": [{"kind": 1.5, "number": SSN}]},
        {"ssn": SSN},
        {"id": None, "ssn": SSN},
        {"id": 1.5, "ssn": SSN},
    ],
)
def test_a_record_of_another_shape(patients: ProtectedRecord, misshapen: Stored) -> None:
    """Nothing of it is taken for encrypted, nor left unencrypted: not to be written, and refused when it is read."""
    with pytest.raises(PlaintextRefusedError) as refused:
        patients.encrypt(misshapen)
    with pytest.raises(DecryptionError) as wrong:
        patients.decrypt(misshapen)
    for caught in (refused, wrong):
        assert str(caught.value).startswith("patients: ")
        assert SSN not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_a_value_of_another_tenant(encryptor: Encryptor) -> None:
    """Though the record says of itself that it is that tenant's."""
    patients = ProtectedRecord("patients", encryptor, key="id", tenant="clinic", fields={"ssn": str})
    theirs = patients.encrypt({"id": 1, "clinic": "theirs", "ssn": SSN})
    with pytest.raises(DecryptionError):
        patients.decrypt({**theirs, "clinic": "mine"})
    with pytest.raises(DecryptionError):
        patients.decrypt(theirs, tenant="mine")
    with pytest.raises(DecryptionError):
        patients.decrypt({"id": 1, "ssn": theirs["ssn"]})


def test_errors_say_where_and_not_what(patients: ProtectedRecord, stored: Stored) -> None:
    """Field, path and position are named; the value is not."""
    with pytest.raises(TypeError) as caught:
        patients.encrypt_many([{"id": 1}, {"id": 2, "relatives": [{"ssn": 78051120}]}])
    said = f"{caught.value} {caught.value.__notes__}"
    assert "patients.relatives" in said
    assert "at relatives[].ssn of a record of patients" in said
    assert "position 1" in said
    assert "78051120" not in said
