"""ProtectedRecord: dictionaries with protected fields, wherever they are stored."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from fieldcrypt import (
    NO_TENANT,
    ConfigurationError,
    DecryptionError,
    Encryptor,
    IndexedBy,
    LocalKeyProvider,
    MemoryKeyStore,
    PlaintextRefusedError,
    ProtectedRecord,
    Protection,
    _system,
)
from fieldcrypt.format.context import row_context
from fieldcrypt.mixed_mode import PreviousField
from tests.support.strategies import Colour

SOON = datetime.now(UTC).date() + timedelta(days=30)
SSN = "078-05-1120"
PATIENT: dict[str, Any] = {
    "id": 42,
    "clinic": "clinic-7",
    "ssn": SSN,
    "address": {"street": "12 Elm Street", "city": "Albany"},
    "phones": [{"kind": "home", "number": "555-0100"}, {"kind": "work", "number": None}],
    "notes": ["first", None, "second"],
}
PATHS: dict[str, Any] = {"ssn": str, "address.street": str, "phones[kind].number": str, "notes[]": str}


@pytest.fixture
def stored() -> Encryptor:
    """An Encryptor with a key store."""
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


def test_a_record_comes_back(encryptor: Encryptor) -> None:
    """What was encrypted decrypts, at the top, in maps and in lists."""
    patients = ProtectedRecord("patients", encryptor, key="id", fields=PATHS)
    assert patients.decrypt(patients.encrypt(PATIENT)) == PATIENT


def test_only_what_is_declared_is_encrypted(encryptor: Encryptor) -> None:
    """The rest stays as it is, None too."""
    stored = ProtectedRecord("patients", encryptor, key="id", fields=PATHS).encrypt(PATIENT)
    assert stored["address"]["city"] == "Albany"
    assert stored["phones"][1] == {"kind": "work", "number": None}
    assert [type(note) for note in stored["notes"]] == [bytes, type(None), bytes]
    assert SSN not in repr(stored)


def test_a_record_is_not_changed(encryptor: Encryptor) -> None:
    """Neither by encrypting nor by decrypting, nested maps and lists included."""
    patients = ProtectedRecord("patients", encryptor, key="id", fields=PATHS)
    before = pickle.dumps(PATIENT)
    stored = patients.encrypt(PATIENT)
    written = pickle.dumps(stored)
    patients.decrypt(stored)
    assert (pickle.dumps(PATIENT), pickle.dumps(stored)) == (before, written)


class Meddling(list[Any]):
    """A list that is changed while it is read, as another thread might."""

    def __init__(self, members: list[Any], meddle: Callable[[list[Any]], object]) -> None:
        super().__init__(members)
        self._meddle = meddle

    def __iter__(self) -> Iterator[Any]:
        before = list(super().__iter__())
        self._meddle(self)
        return iter(before)


@pytest.mark.parametrize("meddle", [list.pop, lambda notes: notes.append("more"), list.clear])
def test_what_changes_meanwhile_is_encrypted_as_it_was(encryptor: Encryptor, meddle: Any) -> None:
    """A list that another thread makes shorter or longer: nothing of it stays plaintext."""
    patients = ProtectedRecord("patients", encryptor, key="id", fields=PATHS)
    stored = patients.encrypt({"id": 1, "notes": Meddling(["first", None, "second"], meddle)})
    assert patients.decrypt(stored) == {"id": 1, "notes": ["first", None, "second"]}
    assert "first" not in stored["notes"]
    assert "second" not in stored["notes"]


def test_values_are_bound_to_what_is_written(encryptor: Encryptor) -> None:
    """Even if another thread changes the key, or what tells an element apart, meanwhile."""
    fields: dict[str, Any] = {"phones[kind].numbers[]": str}
    patients = ProtectedRecord("patients", encryptor, key="id", fields=fields)
    phone: dict[str, Any] = {"kind": "home"}
    record: dict[str, Any] = {"id": 1, "phones": [phone]}

    def meddle(_: list[Any]) -> None:
        record["id"], phone["kind"] = 2, "work"

    phone["numbers"] = Meddling(["555-0100"], meddle)
    stored = patients.encrypt(record)
    assert record["id"] == 2
    assert patients.decrypt(stored) == {"id": 1, "phones": [{"kind": "home", "numbers": ["555-0100"]}]}


def test_what_is_missing_stays_so(encryptor: Encryptor) -> None:
    """A part of a record is one too, with its key."""
    patients = ProtectedRecord("patients", encryptor, key="id", fields=PATHS)
    part = {"id": 42, "address": None, "phones": [], "notes": [None]}
    assert patients.encrypt(part) == part
    assert patients.decrypt({"id": 42}) == {"id": 42}


def test_many_records_come_back(encryptor: Encryptor) -> None:
    """Each with its own key, in their order."""
    patients = ProtectedRecord("patients", encryptor, key="id", fields=PATHS)
    records = [{"id": number, "ssn": f"{number}"} for number in range(5)]
    stored = patients.encrypt_many(iter(records))
    assert patients.decrypt_many(stored) == records
    with pytest.raises(DecryptionError):
        patients.decrypt({**stored[1], "id": 2})


def test_top_level_fields_are_those_of_every_integration(encryptor: Encryptor) -> None:
    """A plain Field of the name, with the row as its context, reads and writes the same values."""
    patients = ProtectedRecord("patients", encryptor, key=("clinic", "id"), fields={"ssn": str})
    field, context = encryptor.field("patients.ssn", str), row_context("clinic-7", 42)
    assert field.decrypt(patients.encrypt(PATIENT)["ssn"], context=context) == SSN
    assert patients.decrypt({**PATIENT, "ssn": field.encrypt(SSN, context=context)})["ssn"] == SSN


def test_nested_values_are_bound_as_the_format_says(encryptor: Encryptor) -> None:
    """SPEC section 2: the field of the first name, the path, and the element's own member."""
    patients = ProtectedRecord("patients", encryptor, key="id", fields=PATHS)
    number = patients.encrypt(PATIENT)["phones"][0]["number"]
    context = {"row": "42", "path": "phones[kind].number", "element": "home"}
    assert encryptor.field("patients.phones", str).decrypt(number, context=context) == "555-0100"


