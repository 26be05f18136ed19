"""Whatever Pydantic lets annotations and models be: what is protected in them is encrypted and hidden, or refused."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from ipaddress import IPv6Network
from typing import Annotated, Any, Generic, NamedTuple, NewType, TypeVar
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, Json, RootModel, Secret, SecretStr, create_model
from sqlmodel import Field as SqlField
from sqlmodel import Session, SQLModel, create_engine
from typing_extensions import TypeAliasType

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    LocalKeyProvider,
    MemoryKeyStore,
    PlaintextRefusedError,
)
from fieldcrypt_pydantic import Protected, ProtectedModel

SSN = "078-05-1120"
T = TypeVar("T")
Text = Annotated[str, Protected(storage="text")]
Named = TypeAliasType("Named", Text)
Several = TypeAliasType("Several", list[T], type_params=(T,))
Itself = TypeAliasType("Itself", T, type_params=(T,))
New = NewType("New", Text)


class Colour(Enum):
    RED = "red"


class Address(BaseModel):
    model_config = ConfigDict(frozen=True)

    street: Text


class Whole(RootModel[Text]):
    pass


class Addresses(RootModel[list[Address]]):
    pass


class Box(BaseModel, Generic[T]):
    value: T


@dataclass
class Plain:
    secret: Text


class Row(NamedTuple):
    secret: Text


class Holder(BaseModel):
    note: Text = "note"
    anything: Any = None


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")

    id: int = Field(default=7, alias="number")
    ssn: Text = Field(default=SSN, alias="SSN")


def protected(model: type[BaseModel], **how: Any) -> ProtectedModel[Any]:
    return ProtectedModel(model, "declared", Encryptor(LocalKeyProvider.generate(), MemoryKeyStore()), **how)


@pytest.mark.parametrize(
    ("annotation", "value", "path"),
    [
        (Named, SSN, "value"),
        (Named | None, SSN, "value"),
        (Itself[Text], SSN, "value"),
        (New, SSN, "value"),
        (Text | None, SSN, "value"),
        (list[Text], [SSN], "value[]"),
        (Several[Named], [SSN], "value[]"),
        (Several[Several[Text]], [[SSN]], "value[][]"),
        (Several[Address], [Address(street=SSN)], "value[].street"),
        (Box[Address], Box[Address](value=Address(street=SSN)), "value.value.street"),
        (Box[Text], Box[Text](value=SSN), "value.value"),
        (Whole, Whole(SSN), "value"),
        (list[Whole], [Whole(SSN)], "value[]"),
        (Addresses, Addresses([Address(street=SSN)]), "value[].street"),
        (Annotated[Plain, Protected(dict, storage="text")], Plain(SSN), "value"),
        (Annotated[Secret[str], Protected(str, storage="text")], Secret(SSN), "value"),
    ],
    ids=str,
)
def test_what_is_protected_is_ciphertext_and_in_no_repr(annotation: Any, value: Any, path: str) -> None:
    model = create_model("Declared", value=(annotation, ...))
    models, instance = protected(model), model(value=value)
    assert list(models.record.fields) == [path]
    assert SSN not in models.encrypt_json(instance)
    assert models.decrypt_json(models.encrypt_json(instance)) == instance
    assert SSN not in f"{instance!r} {instance}"


@pytest.mark.parametrize("name", ["a.b", "a[]", "a\\b"])
def test_a_name_may_have_what_paths_are_spelled_with(name: str) -> None:
    model: Any = create_model("Declared", **{name: (Text, ...)})  # type: ignore[call-overload]
    models, instance = protected(model), model(**{name: SSN})
    assert SSN not in models.encrypt_json(instance)
    assert models.decrypt(models.encrypt(instance)) == instance


@pytest.mark.parametrize(
    "value",
    [
        Address(street=SSN),
        {Address(street=SSN)},
        frozenset([Address(street=SSN)]),
        deque([Address(street=SSN)]),
        {"a": [Address(street=SSN)]},
        Plain(SSN),
        Row(SSN),
        SecretStr(SSN),
        [Secret(SSN)],
        Whole(SSN),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_protected_is_refused_where_anything_can_be(value: Any) -> None:
    """A class that does not say what it holds cannot declare it."""
    models = protected(Holder)
    for held in (value, Box(value=value), [value], {"a": value}):
        with pytest.raises(PlaintextRefusedError) as caught:
            models.encrypt(Holder(anything=held))
        assert SSN not in str(caught.value)


def test_an_iterator_is_refused() -> None:
    """JSON would have all that it returns, and nothing has looked at that."""
    model = create_model("Declared", ssn=(Text, SSN), value=(Iterable[Any], ...))
    with pytest.raises(PlaintextRefusedError, match="value is an iterator"):
        protected(model).encrypt_json(model(value=[Address(street=SSN)]))


def test_a_network_is_not_walked_through() -> None:
    held = Holder(anything=IPv6Network("2001:db8::/32"))
    assert protected(Holder).encrypt(held)["anything"] is held.anything


class TestNames:
    def test_an_extra_value_does_not_take_the_place_of_a_field(self) -> None:
        """With aliases it can have its name: what a client sends as `id` would be what values are bound to."""
        models = protected(Open, key="id")
        for extra in ("id", "ssn"):
            with pytest.raises(PlaintextRefusedError, match=extra):
                models.encrypt(Open.model_validate({"number": 1, extra: "8"}))
        instance = Open.model_validate({"number": 1, "note": "x"})
        assert models.decrypt(models.encrypt(instance)) == instance

    def test_a_type_that_is_defined_later_is_looked_up(self) -> None:
        class Early(BaseModel):
            ssn: Text = SSN
            late: Late
            all: list[Late] = []

        models, instance = protected(Early), Early(late=Late(secret=SSN), all=[Late(secret=SSN)])
        assert list(models.record.fields) == ["ssn", "late.secret", "all[].secret"]
        assert models.decrypt(models.encrypt(instance)) == instance

    def test_a_type_that_is_nowhere_is_refused(self) -> None:
        class Early(BaseModel):
            ssn: Text = SSN
            model: Nowhere  # type: ignore[name-defined]  # noqa: F821

        with pytest.raises(ConfigurationError, match="Early names types that are not defined yet"):
            protected(Early)


class Late(BaseModel):
    secret: Text


class TestRefused:
    @pytest.mark.parametrize(
        ("annotation", "said"),
        [
            (Annotated[str, Protected], "brackets"),
            (dict[str, Annotated[str, Protected]], "brackets"),
            (dict[str, SecretStr], "no path"),
            (SecretStr | int, "no path"),
            (Secret[int], "stored as plaintext"),
            (type("Own", (SecretStr,), {}), "stored as plaintext"),
            (Several[dict[str, Text]], "no path"),
            (Json[list[int]], "Json"),
            (Json[Text], "Json"),
            (Annotated[Json, Protected(dict)], "Json"),
        ],
        ids=str,
    )
    def test_an_annotation_that_would_store_plaintext_or_what_cannot_be_read(self, annotation: Any, said: str) -> None:
        with pytest.raises(ConfigurationError, match=said):
            protected(create_model("Declared", ssn=(Text, SSN), value=(annotation, ...)))

    def test_a_protection_as_a_default(self) -> None:
        with pytest.raises(ConfigurationError, match="value has a protection as its default"):
            protected(create_model("Declared", ssn=(Text, SSN), value=(str, Protected())))

    def test_extra_values_that_are_protected(self) -> None:
        class Extra(BaseModel):
            model_config = ConfigDict(extra="allow")
            __pydantic_extra__: dict[str, Text]
            ssn: Text = SSN

        with pytest.raises(ConfigurationError, match="extra values of Extra"):
            protected(Extra)

    def test_members_of_an_enum_that_are_values(self) -> None:
        class Values(BaseModel):
            model_config = ConfigDict(use_enum_values=True)
            colour: Annotated[Colour, Protected()]

        with pytest.raises(ConfigurationError, match="use_enum_values"):
            protected(Values)

    def test_a_table_of_sqlmodel(self) -> None:
        """Its database would have plaintext."""

        class Row(SQLModel, table=True):
            __tablename__ = "pydantic_rows"
            id: int = SqlField(primary_key=True)
            ssn: Text

        with pytest.raises(ConfigurationError, match="protected_field"):
            protected(Row)

    def test_a_model_without_members(self) -> None:
        with pytest.raises(ConfigurationError, match="a record has members"):
            protected(Addresses)


class TestShown:
    def test_a_subclass_from_before_the_declaration_shows_no_values_either(self) -> None:
        class Person(BaseModel):
            ssn: Text

        class Patient(Person):
            ward: str = ""

        protected(Person)
        assert repr(Patient(ssn=SSN)) == "Patient(ward='')"
        with pytest.raises(ValueError, match="string") as caught:
            Patient(ssn=[SSN])  # type: ignore[arg-type]
        assert SSN not in str(caught.value)

    def test_any_model_can_be_in_a_field(self) -> None:
        """BaseModel itself cannot be rebuilt."""
        assert protected(create_model("Declared", ssn=(Text, SSN), other=(BaseModel, ...))).record.fields

    def test_no_key_in_a_protected_dictionary_is_told(self) -> None:
        whole = Protected(name="x.value", storage="text")
        strict = create_model("Strict", value=(Annotated[dict[str, Annotated[int, Field(lt=1)]], whole], ...))
        loose = create_model("Loose", value=(Annotated[dict[str, int], whole], ...))
        encryptor = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
        stored = ProtectedModel(loose, "loose", encryptor).encrypt(loose(value={SSN: 5}))
        with pytest.raises(DecryptionError, match=r"does not fit Strict: value \(less_than\)"):
            ProtectedModel(strict, "strict", encryptor).decrypt(stored)

    def test_a_key_that_does_not_fit_is_named(self) -> None:
        models = protected(create_model("Declared", ssn=(Text, SSN), id=(UUID, ...)), key="id")
        with pytest.raises(DecryptionError, match=r"does not fit Declared: id \(uuid_parsing\)"):
            models.decrypt({"id": "7", "ssn": "fc1."})


class TestReadAgain:
    def test_a_strict_model(self) -> None:
        """Stores have no tuples, and stores of text no dates."""

        class Strict(BaseModel):
            model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
            id: UUID = Field(strict=True)
            ssn: Text = SSN
            pair: tuple[int, str] = (1, "a")
            seen: datetime = datetime(2026, 1, 1)
            born: Annotated[date, Protected(storage="text")] = date(1980, 2, 29)

        models, instance = protected(Strict, key="id"), Strict(id=UUID(int=7))
        assert models.decrypt(models.encrypt(instance)) == instance
        assert models.decrypt_json(models.encrypt_json(instance)) == instance

    def test_a_model_of_sqlmodel_that_is_no_table(self) -> None:
        class Data(SQLModel):
            ssn: Text

        models, instance = protected(Data), Data(ssn=SSN)
        assert models.decrypt_json(models.encrypt_json(instance)) == instance

    def test_an_instance_that_sqlalchemy_has_to_load_first(self) -> None:
        """A committed row has no values in its dictionary."""

        class Data(SQLModel):
            ssn: Text

        class Stored(Data, table=True):
            __tablename__ = "pydantic_stored"
            id: int = SqlField(primary_key=True)

        engine = create_engine("sqlite://")
        Stored.__table__.create(engine)  # type: ignore[attr-defined]
        with Session(engine) as session:
            row = Stored(id=1, ssn=SSN)
            session.add(row)
            session.commit()
            assert protected(Data).encrypt(row).keys() == {"ssn", "id"}
        engine.dispose()

    @pytest.mark.parametrize("data", [b"YQ==", b"\xff\x00"])
    def test_bytes_as_the_model_reads_them_in_json(self, data: bytes) -> None:
        class Base64(BaseModel):
            model_config = ConfigDict(val_json_bytes="base64")
            ssn: Text = SSN
            data: bytes

        models, instance = protected(Base64), Base64(data=data)
        assert models.decrypt_json(models.encrypt_json(instance)) == instance

    @pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
    def test_floats_that_json_lacks(self, number: float) -> None:
        model = create_model("Declared", ssn=(Text, SSN), number=(float | None, ...))
        models = protected(model)
        assert repr(models.decrypt_json(models.encrypt_json(model(number=number)))) == f"Declared(number={number})"

    def test_an_instance_that_was_constructed_without_some_fields(self) -> None:
        stored = protected(Late).encrypt(Late.model_construct())
        assert stored == {}
