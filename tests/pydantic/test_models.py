"""Pydantic models: what is protected is encrypted wherever it stands in a model, or the declaration is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, AnyUrl, BaseModel, ConfigDict, Field, SecretStr, computed_field
from typing_extensions import TypedDict

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    IndexedBy,
    LocalKeyProvider,
    MemoryKeyStore,
    PlaintextRefusedError,
)
from fieldcrypt_pydantic import Protected, ProtectedModel

SSN = "078-05-1120"


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    street: Annotated[str, Protected(storage="text")]
    city: str = ""


class Patient(BaseModel):
    model_config = ConfigDict(validate_by_name=True)

    id: UUID = UUID(int=7)
    clinic_id: str = "north"
    ssn: Annotated[str, Protected(storage="text"), Field(max_length=11)] = SSN
    pin: Annotated[SecretStr | None, Protected(storage="text")] = None
    born: Annotated[date, Protected(storage="text")] | None = None
    colour: Annotated[Colour, Protected(storage="text")] = Colour.RED
    kind: Annotated[Literal["in", "out"], Protected(storage="text")] = "in"
    email: Annotated[str, Protected(index=IndexedBy("email_tag", "casefold"), storage="text")] = Field(
        default="ann@example.org", exclude=True, validation_alias="e-mail"
    )
    tags: list[Annotated[str, Protected(storage="text")]] = []
    home: Address | None = None
    others: list[Address] = []

    @computed_field
    def initials(self) -> str:
        return self.ssn[:2]


@pytest.fixture(scope="module")
def encryptor() -> Encryptor:
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


@pytest.fixture(scope="module")
def patients(encryptor: Encryptor) -> ProtectedModel[Patient]:
    return ProtectedModel(Patient, "patients", encryptor, key="id", tenant="clinic_id")


def declared(annotation: Any) -> Any:
    """Return a model with a field of an annotation."""
    return type("Declared", (BaseModel,), {"__annotations__": {"value": annotation}, "__module__": __name__})


texts = st.text(st.characters(codec="utf-8"))
addresses = st.builds(Address, street=texts, city=texts)
instances = st.builds(
    Patient,
    id=st.uuids(),
    clinic_id=st.text("abc-", min_size=1, max_size=20),
    ssn=st.text(st.characters(codec="utf-8"), max_size=11),
    pin=st.none() | st.builds(SecretStr, texts),
    born=st.none() | st.dates(),
    colour=st.sampled_from(Colour),
    tags=st.lists(texts, max_size=3),
    home=st.none() | addresses,
    others=st.lists(addresses, max_size=3),
)


class TestRoundTrip:
    @given(instance=instances)
    def test_an_instance_comes_back_from_dictionaries_and_from_json(
        self, instance: Patient, patients: ProtectedModel[Patient]
    ) -> None:
        assert patients.decrypt(patients.encrypt(instance)) == instance
        assert patients.decrypt_json(patients.encrypt_json(instance)) == instance

    def test_all_that_is_protected_is_ciphertext(self, patients: ProtectedModel[Patient]) -> None:
        instance = Patient(pin=SecretStr("1234"), born=date(1980, 2, 29), home=Address(street="Elm"), tags=["vip"])
        stored = patients.encrypt_json(instance)
        texts = (SSN, "1980-", "ann@", '"1234"', '"Elm"', '"vip"', '"red"')  # short ones also occur in ciphertext
        assert not [text for text in texts if text in stored]
        assert json.loads(stored)["clinic_id"] == "north"

    def test_what_is_computed_is_not_stored(self, patients: ProtectedModel[Patient]) -> None:
        """It can be made of protected values."""
        assert "initials" not in patients.encrypt(Patient())

    def test_many_come_back_in_order(self, patients: ProtectedModel[Patient]) -> None:
        several = [Patient(id=UUID(int=number)) for number in range(3)]
        assert patients.decrypt_many(patients.encrypt_many(several)) == several

    def test_a_note_says_which_of_many_is_refused(self, patients: ProtectedModel[Patient]) -> None:
        with pytest.raises(TypeError) as wrong:
            patients.encrypt_many([Patient(), Address(street="Elm")])  # type: ignore[list-item]
        with pytest.raises(DecryptionError) as refused:
            patients.decrypt_many([patients.encrypt(Patient()), {"ssn": SSN}])
        assert [caught.value.__notes__[-1] for caught in (wrong, refused)] == ["at position 1, counted from 0"] * 2

    def test_tags_are_stored_and_found_by(self, patients: ProtectedModel[Patient]) -> None:
        assert patients.encrypt(Patient())["email_tag"] in patients.record.tags("email", "ANN@example.org")

    def test_a_key_is_the_same_as_python_and_as_json_has_it(self, encryptor: Encryptor) -> None:
        """Enum members and decimal numbers are spelled in another way there."""

        class Order(BaseModel):
            number: Decimal
            colour: Colour
            note: Annotated[str, Protected(storage="text")]

        orders = ProtectedModel(Order, "orders", encryptor, key=("number", "colour"))
        order = Order(number=Decimal("1.10"), colour=Colour.BLUE, note="secret")
        assert orders.decrypt_json(orders.encrypt_json(order)) == order
        assert orders.decrypt(orders.encrypt(order)) == order


class TestAttacks:
    @pytest.mark.parametrize("member", ["id", "clinic_id"])
    def test_a_value_does_not_decrypt_in_another_record(self, member: str, patients: ProtectedModel[Patient]) -> None:
        stored = patients.encrypt(Patient())
        other = patients.encrypt(Patient(id=UUID(int=8), clinic_id="south"))
        with pytest.raises(DecryptionError):
            patients.decrypt({**stored, member: other[member]})

    def test_a_caller_gets_instances_of_its_tenant_only(self, patients: ProtectedModel[Patient]) -> None:
        with pytest.raises(DecryptionError):
            patients.decrypt(patients.encrypt(Patient()), tenant="south")

    def test_plaintext_is_refused(self, patients: ProtectedModel[Patient]) -> None:
        with pytest.raises(DecryptionError) as caught:
            patients.decrypt({**patients.encrypt(Patient()), "ssn": SSN})
        assert SSN not in str(caught.value)

    @pytest.mark.parametrize("stored", ["", "[]", "null", "{", b"\xff", '"fc1."'])
    def test_what_is_no_json_object_is_refused(self, stored: str | bytes, patients: ProtectedModel[Patient]) -> None:
        with pytest.raises(DecryptionError):
            patients.decrypt_json(stored)

    def test_nothing_of_a_value_that_does_not_fit_is_told(self, encryptor: Encryptor) -> None:
        """The model has become stricter since; its validators may put values into their messages."""

        class Strict(BaseModel):
            id: UUID = UUID(int=7)
            ssn: Annotated[str, Protected(name="patients.ssn", storage="text"), Field(max_length=3)]

        class Loose(BaseModel):
            id: UUID = UUID(int=7)
            ssn: Annotated[str, Protected(name="patients.ssn", storage="text")]

        loose, strict = (ProtectedModel(model, model.__name__, encryptor, key="id") for model in (Loose, Strict))
        with pytest.raises(DecryptionError, match=r"ssn \(string_too_long\)") as caught:
            strict.decrypt(loose.encrypt(Loose(ssn=SSN)))
        error: BaseException | None = caught.value
        while error is not None:
            assert SSN not in f"{error!r} {error}"
            error = error.__cause__ or error.__context__

    def test_an_instance_of_a_class_that_protects_more_is_refused(self, patients: ProtectedModel[Patient]) -> None:
        """Its further values would be stored as plaintext."""

        class Secret(Address):
            door_code: Annotated[str, Protected()] = "1234"

        with pytest.raises(PlaintextRefusedError, match="door_code"):
            patients.encrypt(Patient.model_construct(**{**dict(Patient()), "home": Secret(street="Elm")}))


class TestRepr:
    def test_no_protected_value_is_in_it(self, patients: ProtectedModel[Patient]) -> None:
        shown = repr(Patient(home=Address(street="Elm", city="Oslo"))) + str(Patient())
        assert not [word for word in (SSN, "Elm", "ann@") if word in shown]
        assert "Oslo" in shown

    def test_the_text_of_a_validation_error_has_no_input(self, patients: ProtectedModel[Patient]) -> None:
        for make in (lambda: Patient(ssn=f"{SSN}-{SSN}"), lambda: Address(street=[SSN])):  # type: ignore[arg-type]
            with pytest.raises(ValueError, match="string") as caught:
                make()
            assert SSN not in str(caught.value)


@dataclass
class Plain:
    secret: Annotated[str, Protected()]


class Typed(TypedDict):
    secret: Annotated[str, Protected()]


class Node(BaseModel):
    secret: Annotated[str, Protected()]
    children: list[Node] = []


class TestDeclarations:
    @pytest.mark.parametrize(
        "annotation",
        [
            dict[str, Address],
            set[Annotated[str, Protected()]],
            tuple[Address, str],
            Address | Colour,
            Plain,
            Typed,
            Node,
        ],
        ids=str,
    )
    def test_what_no_path_leads_to_is_refused(self, annotation: Any, encryptor: Encryptor) -> None:
        """Else it would be stored as plaintext."""
        with pytest.raises(ConfigurationError, match="path"):
            ProtectedModel(declared(annotation), "declared", encryptor)

    @pytest.mark.parametrize("annotation", [Annotated[AnyUrl, Protected()], Annotated[str | int, Protected()]], ids=str)
    def test_a_type_that_cannot_be_encrypted_is_refused(self, annotation: Any, encryptor: Encryptor) -> None:
        with pytest.raises(ConfigurationError, match="cannot be encrypted"):
            ProtectedModel(declared(annotation), "declared", encryptor)

    def test_a_type_can_be_said_instead(self, encryptor: Encryptor) -> None:
        model = declared(Annotated[str | None, Protected(str)])
        assert ProtectedModel(model, "said", encryptor).record.fields["value"].type is str

    def test_a_validator_can_make_a_type_that_can_be_encrypted(self, encryptor: Encryptor) -> None:
        """As the refusal of the type says."""
        with pytest.raises(ConfigurationError, match=r"Annotated\[…, AfterValidator\(str\), Protected\(str\)\]"):
            ProtectedModel(declared(Annotated[AnyUrl, Protected()]), "refused", encryptor)
        model = declared(Annotated[AnyUrl, AfterValidator(str), Protected(str)])
        models, site = ProtectedModel(model, "sites", encryptor), model.model_validate({"value": "https://example.org"})
        assert models.decrypt(models.encrypt(site)) == site

    @pytest.mark.parametrize("annotation", [SecretStr, list[SecretStr], SecretStr | None], ids=str)
    def test_a_secret_that_is_not_protected_is_refused(self, annotation: Any, encryptor: Encryptor) -> None:
        with pytest.raises(ConfigurationError, match="stored as plaintext"):
            ProtectedModel(declared(annotation), "declared", encryptor)

    def test_a_sequence_is_a_list(self, encryptor: Encryptor) -> None:
        record = ProtectedModel(declared(Sequence[Address]), "sequence", encryptor).record
        assert list(record.fields) == ["value[].street"]

    def test_a_model_that_protects_nothing_is_refused(self, encryptor: Encryptor) -> None:
        with pytest.raises(ConfigurationError, match="protects nothing"):
            ProtectedModel(declared(str), "declared", encryptor)

    def test_a_key_that_is_no_field_is_refused(self, encryptor: Encryptor) -> None:
        with pytest.raises(ConfigurationError, match="no field 'number'"):
            ProtectedModel(Patient, "another", encryptor, key="number")

    def test_json_needs_text(self, encryptor: Encryptor) -> None:
        model = declared(Annotated[str, Protected()])
        with pytest.raises(ConfigurationError, match='value needs Protected\\(storage="text"\\)'):
            ProtectedModel(model, "binary", encryptor).encrypt_json(model(value="x"))
