"""Every way to encrypt or decrypt a value counts it once, in Python and natively; what is refused does not count."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model
from sqlalchemy import Integer, String, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    Field,
    LocalKeyProvider,
    MemoryKeyStore,
    ProtectedRecord,
    ValueStats,
)
from fieldcrypt.columns.arrow import decrypt_column, encrypt_column
from fieldcrypt.format.aead import LONG
from fieldcrypt.mixed_mode import Accepted, MixedField, PreviousField
from fieldcrypt.spi import FieldGroup, encrypt_fields
from fieldcrypt_dynamodb import ProtectedTable
from fieldcrypt_pynamodb import EncryptedAttribute
from fieldcrypt_pynamodb import encrypted as dynamodb_encrypted
from fieldcrypt_sqlalchemy import Encrypted, encrypted
from tests.support.backends import BACKENDS

TENANTS = (None, "clinic-7", "clinic-8")
TEXTS = ("a", "a" * (LONG + 1))


@pytest.fixture(params=BACKENDS)
def counting(request: pytest.FixtureRequest) -> Encryptor:
    """An Encryptor that counts."""
    return new(request.param)


def new(backend: str) -> Encryptor:
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore(), backend=backend, count_values=True)


def counts(encryptor: Encryptor) -> dict[tuple[str, str | None], tuple[int, int]]:
    return {key: (count.decrypted, count.encrypted) for key, count in encryptor.stats().values.items()}


Path = Callable[[Encryptor, Field[str], str | None, list[str]], None]


def singly(encryptor: Encryptor, field: Field[str], tenant: str | None, values: list[str]) -> None:
    for value in values:
        assert field.decrypt(memoryview(field.encrypt(value, tenant=tenant)), tenant=tenant) == value  # type: ignore[arg-type]


def together(encryptor: Encryptor, field: Field[str], tenant: str | None, values: list[str]) -> None:
    sealed = field.encrypt_many([*values, None], tenant=tenant)
    assert field.decrypt_many(sealed, tenant=tenant) == [*values, None]


def each_its_own(encryptor: Encryptor, field: Field[str], tenant: str | None, values: list[str]) -> None:
    contexts = [{"number": str(number)} for number in range(len(values))]
    tenants = None if tenant is None else [tenant] * len(values)
    sealed = field.encrypt_many(values, tenant=tenants, context=contexts)
    assert field.decrypt_many(sealed, tenant=tenants, context=contexts) == values


def read(encryptor: Encryptor, field: Field[str], tenant: str | None, values: list[str]) -> None:
    reader = field.reader(tenant)
    assert [reader(field.encrypt(value, tenant=tenant)) for value in values] == values


def quietly(encryptor: Encryptor, field: Field[str], tenant: str | None, values: list[str]) -> None:
    quiet = field.quiet
    assert [quiet.decrypt(quiet.encrypt(value, tenant=tenant)) for value in values] == values


def mixed(encryptor: Encryptor, field: Field[str], tenant: str | None, values: list[str]) -> None:
    mixed = MixedField(encryptor, field, Accepted(in_days(3)))
    assert [mixed.decrypt(field.encrypt(value, tenant=tenant)) for value in values] == values
    assert mixed.decrypt("plaintext") == "plaintext"


def column(encryptor: Encryptor, field: Field[str], tenant: str | None, values: list[str]) -> None:
    cells = pa.array([None, *values], pa.string())
    sealed = encrypt_column(field, cells, tenant=tenant)
    assert decrypt_column(field, sealed, tenant=tenant) == cells


PATHS: list[Path] = [singly, together, each_its_own, read, quietly, mixed, column]


def in_days(days: int) -> date:
    return datetime.now(UTC).date() + timedelta(days=days)


@pytest.mark.parametrize("backend", BACKENDS)
@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from(PATHS), st.sampled_from(TENANTS), st.lists(st.sampled_from(TEXTS), max_size=30)),
        max_size=6,
    )
)
def test_every_path_of_a_field(backend: str, steps: list[tuple[Path, str | None, list[str]]]) -> None:
    """In any order, for any tenants: as many as there were."""
    encryptor = new(backend)
    field = encryptor.field("patients.ssn", str)
    expected: dict[tuple[str, str | None], tuple[int, int]] = {}
    for path, tenant, values in steps:
        path(encryptor, field, tenant, values)
        decrypted, encrypted = expected.get((field.name, tenant), (0, 0))
        if values:
            expected[field.name, tenant] = decrypted + len(values), encrypted + len(values)
    assert counts(encryptor) == expected


@pytest.mark.parametrize("type_", [str, bytes, int, dict, object], ids=lambda type_: type_.__name__)
@pytest.mark.parametrize("long", [False, True])
def test_a_value_of_another_type_is_not_one(counting: Encryptor, type_: Any, long: bool) -> None:
    """It is authentic, and refused: by `decrypt`, by a reader, which tries twice, by a column."""
    written: Any = datetime(2026, 2, 28, tzinfo=UTC) if not long else [b"a" * (LONG + 1)]
    data = counting.field("patients.ssn", type(written)).encrypt(written)
    if type_ is object:
        return  # which reads it
    field = counting.field("patients.ssn", type_)
    for attempt in (field.decrypt, field.reader(), field.quiet.decrypt, lambda one: field.decrypt_many([one])):
        with pytest.raises(DecryptionError):
            attempt(data)
    if type_ is not dict:
        with pytest.raises(DecryptionError):
            decrypt_column(field, pa.array([data], pa.binary()))
    assert counts(counting) == {("patients.ssn", None): (0, 1)}


def test_a_forged_value_does_not_count(counting: Encryptor) -> None:
    """Nor one that is cut, whose nonce is incomplete."""
    field = counting.field("patients.ssn", str)
    data = field.encrypt("078-05-1120")
    for forged in (data[:-1], data[:-1] + bytes((data[-1] ^ 1,)), data[:30], b""):
        for attempt in (field.decrypt, field.reader()):
            with pytest.raises(DecryptionError):
                attempt(forged)
    assert counts(counting) == {("patients.ssn", None): (0, 1)}


def test_a_column_with_a_forged_value_counts_what_was_read(counting: Encryptor) -> None:
    """The values before the forged one, once: though a column is first tried as a whole."""
    field = counting.field("patients.ssn", str)
    sealed = field.encrypt_many(["a", "b"])
    with pytest.raises(DecryptionError):
        decrypt_column(field, pa.array([*sealed, sealed[0][:-1]], pa.binary()))
    assert counts(counting) == {("patients.ssn", None): (2, 2)}


def test_a_column_of_many_tenants(counting: Encryptor) -> None:
    """Each tenant's values are theirs, whoever asks for them."""
    field = counting.field("patients.ssn", str)
    tenants = pa.array(["clinic-7", "clinic-8", "clinic-7"])
    sealed = encrypt_column(field, pa.chunked_array([["a", "b", "c"]]), tenant=tenants)
    decrypt_column(field, sealed)
    assert counts(counting) == {("patients.ssn", "clinic-7"): (2, 2), ("patients.ssn", "clinic-8"): (1, 1)}