def test_a_name_of_its_own_survives_the_path(encryptor: Encryptor) -> None:
    """Protection(name=…) renames the field; the path stays in the context."""
    patients = ProtectedRecord("patients", encryptor, fields={"address.street": Protection(str, name="people.home")})
    street = patients.encrypt(PATIENT)["address"]["street"]
    assert encryptor.field("people.home", str).decrypt(street, context={"path": "address.street"}) == "12 Elm Street"


def test_a_literal_name_is_that_of_a_member_at_the_top(encryptor: Encryptor) -> None:
    """Dots included; the field is the one that has the name with an escaped dot."""
    protection = Protection(str, literal_name=True)
    record = ProtectedRecord("patients", encryptor, fields={"address.street": protection})
    stored = record.encrypt({"address.street": "Elm Street", "address": {"street": "plain"}})
    assert stored["address"] == {"street": "plain"}
    assert encryptor.field("patients.address.street", str).decrypt(stored["address.street"]) == "Elm Street"
    assert pickle.loads(pickle.dumps(protection)) == protection


@pytest.mark.parametrize(
    "wrong",
    [
        {"address.street": "Elm Street"},
        {"address\\.street": "Elm Street"},
        {"address.street.number": "12"},
        {"phones[kind].number": "555-0100"},
        {"phones[0].number": "555-0100"},
        {"phones[0]": {"kind": "home", "number": "555-0100"}},
        {"notes[]": "first"},
        {"notes[0]": "first"},
        {"contact": {"home.street": "Elm Street"}},
        {"relatives": [{"home.street": "Elm Street"}]},
    ],
    ids=str,
)
def test_a_name_that_is_spelled_like_a_path_is_refused(encryptor: Encryptor, wrong: dict[str, Any]) -> None:
    """Where nobody looks for protected values they would be stored as they are."""
    deep: dict[str, Any] = {**PATHS, "contact.home.street": str, "relatives[].home.street": str}
    patients = ProtectedRecord("patients", encryptor, key="id", fields=deep)
    with pytest.raises(PlaintextRefusedError, match=r"nest it, or declare .*literal_name=True"):
        patients.encrypt({"id": 42, **wrong})
    assert patients.decrypt({"id": 42, **wrong}) == {"id": 42, **wrong}  # what a store has already


