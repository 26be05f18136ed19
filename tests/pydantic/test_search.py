"""Searching what models are stored as, by all kinds of indexes."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, SecretStr, create_model

from fieldcrypt import CompoundIndex, ConfigurationError, IndexedBy, PlaintextRefusedError
from fieldcrypt.search import AllEqual, Between, EndsWith, Equal, PartIs, Question, Range, Suffixes, domain
from fieldcrypt_pydantic import Protected, ProtectedModel
from tests.support.encryptors import new_encryptor

BORN = Range(date(1900, 1, 1), date(2100, 1, 1))


class Phone(BaseModel):
    number: Annotated[str, Protected(index=IndexedBy("ends", of=Suffixes(3, 4), accept_leakage=True), storage="text")]


class Patient(BaseModel):
    id: int = 1
    clinic: str = "north"
    name: Annotated[str, Protected(storage="text", index=IndexedBy("name_tag", normaliser="casefold"))] = "Ann Meyer"
    born: Annotated[date, Protected(storage="text", index=IndexedBy("born_range", of=BORN, accept_leakage=True))] = (
        date(1980, 2, 29)
    )
    email: Annotated[SecretStr, Protected(storage="text", index=IndexedBy("email_domain", of=domain()))] = SecretStr(
        "ann@example.org"
    )
    phones: list[Phone] = [Phone(number="030 1234"), Phone(number="030 5678")]


INDEXES = [
    CompoundIndex("who_tag", of={"name": "casefold", "born": None}),
    CompoundIndex("at_tag", of={"clinic": None, "email": domain()}),
]


@pytest.fixture
def patients() -> ProtectedModel[Patient]:
    return ProtectedModel(Patient, "patients", new_encryptor(), key="id", indexes=INDEXES)


ASKED: dict[str, tuple[str, Question, str]] = {
    "equality": ("name", Equal(("ANN MEYER",)), "name_tag"),
    "a range": ("born", Between(date(1980, 2, 1), date(1980, 2, 29)), "born_range_2"),
    "a part": ("email", PartIs("domain", ("example.org",)), "email_domain"),
    "in a list": ("phones[].number", EndsWith("5678"), "ends_4"),
    "several fields": ("who_tag", AllEqual({"name": "ann meyer", "born": date(1980, 2, 29)}), "who_tag"),
    "a plain field": ("at_tag", AllEqual({"clinic": "north", "email": "bob@example.org"}), "at_tag"),
}


@pytest.mark.parametrize("case", ASKED)
def test_an_instance_is_found_and_matches(case: str, patients: ProtectedModel[Patient]) -> None:
    """By its tags in JSON, and then by its values; another instance with the same tags does not match."""
    field, question, companion = ASKED[case]
    stored = json.loads(patients.encrypt_json(Patient()))
    found = patients.search(field, question)
    has: list[Any] = [each.get(companion) for each in (stored, *stored["phones"])]
    assert any(tags in found.tags.get(companion, ()) for tags in has)
    assert found.matches(patients.decrypt_json(json.dumps(stored)))
    other = Patient(name="Bob", born=date(1990, 1, 1), email=SecretStr("b@b.org"), phones=[Phone(number="030 9999")])
    assert not found.matches(patients.decrypt(patients.encrypt(other)))


def test_no_tag_can_be_planted_by_an_instance() -> None:
    """A model that takes whatever a request has would store the tags of somebody else."""

    class Open(BaseModel, extra="allow"):
        id: int
        name: Annotated[str, Protected(index="name_tag")]
        born: Annotated[date, Protected()]

    everybody = ProtectedModel(Open, "everybody", new_encryptor(), key="id", indexes=[INDEXES[0]])
    for companion in ("name_tag", "who_tag"):
        planted = Open.model_validate({"id": 1, "name": "Ann", "born": "1980-02-29", companion: "0" * 32})
        with pytest.raises(PlaintextRefusedError, match=f"{companion} is filled by fieldcrypt"):
            everybody.encrypt(planted)


def test_an_index_is_of_fields_of_the_model() -> None:
    """A mistyped name is an error where it is declared."""
    index = CompoundIndex("who_tag", of={"surname": None, "born": None})
    with pytest.raises(ConfigurationError, match="Patient has no field 'surname'"):
        ProtectedModel(Patient, "patients", new_encryptor(), key="id", indexes=[index])


def test_a_literal_of_few_values_has_no_index_unless_that_is_accepted() -> None:
    """As an enumeration has none."""
    few = Literal["A", "B", "AB", "0"]

    def declare(index: IndexedBy) -> None:
        members: dict[str, Any] = {"id": (int, 1), "blood": (Annotated[few | None, Protected(index=index)], None)}
        ProtectedModel(create_model("Donor", **members), "donors", new_encryptor(), key="id")

    with pytest.raises(ConfigurationError, match="blood: a Literal has so few values"):
        declare(IndexedBy("tag"))
    declare(IndexedBy("tag", accept_low_cardinality=True))