def test_a_value_of_a_previous_type_counts_once(counting: Encryptor) -> None:
    """Under its name, which is the same: though it is first tried as a value of the present type."""
    then, now = counting.field("patients.born", str), counting.field("patients.born", date)
    previous = PreviousField(then, convert=date.fromisoformat)
    field = MixedField(counting, now, Accepted(readers=[previous], readers_until=in_days(3)))
    assert field.decrypt(then.encrypt("1990-02-28")) == date(1990, 2, 28)
    assert counts(counting) == {("patients.born", None): (1, 1)}


def test_fields_together_count_each_for_itself(counting: Encryptor) -> None:
    """Though all are encrypted by the writer of one."""
    fields = [counting.field(f"patients.{name}", type) for name, type in (("ssn", str), ("born", date), ("more", dict))]
    group, values = FieldGroup(fields), ["078-05-1120", None, {"a": 1}]
    sealed = group.encrypt(values, tenant="clinic-7", context={"number": "1"})
    assert group.decrypt(sealed, tenant="clinic-7", context={"number": "1"}) == values
    encrypt_fields(
        ((field, value, None) for field, value in zip(fields, values, strict=True) if value), tenant="clinic-7"
    )
    once = {(f"patients.{name}", "clinic-7"): (1, 2) for name in ("ssn", "more")}
    assert counts(counting) == once