def test_a_name_with_a_dot_that_leads_to_nothing_protected_is_one_like_any_other(encryptor: Encryptor) -> None:
    """Nor are names refused that are no text, or without nested paths."""
    other: dict[Any, Any] = {
        "ssn.checked": "yes",
        "address.city": "Oslo",
        "ward[0].bed": "5",
        "..": 7,
        8: "eight",
        "[": {"a.b": 9},
    }
    for fields in (PATHS, {"ssn": str}):
        patients = ProtectedRecord("patients", encryptor, fields=fields, same_place=True)
        assert patients.encrypt(other) == other
    literal = {**PATHS, r"address\.street": str}
    patients = ProtectedRecord("patients", encryptor, fields=literal, same_place=True)
    assert patients.encrypt({"address.street": "Elm Street"})["address.street"] != "Elm Street"


def test_text_is_stored_where_only_text_can_be(stored: Encryptor) -> None:
    """A record with storage="text" goes through JSON, tags included."""
    fields = {path: Protection(how, storage="text") for path, how in PATHS.items()}
    fields["ssn"] = Protection(str, storage="text", index="ssn_tag")
    patients = ProtectedRecord("patients", stored, key="id", fields=fields)
    document = json.loads(json.dumps(patients.encrypt(PATIENT)))
    assert document["ssn"].startswith("fc1.")
    assert patients.tags("ssn", SSN) == [document["ssn_tag"]]
    assert patients.decrypt(document) == PATIENT


class TestTenants:
    """Tenants have keys of their own."""

    def test_the_record_says_whose_it_is(self, encryptor: Encryptor) -> None:
        """A value is encrypted under the keys of the record's tenant."""
        patients = ProtectedRecord("patients", encryptor, key="id", tenant="clinic", fields={"ssn": str})
        stored = patients.encrypt(PATIENT)
        assert patients.fields["ssn"].decrypt(stored["ssn"], tenant="clinic-7", context=row_context(42)) == SSN
        with pytest.raises(DecryptionError):
            patients.decrypt({**stored, "clinic": "clinic-8"})

    def test_the_caller_can_say_it_too(self, encryptor: Encryptor) -> None:
        """For records without it; and then a record of another tenant is refused."""
        patients = ProtectedRecord("patients", encryptor, key="id", tenant="clinic", fields={"ssn": str})
        stored = patients.encrypt({"id": 42, "ssn": SSN}, tenant="clinic-7")
        assert patients.decrypt(stored, tenant="clinic-7")["ssn"] == SSN
        with pytest.raises(TypeError, match="not one of the tenant that was named"):
            patients.encrypt(PATIENT, tenant="clinic-8")
        with pytest.raises(DecryptionError):
            patients.decrypt(patients.encrypt(PATIENT), tenant="clinic-8")

    def test_a_record_without_values_is_not_another_s_either(self, encryptor: Encryptor) -> None:
        """Who names a tenant gets its records alone, whatever is in them."""
        patients = ProtectedRecord("patients", encryptor, key="id", tenant="clinic", fields={"ssn": str})
        theirs = {"id": 42, "clinic": "clinic-8", "ssn": None}
        with pytest.raises(DecryptionError):
            patients.decrypt(theirs, tenant="clinic-7")
        assert patients.decrypt(theirs, tenant="clinic-8") == theirs

    def test_no_tenant_is_no_name_of_one(self, encryptor: Encryptor) -> None:
        """`NO_TENANT` is for values of fields; a record with tenants has one."""
        patients = ProtectedRecord("patients", encryptor, key="id", tenant="clinic", fields=PATHS)
        with pytest.raises(TypeError):
            patients.encrypt({"id": 1, "ssn": SSN}, tenant=NO_TENANT)
        with pytest.raises(PlaintextRefusedError):
            patients.encrypt({"id": 1, "ssn": SSN, "clinic": NO_TENANT})

    def test_none_can_be_named_where_there_are_none(self, encryptor: Encryptor) -> None:
        """Whoever names one expects it to count."""
        patients = ProtectedRecord("patients", encryptor, key="id", fields={"ssn": str})
        with pytest.raises(TypeError, match="have none"):
            patients.encrypt(PATIENT, tenant="clinic-7")
        with pytest.raises(TypeError, match="have none"):
            patients.decrypt(patients.encrypt(PATIENT), tenant="clinic-7")

    def test_tags_per_tenant_are_not_those_of_another(self, stored: Encryptor) -> None:
        """And a search has to name the tenant."""
        index = IndexedBy("ssn_tag", per_tenant=True)
        patients = ProtectedRecord(
            "patients", stored, key="id", tenant="clinic", fields={"ssn": Protection(str, index=index)}
        )
        mine, yours = (patients.encrypt({**PATIENT, "clinic": clinic})["ssn_tag"] for clinic in ("a", "b"))
        assert mine != yours
        assert patients.tags("ssn", SSN, tenant="a") == [mine]
        with pytest.raises(ConfigurationError, match="tenant="):
            patients.tags("ssn", SSN)


class TestTags:
    """Tags stand beside their values."""

    def test_they_are_written_beside_the_value_and_left_out_again(self, stored: Encryptor) -> None:
        """Nested ones too; who reads a record does not see them."""
        fields = {"ssn": Protection(str, index="tag"), "address.street": Protection(str, index="tag")}
        patients = ProtectedRecord("patients", stored, key="id", fields=fields)
        written = patients.encrypt(PATIENT)
        assert patients.tags("ssn", SSN) == [written["tag"]]
        assert patients.tags("address.street", "12 Elm Street") == [written["address"]["tag"]]
        assert patients.decrypt(written) == PATIENT

    def test_two_paths_do_not_share_them(self, stored: Encryptor) -> None:
        """Though they are of one field, by its name."""
        fields = {"address.street": Protection(str, index="a"), "address.city": Protection(str, index="b")}
        patients = ProtectedRecord("patients", stored, fields=fields)
        written = patients.encrypt({"address": {"street": "Albany", "city": "Albany"}})
        assert written["address"]["a"] != written["address"]["b"]

    def test_a_field_has_several(self, stored: Encryptor) -> None:
        """A search says which."""
        index: list[str | IndexedBy] = ["exact", IndexedBy("folded", "casefold")]
        people = ProtectedRecord("people", stored, fields={"name": Protection(str, index=index)})
        written = people.encrypt({"name": "Ann"})
        assert people.tags("name", "ANN", index="folded") == [written["folded"]]
        assert people.tags("name", "ANN", index="exact") != [written["exact"]]
        with pytest.raises(ConfigurationError, match="exact, folded"):
            people.tags("name", "ANN")

    def test_a_value_with_nothing_to_tag_has_none(self, stored: Encryptor) -> None:
        """It is stored all the same."""
        people = ProtectedRecord("people", stored, fields={"phone": Protection(str, index=IndexedBy("tag", "digits"))})
        for phone in ("none", None):
            written = people.encrypt({"phone": phone})
            assert written["tag"] is None
            assert people.decrypt(written) == {"phone": phone}

    def test_no_tag_of_a_previous_value_stays(self, stored: Encryptor) -> None:
        """Where members are updated; those of members that are missing are not touched."""
        how = Protection(str, index="tag")
        people = ProtectedRecord("people", stored, key="id", fields={"ssn": how, "home.phone": how})
        row = people.encrypt({"id": 1, "ssn": SSN, "home": {"phone": "555-0100"}})
        assert people.encrypt({"id": 1, "home": {}}) == {"id": 1, "home": {}}
        row.update(people.encrypt({"id": 1, "ssn": None, "home": {"phone": None}}))
        assert row == {"id": 1, "ssn": None, "tag": None, "home": {"phone": None, "tag": None}}

    def test_they_are_not_the_application_s_to_write(self, stored: Encryptor) -> None:
        """A record that has a tag when it is encrypted is refused; what a dataclass has in its place is not."""
        patients = ProtectedRecord("patients", stored, fields={"ssn": Protection(str, index="ssn_tag")})
        with pytest.raises(TypeError, match="filled by fieldcrypt"):
            patients.encrypt({"ssn": SSN, "ssn_tag": b"0123456789abcdef"})
        assert patients.encrypt({"ssn": SSN, "ssn_tag": None})["ssn_tag"] == patients.tags("ssn", SSN)[0]