def test_records(counting: Encryptor) -> None:
    """Members at the top, and in lists."""
    fields: Any = {"ssn": str, "phones[kind].number": str}
    records = ProtectedRecord("patients", counting, key="id", tenant="clinic", fields=fields)
    phones = [{"kind": "home", "number": "555-0100"}, {"kind": "work", "number": "555-0101"}]
    record = {"id": 1, "clinic": "north", "ssn": "078-05-1120", "phones": phones}
    assert records.decrypt(records.encrypt(record)) == record
    assert {key[0]: count for key, count in counts(counting).items()} == {
        "patients.ssn": (1, 1),
        "patients.phones": (2, 2),
    }


@pytest.mark.parametrize("row", [None, "id"])
def test_rows_of_sqlalchemy(counting: Encryptor, row: str | None) -> None:
    """Columns that are bound to their row, read as objects; and others, read as objects and as columns."""

    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        __tablename__ = "patients"
        id = mapped_column(Integer, primary_key=True, autoincrement=False)
        ssn = mapped_column(Encrypted(String) if row else Encrypted(String, counting))

    if row:
        encrypted(counting, row=row)(Patient)
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Patient(id=number, ssn=f"{number}") for number in range(50)])
        session.commit()
        session.expunge_all()
        read = sorted(int(patient.ssn) for patient in session.scalars(select(Patient)))
        assert read == list(range(50))
        assert counts(counting) == {("patients.ssn", None): (50, 50)}
        session.expunge_all()
        again = (
            [patient.ssn for patient in session.scalars(select(Patient))]
            if row
            else session.scalars(select(Patient.ssn))
        )
        assert sorted(map(int, again)) == read
    assert counts(counting) == {("patients.ssn", None): (100, 50)}


def test_items_of_boto3(counting: Encryptor) -> None:
    """Single values, and those of a list."""
    attributes: Any = {"ssn": str, "born": date, "phones[kind].number": str}
    table = ProtectedTable("patients", counting, key=("id",), tenant="clinic", attributes=attributes)
    phones = [{"kind": "home", "number": "555-0100"}, {"kind": "work", "number": "555-0101"}]
    item = {"id": "1", "clinic": "north", "ssn": "078-05-1120", "born": date(1980, 1, 1), "phones": phones}
    assert table.decrypt_item(table.encrypt_item(item)) == item
    assert {key[0]: count for key, count in counts(counting).items()} == {
        "patients.ssn": (1, 1),
        "patients.born": (1, 1),
        "patients.phones": (2, 2),
    }


@pytest.mark.parametrize("number", [1, 5])
def test_items_of_pynamodb(counting: Encryptor, number: int) -> None:
    """One attribute, and so many that they are encrypted together."""
    meta = type("Meta", (), {"table_name": "patients", "region": "us-east-1"})
    names = [f"secret_{each}" for each in range(number)]
    protected = {name: EncryptedAttribute(UnicodeAttribute()) for name in names}
    members = {"Meta": meta, "id": UnicodeAttribute(hash_key=True), **protected}
    model: Any = dynamodb_encrypted(counting, fields="patients")(type("Patient", (Model,), members))
    read: Any = model.from_raw_data(model("1", **dict.fromkeys(names, "x")).serialize())
    assert [getattr(read, name) for name in names] == ["x"] * number
    assert counts(counting) == {(f"patients.{name}", None): (1, 1) for name in names}


def test_keys_that_come_and_go(counting: Encryptor) -> None:
    """What was counted under a key stays when the key is forgotten, rotated or its readers are too many."""
    field, random = counting.field("patients.ssn", str), Random(7)
    data = [field.encrypt("a", tenant=f"clinic-{number}") for number in range(20)]
    for _ in range(5):
        counting.forget()
        random.shuffle(data)
        assert field.decrypt_many(data) == ["a"] * 20
    assert set(counting.stats().values.values()) == {ValueStats(decrypted=5, encrypted=1)}