class TestMixedMode:
    """What was stored before is read for a time."""

    @pytest.mark.parametrize(
        ("kind", "value"), [(str, SSN), (int, 7), (date, date(2026, 1, 2)), (Colour, Colour.RED), (list, [1, "a"])]
    )
    @pytest.mark.parametrize("storage", ["binary", "text"])
    def test_plaintext_of_the_type_is_read(self, encryptor: Encryptor, kind: type, value: Any, storage: Any) -> None:
        """A record that was never encrypted, beside one that was."""
        how = Protection(kind, accept_plaintext=SOON, storage=storage)
        records = ProtectedRecord("records", encryptor, key="id", fields={"a.b": how})
        plain = {"id": 1, "a": {"b": value}}
        assert records.decrypt(plain) == plain
        assert records.decrypt(records.encrypt(plain)) == plain

    @pytest.mark.parametrize("storage", ["binary", "text"])
    def test_what_looks_like_a_value_is_no_plaintext(self, encryptor: Encryptor, storage: Any) -> None:
        """In neither form, whatever the record's own is."""
        how = Protection(str, accept_plaintext=SOON, storage=storage)
        records = ProtectedRecord("records", encryptor, key="id", fields={"a": how})
        other = ProtectedRecord("others", encryptor, key="id", fields={"a": how})
        for looks_so in (other.encrypt({"id": 1, "a": SSN})["a"], "fc1.", "fc1.078-05-1120"):
            with pytest.raises(DecryptionError):
                records.decrypt({"id": 1, "a": looks_so})

    def test_another_type_is_no_plaintext(self, encryptor: Encryptor) -> None:
        """A number in a text field was written by nobody who knows it."""
        records = ProtectedRecord("records", encryptor, fields={"a": Protection(int, accept_plaintext=SOON)})
        for value in (True, 1.0, "1", {"b": 1}):
            with pytest.raises(DecryptionError):
                records.decrypt({"a": value})

    def test_values_of_a_previous_declaration_are_read(self, encryptor: Encryptor) -> None:
        """Also where these were bound to another member of the record."""
        before = ProtectedRecord("people", encryptor, key="number", fields={"ssn": str})
        how = Protection(
            str, accept=[PreviousField(encryptor.field("people.ssn", str), row="number")], accept_until=SOON
        )
        now = ProtectedRecord("patients", encryptor, key="id", fields={"ssn": how})
        record = {"id": 42, "number": 7, "ssn": SSN}
        assert now.decrypt(before.encrypt(record)) == record
        with pytest.raises(DecryptionError):
            now.decrypt({**before.encrypt(record), "number": 8})


class TestDeclarations:
    """What cannot work is refused where it is declared."""

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"id": str},
            {"clinic": str},
            {"address": dict, "address.street": str},
            {"address.street": str, "address": dict},
            {"phones[].number": str, "phones[kind].number": str},
            {"phones[].number": str, "phones.home": str},
            {"phones[kind].kind": str},
            {"ssn": Protection(str, index="id")},
            {"ssn": Protection(str, index="clinic")},
            {"ssn": Protection(str, index="born"), "born": int},
            {"ssn": Protection(str, index="tag"), "email": Protection(str, index="tag")},
            {"ssn": Protection(str, index=["tag", "tag"])},
            {"notes[]": Protection(str, index="tag")},
            {"phones[kind].number": Protection(str, index="kind")},
            {"a.b": Protection(str, context={"path": "x"})},
            {"a": Protection(str, context={"row.1": "x"})},
            {"a": Protection(str, name="x"), "b": Protection(int, name="x")},
        ],
    )
    def test_contradictions(self, stored: Encryptor, fields: dict[str, Any]) -> None:
        """Keys that are protected, values that are protected twice or are of one field, tags that have no place."""
        with pytest.raises(ConfigurationError):
            ProtectedRecord("patients", stored, key="id", tenant="clinic", fields=fields)

    @pytest.mark.parametrize(
        "how",
        [
            {"name": None},
            {"name": ""},
            {"name": 7},
            {"fields": ["ssn"]},
            {"fields": {}},
            {"key": 7},
            {"key": {"country", "number"}},
            {"seal": "seal"},
        ],
        ids=str,
    )
    def test_arguments_of_other_types(self, encryptor: Encryptor, how: dict[str, Any]) -> None:
        """Among them a key in no order: another process would take it in another one."""
        how = {"fields": {"ssn": str}, "name": "patients", **how}
        with pytest.raises(ConfigurationError):
            ProtectedRecord(how.pop("name"), encryptor, **how)

    def test_a_search_without_an_index(self, stored: Encryptor) -> None:
        """The refusal says how to declare one."""
        with pytest.raises(ConfigurationError, match=r"patients.ssn has no blind index: Protection\(…, index=…\)"):
            ProtectedRecord("patients", stored, key="id", fields={"ssn": str}).tags("ssn", SSN)

    def test_tags_per_tenant_without_tenants(self, stored: Encryptor) -> None:
        """They need tenant=."""
        how = Protection(str, index=IndexedBy("tag", per_tenant=True))
        with pytest.raises(ConfigurationError, match="tenant="):
            ProtectedRecord("patients", stored, fields={"ssn": how})

    def test_two_of_one_name_are_one_place(self, encryptor: Encryptor) -> None:
        """So another declaration of a name is refused, unless it is meant; the same one again is not."""
        first = ProtectedRecord("patients", encryptor, key="id", fields={"ssn": str})
        ProtectedRecord("patients", encryptor, key="id", fields={"ssn": Protection(str)})
        with pytest.raises(ConfigurationError, match="same_place=True"):
            ProtectedRecord("patients", encryptor, key="id", fields={"email": str})
        with pytest.raises(ConfigurationError, match="same_place=True"):
            ProtectedRecord("patients", encryptor, key="number", fields={"ssn": str})
        again = ProtectedRecord("patients", encryptor, key="number", fields={"ssn": str}, same_place=True)
        assert again.decrypt({"number": 42, "ssn": first.encrypt(PATIENT)["ssn"]})["ssn"] == SSN

    def test_one_that_is_gone_does_not_take_its_equals_along(self, encryptor: Encryptor) -> None:
        """What is still used counts, whichever was the first."""
        first = ProtectedRecord("patients", encryptor, key="id", fields={"ssn": str})
        again = ProtectedRecord("patients", encryptor, key="id", fields={"ssn": str})
        del first
        with pytest.raises(ConfigurationError, match="same_place=True"):
            ProtectedRecord("patients", encryptor, key="number", fields={"ssn": str})
        assert again.name == "patients"

    def test_one_that_is_gone_is_in_nobody_s_way(self, encryptor: Encryptor) -> None:
        """A declaration within a function counts while it is used."""
        ProtectedRecord("patients", encryptor, key="id", fields={"ssn": str})
        ProtectedRecord("patients", encryptor, key="number", fields={"email": str})

    def test_it_goes_to_another_process(self) -> None:
        """As its declaration, with its Encryptor; several times, for several tasks, mixed mode included."""
        encryptor = Encryptor()
        before = PreviousField(encryptor.field("people.ssn", str))
        fields = {**PATHS, "ssn": Protection(str, accept=[before], accept_until=SOON)}
        patients = ProtectedRecord("patients", encryptor, key="id", fields=fields)
        other, again = (pickle.loads(pickle.dumps(patients)) for _ in range(2))
        encryptor.configure(LocalKeyProvider.generate())
        assert len({patients, other, again}) == 3
        assert again.decrypt(patients.encrypt(PATIENT)) == PATIENT


def test_the_values_of_a_record_have_one_draw_of_nonces(encryptor: Encryptor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nested ones too: a call of the kernel each would take a fifth of the time."""
    patients = ProtectedRecord("patients", encryptor, key="id", fields=PATHS)
    patients.encrypt(PATIENT)
    drawn: list[int] = []

    def draw(size: int) -> bytes:
        drawn.append(size)
        return bytes(range(size))

    monkeypatch.setattr(_system, "random_bytes", draw)
    patients.encrypt(PATIENT)
    assert drawn == [5 * 12]
